// purser — the command line of Purser: talks to purserd, renders templates, aggregates billing
// files.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace purser::cli {

namespace {

int UsageError(const std::string& message) {
  std::cerr << "purser: " << message << std::endl;
  return kUsage;
}

void PrintHelp(const std::vector<Entry>& entries) {
  std::cout << "usage: purser COMMAND [ARGUMENTS] [--json] [--help]\n\n";
  for (const Entry& entry : entries) {
    std::cout << absl::StrFormat("  %-38s %s\n",
                                 absl::StrCat(entry.command.name, " ", entry.command.arguments),
                                 entry.command.help);
  }
  std::cout << absl::StrFormat("  %-38s %s\n", "completion bash|zsh|fish",
                               "print a completion script for the shell")
            << "\nexit codes: 0 done, 1 the request ended badly, 2 wrong usage, 3 purserd does not "
               "answer,\n            4 refused, 5 not found, 6 internal error, 130 interrupted\n";
}

void PrintCommandHelp(const Command& command) {
  std::cout << "usage: purser " << command.name << " " << command.arguments << "\n\n"
            << command.help << "\n\n";
  for (const Option& option : command.options) {
    std::cout << absl::StrFormat(
        "  %-26s %s\n",
        absl::StrCat("--", option.name, option.value.empty() ? "" : " ", option.value),
        option.help);
  }
}

int Run(const std::vector<std::string>& words) {
  std::vector<Entry> entries = RequestCommands();
  for (auto&& group :
       {HoldingCommands(), OperatorCommands(), BlueprintCommands(), CostCommands(),
        AggregateCommands(), CostMeaningCommands(), CostExplainCommands(), CostHistoryCommands(),
        RenderCommands(), TerraformCommands(), CatalogCommands()}) {
    entries.insert(entries.end(), group.begin(), group.end());
  }
  if (words.empty() || words[0] == "--help" || words[0] == "help") {
    PrintHelp(entries);
    return words.empty() ? kUsage : kOk;
  }
  if (words[0] == "--version") {
    std::cout << "purser " PURSER_VERSION << std::endl;
    return kOk;
  }
  if (words[0] == "completion") {
    const std::string script = CompletionScript(words.size() > 1 ? words[1] : "", entries);
    if (script.empty()) {
      return UsageError("usage: purser completion bash|zsh|fish");
    }
    std::cout << script;
    return kOk;
  }
  for (const Entry& entry : entries) {
    const std::vector<std::string> name = absl::StrSplit(entry.command.name, ' ');
    if (words.size() < name.size() || !std::equal(name.begin(), name.end(), words.begin()))
      continue;
    const absl::StatusOr<Args> args = Args::Parse(
        entry.command, {words.begin() + static_cast<std::ptrdiff_t>(name.size()), words.end()});
    if (!args.ok()) return UsageError(std::string(args.status().message()));
    if (args->Has("help")) {
      PrintCommandHelp(entry.command);
      return kOk;
    }
    return entry.run(*args);
  }
  return UsageError(absl::StrCat("no command \"", words[0],
                                 words.size() > 1 ? absl::StrCat(" ", words[1]) : "",
                                 "\"; purser --help lists them"));
}

}  // namespace
}  // namespace purser::cli

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  return purser::cli::Run(std::vector<std::string>(argv + 1, argv + argc));
}
