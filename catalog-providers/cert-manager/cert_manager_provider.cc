#include "catalog-providers/cert-manager/cert_manager_provider.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "catalog-providers/cluster_source.h"
#include "connectors/kubernetes/object_readiness.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

constexpr char kGroup[] = "cert-manager.io/*";
constexpr size_t kMaxShownNames = 20;  // of a certificate

class CertManagerMapper final : public ClusterMapper {
 public:
  explicit CertManagerMapper(const ClusterOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<FollowedKind>> Kinds(const std::string&, connectors::KubernetesReader&,
                                                  std::stop_token) override {
    connectors::FieldSelection fields = CommonFields(options_);
    for (const char* field : {"dnsNames", "commonName", "issuerRef", "duration", "isCA"}) {
      fields.Add({"spec", field});
    }
    connectors::AddReadinessFields(&fields);
    for (const char* field : {"notAfter", "renewalTime"}) fields.Add({"status", field});
    connectors::FieldSelection issuer = CommonFields(options_);
    connectors::AddReadinessFields(&issuer);
    // Which kind of issuer: names of members only, their contents name Secrets.
    for (const char* kind : {"acme", "ca", "selfSigned", "vault", "venafi"}) {
      issuer.Add({"spec", kind, "server"});
    }
    std::vector<FollowedKind> kinds;
    const auto add = [&](const char* kind, const connectors::FieldSelection& wanted,
                         bool namespaced) {
      for (FollowedKind& followed :
           FollowedKinds(options_, {.api_version = kGroup, .kind = kind}, wanted, namespaced)) {
        kinds.push_back(std::move(followed));
      }
    };
    add("Certificate", fields, true);
    add("Issuer", issuer, true);
    add("ClusterIssuer", issuer, false);
    return kinds;
  }

  absl::Status Map(const ClusterObject& object, std::vector<MappedEntity>* entities) override {
    const bool certificate = object.kind == "Certificate";
    Json draft = DraftOf(object, "Resource", certificate ? "certificate" : "certificate-issuer",
                         /*health=*/true);
    Json& annotations = draft["metadata"]["annotations"];
    const auto note = [&](const char* name, const std::string& text) {
      if (!text.empty()) annotations[name] = text;
    };
    if (certificate) {
      note("purser.dev/expires-at", object.TextAt({"status", "notAfter"}));
      note("purser.dev/renews-at", object.TextAt({"status", "renewalTime"}));
      std::vector<std::string> names;
      const std::string common = object.TextAt({"spec", "commonName"});
      if (!common.empty()) names.push_back(common);
      const Json* const hosts = object.At({"spec", "dnsNames"});
      if (hosts != nullptr && hosts->is_array()) {
        for (const Json& host : *hosts) {
          if (host.is_string() && host != common && names.size() < kMaxShownNames) {
            names.push_back(host.get<std::string>());
          }
        }
      }
      note("purser.dev/certificate-names", absl::StrJoin(names, ","));
      std::string issuer_kind = object.TextAt({"spec", "issuerRef", "kind"});
      if (issuer_kind.empty()) issuer_kind = "Issuer";
      const std::string issuer = object.TextAt({"spec", "issuerRef", "name"});
      if (!issuer.empty()) {
        AddRelation(
            "dependsOn",
            absl::StrCat(
                "resource:default/",
                EntityNameOf(object.cluster, issuer_kind,
                             issuer_kind == "ClusterIssuer" ? "" : object.namespace_name, issuer)),
            &draft);
      }
    } else if (const Json* const spec = object.At({"spec"});
               spec != nullptr && spec->is_object() && !spec->empty()) {
      note("purser.dev/issuer-type", spec->begin().key());
    }
    PURSER_ASSIGN_OR_RETURN(const bool wanted, CompleteDraft(options_, object, &draft));
    if (wanted) entities->push_back({.entity = std::move(draft)});
    return absl::OkStatus();
  }

 private:
  const ClusterOptions& options_;
};

}  // namespace

CertManagerProvider::CertManagerProvider() {
  description_.id = "cert-manager";
  description_.description = "Certificates of cert-manager with their names, issuers and expiry.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kWatch;
  description_.kinds = {"Component", "Resource", "System"};
  description_.config_schema =
      ClusterConfigSchema(Json::object(), {{"excludeNamespaces", Json::array()}});
}

absl::Status CertManagerProvider::Watch(provider::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const ClusterOptions options, ReadClusterOptions(context));
  CertManagerMapper mapper(options);
  return FollowClusters(context, options, mapper);
}

}  // namespace purser::catalog_providers
