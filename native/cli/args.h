// Command line arguments of the form: options (--name value, --name=value, --flag) and words.
#ifndef PURSER_CLI_ARGS_H_
#define PURSER_CLI_ARGS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::cli {

struct Option {
  std::string name;   // without "--"
  std::string value;  // what stands for the value in help ("FILE"); "" for a flag
  std::string help;
  bool repeated = false;
};

// A command: its words ("requests create"), arguments and options; help and completion are made
// from it.
struct Command {
  std::string name;
  std::string arguments;  // "BLUEPRINT [FILE]"
  std::string help;
  std::vector<Option> options;
};

// INVALID_ARGUMENT of the command line itself: exit code 2.
absl::Status UsageError(std::string message);
bool IsUsageError(const absl::Status& status);

class Args {
 public:
  // INVALID_ARGUMENT for an unknown option, a missing value, or a value given twice. "--" ends
  // options.
  static absl::StatusOr<Args> Parse(const Command& command, const std::vector<std::string>& words);

  bool Has(absl::string_view name) const;
  std::string Get(absl::string_view name, absl::string_view otherwise = "") const;
  std::vector<std::string> All(absl::string_view name) const;
  // INVALID_ARGUMENT unless the value is an integer in [low, high].
  absl::StatusOr<int64_t> Int(absl::string_view name, int64_t otherwise, int64_t low,
                              int64_t high) const;
  const std::vector<std::string>& words() const { return words_; }
  // INVALID_ARGUMENT naming what is missing or too much.
  absl::Status ExpectWords(size_t low, size_t high, absl::string_view usage) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::vector<std::string> words_;
};

}  // namespace purser::cli

#endif  // PURSER_CLI_ARGS_H_
