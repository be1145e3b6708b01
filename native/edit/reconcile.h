// Makes a text say another value by the fewest changes of its bytes.
#ifndef PURSER_EDIT_RECONCILE_H_
#define PURSER_EDIT_RECONCILE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "edit/render.h"
#include "edit/splices.h"
#include "edit/tree.h"

namespace purser::edit {

// One step from documents that have the values `current` towards `targets` (nullptr: the document
// stays as it is). What cannot be done together with another change is left for the next step.
// Empty when nothing is to be done. FAILED_PRECONDITION for a layout that cannot be changed ("?
// key" entries); CANCELLED.
absl::StatusOr<std::vector<Splice>> PlanStep(const Tree& tree, const Manner& manner,
                                             const std::vector<Model>& current,
                                             const std::vector<const Model*>& targets,
                                             StopLook& look);

}  // namespace purser::edit

#endif  // PURSER_EDIT_RECONCILE_H_
