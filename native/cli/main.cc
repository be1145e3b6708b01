// purser — the command line of Purser: talks to purserd, renders templates, aggregates billing
// files.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace purser::cli {

namespace {

int WrongUsage(absl::string_view message) {
  return PrintError(UsageError(std::string(message)), false);
}

void PrintHelp(const std::vector<Entry>& entries) {
  std::cout << "usage: purser COMMAND [ARGUMENTS] [--json] [--help]\n\n";
  for (const Entry& entry : entries) {
    std::cout << absl::StrFormat("  %-38s %s\n",
                                 absl::StrCat(entry.command.name, " ", entry.command.arguments),
                                 entry.command.help);
  }
  std::cout << "\nexit codes: 0 done, 1 the request ended badly, 2 wrong usage, 3 purserd does not "
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

int Run(std::vector<std::string> words) {
  std::vector<Entry> entries = RequestCommands();
  for (auto&& group :
       {HoldingCommands(), OperatorCommands(), BlueprintCommands(), CostCommands(),
        AggregateCommands(), CostMeaningCommands(), CostExplainCommands(), CostHistoryCommands(),
        RenderCommands(), TerraformCommands(), CatalogCommands()}) {
    entries.insert(entries.end(), group.begin(), group.end());
  }
  // "help costs query" is "costs query --help".
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  if (words.empty() || words[0] == "--help") {
    const Command completion{
        "completion", "bash|zsh|fish", "print a completion script for the shell", {}};
    entries.push_back({completion, nullptr});
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
      return WrongUsage("usage: purser completion bash|zsh|fish");
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
    if (!args.ok()) return WrongUsage(args.status().message());
    if (args->Has("help")) {
      PrintCommandHelp(entry.command);
      return kOk;
    }
    return entry.run(*args);
  }
  // "costs" alone, or with what is none of its commands.
  std::erase_if(entries, [&](const Entry& entry) {
    return !absl::StartsWith(entry.command.name, absl::StrCat(words[0], " "));
  });
  const bool asks = words.size() == 1 || words[1] == "--help";
  if (!entries.empty() && asks) {
    PrintHelp(entries);
    return words.size() == 1 ? kUsage : kOk;
  }
  return WrongUsage(absl::StrCat("no command \"", words[0], words.size() > 1 ? " " : "",
                                 words.size() > 1 ? words[1] : "", "\"; purser ",
                                 entries.empty() ? "" : words[0], entries.empty() ? "" : " ",
                                 "--help lists them"));
}

}  // namespace
}  // namespace purser::cli

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  const int code = purser::cli::Run(std::vector<std::string>(argv + 1, argv + argc));
  std::cout.flush();
  if (std::cout) return code;
  // What was asked for is not where it was to go.
  const absl::Status lost = absl::ResourceExhaustedError("the standard output cannot be written");
  return std::max(code, purser::cli::PrintError(lost, false));
}
