// Lists and watches of HttpKubernetesClient.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "connectors/kubernetes/item_splitter.h"
#include "http/url.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// The server closes a watch at its timeout; one that lives longer is dead.
constexpr absl::Duration kWatchGrace = absl::Seconds(15);

void AddParameter(std::string* url, absl::string_view name, absl::string_view value) {
  absl::StrAppend(url, absl::StrContains(*url, '?') ? "&" : "?", name, "=",
                  http::EncodeComponent(value));
}

// Values of Secrets are none of a reader's business; only Helm's records are, which say what is
// installed.
absl::Status CheckMayRead(const KindQuery& query) {
  if (query.api_version == "v1" && query.kind == "Secret" &&
      query.field_selector != kHelmSecretSelector) {
    return absl::PermissionDeniedError(
        absl::StrCat("Secrets are not read, except Helm's releases (", kHelmSecretSelector, ")"));
  }
  return absl::OkStatus();
}

FieldSelection WithVersion(const FieldSelection& fields) {
  FieldSelection selection = fields;
  selection.Add({"metadata", "resourceVersion"});
  return selection;
}

// What arrived of an answer that is no 2xx, for its explanation.
class ErrorBody {
 public:
  static constexpr size_t kMaxBytes = 64 << 10;
  void Add(absl::string_view piece) {
    const absl::string_view kept = piece.substr(0, kMaxBytes - body_.size());
    body_.append(kept.data(), kept.size());
  }
  std::string Take() { return std::move(body_); }

 private:
  std::string body_;
};

bool IsGood(int status) { return status >= 200 && status < 300; }

}  // namespace

std::string KindQuery::ToString() const {
  return absl::StrCat(api_version, " ", kind, namespace_name.empty() ? "" : " in ", namespace_name);
}

absl::StatusOr<std::string> HttpKubernetesClient::CollectionUrl(KindQuery* settled,
                                                                const ClientLimits& limits) {
  KindQuery& query = *settled;
  PURSER_RETURN_IF_ERROR(CheckMayRead(query));
  absl::StatusOr<Resource> resource = absl::FailedPreconditionError(absl::StrCat(
      "cluster ", cluster_, " serves no kind ", query.kind, " in ", query.api_version));
  absl::string_view group = query.api_version;
  if (absl::ConsumeSuffix(&group, "/*")) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> versions, Versions(group, limits));
    for (const std::string& version : versions) {
      resource = FindKind(version, query.kind, limits);
      if (resource.ok()) query.api_version = version;
      if (resource.status().code() != absl::StatusCode::kFailedPrecondition) break;
    }
  } else {
    resource = FindKind(query.api_version, query.kind, limits);
  }
  if (!resource.ok()) {
    // For those who follow a kind its absence is an answer, not a fault of theirs.
    if (resource.status().code() == absl::StatusCode::kFailedPrecondition) {
      return absl::NotFoundError(resource.status().message());
    }
    return resource.status();
  }
  std::string url = RootOf(query.api_version);
  if (resource->namespaced && !query.namespace_name.empty()) {
    absl::StrAppend(&url, "/namespaces/", http::EncodeComponent(query.namespace_name));
  }
  absl::StrAppend(&url, "/", resource->plural);
  if (!query.label_selector.empty()) AddParameter(&url, "labelSelector", query.label_selector);
  if (!query.field_selector.empty()) AddParameter(&url, "fieldSelector", query.field_selector);
  return url;
}

absl::StatusOr<http::Response> HttpKubernetesClient::Stream(
    const std::string& url, absl::Duration timeout, std::stop_token stop,
    const std::function<absl::Status(const http::Response& head, absl::string_view piece)>&
        on_data) {
  http::Request request{.method = "GET",
                        .url = absl::StrCat(access_.server, url),
                        .headers = {{"Accept", "application/json"}}};
  if (access_.token) {
    PURSER_ASSIGN_OR_RETURN(const std::string token, access_.token());
    request.headers.emplace_back("Authorization", absl::StrCat("Bearer ", token));
  }
  http::CallOptions options;
  options.timeout = timeout;
  options.stop = std::move(stop);
  options.tls = access_.tls;
  return transport_.Stream(request, options, on_data);
}

// One page: objects go to the sink, the rest is the answer's envelope.
absl::StatusOr<Json> HttpKubernetesClient::Page(const KindQuery& query, const std::string& url,
                                                const FieldSelection& fields, ListSink& sink,
                                                int64_t* objects, const ListLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": list ", query.ToString());
  absl::Status fatal;  // of the sink or a limit: passed on as it is
  ItemSplitter splitter(ItemSplitter::Form::kList, [&](absl::string_view text) -> absl::Status {
    if (++*objects > limits.max_objects) {
      fatal = absl::ResourceExhaustedError(
          absl::StrCat(what, ": there are more than ", limits.max_objects,
                       " objects; narrow the selection, or raise maxObjects"));
      return fatal;
    }
    PURSER_ASSIGN_OR_RETURN(Json object, fields.Read(text));
    object["apiVersion"] = query.api_version;
    object["kind"] = query.kind;
    fatal = sink.OnObject(std::move(object));
    return fatal;
  });
  ErrorBody error;
  int64_t bytes = 0;
  absl::StatusOr<http::Response> response = Stream(
      url, limits.page_timeout, limits.stop,
      [&](const http::Response& head, absl::string_view piece) -> absl::Status {
        if (!IsGood(head.status)) {
          error.Add(piece);
          return absl::OkStatus();
        }
        bytes += static_cast<int64_t>(piece.size());
        if (bytes > kMaxListPageBytes) {
          fatal = absl::ResourceExhaustedError(absl::StrCat(
              what, ": a page is larger than ", kMaxListPageBytes, " bytes (kMaxListPageBytes)"));
          return fatal;
        }
        return splitter.Feed(piece);
      });
  if (!fatal.ok()) return fatal;
  if (!response.ok()) {
    // A cut or damaged answer says nothing about the cluster: ask again later.
    if (response.status().code() == absl::StatusCode::kInvalidArgument) {
      return absl::UnavailableError(absl::StrCat(what, ": ", response.status().message()));
    }
    return base::Annotate(response.status(), what);
  }
  if (!IsGood(response->status)) {
    response->body = error.Take();
    if (response->status == 410) return Gone(*response, what);
    return Explain(*response, what);
  }
  if (const absl::Status end = splitter.Finish(); !end.ok()) {
    return absl::UnavailableError(absl::StrCat(what, ": ", end.message()));
  }
  absl::StatusOr<Json> envelope = json::Parse(splitter.envelope());
  if (!envelope.ok() || !envelope->is_object() ||
      json::ValueAt(*envelope, {"metadata"}) == nullptr ||
      json::ValueAt(*envelope, {"items"}) == nullptr) {
    return absl::UnavailableError(absl::StrCat(what, ": the answer is no list"));
  }
  return envelope;
}

absl::Status HttpKubernetesClient::Gone(const http::Response& response, const std::string& what) {
  return absl::OutOfRangeError(absl::StrCat(what, ": ", Explain(response, "expired").message()));
}

absl::StatusOr<ListResult> HttpKubernetesClient::List(const KindQuery& asked,
                                                      const FieldSelection& fields, ListSink& sink,
                                                      const ListLimits& limits) {
  KindQuery query = asked;
  const std::string what = absl::StrCat("cluster ", cluster_, ": list ", query.ToString());
  const FieldSelection selection = WithVersion(fields);
  const ClientLimits short_call{.timeout = absl::Seconds(30), .stop = limits.stop};
  ListResult result;
  for (;; ++result.restarts) {
    PURSER_ASSIGN_OR_RETURN(const std::string base, CollectionUrl(&query, short_call));
    result.objects = 0;
    result.resource_version.clear();
    absl::flat_hash_set<std::string> seen;
    std::string token;
    int empty_pages = 0;
    bool expired = false;
    do {
      if (limits.stop.stop_requested()) return absl::CancelledError("stopped");
      std::string url = base;
      AddParameter(&url, "limit", absl::StrCat(kListPageObjects));
      if (!token.empty()) AddParameter(&url, "continue", token);
      const int64_t before = result.objects;
      const absl::StatusOr<Json> envelope =
          Page(query, url, selection, sink, &result.objects, limits);
      if (envelope.status().code() == absl::StatusCode::kOutOfRange && !token.empty()) {
        expired = true;
        break;
      }
      if (envelope.status().code() == absl::StatusCode::kNotFound) {
        // The definition was removed after we had learned of it.
        base::MutexLock lock(mutex_);
        discovered_.erase(query.api_version);
      }
      PURSER_RETURN_IF_ERROR(envelope.status());
      // All pages show the state of the first.
      if (result.resource_version.empty()) {
        result.resource_version = json::TextAt(*envelope, {"metadata", "resourceVersion"});
      }
      token = json::TextAt(*envelope, {"metadata", "continue"});
      if (token.empty()) break;
      empty_pages = result.objects == before ? empty_pages + 1 : 0;
      if (token.size() > kMaxContinueBytes || empty_pages > kMaxEmptyListPages ||
          !seen.insert(token).second) {
        return absl::UnavailableError(
            absl::StrCat(what, ": the pages do not end (", result.objects, " objects on ",
                         seen.size(), " pages): the server gives ",
                         token.size() > kMaxContinueBytes   ? "a huge continue token"
                         : empty_pages > kMaxEmptyListPages ? "empty pages"
                                                            : "a continue token again"));
      }
    } while (true);
    if (!expired) break;
    if (result.restarts == kMaxListRestarts) {
      return absl::UnavailableError(
          absl::StrCat(what, ": its pages expired ", kMaxListRestarts + 1,
                       " times before the list was read (kMaxListRestarts)"));
    }
    sink.OnRestart();
  }
  if (result.resource_version.empty()) {
    return absl::UnavailableError(absl::StrCat(what, ": the list has no resourceVersion"));
  }
  return result;
}

absl::Status HttpKubernetesClient::Watch(const KindQuery& asked, const FieldSelection& fields,
                                         std::string* resource_version, WatchSink& sink,
                                         const WatchLimits& limits) {
  KindQuery query = asked;
  const std::string what = absl::StrCat("cluster ", cluster_, ": watch ", query.ToString());
  FieldSelection selection = WithVersion(fields);
  // Of a Status, which stands in the place of the object when the watch breaks.
  for (const char* field : {"code", "message", "reason"}) selection.Add({field});
  selection = selection.Below("object");
  selection.Add({"type"});
  PURSER_ASSIGN_OR_RETURN(
      std::string url, CollectionUrl(&query, {.timeout = absl::Seconds(30), .stop = limits.stop}));
  AddParameter(&url, "watch", "1");
  AddParameter(&url, "allowWatchBookmarks", "true");
  AddParameter(&url, "resourceVersion", *resource_version);
  AddParameter(&url, "timeoutSeconds",
               absl::StrCat(std::max<int64_t>(1, absl::ToInt64Seconds(limits.duration))));

  absl::Status fatal;
  ItemSplitter splitter(ItemSplitter::Form::kStream, [&](absl::string_view text) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(Json event, selection.Read(text));
    const std::string type = json::TextAt(event, {"type"});
    Json& object = event["object"];
    if (type == "ERROR") {
      const Json* const code = json::ValueAt(object, {"code"});
      const bool gone = code != nullptr && code->is_number() && code->get<double>() == 410;
      const std::string message =
          absl::StrCat(what, ": ", base::EscapeForDisplay(json::TextAt(object, {"message"}), 500),
                       " (", base::EscapeForDisplay(json::TextAt(object, {"reason"})), ")");
      fatal = gone ? absl::OutOfRangeError(message) : absl::UnavailableError(message);
      return fatal;
    }
    const std::string version = json::TextAt(object, {"metadata", "resourceVersion"});
    if (version.empty()) return absl::InvalidArgumentError("an event has no resourceVersion");
    std::optional<WatchEventType> known;
    if (type == "ADDED") known = WatchEventType::kAdded;
    if (type == "MODIFIED") known = WatchEventType::kModified;
    if (type == "DELETED") known = WatchEventType::kDeleted;
    if (type == "BOOKMARK") known = WatchEventType::kBookmark;
    // What we do not know may be a change: better begin anew than miss it.
    if (!known.has_value()) return absl::InvalidArgumentError("an event has an unknown type");
    for (const char* field : {"code", "message", "reason"}) object.erase(field);
    object["apiVersion"] = query.api_version;
    object["kind"] = query.kind;
    fatal = sink.OnEvent(*known, std::move(object));
    if (fatal.ok()) *resource_version = version;
    return fatal;
  });
  ErrorBody error;
  absl::StatusOr<http::Response> response =
      Stream(url, limits.duration + kWatchGrace, limits.stop,
             [&](const http::Response& head, absl::string_view piece) -> absl::Status {
               if (!IsGood(head.status)) {
                 error.Add(piece);
                 return absl::OkStatus();
               }
               return splitter.Feed(piece);
             });
  if (!fatal.ok()) return fatal;
  if (!response.ok()) {
    if (response.status().code() == absl::StatusCode::kInvalidArgument) {
      return absl::UnavailableError(absl::StrCat(what, ": ", response.status().message()));
    }
    return base::Annotate(response.status(), what);
  }
  if (!IsGood(response->status)) {
    response->body = error.Take();
    if (response->status == 410) return Gone(*response, what);
    return Explain(*response, what);
  }
  // A last event that is cut off comes again: the version did not move past it.
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> HttpKubernetesClient::Groups(const ClientLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": list groups");
  absl::StatusOr<http::Response> response = Send({.method = "GET", .url = "/apis"}, limits);
  if (!response.ok()) return base::Annotate(response.status(), what);
  PURSER_RETURN_IF_ERROR(Explain(*response, what));
  const absl::StatusOr<Json> list = json::Parse(response->body);
  const Json* const groups = list.ok() ? json::ValueAt(*list, {"groups"}) : nullptr;
  if (groups == nullptr || !groups->is_array()) {
    return absl::UnavailableError(absl::StrCat(what, ": the answer is no list of groups"));
  }
  std::vector<std::string> names;
  for (const Json& group : *groups) names.push_back(json::TextAt(group, {"name"}));
  return names;
}

absl::StatusOr<std::vector<std::string>> HttpKubernetesClient::Versions(
    absl::string_view group, const ClientLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": look up group ", group);
  absl::StatusOr<http::Response> response =
      Send({.method = "GET", .url = absl::StrCat("/apis/", http::EncodeComponent(group))}, limits);
  if (!response.ok()) return base::Annotate(response.status(), what);
  std::vector<std::string> versions;
  if (response->status == 404) return versions;
  PURSER_RETURN_IF_ERROR(Explain(*response, what));
  const absl::StatusOr<Json> found = json::Parse(response->body);
  if (found.ok()) versions.push_back(json::TextAt(*found, {"preferredVersion", "groupVersion"}));
  if (!found.ok() || versions[0].empty()) {
    return absl::UnavailableError(absl::StrCat(what, ": the answer names no version"));
  }
  const Json* const all = json::ValueAt(*found, {"versions"});
  if (all == nullptr || !all->is_array()) return versions;
  for (const Json& version : *all) {
    std::string name = json::TextAt(version, {"groupVersion"});
    if (!name.empty() && name != versions[0]) versions.push_back(std::move(name));
  }
  return versions;
}

absl::StatusOr<std::vector<ServedKind>> HttpKubernetesClient::Kinds(absl::string_view group,
                                                                    const ClientLimits& limits) {
  std::vector<std::string> versions = {"v1"};
  if (!group.empty()) {
    PURSER_ASSIGN_OR_RETURN(versions, Versions(group, limits));
  }
  std::vector<ServedKind> kinds;
  for (const std::string& version : versions) {
    PURSER_ASSIGN_OR_RETURN(const Discovered found, Discover(version, limits));
    for (const auto& [kind, resource] : found.by_kind) {
      const bool known = std::any_of(kinds.begin(), kinds.end(),
                                     [&](const ServedKind& served) { return served.kind == kind; });
      if (resource.watchable && !known) kinds.push_back({version, kind, resource.namespaced});
    }
  }
  return kinds;
}

}  // namespace purser::connectors
