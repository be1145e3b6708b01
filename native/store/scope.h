// Which databases a thread is inside of, so that nested calls are refused instead of waiting for
// themselves.
#ifndef PURSER_STORE_SCOPE_H_
#define PURSER_STORE_SCOPE_H_

#include "absl/status/status.h"
#include "store/store.h"

namespace purser::store {

// Marks the calling thread as inside of `database` while it lives.
class EnterScope {
 public:
  explicit EnterScope(const Database* database);
  ~EnterScope();
  EnterScope(const EnterScope&) = delete;
  EnterScope& operator=(const EnterScope&) = delete;
  // FAILED_PRECONDITION when the calling thread is inside of `database`.
  static absl::Status CheckOutside(const Database* database);

 private:
  const Database* const database_;
  const EnterScope* const outer_;
};

}  // namespace purser::store

#endif  // PURSER_STORE_SCOPE_H_
