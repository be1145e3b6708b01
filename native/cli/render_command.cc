#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/values.h"
#include "template/line_protocol.h"
#include "template/template.h"
#include "template/tree.h"

namespace purser::cli {
namespace {

// One JSON case a line in, one answer a line out, until the input ends.
int LineProtocol() {
  std::string line;
  while (std::getline(std::cin, line)) {
    // Flushed a line at a time: the other side waits for each answer.
    std::cout << tmpl::AnswerLine(line) << std::endl;
  }
  return kOk;
}

absl::StatusOr<int> RenderTo(const Args& args) {
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(2, 2, "render SOURCE TARGET [--values FILE] [--set NAME=VALUE]…"));
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json values, ReadValues(args, "values"));
  PURSER_ASSIGN_OR_RETURN(const base::Directory source, base::Directory::Open(args.words()[0]));
  PURSER_ASSIGN_OR_RETURN(const base::Directory target, base::Directory::Create(args.words()[1]));
  tmpl::TreeOptions options;
  options.cookiecutter_compat = args.Has("cookiecutter");
  options.trim_blocks = args.Has("trim-blocks");
  options.lstrip_blocks = args.Has("lstrip-blocks");
  options.replace = args.Has("replace");
  options.copy_without_templating = args.All("copy");
  options.template_file_extension = args.Get("extension");
  // As fetch:template: the values are all a template sees.
  PURSER_ASSIGN_OR_RETURN(
      const tmpl::Context context,
      tmpl::Context::FromJson(nlohmann::json::object(
          {{options.cookiecutter_compat ? "cookiecutter" : "values", values}})));
  const bool shows_progress = IsTerminal() && !args.Has("json");
  PURSER_ASSIGN_OR_RETURN(
      const tmpl::TreeCounts counts,
      tmpl::RenderTree(source, target, "", context, options, {}, [&](int64_t done) {
        if (shows_progress && done % 100 == 0) std::cout << "\r" << done << " files" << std::flush;
      }));
  if (shows_progress) std::cout << "\r";
  if (args.Has("json")) {
    PrintJson({{"files", counts.files},
               {"folders", counts.folders},
               {"bytes", counts.bytes},
               {"rendered", counts.rendered},
               {"copied", counts.copied},
               {"skipped", counts.skipped},
               {"paths", counts.paths}});
  } else {
    std::cout << counts.files << " files (" << counts.rendered << " rendered, " << counts.copied
              << " copied, " << counts.skipped << " skipped), " << counts.bytes << " bytes\n";
  }
  return kOk;
}

absl::StatusOr<int> Render(const Args& args) {
  if (!args.Has("line-protocol")) return RenderTo(args);
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "render --line-protocol"));
  return LineProtocol();
}

}  // namespace

std::vector<Entry> RenderCommands() {
  return {{{"render",
            "SOURCE TARGET",
            "render a template tree into a folder",
            {{"values", "FILE", "YAML or JSON file with the values"},
             {"set", "NAME=VALUE", "one value; may be repeated", true},
             {"copy", "GLOB", "files whose contents are copied as they are; may be repeated", true},
             {"extension", "SUFFIX", "only files with this suffix are rendered, and lose it"},
             {"cookiecutter", "", "cookiecutter's syntax: {{ }}, values under `cookiecutter`"},
             {"trim-blocks", "", "drop the newline behind a block tag"},
             {"lstrip-blocks", "", "drop the blanks before a block tag"},
             {"replace", "", "overwrite files that are there"},
             {"line-protocol", "", "one JSON case a line in, one answer a line out"},
             {"json", "", "print JSON"},
             {"help", "", "show this help"}}},
           Printing(Render)}};
}

}  // namespace purser::cli
