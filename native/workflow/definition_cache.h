// Definitions by hash: kept in the store while runs refer to them, parsed once.
#ifndef PURSER_WORKFLOW_DEFINITION_CACHE_H_
#define PURSER_WORKFLOW_DEFINITION_CACHE_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "store/store.h"
#include "workflow/executor.h"

namespace purser::workflow {

inline constexpr size_t kMaxCachedDefinitions = 256;

// Thread-safe.
class DefinitionCache {
 public:
  explicit DefinitionCache(StepExecutor& executor) : executor_(executor) {}
  absl::StatusOr<std::shared_ptr<const Definition>> Get(store::Connection& connection,
                                                        absl::string_view hash);
  // Stores the body under the hash unless it is there already.
  static absl::Status Put(store::Connection& connection, absl::string_view hash,
                          absl::string_view body);

 private:
  StepExecutor& executor_;
  base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const Definition>, std::less<>> definitions_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_DEFINITION_CACHE_H_
