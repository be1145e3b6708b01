// Git's smart protocol (versions 0 and 1), stateless: what to send and what the answers mean.
//
// Pure functions over bytes; remote.h moves the bytes. Version 2 is not needed: it knows no push,
// and for a fetch of one known commit version 0 takes the same one exchange.
#ifndef PURSER_GIT_PROTOCOL_H_
#define PURSER_GIT_PROTOCOL_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/object_id.h"

namespace purser::git {

enum class Service { kUploadPack, kReceivePack };
absl::string_view ServiceName(Service service);  // "git-upload-pack"

inline constexpr int64_t kMaxRefs = 1'000'000;
// Of the server's own words kept for an error message.
inline constexpr size_t kMaxServerText = 2000;

// Gets each whole progress line of the server, made safe for display.
using ProgressSink = std::function<void(absl::string_view line)>;

// What a repository says of itself.
struct Advertisement {
  absl::btree_map<std::string, ObjectId> refs;  // "refs/heads/main" → its tip; also "HEAD"
  std::vector<std::string> capabilities;
  std::string head;  // the branch HEAD points to, "refs/heads/main"; "" when not told

  // Whether `name` stands among the capabilities, alone or as "name=value".
  bool Has(absl::string_view name) const;
  // The tip of a branch given without refs/heads/, or nullopt.
  std::optional<ObjectId> Tip(absl::string_view branch) const;
};

// Reads the answer to "info/refs" (with or without the banner of smart HTTP). UNIMPLEMENTED for a
// SHA-256 repository; RESOURCE_EXHAUSTED beyond max_refs; the server's own ERR text as
// FAILED_PRECONDITION (or NOT_FOUND / PERMISSION_DENIED when it says so).
absl::StatusOr<Advertisement> ParseAdvertisement(absl::string_view bytes, Service service,
                                                 int64_t max_refs = kMaxRefs);

// One ref to change. `old_id` zero: must not exist yet.
struct RefUpdate {
  std::string ref;  // "refs/heads/main"
  ObjectId old_id;
  ObjectId new_id;
};

// The head of a push; the pack follows it.
std::string PushHead(const RefUpdate& update, const Advertisement& advertisement);

// Reads the answer to a push. ABORTED: the branch moved (read its tip again and repeat);
// PERMISSION_DENIED: a hook or a branch protection declined, with the server's words;
// FAILED_PRECONDITION: anything else the server refused.
absl::Status ParsePushAnswer(absl::string_view bytes, const RefUpdate& update,
                             const Advertisement& advertisement, const ProgressSink& progress);

struct FetchRequest {
  ObjectId want;
  int depth = 1;
  std::string filter;  // "blob:none", "tree:0" or ""; only where the server has the capability
};

std::string EncodeFetch(const FetchRequest& request, const Advertisement& advertisement);

// The pack inside the answer to a fetch. An ERR of the server is FAILED_PRECONDITION with its
// words.
absl::StatusOr<std::string> ParseFetchAnswer(absl::string_view bytes,
                                             const Advertisement& advertisement,
                                             const ProgressSink& progress);

}  // namespace purser::git

#endif  // PURSER_GIT_PROTOCOL_H_
