// Values given on the command line: a YAML file and single NAME=VALUE pairs.
#ifndef PURSER_CLI_VALUES_H_
#define PURSER_CLI_VALUES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/args.h"
#include "nlohmann/json.hpp"

namespace purser::cli {

// The map in the file that option `file_option` names (at most 16 MiB), with each --set on top; a
// --set value is read as YAML, so that numbers and booleans keep their type.
absl::StatusOr<nlohmann::json> ReadValues(const Args& args, absl::string_view file_option);

}  // namespace purser::cli

#endif  // PURSER_CLI_VALUES_H_
