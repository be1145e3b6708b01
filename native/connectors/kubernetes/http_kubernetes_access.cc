// What HttpKubernetesClient knows beside apply, get and delete: definitions, rights, members of a
// set, patches.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "http/url.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using json::TextAt;

constexpr int kFindPageObjects = 500;
// Servers give no more than `kMaxFoundObjects` in this many pages, even if pages are half empty.
constexpr int kMaxFindPages = 40;
constexpr char kMetadataOnly[] =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

}  // namespace

absl::StatusOr<Json> HttpKubernetesClient::SendForObject(http::Request request,
                                                         const std::string& what,
                                                         const ClientLimits& limits) {
  absl::StatusOr<http::Response> response = Send(std::move(request), limits);
  if (!response.ok()) return base::Annotate(response.status(), what);
  PURSER_RETURN_IF_ERROR(Explain(*response, what));
  absl::StatusOr<Json> object = json::Parse(response->body);
  if (!object.ok() || !object->is_object()) {
    return absl::UnavailableError(absl::StrCat(what, ": the answer is no JSON object"));
  }
  return object;
}

absl::StatusOr<Json> HttpKubernetesClient::Merge(const ObjectRef& ref, const Json& patch,
                                                 absl::string_view subresource,
                                                 const ApplyOptions& options,
                                                 const ClientLimits& limits) {
  const std::string what = absl::StrCat("cluster ", cluster_, ": change ", ref.ToString());
  PURSER_ASSIGN_OR_RETURN(std::string path, PathOf(ref, limits));
  if (!subresource.empty()) absl::StrAppend(&path, "/", subresource);
  absl::StrAppend(&path, "?fieldManager=", http::EncodeComponent(options.field_manager),
                  options.dry_run ? "&dryRun=All" : "", "&fieldValidation=Strict");
  return SendForObject({.method = "PATCH",
                        .url = path,
                        .headers = {{"Content-Type", "application/merge-patch+json"}},
                        .body = json::Dump(patch)},
                       what, limits);
}

absl::StatusOr<Json> HttpKubernetesClient::Definition(absl::string_view api_version,
                                                      absl::string_view kind,
                                                      const ClientLimits& limits) {
  const std::string version(api_version);
  const ObjectRef ref{version, std::string(kind), "", ""};
  PURSER_ASSIGN_OR_RETURN(const Resource resource, FindKind(version, ref.kind, limits));
  return Get({"apiextensions.k8s.io/v1", "CustomResourceDefinition", "",
              absl::StrCat(resource.plural, ".", ref.group())},
             limits);
}

absl::StatusOr<AccessAnswer> HttpKubernetesClient::MayI(absl::string_view verb,
                                                        const ObjectRef& ref,
                                                        const ClientLimits& limits) {
  const std::string what =
      absl::StrCat("cluster ", cluster_, ": ask for the right to ", verb, " ", ref.kind);
  PURSER_ASSIGN_OR_RETURN(const Resource resource, FindKind(ref.api_version, ref.kind, limits));
  Json attributes = {
      {"verb", std::string(verb)}, {"group", ref.group()}, {"resource", resource.plural}};
  if (resource.namespaced) attributes["namespace"] = ref.namespace_name;
  PURSER_ASSIGN_OR_RETURN(
      const Json review,
      SendForObject({.method = "POST",
                     .url = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                     .headers = {{"Content-Type", "application/json"}},
                     .body = json::Dump({{"apiVersion", "authorization.k8s.io/v1"},
                                         {"kind", "SelfSubjectAccessReview"},
                                         {"spec", {{"resourceAttributes", attributes}}}})},
                    what, limits));
  const auto status = review.find("status");
  if (status == review.end() || !status->is_object()) {
    return absl::UnavailableError(absl::StrCat(what, ": the answer has no status"));
  }
  return AccessAnswer{status->value("allowed", Json(false)) == true, TextAt(*status, "reason")};
}

absl::StatusOr<std::vector<FoundObject>> HttpKubernetesClient::Find(
    absl::string_view api_version, absl::string_view kind, absl::string_view namespace_name,
    absl::string_view label_selector, const ClientLimits& limits) {
  const std::string version(api_version);
  const std::string kind_name(kind);
  const std::string what =
      absl::StrCat("cluster ", cluster_, ": find ", kind, " with ", label_selector);
  PURSER_ASSIGN_OR_RETURN(const Resource resource, FindKind(version, kind_name, limits));
  std::string base = RootOf(version);
  if (resource.namespaced && !namespace_name.empty()) {
    absl::StrAppend(&base, "/namespaces/", http::EncodeComponent(namespace_name));
  }
  absl::StrAppend(&base, "/", resource.plural,
                  "?labelSelector=", http::EncodeComponent(label_selector),
                  "&limit=", kFindPageObjects);
  std::vector<FoundObject> found;
  std::string token;
  for (int page = 0; page < kMaxFindPages; ++page) {
    PURSER_ASSIGN_OR_RETURN(
        const Json list,
        SendForObject(
            {.method = "GET",
             .url = token.empty() ? base
                                  : absl::StrCat(base, "&continue=", http::EncodeComponent(token)),
             .headers = {{"Accept", kMetadataOnly}}},
            what, limits));
    // An empty list of metadata is written as null.
    const auto items = list.find("items");
    if (items == list.end() || !(items->is_array() || items->is_null())) {
      return absl::UnavailableError(absl::StrCat(what, ": the answer is no list"));
    }
    for (const Json& item : *items) {
      const Json metadata = item.is_object() ? item.value("metadata", Json()) : Json();
      found.push_back(
          {{version, kind_name, TextAt(metadata, "namespace"), TextAt(metadata, "name")},
           TextAt(metadata, "uid")});
    }
    if (found.size() > kMaxFoundObjects) break;
    token = TextAt(list.value("metadata", Json()), "continue");
    if (token.empty()) return found;
  }
  return absl::ResourceExhaustedError(absl::StrCat(what, ": there are more than ", kMaxFoundObjects,
                                                   " (kMaxFoundObjects), or the pages do not end"));
}

}  // namespace purser::connectors
