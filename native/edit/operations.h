// Operations on a document's value: those of our own (set, delete, append, merge), which may be
// repeated without harm, and RFC 6902's.
#ifndef PURSER_EDIT_OPERATIONS_H_
#define PURSER_EDIT_OPERATIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "edit/path.h"
#include "edit/tree.h"

namespace purser::edit {

inline constexpr size_t kMaxOperations = 1'000;

// What merging does where both sides have a list.
enum class Lists : uint8_t {
  kReplace,  // RFC 7386: the new one stands
  kAppend,   // the new items behind the old ones
  kUnite     // those which are not there yet behind the old ones
};

struct Operation {
  enum class Kind : uint8_t {
    kSet,     // the value at the path, whose containers are made when they are missing
    kDelete,  // nothing to delete is fine
    kAppend,  // to a list, which is made when it is missing; not twice when `unique`
    kMerge,   // RFC 7386, with `lists`
    kAdd,     // RFC 6902 from here on
    kRemove,
    kReplace,
    kMove,
    kCopy,
    kTest
  };
  Kind kind = Kind::kSet;
  Path path;
  Path from;    // of kMove and kCopy
  Model value;  // of all but kDelete, kRemove, kMove, kCopy
  bool unique = true;
  Lists lists = Lists::kReplace;
};

// Reads {"op", "path", "value", "from", "unique", "lists"}; `rfc6902` allows its operations and
// pointers only. INVALID_ARGUMENT begins with the pointer "/3/path".
absl::StatusOr<std::vector<Operation>> ParseOperations(const Model& operations, bool rfc6902);

// INVALID_ARGUMENT for a value that no file can hold: nested too deep, keys that begin with NUL or
// are too long.
absl::Status CheckValue(const Model& value);

// FAILED_PRECONDITION when the document is not as the operation needs it; CANCELLED.
absl::Status Apply(const Operation& operation, Model& document, StopLook& look);

// RFC 7386; `lists` says what happens where both are lists. What it gives after a stop means
// nothing: look.status() tells.
Model Merge(Model target, const Model& patch, Lists lists, StopLook& look);

}  // namespace purser::edit

#endif  // PURSER_EDIT_OPERATIONS_H_
