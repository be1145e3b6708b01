#include "edit/edit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/reconcile.h"

namespace purser::edit {
namespace {

// Each step does all that can be done at once; more are needed only where entries come and go in
// one container.
constexpr int kMaxSteps = 64;

absl::StatusOr<Tree> Parse(Syntax syntax, absl::string_view text, absl::string_view file,
                           StopLook& look) {
  return syntax == Syntax::kYaml ? ParseYamlTree(text, file, look)
                                 : ParseJsonTree(text, file, look);
}

absl::StatusOr<std::vector<Model>> ValuesOf(const Tree& tree, StopLook& look) {
  std::vector<Model> values;
  for (const DocumentSpan& document : tree.documents) {
    values.push_back(ToModel(tree, document.root, look));
  }
  PURSER_RETURN_IF_ERROR(look.status());
  return values;
}

// Whether the document has these values at these paths.
absl::StatusOr<bool> Fits(const Model& document, const Model& members, StopLook& look) {
  Model copy = document;  // a test changes nothing
  for (auto member = members.begin(); member != members.end(); ++member) {
    PURSER_ASSIGN_OR_RETURN(const Path path, ParsePath(absl::string_view(member.key())));
    Operation test;
    test.kind = Operation::Kind::kTest;
    test.path = path;
    test.value = *member;
    const absl::Status status = Apply(test, copy, look);
    if (absl::IsCancelled(status)) return status;
    if (!status.ok()) return false;
  }
  return true;
}

absl::StatusOr<std::vector<bool>> Select(const Selection& selection,
                                         const std::vector<Model>& documents,
                                         absl::string_view file, StopLook& look) {
  std::vector<bool> chosen(documents.size());
  switch (selection.kind) {
    case Selection::Kind::kOnly:
      if (documents.size() != 1) {
        return absl::FailedPreconditionError(
            absl::StrCat(file, ": holds ", documents.size(),
                         " documents; say by \"document\" which one is meant"));
      }
      chosen[0] = true;
      break;
    case Selection::Kind::kIndex:
      if (selection.index >= documents.size()) {
        return absl::FailedPreconditionError(absl::StrCat(file, ": holds ", documents.size(),
                                                          " documents, there is no number ",
                                                          selection.index, " (from 0)"));
      }
      chosen[selection.index] = true;
      break;
    case Selection::Kind::kAll:
      // What stands between two marks without a value is no document one means.
      for (size_t i = 0; i < documents.size(); ++i) {
        chosen[i] = documents.size() == 1 || !documents[i].is_null();
      }
      break;
    case Selection::Kind::kMatching:
      for (size_t i = 0; i < documents.size(); ++i) {
        PURSER_ASSIGN_OR_RETURN(const bool fits, Fits(documents[i], selection.members, look));
        chosen[i] = fits;
      }
      break;
  }
  if (std::find(chosen.begin(), chosen.end(), true) == chosen.end()) {
    return absl::FailedPreconditionError(absl::StrCat(file, ": no document fits \"document\""));
  }
  return chosen;
}

}  // namespace

absl::StatusOr<Selection> ParseSelection(const Model& selection) {
  Selection result;
  if (selection.is_null()) return result;
  if (selection.is_number_integer() && selection >= 0 && selection < kMaxDocuments) {
    result.kind = Selection::Kind::kIndex;
    result.index = selection.get<size_t>();
  } else if (selection == "all") {
    result.kind = Selection::Kind::kAll;
  } else if (selection.is_object() && !selection.empty()) {
    result.kind = Selection::Kind::kMatching;
    result.members = selection;
    for (auto member = selection.begin(); member != selection.end(); ++member) {
      PURSER_RETURN_IF_ERROR(ParsePath(absl::string_view(member.key())).status());
    }
  } else {
    return absl::InvalidArgumentError(
        "/document: must be a number from 0, \"all\" or an object of paths and values");
  }
  return result;
}

Change ApplyAll(const std::vector<Operation>& operations, std::stop_token stop) {
  return [operations, stop](Model& value) -> absl::Status {
    StopLook look(stop);
    for (size_t i = 0; i < operations.size(); ++i) {
      PURSER_RETURN_IF_ERROR(
          base::Annotate(Apply(operations[i], value, look),
                         absl::StrCat("operation ", i, " at \"",
                                      base::EscapeForDisplay(operations[i].path.text, 120), "\"")));
    }
    return absl::OkStatus();
  };
}

absl::StatusOr<Edited> Edit(Syntax syntax, absl::string_view text, absl::string_view file,
                            const Selection& selection, const Change& change,
                            std::stop_token stop) {
  StopLook look(std::move(stop));
  PURSER_ASSIGN_OR_RETURN(Tree tree, Parse(syntax, text, file, look));
  const Manner manner = MannerOf(tree);
  PURSER_ASSIGN_OR_RETURN(std::vector<Model> current, ValuesOf(tree, look));
  PURSER_ASSIGN_OR_RETURN(const std::vector<bool> chosen, Select(selection, current, file, look));
  std::vector<Model> after(current.size());  // of those that are chosen
  std::vector<const Model*> targets(current.size());
  Edited result;
  for (size_t i = 0; i < after.size(); ++i) {
    if (!chosen[i]) continue;
    ++result.documents;
    const std::string where =
        after.size() == 1 ? std::string(file) : absl::StrCat(file, ": document ", i);
    after[i] = current[i];
    targets[i] = &after[i];
    PURSER_RETURN_IF_ERROR(base::Annotate(change(after[i]), where));
  }
  for (int step = 0; step < kMaxSteps; ++step) {
    PURSER_RETURN_IF_ERROR(look.status());
    absl::StatusOr<std::vector<Splice>> splices = PlanStep(tree, manner, current, targets, look);
    if (absl::IsCancelled(splices.status())) return splices.status();
    if (!splices.ok()) return base::Annotate(splices.status(), file);
    if (splices->empty()) {
      result.text = tree.text;
      result.changed = result.text != text;
      return result;
    }
    absl::StatusOr<std::string> applied = Apply(tree.text, *splices);
    if (!applied.ok()) return base::Annotate(applied.status(), file);
    const std::string& next = *applied;
    if (static_cast<int64_t>(next.size()) > kMaxFileBytes) {
      return absl::ResourceExhaustedError(absl::StrCat(file, ": would grow to ", next.size(),
                                                       " bytes, more than ", kMaxFileBytes,
                                                       " (kMaxFileBytes)"));
    }
    absl::StatusOr<Tree> parsed = Parse(syntax, next, file, look);
    if (absl::IsCancelled(parsed.status())) return parsed.status();
    if (!parsed.ok() || parsed->documents.size() != current.size()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "this edit cannot be made: the text would not be readable any more (",
          parsed.ok() ? "another number of documents" : parsed.status().message(), ")"));
    }
    tree = *std::move(parsed);
    PURSER_ASSIGN_OR_RETURN(current, ValuesOf(tree, look));
  }
  return absl::InternalError(
      absl::StrCat(file, ": the layout around the edited place is not understood"));
}

}  // namespace purser::edit
