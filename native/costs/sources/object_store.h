// Where deliveries lie: a bucket, a list of URLs, a folder.
#ifndef PURSER_COSTS_SOURCES_OBJECT_STORE_H_
#define PURSER_COSTS_SOURCES_OBJECT_STORE_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "costs/sources/aws_signature.h"
#include "http/transport.h"

namespace purser::costs {

inline constexpr size_t kMaxObjects = 200'000;                 // below one prefix
inline constexpr int64_t kMaxObjectBytes = int64_t{64} << 30;  // of one file of a delivery
inline constexpr int64_t kRangeBytes = 16 << 20;               // asked for at once
inline constexpr int kParallelRanges = 4;
inline constexpr int kRangeAttempts = 4;

struct ObjectInfo {
  std::string key = {};  // path in the store, '/' between its parts
  int64_t size = 0;      // bytes
  // Changes with the content; for stores without such a thing made of size and time.
  std::string etag = {};
  absl::Time modified = absl::UnixEpoch();
};

// Thread-compatible.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  // All objects, by key. RESOURCE_EXHAUSTED beyond kMaxObjects.
  virtual absl::StatusOr<std::vector<ObjectInfo>> List(std::stop_token stop) = 0;
  // Makes a file with the object's content at `path`, exactly the content that was listed: ABORTED
  // when it changed since. Nothing complete stands at `path` unless OK.
  virtual absl::Status Fetch(const ObjectInfo& object, const std::string& path,
                             std::stop_token stop) = 0;
};

struct S3Options {
  // The bucket: https://BUCKET.s3.REGION.amazonaws.com, or https://host/BUCKET of other stores.
  std::string url = {};
  std::string region = "us-east-1";
  std::string prefix = {};  // of keys
  AwsCredentials credentials = {};
};
// `transport` and `clock` outlive it; the transport repeats what may be repeated (503 SlowDown).
std::unique_ptr<ObjectStore> OpenS3(S3Options options, http::Transport& transport,
                                    base::Clock& clock);

struct HttpFilesOptions {
  std::vector<std::string> urls = {};
  http::Headers headers = {};  // of every request, e.g. Authorization
};
// Keys are the URLs' paths without the leading '/'. A server must tell size and ETag or
// Last-Modified by HEAD.
std::unique_ptr<ObjectStore> OpenHttpFiles(HttpFilesOptions options, http::Transport& transport);

// Files below `folder`; fetched files are links to them, not copies.
std::unique_ptr<ObjectStore> OpenFolder(std::string folder);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_OBJECT_STORE_H_
