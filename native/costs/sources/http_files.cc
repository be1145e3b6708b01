// Files at known URLs.
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "costs/sources/object_store.h"
#include "costs/sources/ranged_fetch.h"
#include "http/url.h"

namespace purser::costs {
namespace {

class HttpFiles final : public ObjectStore {
 public:
  HttpFiles(HttpFilesOptions options, http::Transport& transport)
      : options_(std::move(options)), transport_(transport) {}

  absl::StatusOr<std::vector<ObjectInfo>> List(std::stop_token stop) override {
    std::map<std::string, ObjectInfo> objects;
    urls_.clear();
    for (const std::string& url : options_.urls) {
      PURSER_ASSIGN_OR_RETURN(const http::Url parsed, http::ParseUrl(url));
      const std::vector<std::string> parts = absl::StrSplit(parsed.target, absl::MaxSplits('?', 1));
      ObjectInfo object;
      object.key = parts[0].substr(1);
      http::Request head{.method = "HEAD", .url = url, .headers = options_.headers};
      http::CallOptions options;
      options.stop = stop;
      PURSER_ASSIGN_OR_RETURN(const http::Response response, transport_.Send(head, options));
      if (response.status != 200) return StatusOfAnswer(response, object.key);
      const absl::string_view modified = http::FindHeader(response.headers, "Last-Modified");
      object.etag = std::string(http::FindHeader(response.headers, "ETag"));
      std::string error;
      if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", modified, &object.modified, &error)) {
        object.modified = absl::UnixEpoch();
      }
      if (!absl::SimpleAtoi(http::FindHeader(response.headers, "Content-Length"), &object.size) ||
          object.size < 0 || (object.etag.empty() && modified.empty())) {
        return absl::FailedPreconditionError(
            absl::StrCat(object.key,
                         ": the server tells neither size nor ETag nor Last-Modified: a "
                         "change would go unnoticed"));
      }
      if (!objects.emplace(object.key, object).second) {
        return absl::InvalidArgumentError(absl::StrCat(object.key, " is named twice"));
      }
      urls_[object.key] = url;
    }
    std::vector<ObjectInfo> list;
    for (auto& [key, object] : objects) list.push_back(std::move(object));
    return list;
  }

  absl::Status Fetch(const ObjectInfo& object, const std::string& path,
                     std::stop_token stop) override {
    const auto url = urls_.find(object.key);
    if (url == urls_.end()) return absl::NotFoundError(absl::StrCat(object.key, " was not listed"));
    return FetchByRanges(
        object, path, transport_,
        [&](http::Headers headers) -> absl::StatusOr<http::Request> {
          // A weak ETag matches nothing there (RFC 9110, 13.1.1); the answer's is compared anyway.
          if (object.etag.empty() || absl::StartsWith(object.etag, "W/")) {
            std::erase_if(headers, [](auto& h) { return h.first == "If-Match"; });
          }
          headers.insert(headers.end(), options_.headers.begin(), options_.headers.end());
          return http::Request{.url = url->second, .headers = std::move(headers)};
        },
        stop);
  }

 private:
  const HttpFilesOptions options_;
  http::Transport& transport_;
  std::map<std::string, std::string> urls_;  // by key
};

}  // namespace

std::unique_ptr<ObjectStore> OpenHttpFiles(HttpFilesOptions options, http::Transport& transport) {
  return std::make_unique<HttpFiles>(std::move(options), transport);
}

}  // namespace purser::costs
