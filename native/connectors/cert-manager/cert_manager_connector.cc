#include "connectors/cert-manager/cert_manager_connector.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "connectors/kubernetes/typed_connector.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kGroup[] = "cert-manager.io/v1";

absl::StatusOr<Json> MakeIssuer(const Json& input, const char* kind) {
  int forms = 0;
  Json spec = Json::object();
  for (const char* form : {"acme", "ca", "selfSigned", "vault"}) {
    if (!input.contains(form)) continue;
    ++forms;
    spec[form] = input[form];
  }
  if (forms != 1 && !(forms == 0 && input.contains("spec"))) {
    return absl::InvalidArgumentError(
        absl::StrCat("input of cert-manager: exactly one of /acme, /ca, /selfSigned, /vault must "
                     "be given; there are ",
                     forms));
  }
  return Compose(input, kGroup, kind, std::move(spec));
}

absl::StatusOr<Json> Issuer(const Json& input) { return MakeIssuer(input, "Issuer"); }
absl::StatusOr<Json> ClusterIssuer(const Json& input) { return MakeIssuer(input, "ClusterIssuer"); }

absl::StatusOr<Json> Certificate(const Json& input) {
  Json spec = {
      {"issuerRef", input["issuer"]},
      {"secretName", input.value("secretName", input["name"].get<std::string>() + "-tls")}};
  for (const char* member : {"dnsNames", "ipAddresses", "uris", "commonName", "duration",
                             "renewBefore", "usages", "isCA", "privateKey"}) {
    spec[member] = Maybe(input, member);
  }
  return Compose(input, kGroup, "Certificate", std::move(spec));
}

// What the certificate's controller last failed with, since Ready only says that there is none.
ObjectReadiness JudgeCertificate(const Json& object, const Json&) {
  ObjectReadiness readiness = AssessObject(object);
  const Json* const issuing = ConditionOf(object, "Issuing");
  if (readiness.state == ObjectState::kWaiting && issuing != nullptr &&
      issuing->value("status", "") == "False") {
    absl::StrAppend(&readiness.reason, "; the last attempt: ", issuing->value("reason", ""), ": ",
                    issuing->value("message", ""));
  }
  return readiness;
}

// cert-manager's own tool asks in the same way: by a condition.
absl::StatusOr<ObjectChange> Renew(const Json& object, const Json&, const std::string&) {
  ObjectChange change;
  const Json* const issuing = ConditionOf(object, "Issuing");
  const int64_t revision = object.value(Json::json_pointer("/status/revision"), int64_t{0});
  change.remember = {{"before", revision}};
  if (issuing != nullptr && issuing->value("status", "") == "True") return change;  // under way
  Json conditions = Json::array();
  for (const Json& one : object.value(Json::json_pointer("/status/conditions"), Json::array())) {
    if (one.value("type", "") != "Issuing") conditions.push_back(one);
  }
  conditions.push_back({{"type", "Issuing"},
                        {"status", "True"},
                        {"reason", "ManuallyTriggered"},
                        {"message", "Certificate re-issuance manually triggered"}});
  // A list is replaced as a whole: only if nobody changed it since it was read.
  change.patch = {
      {"metadata",
       {{"resourceVersion", object.value(Json::json_pointer("/metadata/resourceVersion"), "")}}},
      {"status", {{"conditions", std::move(conditions)}}}};
  change.subresource = "status";
  return change;
}

ObjectReadiness JudgeRenewed(const Json& object, const Json& outputs) {
  const Json* const issuing = ConditionOf(object, "Issuing");
  if (issuing != nullptr && issuing->value("status", "") == "True") {
    return {ObjectState::kWaiting, "a new certificate is being issued"};
  }
  if (object.value(Json::json_pointer("/status/revision"), int64_t{0}) <=
      outputs.value("before", int64_t{0})) {
    return {ObjectState::kWaiting, "no new certificate yet"};
  }
  return JudgeCertificate(object, outputs);
}

void AddSecret(const Target& target, const Json& object, Json* outputs) {
  const std::string name = object.value(Json::json_pointer("/spec/secretName"), "");
  (*outputs)["secretName"] = name;
  (*outputs)["secret"] = SecretReference(target, name);
}

constexpr char kIssuerFields[] = R"json({
  "acme": {"type": "object", "description": "An ACME account: server, email, privateKeySecretRef, solvers."},
  "ca": {"type": "object", "description": "An authority of one's own: secretName."},
  "selfSigned": {"type": "object"},
  "vault": {"type": "object", "description": "HashiCorp Vault: server, path, auth."}
})json";

constexpr char kCertificateFields[] = R"json({
  "issuer": {"type": "object", "additionalProperties": false, "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 1},
      "kind": {"enum": ["Issuer", "ClusterIssuer"], "default": "Issuer"},
      "group": {"type": "string"}}},
  "secretName": {"type": "string", "description": "Where the key is kept; <name>-tls when absent."},
  "dnsNames": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
  "ipAddresses": {"type": "array", "items": {"type": "string"}},
  "uris": {"type": "array", "items": {"type": "string"}},
  "commonName": {"type": "string", "maxLength": 64},
  "duration": {"type": "string", "description": "2160h0m0s, for instance."},
  "renewBefore": {"type": "string"},
  "usages": {"type": "array", "items": {"type": "string"}},
  "isCA": {"type": "boolean"},
  "privateKey": {"type": "object"}
})json";

constexpr char kRenewFields[] = R"json({
  "apiVersion": {"type": "string", "default": "cert-manager.io/v1"},
  "kind": {"const": "Certificate", "default": "Certificate"}
})json";

std::vector<TypedOperation> MakeOperations() {
  std::vector<TypedOperation> all(4);
  all[0].operation =
      BuildOperation("issuer", "An issuer of certificates in one namespace.", kIssuerFields, {});
  all[0].build = Issuer;
  all[1].operation = BuildOperation("cluster-issuer", "An issuer for all namespaces.",
                                    kIssuerFields, {}, /*namespaced=*/false);
  all[1].build = ClusterIssuer;
  all[2].operation = BuildOperation(
      "certificate", "A certificate, renewed by cert-manager; ready when it was issued.",
      kCertificateFields, {"issuer"});
  all[2].build = Certificate;
  all[2].judge = JudgeCertificate;
  all[2].outputs = {{"notAfter", "/status/notAfter"},
                    {"notBefore", "/status/notBefore"},
                    {"renewalTime", "/status/renewalTime"},
                    {"revision", "/status/revision"}};
  all[2].derive = AddSecret;
  all[3].operation = ChangeOperation(
      "renew",
      "Has a certificate issued anew before it is due, and waits for it. A repeat after a crash "
      "may renew twice.",
      kRenewFields, {}, "");
  all[3].change = Renew;
  all[3].judge = JudgeRenewed;
  all[3].outputs = all[2].outputs;
  return all;
}

}  // namespace

const Json& CertManagerConnector::ConfigSchema() { return TypedConnector::ConfigSchema(); }

absl::StatusOr<std::unique_ptr<Connector>> CertManagerConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies) {
  static const auto& operations = *new std::vector<TypedOperation>(MakeOperations());
  return TypedConnector::FromConfig(name, config, dependencies, operations);
}

}  // namespace purser::connectors
