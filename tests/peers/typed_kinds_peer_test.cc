// Each kind of the typed connectors in a real API server, where there is one (kubernetes_peer.h),
// by definitions of our own, as small as the kinds allow; the test plays the controllers.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "connectors/cert-manager/cert_manager_connector.h"
#include "connectors/crossplane/crossplane_connector.h"
#include "connectors/flux/flux_connector.h"
#include "connectors/istio/istio_connector.h"
#include "connectors/network-policy/network_policy_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "tests/peers/connectors_on_peer.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class TypedKindsPeerTest : public peers::ConnectorsOnPeer {
 protected:
  // A definition whose spec has these properties ("name": "type"; objects and lists hold anything).
  void Define(const std::string& group, const std::string& version, const std::string& kind,
              const std::map<std::string, std::string>& properties) {
    const Json anything = {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
    Json spec = {{"type", "object"}, {"properties", Json::object()}};
    for (const auto& [name, type] : properties) {
      Json& property = spec["properties"][name];
      property = type == "object" ? anything : Json{{"type", type}};
      if (type == "array") property["items"] = {{"x-kubernetes-preserve-unknown-fields", true}};
    }
    const std::string singular = absl::AsciiStrToLower(kind);
    const Json schema = {{"type", "object"},
                         {"properties", {{"spec", std::move(spec)}, {"status", anything}}}};
    const Json definition = {
        {"apiVersion", "apiextensions.k8s.io/v1"},
        {"kind", "CustomResourceDefinition"},
        {"metadata", {{"name", absl::StrCat(PluralOf(kind), ".", group)}}},
        {"spec",
         {{"group", group},
          {"scope", "Namespaced"},
          {"names",
           {{"kind", kind},
            {"listKind", kind + "List"},
            {"plural", PluralOf(kind)},
            {"singular", singular}}},
          {"versions", Json::array({{{"name", version},
                                     {"served", true},
                                     {"storage", true},
                                     {"subresources", {{"status", Json::object()}}},
                                     {"schema", {{"openAPIV3Schema", schema}}}}})}}}};
    definitions_.push_back({{"object", definition}});
    const auto defined = kubernetes_->Call("apply", definitions_.back(), context_);
    ASSERT_TRUE(defined.ok()) << defined.status();
    begun_.push_back(*defined);
  }
  // Until the server knows all that was defined.
  void Serve() {
    for (size_t i = 0; i < begun_.size(); ++i) {
      const auto served = UntilReady(*kubernetes_, "apply", definitions_[i], begun_[i]);
      ASSERT_TRUE(served.ok()) << served.status();
      ASSERT_TRUE(served->ready) << served->progress;
    }
  }
  static std::string PluralOf(const std::string& kind) {
    std::string plural = absl::AsciiStrToLower(kind);
    if (plural.back() == 'y') return plural.substr(0, plural.size() - 1) + "ies";
    return plural + "s";
  }
  // What the kind's controller would write.
  void SetStatus(const CallResult& made, const Json& status) {
    const std::string path = absl::StrCat("/apis/", made.outputs["apiVersion"].get<std::string>(),
                                          "/namespaces/default/", PluralOf(made.outputs["kind"]),
                                          "/", made.outputs["name"].get<std::string>(), "/status");
    ASSERT_EQ(peer_->Send("PATCH", path, "application/merge-patch+json", {{"status", status}}),
              200);
  }
  static Json Conditions(std::vector<std::pair<const char*, const char*>> conditions) {
    Json list = Json::array();
    for (const auto& [type, status] : conditions) {
      list.push_back({{"type", type}, {"status", status}, {"reason", "Test"}});
    }
    return list;
  }
  absl::StatusOr<CallResult> Call(Connector& connector, const char* operation,
                                  absl::string_view input) {
    input_ = *json::Parse(input);
    input_["namespace"] = "default";
    return connector.Call(operation, input_, context_);
  }
  // Of the last call.
  absl::StatusOr<CallResult> Observe(Connector& connector, const char* operation,
                                     const CallResult& previous) {
    return connector.Observe(operation, input_, previous, context_);
  }
  // Ready at once, the same at a repeat, seen when somebody changes it, taken away by its undo.
  void Lives(Connector& connector, const char* operation, absl::string_view input) {
    auto made = Call(connector, operation, input);
    ASSERT_TRUE(made.ok()) << operation << ": " << made.status();
    EXPECT_TRUE(made->ready) << operation << ": " << made->progress;
    const auto again = Call(connector, operation, input);
    ASSERT_TRUE(again.ok()) << operation << ": " << again.status();
    EXPECT_EQ(again->outputs["uid"], made->outputs["uid"]);
    const auto same = connector.Compare(operation, input_, *made, context_);
    ASSERT_TRUE(same.ok()) << operation << ": " << same.status();
    EXPECT_EQ(same->state, Comparison::State::kSame) << operation << ": " << same->detail;
    Undo(connector, *made);
    const auto gone = connector.Compare(operation, input_, *made, context_);
    ASSERT_TRUE(gone.ok()) << operation << ": " << gone.status();
    EXPECT_EQ(gone->state, Comparison::State::kGone) << operation;
  }
  void Undo(Connector& connector, const CallResult& made) {
    const auto deleted = Run(connector, "delete", made.outputs);
    ASSERT_TRUE(deleted.ok()) << deleted.status();
    EXPECT_TRUE(deleted->ready) << deleted->progress;
  }
  // What the kind does not know is refused before it is sent, with the name that was meant.
  void Refuses(Connector& connector, const char* operation, absl::string_view input,
               const char* meant) {
    const auto refused = Call(connector, operation, input);
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << operation << ": " << refused.status();
    EXPECT_THAT(std::string(refused.status().message()),
                HasSubstr(absl::StrCat("did you mean \"", meant, "\"?")));
  }

  Json input_;
  std::vector<Json> definitions_;
  std::vector<CallResult> begun_;
};

TEST_F(TypedKindsPeerTest, Istio) {
  Define("networking.istio.io", "v1", "VirtualService",
         {{"hosts", "array"}, {"gateways", "array"}, {"http", "array"}, {"exportTo", "array"}});
  Define("networking.istio.io", "v1", "Gateway", {{"selector", "object"}, {"servers", "array"}});
  Define("security.istio.io", "v1", "PeerAuthentication",
         {{"mtls", "object"}, {"selector", "object"}, {"portLevelMtls", "object"}});
  Define("security.istio.io", "v1", "AuthorizationPolicy",
         {{"action", "string"}, {"rules", "array"}, {"selector", "object"}});
  Define("security.istio.io", "v1", "RequestAuthentication",
         {{"jwtRules", "array"}, {"selector", "object"}});
  Serve();
  const auto istio = Make<IstioConnector>();
  Lives(*istio, "virtual-service",
        R"({"name":"shop","hosts":["shop.example.com"],"routes":[{"service":"shop","port":80}]})");
  Lives(*istio, "gateway",
        R"({"name":"shop","hosts":["shop.example.com"],"tls":{"credentialName":"shop-tls"}})");
  Lives(*istio, "peer-authentication", R"({"name":"shop"})");
  Lives(*istio, "authorization-policy", R"({"name":"shop","fromNamespaces":["web"]})");
  Lives(*istio, "request-authentication",
        R"({"name":"shop","issuer":"https://id.example.com","audiences":["shop"]})");
  Refuses(*istio, "virtual-service", R"({"name":"a","hosts":["a"],"spec":{"gatways":["a"]}})",
          "gateways");
  // What Istio's own analysis finds fails the step.
  auto bad = Call(*istio, "virtual-service", R"({"name":"bad","hosts":["b"]})");
  ASSERT_TRUE(bad.ok()) << bad.status();
  SetStatus(*bad, {{"validationMessages",
                    Json::array({{{"level", "ERROR"}, {"type", {{"code", "IST0101"}}}}})}});
  bad = Call(*istio, "virtual-service", R"({"name":"bad","hosts":["b"]})");
  EXPECT_TRUE(absl::IsFailedPrecondition(bad.status())) << bad.status();
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("IST0101"));
}

TEST_F(TypedKindsPeerTest, CertManager) {
  Define("cert-manager.io", "v1", "Issuer", {{"selfSigned", "object"}, {"ca", "object"}});
  Define("cert-manager.io", "v1", "Certificate",
         {{"issuerRef", "object"}, {"secretName", "string"}, {"dnsNames", "array"}});
  Serve();
  const auto certificates = Make<CertManagerConnector>();
  auto issuer = Call(*certificates, "issuer", R"({"name":"own","selfSigned":{}})");
  ASSERT_TRUE(issuer.ok()) << issuer.status();
  EXPECT_FALSE(issuer->ready);
  SetStatus(*issuer, {{"conditions", Conditions({{"Ready", "True"}})}});
  issuer = Observe(*certificates, "issuer", *issuer);
  ASSERT_TRUE(issuer.ok()) << issuer.status();
  EXPECT_TRUE(issuer->ready) << issuer->progress;
  Refuses(*certificates, "certificate",
          R"({"name":"a","issuer":{"name":"own"},"spec":{"dnsName":["a"]}})", "dnsNames");

  const char* const kSite =
      R"({"name":"site","issuer":{"name":"own"},"dnsNames":["site.example.com"]})";
  auto site = Call(*certificates, "certificate", kSite);
  ASSERT_TRUE(site.ok()) << site.status();
  SetStatus(*site, {{"notAfter", "2027-01-01T00:00:00Z"},
                    {"renewalTime", "2026-12-01T00:00:00Z"},
                    {"revision", 1},
                    {"conditions", Conditions({{"Ready", "True"}})}});
  site = Observe(*certificates, "certificate", *site);
  ASSERT_TRUE(site.ok()) << site.status();
  EXPECT_TRUE(site->ready) << site->progress;
  EXPECT_EQ(site->outputs["notAfter"], "2027-01-01T00:00:00Z");
  EXPECT_EQ(site->outputs["secret"], "kubernetes:local/default/site-tls");

  auto renewed = Call(*certificates, "renew", R"({"name":"site"})");
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_FALSE(renewed->ready);
  SetStatus(*site, {{"notAfter", "2028-01-01T00:00:00Z"},
                    {"revision", 2},
                    {"conditions", Conditions({{"Ready", "True"}})}});
  renewed = Observe(*certificates, "renew", *renewed);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_TRUE(renewed->ready) << renewed->progress;
  EXPECT_EQ(renewed->outputs["notAfter"], "2028-01-01T00:00:00Z");
  Undo(*certificates, *site);
}

TEST_F(TypedKindsPeerTest, CrossplaneClaimsAndComposites) {
  Define("platform.example.com", "v1", "Bucket",
         {{"region", "string"},
          {"compositionRef", "object"},
          {"compositionSelector", "object"},
          {"compositeDeletePolicy", "string"},
          {"writeConnectionSecretToRef", "object"}});
  Define("platform.example.com", "v2", "Workspace",
         {{"size", "integer"}, {"crossplane", "object"}});
  Define("protection.crossplane.io", "v1beta1", "Usage",
         {{"of", "object"}, {"by", "object"}, {"reason", "string"}, {"replayDeletion", "boolean"}});
  Serve();
  const auto crossplane = Make<CrossplaneConnector>();
  const char* const kBucket = R"({"apiVersion":"platform.example.com/v1","kind":"Bucket",
      "name":"data","connectionSecret":"data-access","deletePolicy":"Foreground",
      "spec":{"region":"eu"},"outputs":{"arn":"/status/arn"}})";
  auto bucket = Call(*crossplane, "claim", kBucket);
  ASSERT_TRUE(bucket.ok()) << bucket.status();
  EXPECT_FALSE(bucket->ready);
  SetStatus(*bucket, {{"conditions", Conditions({{"Synced", "True"}, {"Ready", "False"}})}});
  bucket = Observe(*crossplane, "claim", *bucket);
  ASSERT_TRUE(bucket.ok()) << bucket.status();
  EXPECT_FALSE(bucket->ready);
  SetStatus(*bucket, {{"arn", "arn:aws:s3:::data"},
                      {"conditions", Conditions({{"Synced", "True"}, {"Ready", "True"}})}});
  bucket = Observe(*crossplane, "claim", *bucket);
  ASSERT_TRUE(bucket.ok()) << bucket.status();
  EXPECT_TRUE(bucket->ready) << bucket->progress;
  EXPECT_EQ(bucket->outputs["arn"], "arn:aws:s3:::data");
  EXPECT_EQ(bucket->outputs["connection"]["reference"], "kubernetes:local/default/data-access");

  const char* const kWhich =
      R"({"apiVersion":"platform.example.com/v1","kind":"Bucket","name":"data"})";
  EXPECT_TRUE(Call(*crossplane, "pause", kWhich).ok());
  const auto paused = Call(*crossplane, "claim", kBucket);
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_THAT(paused->progress, HasSubstr("is paused"));
  const auto resumed = Call(*crossplane, "resume", kWhich);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(resumed->ready) << resumed->progress;
  Undo(*crossplane, *bucket);

  auto workspace = Call(*crossplane, "composite",
                        R"({"apiVersion":"platform.example.com/v2","kind":"Workspace","name":"w",
      "composition":"small","spec":{"size":3}})");
  ASSERT_TRUE(workspace.ok()) << workspace.status();
  SetStatus(*workspace, {{"conditions", Conditions({{"Synced", "True"}, {"Ready", "True"}})}});
  workspace = Observe(*crossplane, "composite", *workspace);
  ASSERT_TRUE(workspace.ok()) << workspace.status();
  EXPECT_TRUE(workspace->ready) << workspace->progress;
  Refuses(*crossplane, "composite",
          R"({"apiVersion":"platform.example.com/v2","kind":"Workspace","name":"x",
      "spec":{"sise":3}})",
          "size");
  auto usage = Call(*crossplane, "usage", R"({"name":"keep","reason":"holds data",
      "of":{"apiVersion":"platform.example.com/v2","kind":"Workspace","resourceRef":{"name":"w"}}})");
  ASSERT_TRUE(usage.ok()) << usage.status();
  SetStatus(*usage, {{"conditions", Conditions({{"Ready", "True"}})}});
  usage = Observe(*crossplane, "usage", *usage);
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_TRUE(usage->ready) << usage->progress;
}

TEST_F(TypedKindsPeerTest, FluxSourcesAndHelmReleases) {
  Define("source.toolkit.fluxcd.io", "v1", "OCIRepository",
         {{"url", "string"}, {"interval", "string"}, {"ref", "object"}, {"suspend", "boolean"}});
  Define("helm.toolkit.fluxcd.io", "v2", "HelmRelease",
         {{"interval", "string"},
          {"chartRef", "object"},
          {"values", "object"},
          {"releaseName", "string"},
          {"suspend", "boolean"}});
  Serve();
  const auto flux = Make<FluxConnector>();
  auto source =
      Call(*flux, "oci-repository", R"({"name":"charts","url":"oci://r.example.com/shop"})");
  ASSERT_TRUE(source.ok()) << source.status();
  SetStatus(*source, {{"observedGeneration", 1},
                      {"artifact", {{"revision", "1.2.0@sha256:ab"}}},
                      {"conditions", Conditions({{"Ready", "True"}})}});
  source = Observe(*flux, "oci-repository", *source);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE(source->ready) << source->progress;
  EXPECT_EQ(source->outputs["revision"], "1.2.0@sha256:ab");

  auto release = Call(*flux, "helm-release", R"({"name":"shop","values":{"replicas":2},
      "chartRef":{"kind":"OCIRepository","name":"charts"}})");
  ASSERT_TRUE(release.ok()) << release.status();
  SetStatus(*release, {{"observedGeneration", 1},
                       {"lastAttemptedRevision", "1.2.0"},
                       {"history", Json::array({{{"chartVersion", "1.2.0"}, {"version", 1}}})},
                       {"conditions", Conditions({{"Ready", "True"}})}});
  release = Observe(*flux, "helm-release", *release);
  ASSERT_TRUE(release.ok()) << release.status();
  EXPECT_TRUE(release->ready) << release->progress;
  EXPECT_EQ(release->outputs["chartVersion"], "1.2.0");
  const char* const kWhich = R"({"kind":"HelmRelease","name":"shop"})";
  EXPECT_TRUE(Call(*flux, "suspend", kWhich).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Call(*flux, "reconcile", kWhich).status()));
  auto resumed = Call(*flux, "resume", kWhich);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  Undo(*flux, *release);
}

TEST_F(TypedKindsPeerTest, NetworkPolicies) {
  Define("crd.projectcalico.org", "v1", "NetworkPolicy",
         {{"order", "number"},
          {"selector", "string"},
          {"types", "array"},
          {"ingress", "array"},
          {"tier", "string"}});
  Serve();
  const auto policies = Make<NetworkPolicyConnector>();
  Lives(*policies, "policy",
        R"({"name":"web","selector":{"app":"web"},"ingress":[{"ports":[{"port":80}]}]})");
  Lives(
      *policies, "isolate",
      R"({"name":"shut","allowFromNamespaces":["ingress"],"allowToNetworks":["203.0.113.0/24"]})");
  Lives(*policies, "calico-policy",
        R"({"apiVersion":"crd.projectcalico.org/v1","name":"web","order":10,
      "selector":"app == 'web'","types":["Ingress"],"ingress":[{"action":"Allow"}]})");
  Refuses(*policies, "calico-policy",
          R"({"apiVersion":"crd.projectcalico.org/v1","name":"a","spec":{"selctor":"x"}})",
          "selector");
}

}  // namespace
}  // namespace purser::connectors
