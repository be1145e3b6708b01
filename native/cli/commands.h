// The commands of `purser`. Each returns the process's exit code (see output.h).
#ifndef PURSER_CLI_COMMANDS_H_
#define PURSER_CLI_COMMANDS_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/args.h"

namespace purser::cli {

struct Entry {
  Command command;
  std::function<int(const Args&)> run;
};

// Turns a command that returns a status into one that prints it and exits with its code.
std::function<int(const Args&)> Printing(absl::StatusOr<int> (*run)(const Args&));

std::vector<Entry> RequestCommands();
std::vector<Entry> HoldingCommands();
std::vector<Entry> OperatorCommands();
std::vector<Entry> BlueprintCommands();
std::vector<Entry> CostCommands();
std::vector<Entry> AggregateCommands();  // costs without purserd
std::vector<Entry> CostMeaningCommands();
std::vector<Entry> CostExplainCommands();
std::vector<Entry> CostHistoryCommands();
std::vector<Entry> RenderCommands();
std::vector<Entry> TerraformCommands();
std::vector<Entry> CatalogCommands();

// Completion scripts made from the commands' own descriptions; "" for an unknown shell.
std::string CompletionScript(const std::string& shell, const std::vector<Entry>& entries);

}  // namespace purser::cli

#endif  // PURSER_CLI_COMMANDS_H_
