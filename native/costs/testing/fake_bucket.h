// A bucket over HTTP that speaks as much of S3 as readers of deliveries need, and fails as told.
// Test only.
#ifndef PURSER_COSTS_TESTING_FAKE_BUCKET_H_
#define PURSER_COSTS_TESTING_FAKE_BUCKET_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "http/transport.h"

namespace purser::costs::testing {

// Thread-safe.
class FakeBucket {
 public:
  FakeBucket() {
    auto server = http::Server::Start({}, [this](const auto& request) { return Answer(request); });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", server_->port(), "/bills"); }

  void Put(const std::string& key, std::string content, absl::Time at) {
    base::MutexLock lock(mutex_);
    objects_[key] = {std::move(content), at};
  }
  void Remove(const std::string& key) {
    base::MutexLock lock(mutex_);
    objects_.erase(key);
  }
  // The next `count` reads of the key are answered by `fault` instead, or changed by it.
  using Fault = std::function<void(http::ServerResponse&)>;
  void Break(const std::string& key, int count, Fault fault) {
    base::MutexLock lock(mutex_);
    faults_[key] = {count, std::move(fault)};
  }
  // Runs before the read of the key is answered, once.
  void Before(const std::string& key, std::function<void()> work) {
    base::MutexLock lock(mutex_);
    before_[key] = std::move(work);
  }
  // From now on it does not know encoding-type.
  void ListPlainKeys() {
    base::MutexLock lock(mutex_);
    encodes_keys_ = false;
  }
  int gets(const std::string& key) {
    base::MutexLock lock(mutex_);
    return gets_[key];
  }
  int lists() {
    base::MutexLock lock(mutex_);
    return lists_;
  }

 private:
  struct Object {
    std::string content;
    absl::Time at;
    std::string etag() const {
      return absl::StrCat("\"", base::Sha256Hex(content).substr(0, 32), "\"");
    }
  };

  http::ServerResponse Answer(const http::ServerRequest& request) {
    if (!absl::StartsWith(http::FindHeader(request.headers, "Authorization"),
                          "AWS4-HMAC-SHA256 Credential=AKIDTEST/")) {
      return {.status = 403, .body = "<Error><Code>AccessDenied</Code></Error>"};
    }
    if (request.path == "/bills/") return List(request);
    const std::string key =
        absl::StrReplaceAll(request.path.substr(7),
                            {{"%20", " "}, {"%3D", "="}, {"%2B", "+"}, {"%25", "%"}, {"%26", "&"}});
    std::function<void()> before;
    {
      base::MutexLock lock(mutex_);
      ++gets_[key];
      before = std::exchange(before_[key], nullptr);
    }
    if (before) before();
    return Get(key, request);
  }

  http::ServerResponse List(const http::ServerRequest& request) {
    constexpr size_t kPage = 2;
    std::string prefix, after;
    for (const absl::string_view part : absl::StrSplit(request.query, '&')) {
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(part, absl::MaxSplits('=', 1));
      const std::string value =
          absl::StrReplaceAll(pair.second, {{"%2F", "/"}, {"%20", " "}, {"%3D", "="}});
      if (pair.first == "prefix") prefix = value;
      if (pair.first == "continuation-token") after = value;
    }
    base::MutexLock lock(mutex_);
    ++lists_;
    std::string xml = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\">";
    if (encodes_keys_) xml += "<EncodingType>url</EncodingType>";
    size_t count = 0;
    bool more = false;
    std::string last;
    for (const auto& [key, object] : objects_) {
      if (!absl::StartsWith(key, prefix) || key <= after) continue;
      if (count == kPage) {
        more = true;
        break;
      }
      ++count;
      last = key;
      const std::string shown =
          encodes_keys_
              ? absl::StrReplaceAll(key, {{" ", "+"}, {"=", "%3D"}, {"+", "%2B"}, {"%", "%25"}})
              : absl::StrReplaceAll(key, {{"&", "&amp;"}});
      absl::StrAppend(&xml, "<Contents><Key>", shown, "</Key><LastModified>",
                      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", object.at, absl::UTCTimeZone()),
                      "</LastModified><ETag>",
                      absl::StrReplaceAll(object.etag(), {{"\"", "&quot;"}}), "</ETag><Size>",
                      object.content.size(), "</Size></Contents>");
    }
    absl::StrAppend(&xml, "<IsTruncated>", more ? "true" : "false", "</IsTruncated>");
    if (more) absl::StrAppend(&xml, "<NextContinuationToken>", last, "</NextContinuationToken>");
    return {.body = xml + "</ListBucketResult>"};
  }

  http::ServerResponse Get(const std::string& key, const http::ServerRequest& request) {
    base::MutexLock lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) return {.status = 404};
    const Object& object = found->second;
    const absl::string_view match = http::FindHeader(request.headers, "If-Match");
    if (!match.empty() && match != object.etag()) return {.status = 412};
    const std::vector<std::string> range =
        absl::StrSplit(http::FindHeader(request.headers, "Range").substr(6), '-');
    size_t begin = 0, end = 0;
    EXPECT_TRUE(absl::SimpleAtoi(range[0], &begin) && absl::SimpleAtoi(range[1], &end));
    http::ServerResponse response{.status = 206};
    response.headers = {
        {"ETag", object.etag()},
        {"Content-Range", absl::StrCat("bytes ", begin, "-", end, "/", object.content.size())}};
    response.body = object.content.substr(begin, end - begin + 1);
    auto fault = faults_.find(key);
    if (fault != faults_.end() && fault->second.first-- > 0) fault->second.second(response);
    return response;
  }

  base::Mutex mutex_;
  std::map<std::string, Object> objects_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::pair<int, Fault>> faults_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::function<void()>> before_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> gets_ ABSL_GUARDED_BY(mutex_);
  int lists_ ABSL_GUARDED_BY(mutex_) = 0;
  bool encodes_keys_ ABSL_GUARDED_BY(mutex_) = true;
  std::unique_ptr<http::Server> server_;
};

}  // namespace purser::costs::testing

#endif  // PURSER_COSTS_TESTING_FAKE_BUCKET_H_
