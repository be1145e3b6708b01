// The rows of requests.
#ifndef PURSER_PROVISIONING_REQUEST_STORE_H_
#define PURSER_PROVISIONING_REQUEST_STORE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "provisioning/service.h"
#include "store/store.h"

namespace purser::provisioning {

struct RequestRow {
  std::string id;
  std::string run_id;
  std::string blueprint;
  std::string blueprint_hash;
  std::string key;
  std::string input_hash;  // of what was asked for under the key
  std::string requester;
  std::string owner;
  std::string entity_ref;
  std::string parameters;  // JSON
  RequestState state = RequestState::kRunning;
  std::string message;
  std::string outputs;     // JSON
  int64_t created_at = 0;  // microseconds since 1970
};

// A resource that a request's step recorded and that still exists.
struct RecordedResource {
  std::string step_id;
  std::string resource_id;
};

absl::Status MigrateRequests(store::Database& database);

absl::Status InsertRequest(store::Connection& connection, const RequestRow& row);
absl::Status UpdateRequestState(store::Connection& connection, const RequestRow& row);
absl::StatusOr<std::optional<RequestRow>> FindRequest(store::Connection& connection,
                                                      absl::string_view id);
absl::StatusOr<std::optional<RequestRow>> FindRequestByKey(store::Connection& connection,
                                                           absl::string_view key);
// Newest first, filtered; one more than the page's size tells that there are more.
absl::StatusOr<std::vector<RequestRow>> ListRequestRows(store::Connection& connection,
                                                        const ListOptions& options);
// The newest request for an entity that is in one of the given kinds of states.
absl::StatusOr<std::optional<RequestRow>> FindUnfinished(store::Connection& connection,
                                                         absl::string_view entity_ref);
absl::StatusOr<std::optional<RequestRow>> FindLastSucceeded(store::Connection& connection,
                                                            absl::string_view entity_ref,
                                                            absl::string_view except_id);

absl::Status RecordResource(store::Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource);
absl::Status ForgetResource(store::Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource);
absl::StatusOr<std::vector<RecordedResource>> RecordedResources(store::Connection& connection,
                                                                absl::string_view request_id);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_REQUEST_STORE_H_
