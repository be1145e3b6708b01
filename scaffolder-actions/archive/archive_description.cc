#include "scaffolder-actions/archive/archive_description.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scaffolder-actions/file_support.h"
#include "template/glob.h"

namespace purser::actions {
namespace {

nlohmann::json Count(const char* title, int example) {
  return {{"type", "integer"}, {"minimum", 0}, {"title", title}, {"examples", {example}}};
}

nlohmann::json CountsSchema() {
  return {{"type", "object"},
          {"required", {"files", "bytes"}},
          {"properties",
           {{"files", Count("Files and links", 3)},
            {"bytes", Count("Their bytes", 2048)},
            {"path",
             {{"type", "string"},
              {"title", "Path"},
              {"description", "The archive, or the folder it was unpacked into."},
              {"examples", {"dist/site.zip"}}}}}}};
}

std::string Example(const char* action, const char* input) {
  return absl::StrCat("steps:\n  - id: archive\n    name: Archive\n    action: ", action,
                      "\n    input:\n", input);
}

}  // namespace

action::Description DescribePack(ArchiveForm form) {
  const bool zip = form == ArchiveForm::kZip;
  const char* id = zip ? "purser:files:zip" : "purser:files:tar";
  nlohmann::json path = FilePathProperty(zip ? "The archive to write."
                                             : "The archive to write; with .gz or .tgz at "
                                               "its end it is compressed.");
  nlohmann::json source = FilePathProperty("Folder of the workspace to pack.");
  source["default"] = ".";
  nlohmann::json exclude =
      FileProperty("array", "Leave out", "Path patterns of what is not packed.");
  exclude["items"] = {{"type", "string"}, {"minLength", 1}, {"maxLength", tmpl::kMaxGlobBytes}};
  exclude["maxItems"] = tmpl::kMaxGlobPatterns;
  action::Description description;
  description.id = id;
  description.description = absl::StrCat(
      "Packs a folder of the workspace as ", zip ? "a zip" : "a tar",
      " archive: sorted, with fixed times and owners, so that equal files give equal bytes. .git "
      "and links that lead out are left alone.");
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema =
      ObjectSchema({{"path", std::move(path)},
                    {"sourcePath", std::move(source)},
                    {"exclude", std::move(exclude)},
                    {"prefix", FileProperty("string", "Prefix", "Folder in the archive.")}},
                   {"path"});
  description.output_schema = CountsSchema();
  const char* end = zip ? "zip" : "tar.gz";
  description.examples = {
      {"Pack a folder.",
       Example(id,
               absl::StrCat("      path: dist/site.", end, "\n      sourcePath: site\n").c_str())},
      {"Pack all but some files.",
       Example(id,
               absl::StrCat("      path: sources.", end,
                            "\n      exclude:\n        - node_modules/**\n        - \"**/*.log\"\n")
                   .c_str())},
      {"Pack below a folder of its own.",
       Example(id, absl::StrCat("      path: release.", end,
                                "\n      sourcePath: build\n      prefix: ${{ parameters.name }}\n")
                       .c_str())}};
  return description;
}

action::Description DescribeUnpack(ArchiveForm form) {
  const bool zip = form == ArchiveForm::kZip;
  const char* id = zip ? "purser:files:unzip" : "purser:files:untar";
  nlohmann::json target = FilePathProperty("Folder of the workspace to unpack into.");
  target["default"] = ".";
  nlohmann::json strip =
      FileProperty("integer", "Strip", "How many leading folders of each path are left out.");
  strip["minimum"] = 0;
  strip["maximum"] = 20;
  strip["default"] = 0;
  action::Description description;
  description.id = id;
  description.description = absl::StrCat(
      "Unpacks ", zip ? "a zip archive" : "a tar archive, plain or compressed by gzip,",
      " of the workspace, wholly or not at all. Paths and links that lead out, special files and "
      "bombs are refused.");
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = ObjectSchema(
      {{"path", FilePathProperty("The archive.")},
       {"targetPath", std::move(target)},
       {"strip", std::move(strip)},
       {"replace", SwitchProperty("Replace", "Overwrite files that say something else.", false)}},
      {"path"});
  description.output_schema = CountsSchema();
  const char* end = zip ? "zip" : "tar.gz";
  description.examples = {
      {"Unpack into a folder.",
       Example(id, absl::StrCat("      path: site.", end, "\n      targetPath: site\n").c_str())},
      {"Leave out the folder at the top.",
       Example(id, absl::StrCat("      path: sources.", end, "\n      strip: 1\n").c_str())},
      {"Unpack over what is there.",
       Example(id, absl::StrCat("      path: update.", end,
                                "\n      targetPath: app\n      replace: true\n")
                       .c_str())}};
  return description;
}

}  // namespace purser::actions
