#include "tests/faults/ledger_connector.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::faults {

using connectors::CallClass;
using connectors::CallContext;
using connectors::CallResult;
using nlohmann::json;

LedgerConnector::LedgerConnector(std::string file) : file_(std::move(file)) {
  const auto add = [this](const char* name, CallClass call_class, const char* undo) {
    connectors::Operation operation;
    operation.name = name;
    operation.description = "for tests";
    operation.call_class = call_class;
    operation.input_schema = {{"type", "object"}};
    operation.output_schema = {{"type", "object"}};
    operation.compensation = undo;
    operations_.push_back(std::move(operation));
  };
  add("put", CallClass::kPut, "undo");
  add("keyed", CallClass::kKeyed, "undo");
  add("probe", CallClass::kProbe, "undo");
  add("slow", CallClass::kKeyed, "undo");
  add("unsafe", CallClass::kUnsafe, "");
  add("blind", CallClass::kPut, "");
  add("fail", CallClass::kPut, "");
  add("undo", CallClass::kKeyed, "");
}

std::vector<std::string> ReadLedger(const std::string& file) {
  std::vector<std::string> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

absl::Status LedgerConnector::Append(absl::string_view line, bool unless_there) {
  const int fd = open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, file_);
  flock(fd, LOCK_EX);
  absl::Status status;
  const std::vector<std::string> lines = ReadLedger(file_);
  const bool there = std::find(lines.begin(), lines.end(), std::string(line)) != lines.end();
  if (!there || !unless_there) {
    const std::string text = absl::StrCat(line, "\n");
    if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      status = base::ErrnoStatus(errno, file_);
    }
  }
  close(fd);
  return status;
}

absl::StatusOr<CallResult> LedgerConnector::Call(absl::string_view operation, const json&,
                                                 CallContext& context) {
  if (operation == "fail") return absl::InvalidArgumentError("told to fail");
  const bool deduplicates = operation == "keyed" || operation == "slow" || operation == "undo";
  PURSER_RETURN_IF_ERROR(Append(absl::StrCat(operation, " ", context.effect_key()), deduplicates));
  CallResult result;
  result.outputs = {{"key", context.effect_key()}};
  result.resources.push_back({absl::StrCat("urn:ledger:", context.effect_key()), "line",
                              std::string(operation), json::object()});
  if (operation == "slow") {
    result.ready = false;
    result.poll_after = absl::Milliseconds(2);
    result.progress = "looks to go: 2";
  }
  if (operation == "undo") result.resources.clear();
  return result;
}

absl::StatusOr<std::optional<CallResult>> LedgerConnector::Probe(absl::string_view operation,
                                                                 const json&,
                                                                 CallContext& context) {
  const std::vector<std::string> lines = ReadLedger(file_);
  const std::string line = absl::StrCat(operation, " ", context.effect_key());
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) return std::nullopt;
  CallResult result;
  result.outputs = {{"key", context.effect_key()}};
  return result;
}

absl::StatusOr<CallResult> LedgerConnector::Observe(absl::string_view, const json&,
                                                    const CallResult& previous, CallContext&) {
  CallResult result = previous;
  result.ready = previous.progress == "looks to go: 1";
  result.progress = result.ready ? "" : "looks to go: 1";
  return result;
}

}  // namespace purser::faults
