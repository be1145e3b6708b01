// What the program prints: tables for people, JSON for programs, and the exit codes.
#ifndef PURSER_CLI_OUTPUT_H_
#define PURSER_CLI_OUTPUT_H_

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace purser::cli {

// Documented in docs/cli.md; scripts rely on them.
enum ExitCode {
  kOk = 0,
  kEndedBadly = 1,    // the request failed, was cancelled or needs an operator
  kUsage = 2,         // the command line is wrong
  kUnreachable = 3,   // purserd does not answer
  kRefused = 4,       // the input or the state does not allow it
  kNotFound = 5,      // no such request, entity, file
  kInternal = 6,      // anything else
  kInterrupted = 130  // Ctrl-C
};
int ExitCodeOf(const absl::Status& status);

// A message as JSON: lowerCamelCase names; fields that hold JSON texts ("parametersJson") become
// values under the shorter name ("parameters").
nlohmann::json ToJson(const google::protobuf::Message& message);

// Columns are as wide as their widest cell; text from outside is escaped.
void PrintTable(const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows);
void PrintJson(const nlohmann::json& value);
// "purser: <message>" on standard error; with `as_json` {"error": {...}} on standard output.
int PrintError(const absl::Status& status, bool as_json);

// True when standard output is a terminal: then progress may be coloured and overwritten.
bool IsTerminal();

}  // namespace purser::cli

#endif  // PURSER_CLI_OUTPUT_H_
