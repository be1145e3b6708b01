// Buckets of S3 and of the stores that speak its protocol: ListObjectsV2, GetObject.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/sources/object_store.h"
#include "costs/sources/ranged_fetch.h"
#include "http/url.h"

namespace purser::costs {
namespace {

constexpr int64_t kMaxListBytes = 8 << 20;  // of one page of 1,000 keys

// The text between <name> and </name>, from `at` on; nothing when there is none. Enough for the
// flat lists that stores answer: they have neither attributes on these elements nor CDATA.
std::optional<absl::string_view> Element(absl::string_view xml, absl::string_view name) {
  const std::string open = absl::StrCat("<", name, ">");
  const size_t begin = xml.find(open);
  if (begin == absl::string_view::npos) return std::nullopt;
  const size_t end = xml.find(absl::StrCat("</", name, ">"), begin);
  if (end == absl::string_view::npos) return std::nullopt;
  return xml.substr(begin + open.size(), end - begin - open.size());
}

// The five entities XML defines; encoding-type=url, where it is known, keeps all others out of
// keys.
std::string Unescape(absl::string_view text) {
  static constexpr std::pair<absl::string_view, char> kEntities[] = {
      {"&quot;", '"'}, {"&amp;", '&'},   {"&lt;", '<'},
      {"&gt;", '>'},   {"&apos;", '\''}, {"&#34;", '"'}};
  std::string out;
  while (!text.empty()) {
    bool entity = false;
    for (const auto& [name, value] : kEntities) {
      if (!absl::StartsWith(text, name)) continue;
      out.push_back(value);
      text.remove_prefix(name.size());
      entity = true;
      break;
    }
    if (entity) continue;
    out.push_back(text.front());
    text.remove_prefix(1);
  }
  return out;
}

absl::StatusOr<std::string> DecodeUrl(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] == '%') {
      int value = 0;
      if (i + 2 >= text.size() || !absl::SimpleHexAtoi(text.substr(i + 1, 2), &value)) {
        return absl::InvalidArgumentError("a key in the store's list is not percent-encoded");
      }
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string EncodePath(absl::string_view key) {
  std::string path;
  for (const absl::string_view part : absl::StrSplit(key, '/')) {
    absl::StrAppend(&path, "/", http::EncodeComponent(part));
  }
  return path;
}

absl::StatusOr<ObjectInfo> ParseObject(absl::string_view contents, bool encoded) {
  const auto key = Element(contents, "Key");
  const auto etag = Element(contents, "ETag");
  const auto size = Element(contents, "Size");
  const auto modified = Element(contents, "LastModified");
  ObjectInfo object;
  std::string error;
  if (!key.has_value() || !etag.has_value() || !size.has_value() || !modified.has_value() ||
      !absl::SimpleAtoi(*size, &object.size) || object.size < 0 ||
      !absl::ParseTime(absl::RFC3339_full, *modified, &object.modified, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the store's list has an object that is not understood: ",
                     base::EscapeForDisplay(contents.substr(0, 300), 300)));
  }
  object.key = Unescape(*key);
  if (encoded) {
    PURSER_ASSIGN_OR_RETURN(object.key, DecodeUrl(object.key));
  }
  object.etag = Unescape(*etag);
  return object;
}

class S3Store final : public ObjectStore {
 public:
  S3Store(S3Options options, http::Transport& transport, base::Clock& clock)
      : options_(std::move(options)), transport_(transport), clock_(clock) {
    while (absl::EndsWith(options_.url, "/")) options_.url.pop_back();
  }

  absl::StatusOr<std::vector<ObjectInfo>> List(std::stop_token stop) override {
    std::vector<ObjectInfo> objects;
    std::string token;
    do {
      std::string url = absl::StrCat(options_.url, "/?list-type=2&encoding-type=url&prefix=",
                                     http::EncodeComponent(options_.prefix));
      if (!token.empty()) {
        absl::StrAppend(&url, "&continuation-token=", http::EncodeComponent(token));
      }
      PURSER_ASSIGN_OR_RETURN(const http::Request request, Signed(std::move(url), {}));
      http::CallOptions options;
      options.max_response_bytes = kMaxListBytes;
      options.stop = stop;
      PURSER_ASSIGN_OR_RETURN(const http::Response page, transport_.Send(request, options));
      if (page.status != 200) return StatusOfAnswer(page, "the list of the bucket");
      PURSER_RETURN_IF_ERROR(AddPage(page.body, objects));
      PURSER_ASSIGN_OR_RETURN(token, NextToken(page.body));
    } while (!token.empty());
    std::sort(objects.begin(), objects.end(),
              [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
    return objects;
  }

  absl::Status Fetch(const ObjectInfo& object, const std::string& path,
                     std::stop_token stop) override {
    const std::string url = absl::StrCat(options_.url, EncodePath(object.key));
    return FetchByRanges(
        object, path, transport_,
        [&](http::Headers headers) { return Signed(url, std::move(headers)); }, stop);
  }

 private:
  absl::StatusOr<http::Request> Signed(std::string url, http::Headers headers) const {
    http::Request request{.url = std::move(url), .headers = std::move(headers)};
    PURSER_RETURN_IF_ERROR(
        SignAws(options_.credentials, options_.region, "s3", clock_.Now(), request));
    return request;
  }

  static absl::Status AddPage(absl::string_view xml, std::vector<ObjectInfo>& objects) {
    if (!absl::StrContains(xml, "<ListBucketResult")) {
      return absl::InvalidArgumentError(
          absl::StrCat("the store's answer is no list of objects: ",
                       base::EscapeForDisplay(xml.substr(0, 300), 300)));
    }
    // A store that does not know the parameter encodes nothing.
    const bool encoded = Element(xml, "EncodingType") == "url";
    for (size_t at = xml.find("<Contents>"); at != absl::string_view::npos;
         at = xml.find("<Contents>", at + 1)) {
      const auto contents = Element(xml.substr(at), "Contents");
      if (!contents.has_value()) return absl::UnavailableError("the store's list is cut off");
      if (objects.size() == kMaxObjects) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "there are more than ", kMaxObjects, " objects (kMaxObjects): name a longer prefix"));
      }
      PURSER_ASSIGN_OR_RETURN(ObjectInfo object, ParseObject(*contents, encoded));
      objects.push_back(std::move(object));
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<std::string> NextToken(absl::string_view xml) {
    const auto truncated = Element(xml, "IsTruncated");
    if (!truncated.has_value()) return absl::UnavailableError("the store's list is cut off");
    if (*truncated != "true") return std::string();
    const auto token = Element(xml, "NextContinuationToken");
    if (!token.has_value() || token->empty()) {
      return absl::InvalidArgumentError("the store's list goes on without a token");
    }
    return Unescape(*token);
  }

  S3Options options_;
  http::Transport& transport_;
  base::Clock& clock_;
};

}  // namespace

std::unique_ptr<ObjectStore> OpenS3(S3Options options, http::Transport& transport,
                                    base::Clock& clock) {
  return std::make_unique<S3Store>(std::move(options), transport, clock);
}

}  // namespace purser::costs
