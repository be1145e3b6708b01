#include "cli/args.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace purser::cli {
namespace {

constexpr char kUsageUrl[] = "purser.dev/usage";

}  // namespace

absl::Status UsageError(std::string message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsageUrl, absl::Cord("1"));
  return status;
}

bool IsUsageError(const absl::Status& status) { return status.GetPayload(kUsageUrl).has_value(); }

absl::StatusOr<Args> Args::Parse(const Command& command, const std::vector<std::string>& words) {
  Args args;
  bool options_ended = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (options_ended || !absl::StartsWith(word, "--")) {
      args.words_.push_back(word);
      continue;
    }
    if (word == "--") {
      options_ended = true;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    const auto option = std::find_if(command.options.begin(), command.options.end(),
                                     [&](const Option& known) { return known.name == name; });
    if (option == command.options.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown option --", name, "; see purser ", command.name, " --help"));
    }
    std::string value;
    if (option->value.empty()) {
      if (equals != std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat("option --", name, " takes no value"));
      }
      value = "true";
    } else if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("option --", name, " needs a value: --", name, " ", option->value));
    }
    std::vector<std::string>& values = args.options_[name];
    if (!values.empty() && !option->repeated) {
      return absl::InvalidArgumentError(absl::StrCat("option --", name, " is given twice"));
    }
    values.push_back(std::move(value));
  }
  return args;
}

bool Args::Has(absl::string_view name) const {
  return options_.find(std::string(name)) != options_.end();
}

std::string Args::Get(absl::string_view name, absl::string_view otherwise) const {
  const auto found = options_.find(std::string(name));
  return found == options_.end() ? std::string(otherwise) : found->second.front();
}

std::vector<std::string> Args::All(absl::string_view name) const {
  const auto found = options_.find(std::string(name));
  return found == options_.end() ? std::vector<std::string>() : found->second;
}

absl::StatusOr<int64_t> Args::Int(absl::string_view name, int64_t otherwise, int64_t low,
                                  int64_t high) const {
  if (!Has(name)) return otherwise;
  int64_t value = 0;
  if (!absl::SimpleAtoi(Get(name), &value) || value < low || value > high) {
    return UsageError(
        absl::StrCat("option --", name, ": must be a number from ", low, " to ", high));
  }
  return value;
}

absl::Status Args::ExpectWords(size_t low, size_t high, absl::string_view usage) const {
  if (words_.size() < low || words_.size() > high) {
    return UsageError(absl::StrCat("usage: purser ", usage));
  }
  return absl::OkStatus();
}

}  // namespace purser::cli
