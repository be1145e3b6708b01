#include "connectors/kubernetes/http_kubernetes_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/status.h"
#include "http/url.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxShownCauses = 20;

}  // namespace

std::string ObjectRef::group() const {
  const size_t slash = api_version.find('/');
  return slash == std::string::npos ? "" : api_version.substr(0, slash);
}

std::string ObjectRef::ToString() const {
  return absl::StrCat(kind, " ", namespace_name, namespace_name.empty() ? "" : "/", name);
}

HttpKubernetesClient::HttpKubernetesClient(std::string cluster, ClusterAccess access,
                                           http::Transport& transport, base::Clock& clock)
    : cluster_(std::move(cluster)),
      access_(std::move(access)),
      transport_(transport),
      clock_(clock) {}

// "/api/v1" or "/apis/group/version".
std::string HttpKubernetesClient::RootOf(const std::string& api_version) {
  const size_t slash = api_version.find('/');
  if (slash == std::string::npos) return absl::StrCat("/api/", http::EncodeComponent(api_version));
  return absl::StrCat("/apis/", http::EncodeComponent(api_version.substr(0, slash)), "/",
                      http::EncodeComponent(api_version.substr(slash + 1)));
}

absl::StatusOr<http::Response> HttpKubernetesClient::Send(http::Request request,
                                                          const ClientLimits& limits) {
  request.url = absl::StrCat(access_.server, request.url);
  if (http::FindHeader(request.headers, "Accept").empty()) {
    request.headers.emplace_back("Accept", "application/json");
  }
  if (access_.token) {
    PURSER_ASSIGN_OR_RETURN(const std::string token, access_.token());
    request.headers.emplace_back("Authorization", absl::StrCat("Bearer ", token));
  }
  http::CallOptions options;
  options.timeout = limits.timeout;
  options.stop = limits.stop;
  options.max_response_bytes = kMaxObjectBytes;
  options.repeatable = true;  // apply is declarative; a second delete finds nothing
  options.tls = access_.tls;
  return transport_.Send(request, options);
}

absl::Status HttpKubernetesClient::Explain(const http::Response& response,
                                           const std::string& what) {
  if (response.status >= 200 && response.status < 300) return absl::OkStatus();
  const absl::StatusOr<Json> parsed = json::Parse(response.body);
  const bool is_status =
      parsed.ok() && parsed->is_object() && json::TextAt(*parsed, "kind") == "Status";
  if (!is_status) {
    return http::StatusFromResponse(response, what, response.body.substr(0, 300), clock_.Now());
  }
  const std::string reason = json::TextAt(*parsed, "reason");
  std::string detail = json::TextAt(*parsed, "message");
  std::string conflicts;
  const auto details = parsed->find("details");
  if (details != parsed->end() && details->is_object() && details->contains("causes") &&
      (*details)["causes"].is_array()) {
    size_t shown = 0;
    for (const Json& cause : (*details)["causes"]) {
      if (!cause.is_object() || json::TextAt(cause, "reason") != "FieldManagerConflict") continue;
      if (++shown > kMaxShownCauses) continue;
      absl::StrAppend(&conflicts, conflicts.empty() ? "" : "; ", json::TextAt(cause, "field"), " (",
                      json::TextAt(cause, "message"), ")");
    }
    if (shown > kMaxShownCauses) absl::StrAppend(&conflicts, "; …");
  }
  if (!conflicts.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": other managers own fields that differ: ", base::EscapeForDisplay(conflicts, 2000),
        "; leave those fields out, or set force: true to take them over"));
  }
  if (response.status == 409 && reason != "AlreadyExists") {
    return absl::AbortedError(absl::StrCat(what, ": ", base::EscapeForDisplay(detail, 1000)));
  }
  // Servers before 1.21 answer 500 to an object that does not fit its type; nothing was written.
  if (response.status == 500 && absl::StartsWith(detail, "failed to create typed patch object")) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": ", base::EscapeForDisplay(detail, 2000)));
  }
  absl::Status status = http::StatusFromResponse(response, what, "", clock_.Now());
  absl::Status explained(
      status.code(),
      absl::StrCat(
          what, ": ", base::EscapeForDisplay(detail, 2000), reason.empty() ? "" : " (", reason,
          reason.empty() ? "" : ")",
          response.status == 401 ? "; the cluster's credential is wrong or has expired" : ""));
  status.ForEachPayload([&explained](absl::string_view url, const absl::Cord& payload) {
    explained.SetPayload(url, payload);
  });
  return explained;
}

absl::StatusOr<HttpKubernetesClient::Discovered> HttpKubernetesClient::Discover(
    const std::string& api_version, const ClientLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": list kinds of ", api_version);
  absl::StatusOr<http::Response> response =
      Send({.method = "GET", .url = RootOf(api_version)}, limits);
  if (!response.ok()) return base::Annotate(response.status(), what);
  Discovered found;
  found.at = clock_.Monotonic();
  if (response->status == 404) return found;
  PURSER_RETURN_IF_ERROR(Explain(*response, what));
  absl::StatusOr<Json> list = json::Parse(response->body);
  if (!list.ok() || !list->is_object() || !(*list)["resources"].is_array()) {
    return absl::UnavailableError(absl::StrCat(what, ": the answer is no list of resources"));
  }
  for (const Json& resource : (*list)["resources"]) {
    if (!resource.is_object()) continue;
    const std::string name = json::TextAt(resource, "name");
    const std::string kind = json::TextAt(resource, "kind");
    if (name.empty() || kind.empty() || absl::StrContains(name, '/')) continue;  // a subresource
    const Json verbs = resource.value("verbs", Json::array());
    const bool watchable = std::find(verbs.begin(), verbs.end(), "list") != verbs.end() &&
                           std::find(verbs.begin(), verbs.end(), "watch") != verbs.end();
    found.by_kind[kind] = {name, resource.value("namespaced", Json(false)) == true, watchable};
  }
  return found;
}

absl::StatusOr<HttpKubernetesClient::Resource> HttpKubernetesClient::FindKind(
    const std::string& api_version, const std::string& kind, const ClientLimits& limits) {
  for (;;) {
    const absl::Duration now = clock_.Monotonic();
    {
      base::MutexLock lock(mutex_);
      const auto known = discovered_.find(api_version);
      if (known != discovered_.end() && now - known->second.at < kDiscoveryLifetime) {
        const auto resource = known->second.by_kind.find(kind);
        if (resource != known->second.by_kind.end()) return resource->second;
        if (now - known->second.at < kDiscoveryRefresh) break;
      }
    }
    PURSER_ASSIGN_OR_RETURN(Discovered found, Discover(api_version, limits));
    const auto resource = found.by_kind.find(kind);
    const bool there = resource != found.by_kind.end();
    Resource result;
    if (there) result = resource->second;
    base::MutexLock lock(mutex_);
    discovered_[api_version] = std::move(found);
    if (there) return result;
    break;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "cluster ", cluster_, " serves no kind ", base::EscapeForDisplay(kind), " in ",
      base::EscapeForDisplay(api_version), "; is its CustomResourceDefinition there?"));
}

absl::StatusOr<bool> HttpKubernetesClient::IsNamespaced(absl::string_view api_version,
                                                        absl::string_view kind,
                                                        const ClientLimits& limits) {
  PURSER_ASSIGN_OR_RETURN(const Resource resource,
                          FindKind(std::string(api_version), std::string(kind), limits));
  return resource.namespaced;
}

absl::StatusOr<std::string> HttpKubernetesClient::PathOf(const ObjectRef& ref,
                                                         const ClientLimits& limits) {
  PURSER_ASSIGN_OR_RETURN(const Resource resource, FindKind(ref.api_version, ref.kind, limits));
  std::string path = RootOf(ref.api_version);
  if (resource.namespaced) {
    absl::StrAppend(&path, "/namespaces/", http::EncodeComponent(ref.namespace_name));
  }
  return absl::StrCat(path, "/", resource.plural, "/", http::EncodeComponent(ref.name));
}

absl::StatusOr<Json> HttpKubernetesClient::Get(const ObjectRef& ref, const ClientLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": get ", ref.ToString());
  PURSER_ASSIGN_OR_RETURN(const std::string path, PathOf(ref, limits));
  absl::StatusOr<http::Response> response = Send({.method = "GET", .url = path}, limits);
  if (!response.ok()) return base::Annotate(response.status(), what);
  PURSER_RETURN_IF_ERROR(Explain(*response, what));
  absl::StatusOr<Json> object = json::Parse(response->body);
  if (!object.ok()) return absl::UnavailableError(absl::StrCat(what, ": the answer is no JSON"));
  return object;
}

absl::StatusOr<Json> HttpKubernetesClient::Apply(const ObjectRef& ref, const Json& object,
                                                 const ApplyOptions& options,
                                                 const ClientLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": apply ", ref.ToString());
  PURSER_ASSIGN_OR_RETURN(const std::string path, PathOf(ref, limits));
  http::Request request{
      .method = "PATCH",
      .url = absl::StrCat(path, "?fieldManager=", http::EncodeComponent(options.field_manager),
                          "&force=", options.force ? "true" : "false",
                          options.dry_run ? "&dryRun=All" : "", "&fieldValidation=Strict"),
      .headers = {{"Content-Type", "application/apply-patch+yaml"}},  // JSON is YAML
      .body = json::Dump(object)};
  absl::StatusOr<http::Response> response = Send(std::move(request), limits);
  if (!response.ok()) return base::Annotate(response.status(), what);
  if (response->status == 404) {
    // Perhaps the kind's definition was removed meanwhile.
    base::MutexLock lock(mutex_);
    discovered_.erase(ref.api_version);
  }
  PURSER_RETURN_IF_ERROR(Explain(*response, what));
  absl::StatusOr<Json> applied = json::Parse(response->body);
  if (!applied.ok()) return absl::UnavailableError(absl::StrCat(what, ": the answer is no JSON"));
  return applied;
}

absl::Status HttpKubernetesClient::Delete(const ObjectRef& ref, absl::string_view uid,
                                          const ClientLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": delete ", ref.ToString());
  PURSER_ASSIGN_OR_RETURN(const std::string path, PathOf(ref, limits));
  Json body = {
      {"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"propagationPolicy", "Background"}};
  if (!uid.empty()) body["preconditions"] = {{"uid", std::string(uid)}};
  http::Request request{.method = "DELETE",
                        .url = path,
                        .headers = {{"Content-Type", "application/json"}},
                        .body = json::Dump(body)};
  absl::StatusOr<http::Response> response = Send(std::move(request), limits);
  if (!response.ok()) return base::Annotate(response.status(), what);
  // The only conflict of a delete is its precondition.
  if (response->status == 409 && !uid.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": the object under that name is another one (uid differs)"));
  }
  return Explain(*response, what);
}

}  // namespace purser::connectors
