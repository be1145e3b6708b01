#include "store/scope.h"

namespace purser::store {
namespace {

thread_local const EnterScope* innermost = nullptr;

}  // namespace

EnterScope::EnterScope(const Database* database) : database_(database), outer_(innermost) {
  innermost = this;
}

EnterScope::~EnterScope() { innermost = outer_; }

absl::Status EnterScope::CheckOutside(const Database* database) {
  for (const EnterScope* at = innermost; at != nullptr; at = at->outer_) {
    if (at->database_ == database) {
      return absl::FailedPreconditionError(
          "a database call from inside a callback of the same database: use the callback's "
          "connection");
    }
  }
  return absl::OkStatus();
}

}  // namespace purser::store
