// Makes a text say another value by the fewest changes of its bytes.
#ifndef PURSER_EDIT_RECONCILE_H_
#define PURSER_EDIT_RECONCILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "edit/render.h"
#include "edit/tree.h"

namespace purser::edit {

// One change: bytes [begin, end) become `text`.
struct Splice {
  size_t begin = 0;
  size_t end = 0;
  std::string text;
};

// One step towards documents that have the values `targets` (nullptr: the document stays as it is).
// What cannot be done together with another change is left for the next step. Empty when nothing is
// to be done. FAILED_PRECONDITION for a layout that cannot be changed ("? key" entries).
absl::StatusOr<std::vector<Splice>> PlanStep(const Tree& tree, const Manner& manner,
                                             const std::vector<const Model*>& targets);

std::string Apply(absl::string_view text, std::vector<Splice> splices);

}  // namespace purser::edit

#endif  // PURSER_EDIT_RECONCILE_H_
