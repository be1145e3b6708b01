// Edits YAML and JSON texts so that comments, order, quotes, indentation and line ends stay: only
// the bytes of what changes are touched.
//
//   PURSER_ASSIGN_OR_RETURN(auto operations, ParseOperations(list, false));
//   PURSER_ASSIGN_OR_RETURN(Edited edited, Edit(Syntax::kYaml, text, "values.yaml", {}, change));
//
// An edit is a new value; the text is then changed step by step until it reads as that value. What
// was written is read back and compared before it is given out, so a text that would read otherwise
// anywhere is an error and never a result.
#ifndef PURSER_EDIT_EDIT_H_
#define PURSER_EDIT_EDIT_H_

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "edit/operations.h"
#include "edit/tree.h"

namespace purser::edit {

struct Edited {
  std::string text;
  bool changed = false;
  int documents = 0;  // that were looked at
};

// Which documents of a YAML text: by place, or by members ("kind": "Deployment", paths as in
// path.h); all of them; or, by default, the only one.
struct Selection {
  enum class Kind : uint8_t { kOnly, kIndex, kAll, kMatching };
  Kind kind = Kind::kOnly;
  size_t index = 0;
  Model members = Model::object();
};

// Reads the input of an action: absent (null), a number, "all" or an object.
absl::StatusOr<Selection> ParseSelection(const Model& selection);

// `change` is called with the value of each selected document. Errors of it get "file: " in front
// (and the document when there are several).
using Change = std::function<absl::Status(Model& value)>;

// CANCELLED on stop. INTERNAL when the text cannot be changed without harm.
absl::StatusOr<Edited> Edit(Syntax syntax, absl::string_view text, absl::string_view file,
                            const Selection& selection, const Change& change,
                            std::stop_token stop = {});

// A change that applies operations in order; errors name the operation.
Change ApplyAll(const std::vector<Operation>& operations, std::stop_token stop = {});

}  // namespace purser::edit

#endif  // PURSER_EDIT_EDIT_H_
