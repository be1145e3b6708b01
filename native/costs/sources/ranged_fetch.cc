#include "costs/sources/ranged_fetch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::costs {
namespace {

constexpr absl::Duration kRangeTimeout = absl::Minutes(2);

absl::Status Failed(const std::string& path, const char* what) {
  return base::ErrnoStatus(errno, absl::StrCat(path, ": ", what));
}

class File {
 public:
  explicit File(std::string path) : path_(std::move(path)) {}
  ~File() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    if (!kept_) unlink(path_.c_str());
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  absl::Status Create(int64_t size) {
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor_ < 0) return Failed(path_, "cannot be created");
    if (ftruncate(descriptor_, size) != 0) return Failed(path_, "cannot be made that large");
    return absl::OkStatus();
  }
  absl::Status WriteAt(int64_t at, absl::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), at);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return Failed(path_, "cannot be written");
      at += written;
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }
  void Keep() { kept_ = true; }

 private:
  const std::string path_;
  int descriptor_ = -1;
  bool kept_ = false;
};

struct Range {
  int64_t begin;
  int64_t end;  // behind the last byte
};

absl::Status CheckAnswer(const http::Response& response, const ObjectInfo& object,
                         const Range& range) {
  if (response.status == 412) {
    return absl::AbortedError(
        absl::StrCat(object.key, " changed while it was read: it is read again later"));
  }
  // A server that knows no ranges sends everything.
  const bool whole = response.status == 200 && range.begin == 0 && range.end == object.size;
  if (response.status == 200 && !whole) {
    return absl::FailedPreconditionError(
        absl::StrCat(object.key, ": the server cannot send parts of a file"));
  }
  if (response.status != 206 && !whole) return StatusOfAnswer(response, object.key);
  const absl::string_view etag = http::FindHeader(response.headers, "ETag");
  if (!etag.empty() && etag != object.etag) {
    return absl::AbortedError(
        absl::StrCat(object.key, " changed while it was read: it is read again later"));
  }
  const std::string expected =
      absl::StrCat("bytes ", range.begin, "-", range.end - 1, "/", object.size);
  if (!whole && http::FindHeader(response.headers, "Content-Range") != expected) {
    return absl::UnavailableError(absl::StrCat(
        object.key, ": asked for ", expected, ", got \"",
        base::EscapeForDisplay(http::FindHeader(response.headers, "Content-Range"), 100), "\""));
  }
  if (static_cast<int64_t>(response.body.size()) != range.end - range.begin) {
    return absl::UnavailableError(absl::StrCat(object.key, ": ", response.body.size(), " of ",
                                               range.end - range.begin,
                                               " bytes came, the answer was cut off"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status StatusOfAnswer(const http::Response& response, absl::string_view what) {
  const std::string text =
      absl::StrCat(what, ": the store answered ", response.status, " ",
                   base::EscapeForDisplay(absl::string_view(response.body).substr(0, 300), 300));
  if (response.status == 401 || response.status == 403) return absl::PermissionDeniedError(text);
  if (response.status == 404) return absl::NotFoundError(text);
  if (response.status == 429 || response.status >= 500) return absl::UnavailableError(text);
  return absl::InternalError(text);
}

absl::Status FetchByRanges(
    const ObjectInfo& object, const std::string& path, http::Transport& transport,
    const std::function<absl::StatusOr<http::Request>(http::Headers)>& request,
    std::stop_token stop) {
  if (object.size > kMaxObjectBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(object.key, " has ", object.size,
                                                     " bytes, at most ", kMaxObjectBytes,
                                                     " (kMaxObjectBytes)"));
  }
  File file(path);
  PURSER_RETURN_IF_ERROR(file.Create(object.size));
  std::vector<Range> ranges;
  for (int64_t begin = 0; begin < object.size; begin += kRangeBytes) {
    ranges.push_back({begin, std::min(begin + kRangeBytes, object.size)});
  }
  // The first failure ends all.
  std::stop_source failed;
  const std::stop_callback stopped(stop, [&failed] { failed.request_stop(); });
  base::Mutex mutex;
  absl::Status first;
  std::atomic<size_t> next = 0;
  const auto read = [&](const Range& range) -> absl::Status {
    absl::Status status;
    for (int attempt = 0; attempt < kRangeAttempts; ++attempt) {
      PURSER_ASSIGN_OR_RETURN(
          const http::Request get,
          request({{"Range", absl::StrCat("bytes=", range.begin, "-", range.end - 1)},
                   {"If-Match", object.etag}}));
      http::CallOptions options;
      options.timeout = kRangeTimeout;
      options.max_response_bytes = range.end - range.begin + (64 << 10);
      options.stop = failed.get_token();
      const absl::StatusOr<http::Response> response = transport.Send(get, options);
      status = response.ok() ? CheckAnswer(*response, object, range) : response.status();
      if (status.ok()) return file.WriteAt(range.begin, response->body);
      if (!absl::IsUnavailable(status) || failed.stop_requested()) return status;
    }
    return status;
  };
  const auto work = [&] {
    for (size_t i = next++; i < ranges.size(); i = next++) {
      const absl::Status status = read(ranges[i]);
      if (status.ok()) continue;
      base::MutexLock lock(mutex);
      if (first.ok()) first = status;
      failed.request_stop();
      return;
    }
  };
  {
    std::vector<std::jthread> threads;
    const size_t count = std::min<size_t>(kParallelRanges, ranges.size());
    for (size_t i = 1; i < count; ++i) threads.emplace_back(work);
    work();
  }
  if (stop.stop_requested()) return absl::CancelledError("reading the delivery was cancelled");
  PURSER_RETURN_IF_ERROR(first);
  file.Keep();
  return absl::OkStatus();
}

}  // namespace purser::costs
