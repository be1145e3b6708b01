#include "workflow/definition_cache.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::workflow {

absl::StatusOr<std::shared_ptr<const Definition>> DefinitionCache::Get(
    store::Connection& connection, absl::string_view hash) {
  {
    base::MutexLock lock(mutex_);
    const auto found = definitions_.find(base::ToStd(hash));
    if (found != definitions_.end()) return found->second;
  }
  PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                          connection.Query("SELECT body FROM workflow_definition WHERE hash = $1",
                                           {std::string(hash)}));
  if (rows.empty()) {
    return absl::DataLossError(absl::StrCat("workflow: definition ", hash, " is missing"));
  }
  PURSER_ASSIGN_OR_RETURN(std::shared_ptr<const Definition> definition,
                          executor_.Parse(hash, rows[0].Text(0)));
  base::MutexLock lock(mutex_);
  // Emptied rather than aged: definitions are few, and parsing one again is cheap.
  if (definitions_.size() >= kMaxCachedDefinitions) definitions_.clear();
  return definitions_.emplace(std::string(hash), std::move(definition)).first->second;
}

absl::Status DefinitionCache::Put(store::Connection& connection, absl::string_view hash,
                                  absl::string_view body) {
  return connection
      .Execute(
          "INSERT INTO workflow_definition (hash, body) VALUES ($1, $2) "
          "ON CONFLICT (hash) DO NOTHING",
          {std::string(hash), std::string(body)})
      .status();
}

}  // namespace purser::workflow
