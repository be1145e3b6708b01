#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"

namespace purser::cli {
namespace {

// "requests create" → options joined; the first words with their second words.
std::string OptionsOf(const Command& command) {
  std::vector<std::string> names;
  for (const Option& option : command.options) names.push_back(absl::StrCat("--", option.name));
  return absl::StrJoin(names, " ");
}

std::map<std::string, std::set<std::string>> Groups(const std::vector<Entry>& entries) {
  std::map<std::string, std::set<std::string>> groups;
  for (const Entry& entry : entries) {
    const std::vector<std::string> words = absl::StrSplit(entry.command.name, ' ');
    std::set<std::string>& second = groups[words[0]];
    if (words.size() > 1) second.insert(words[1]);
  }
  groups["completion"] = {"bash", "zsh", "fish"};
  return groups;
}

std::string Bash(const std::vector<Entry>& entries) {
  const auto groups = Groups(entries);
  std::vector<std::string> first;
  std::string second_cases;
  for (const auto& [name, words] : groups) {
    first.push_back(name);
    absl::StrAppend(&second_cases, "    ", name, ") words=\"", absl::StrJoin(words, " "),
                    "\" ;;\n");
  }
  std::string option_cases;
  for (const Entry& entry : entries) {
    absl::StrAppend(&option_cases, "    \"", entry.command.name, "\"*) words=\"",
                    OptionsOf(entry.command), "\" ;;\n");
  }
  return absl::StrCat(
      "_purser() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
      "  if [[ \"$current\" == --* ]]; then\n"
      "    case \"${COMP_WORDS[*]:1}\" in\n",
      option_cases,
      "    esac\n"
      "  elif [[ $COMP_CWORD == 1 ]]; then\n"
      "    words=\"",
      absl::StrJoin(first, " "),
      "\"\n"
      "  elif [[ $COMP_CWORD == 2 ]]; then\n"
      "    case \"${COMP_WORDS[1]}\" in\n",
      second_cases,
      "    esac\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  [[ ${#COMPREPLY[@]} == 0 && \"$current\" != --* ]] && COMPREPLY=($(compgen -f -- "
      "\"$current\"))\n"
      "}\n"
      "complete -F _purser purser\n");
}

std::string Fish(const std::vector<Entry>& entries) {
  std::string out = "complete -c purser -f\n";
  for (const auto& [name, words] : Groups(entries)) {
    absl::StrAppend(&out, "complete -c purser -n __fish_use_subcommand -a ", name, "\n");
    for (const std::string& word : words) {
      absl::StrAppend(&out, "complete -c purser -n '__fish_seen_subcommand_from ", name, "' -a ",
                      word, "\n");
    }
  }
  for (const Entry& entry : entries) {
    const std::vector<std::string> words = absl::StrSplit(entry.command.name, ' ');
    for (const Option& option : entry.command.options) {
      absl::StrAppend(&out, "complete -c purser -n '__fish_seen_subcommand_from ", words.back(),
                      "' -l ", option.name, option.value.empty() ? "" : " -r", " -d '", option.help,
                      "'\n");
    }
  }
  return out;
}

}  // namespace

std::string CompletionScript(const std::string& shell, const std::vector<Entry>& entries) {
  if (shell == "bash") return Bash(entries);
  // zsh runs bash completions through its own bridge.
  if (shell == "zsh")
    return absl::StrCat("autoload -U +X bashcompinit && bashcompinit\n", Bash(entries));
  if (shell == "fish") return Fish(entries);
  return "";
}

}  // namespace purser::cli
