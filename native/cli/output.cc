#include "cli/output.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "absl/strings/match.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "json/json.h"

namespace purser::cli {
namespace {

// Replaces "<name>Json": "<text>" by "<name>": value, at every depth.
nlohmann::json Unwrap(const nlohmann::json& value) {
  if (value.is_array()) {
    nlohmann::json out = nlohmann::json::array();
    for (const nlohmann::json& entry : value) out.push_back(Unwrap(entry));
    return out;
  }
  if (!value.is_object()) return value;
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [name, member] : value.items()) {
    if (member.is_string() && absl::EndsWith(name, "Json")) {
      const std::string& text = member.get_ref<const std::string&>();
      absl::StatusOr<nlohmann::json> parsed = json::Parse(text);
      out[name.substr(0, name.size() - 4)] =
          parsed.ok() ? *std::move(parsed) : nlohmann::json(nullptr);
    } else {
      out[name] = Unwrap(member);
    }
  }
  return out;
}

}  // namespace

int ExitCodeOf(const absl::Status& status) {
  if (IsUsageError(status)) return kUsage;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kOk;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kUnreachable;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kCancelled:
      return kInterrupted;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kResourceExhausted:
      return kRefused;
    default:
      return kInternal;
  }
}

nlohmann::json ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return nullptr;
  absl::StatusOr<nlohmann::json> value = json::Parse(text);
  return value.ok() ? Unwrap(*value) : nlohmann::json(nullptr);
}

void PrintTable(const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> cells = {header};
  for (const std::vector<std::string>& row : rows) {
    std::vector<std::string>& added = cells.emplace_back();
    for (const std::string& cell : row) added.push_back(base::EscapeForDisplay(cell));
  }
  std::vector<size_t> widths(header.size(), 0);
  for (const std::vector<std::string>& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const std::vector<std::string>& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << line << '\n';
  }
  std::cout.flush();
}

void PrintJson(const nlohmann::json& value) { std::cout << json::Dump(value) << std::endl; }

int PrintError(const absl::Status& status, bool as_json) {
  if (as_json) {
    PrintJson({{"error",
                {{"code", std::string(base::CodeName(status.code()))},
                 {"message", std::string(status.message())}}}});
  } else {
    std::cerr << "purser: " << std::string(status.message()) << std::endl;
  }
  return ExitCodeOf(status);
}

std::function<int(const Args&)> Printing(absl::StatusOr<int> (*run)(const Args&)) {
  return [run](const Args& args) {
    const absl::StatusOr<int> code = run(args);
    return code.ok() ? *code : PrintError(code.status(), args.Has("json"));
  };
}

bool IsTerminal() { return isatty(STDOUT_FILENO) == 1; }

}  // namespace purser::cli
