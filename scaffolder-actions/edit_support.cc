#include "scaffolder-actions/edit_support.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/edit.h"
#include "edit/operations.h"
#include "scaffolder-actions/file_support.h"

namespace purser::actions {
namespace {

using edit::Model;
using edit::Syntax;

const char* const kLists[] = {"replace", "append", "unite"};

nlohmann::json PathOfValue(const char* description) {
  return {{"title", "Place"},
          {"description", description},
          {"anyOf",
           {{{"type", "string"}, {"maxLength", edit::kMaxPathText}},
            {{"type", "array"},
             {"maxItems", edit::kMaxPathSteps},
             {"items", {{"type", {"string", "integer"}}}}}}}};
}

nlohmann::json ListsProperty() {
  return ChoiceProperty("Lists",
                        "Where both sides have a list: the new one stands, its items go behind "
                        "the old ones, or only those that are not there yet.",
                        {std::begin(kLists), std::end(kLists)}, "replace");
}

nlohmann::json OperationSchema() {
  nlohmann::json op = FileProperty(
      "string", "Operation",
      "set, delete, append and merge may be repeated without harm; add, remove, replace, move, "
      "copy and test are those of RFC 6902.");
  op["enum"] = {"set",    "delete",  "append", "merge", "add",
                "remove", "replace", "move",   "copy",  "test"};
  return ObjectSchema(
      {{"op", std::move(op)},
       {"path", PathOfValue("A path (spec.containers[name=web].image), a JSON pointer, or a list "
                            "of names and numbers.")},
       {"from", PathOfValue("Where move and copy take the value from.")},
       {"value", {{"title", "Value"}, {"description", "Any value."}}},
       {"unique", SwitchProperty("Unique", "append only what is not in the list yet.", true)},
       {"lists", ListsProperty()}},
      {"op", "path"});
}

// What all four actions take.
nlohmann::json CommonProperties(Syntax syntax) {
  const bool yaml = syntax == Syntax::kYaml;
  nlohmann::json properties = {
      {"path", FilePathProperty("File of the workspace.")},
      {"create", SwitchProperty("Create", "Begin with an empty file when there is none.", false)}};
  if (yaml) {
    properties["document"] = {
        {"title", "Document"},
        {"description",
         "Which document of a file with several: its number from 0, \"all\", or paths and the "
         "values they must have."},
        {"anyOf",
         {{{"type", "integer"}, {"minimum", 0}, {"maximum", edit::kMaxDocuments - 1}},
          {{"const", "all"}},
          {{"type", "object"}, {"minProperties", 1}, {"maxProperties", 20}}}}};
  }
  return properties;
}

// An error of what an input says, at its pointer.
absl::Status At(const char* pointer, const absl::Status& status) {
  if (status.ok()) return status;
  const absl::string_view message = status.message();
  const bool pointed = !message.empty() && message[0] == '/';
  return absl::Status(status.code(), absl::StrCat(pointer, pointed ? "" : ": ", message));
}

absl::Status Perform(Syntax syntax, action::Context& context, const edit::Change& change,
                     WorkspaceFiles& files) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string path,
                          WorkspacePath(input["path"].get_ref<const std::string&>()));
  edit::Selection selection;
  if (const auto document = input.find("document"); document != input.end()) {
    PURSER_ASSIGN_OR_RETURN(selection, edit::ParseSelection(Model(*document)));
  }
  PURSER_ASSIGN_OR_RETURN(std::optional<std::string> text, files.Read(path, edit::kMaxFileBytes));
  if (!text.has_value()) {
    if (!input.value("create", false)) {
      return absl::NotFoundError(absl::StrCat(
          base::EscapeForDisplay(path),
          ": there is no such file in the workspace; with \"create\" it would be made"));
    }
    text = "";
    selection = {};
  }
  PURSER_ASSIGN_OR_RETURN(
      edit::Edited edited,
      edit::Edit(syntax, *text, base::EscapeForDisplay(path), selection, change, context.stop()));
  // A file that is missing and shall be made is made, even when it has nothing to say.
  return files.Put(path, std::move(edited.text));
}

}  // namespace

nlohmann::json EditInputSchema(Syntax syntax) {
  nlohmann::json properties = CommonProperties(syntax);
  nlohmann::json operations =
      FileProperty("array", "Operations", "Done in order; after an error nothing is written.");
  operations["items"] = OperationSchema();
  operations["minItems"] = 1;
  operations["maxItems"] = edit::kMaxOperations;
  properties["operations"] = std::move(operations);
  return OrderedInputSchema(std::move(properties), {"path", "operations"});
}

absl::Status RunEdit(Syntax syntax, action::Context& context) {
  absl::StatusOr<std::vector<edit::Operation>> operations =
      edit::ParseOperations(OrderedInput(context)["operations"], false);
  if (!operations.ok()) return At("/operations", operations.status());
  PURSER_ASSIGN_OR_RETURN(WorkspaceFiles files, WorkspaceFiles::Open(context));
  PURSER_RETURN_IF_ERROR(
      Perform(syntax, context, edit::ApplyAll(*operations, context.stop()), files));
  return files.Commit(context, absl::StrCat(operations->size(), " operations"));
}

nlohmann::json MergeInputSchema(Syntax syntax) {
  nlohmann::json properties = CommonProperties(syntax);
  properties["value"] = {{"title", "Value"},
                         {"description",
                          "What to merge: members replace or join those of the file, null takes "
                          "them away (RFC 7386)."}};
  properties["from"] = FilePathProperty("File of the workspace to merge, instead of \"value\".");
  properties["at"] = PathOfValue("Where to merge; the whole document by default.");
  properties["lists"] = ListsProperty();
  return OrderedInputSchema(std::move(properties), {"path"});
}

absl::Status RunMerge(Syntax syntax, action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(WorkspaceFiles files, WorkspaceFiles::Open(context));
  if (input.contains("value") == input.contains("from")) {
    return absl::InvalidArgumentError("/value: give either \"value\" or \"from\"");
  }
  edit::Operation merge;
  merge.kind = edit::Operation::Kind::kMerge;
  if (const auto at = input.find("at"); at != input.end()) {
    absl::StatusOr<edit::Path> path = edit::ParsePath(Model(*at));
    if (!path.ok()) return At("/at", path.status());
    merge.path = *std::move(path);
  }
  const std::string lists = input.value("lists", "replace");
  merge.lists = lists == "append"  ? edit::Lists::kAppend
                : lists == "unite" ? edit::Lists::kUnite
                                   : edit::Lists::kReplace;
  if (input.contains("value")) {
    merge.value = OrderedInput(context)["value"];
  } else {
    PURSER_ASSIGN_OR_RETURN(const std::string from,
                            WorkspacePath(input["from"].get_ref<const std::string&>()));
    PURSER_ASSIGN_OR_RETURN(const std::string text, files.ReadExisting(from, edit::kMaxFileBytes));
    edit::StopLook look(context.stop());
    PURSER_ASSIGN_OR_RETURN(const edit::Tree tree, syntax == Syntax::kYaml
                                                       ? edit::ParseYamlTree(text, from, look)
                                                       : edit::ParseJsonTree(text, from, look));
    if (tree.documents.size() != 1) {
      return absl::FailedPreconditionError(
          absl::StrCat(from, ": must hold one document, not ", tree.documents.size()));
    }
    merge.value = edit::ToModel(tree, tree.documents[0].root, look);
    PURSER_RETURN_IF_ERROR(look.status());
    if (std::any_of(tree.nodes.begin(), tree.nodes.end(),
                    [](const edit::Node& node) { return node.kind == edit::Kind::kAlias; })) {
      return absl::FailedPreconditionError(
          absl::StrCat(from, ": has aliases, which mean nothing in another file"));
    }
  }
  if (absl::Status valid = edit::CheckValue(merge.value); !valid.ok()) {
    return At(input.contains("value") ? "/value" : "/from", valid);
  }
  PURSER_RETURN_IF_ERROR(Perform(syntax, context, edit::ApplyAll({merge}, context.stop()), files));
  return files.Commit(context, "merge");
}

}  // namespace purser::actions
