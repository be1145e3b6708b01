#include "connectors/istio/istio_connector.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "connectors/kubernetes/typed_connector.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kNetworking[] = "networking.istio.io/v1";
constexpr char kSecurity[] = "security.istio.io/v1";

Json LabelSelector(const Json& input) {
  return input.contains("selector") ? Json{{"matchLabels", input["selector"]}} : Json();
}

// One route of the short form as Istio writes it.
Json Route(const Json& route) {
  Json destination = Some({{"host", route["service"]}, {"subset", Maybe(route, "subset")}});
  if (route.contains("port")) destination["port"]["number"] = route["port"];
  Json target = Some({{"destination", std::move(destination)}, {"weight", Maybe(route, "weight")}});
  Json written = {{"route", Json::array({std::move(target)})}};
  if (route.contains("prefix")) {
    written["match"] = Json::array({{{"uri", {{"prefix", route["prefix"]}}}}});
  }
  for (const char* member : {"timeout", "retries"}) {
    if (route.contains(member)) written[member] = route[member];
  }
  return written;
}

absl::StatusOr<Json> VirtualService(const Json& input) {
  Json http;
  if (input.contains("routes")) {
    http = Json::array();
    for (const Json& route : input["routes"]) http.push_back(Route(route));
  }
  return Compose(input, kNetworking, "VirtualService",
                 {{"hosts", input["hosts"]},
                  {"gateways", Maybe(input, "gateways")},
                  {"exportTo", Maybe(input, "exportTo")},
                  {"http", std::move(http)}});
}

absl::StatusOr<Json> Gateway(const Json& input) {
  const bool tls = input.contains("tls");
  Json server = {{"hosts", input["hosts"]},
                 {"port",
                  {{"number", input.value("port", tls ? 443 : 80)},
                   {"name", tls ? "https" : "http"},
                   {"protocol", tls ? "HTTPS" : "HTTP"}}}};
  if (tls) server["tls"] = input["tls"];
  Json servers = Json::array({std::move(server)});
  if (tls && input["redirect"].get<bool>()) {
    servers.push_back({{"hosts", input["hosts"]},
                       {"port", {{"number", 80}, {"name", "http"}, {"protocol", "HTTP"}}},
                       {"tls", {{"httpsRedirect", true}}}});
  }
  return Compose(input, kNetworking, "Gateway",
                 {{"selector", input["selector"]}, {"servers", std::move(servers)}});
}

absl::StatusOr<Json> DestinationRule(const Json& input) {
  return Compose(input, kNetworking, "DestinationRule",
                 {{"host", input["host"]},
                  {"subsets", Maybe(input, "subsets")},
                  {"trafficPolicy", Maybe(input, "trafficPolicy")}});
}

absl::StatusOr<Json> PeerAuthentication(const Json& input) {
  return Compose(input, kSecurity, "PeerAuthentication",
                 {{"mtls", {{"mode", input["mode"]}}},
                  {"selector", LabelSelector(input)},
                  {"portLevelMtls", Maybe(input, "ports")}});
}

absl::StatusOr<Json> AuthorizationPolicy(const Json& input) {
  Json rules = Maybe(input, "rules");
  Json source = Json::object();
  if (input.contains("fromNamespaces")) source["namespaces"] = input["fromNamespaces"];
  if (input.contains("fromPrincipals")) source["principals"] = input["fromPrincipals"];
  if (!source.empty()) {
    if (!rules.is_array()) rules = Json::array();
    // Both in one source would have to hold together; each is a way in of its own.
    Json from = Json::array();
    for (const auto& [name, value] : source.items()) from.push_back({{"source", {{name, value}}}});
    rules.push_back({{"from", std::move(from)}});
  }
  return Compose(input, kSecurity, "AuthorizationPolicy",
                 {{"action", input["action"]},
                  {"selector", LabelSelector(input)},
                  {"rules", std::move(rules)}});
}

absl::StatusOr<Json> RequestAuthentication(const Json& input) {
  Json rule = {{"issuer", input["issuer"]}};
  for (const char* member : {"jwksUri", "audiences", "forwardOriginalToken"}) {
    if (input.contains(member)) rule[member] = input[member];
  }
  return Compose(input, kSecurity, "RequestAuthentication",
                 {{"selector", LabelSelector(input)}, {"jwtRules", Json::array({rule})}});
}

// There, unless Istio's analysis found an error.
ObjectReadiness Judge(const Json& object, const Json&) {
  const Json status = object.value("status", Json::object());
  for (const Json& message : status.value("validationMessages", Json::array())) {
    if (message.value("level", "") == "ERROR") {
      return {ObjectState::kFailed,
              absl::StrCat(
                  "Istio's analysis: ", message.value(Json::json_pointer("/type/code"), "error"),
                  " (", message.value("documentationUrl", ""), ")")};
    }
  }
  for (const Json& condition : status.value("conditions", Json::array())) {
    if (condition.value("type", "") == "Reconciled" && condition.value("status", "") == "False") {
      return {ObjectState::kWaiting,
              absl::StrCat("not with all proxies yet: ", condition.value("message", ""))};
    }
  }
  return {ObjectState::kReady, ""};
}

constexpr char kTexts[] =
    R"json({"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}})json";
constexpr char kSelector[] =
    R"json("selector": {"type": "object", "additionalProperties": {"type": "string"},
      "description": "Labels of the pods; all of the namespace when absent."})json";

std::vector<TypedOperation> MakeOperations() {
  std::vector<TypedOperation> all;
  const auto add = [&all](const char* name, const char* description, const std::string& properties,
                          std::vector<std::string> required, auto build) {
    TypedOperation made;
    made.operation = BuildOperation(name, description, properties.c_str(), std::move(required));
    made.build = build;
    made.judge = Judge;
    all.push_back(std::move(made));
  };
  add("virtual-service", "Routes requests for hosts to services.",
      absl::StrCat(R"json({"hosts": )json", kTexts, R"json(, "gateways": )json", kTexts,
                   R"json(, "exportTo": )json", kTexts, R"json(,
        "routes": {"type": "array", "minItems": 1, "description": "The first that fits counts.",
          "items": {"type": "object", "additionalProperties": false, "required": ["service"],
            "properties": {
              "prefix": {"type": "string", "pattern": "^/"},
              "service": {"type": "string", "minLength": 1},
              "port": {"type": "integer", "minimum": 1, "maximum": 65535},
              "subset": {"type": "string"},
              "weight": {"type": "integer", "minimum": 0, "maximum": 100},
              "timeout": {"type": "string"},
              "retries": {"type": "object"}}}}})json"),
      {"hosts"}, VirtualService);
  add("gateway", "Opens the mesh for hosts at an ingress gateway.",
      absl::StrCat(R"json({"hosts": )json", kTexts, R"json(,
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "selector": {"type": "object", "additionalProperties": {"type": "string"},
          "default": {"istio": "ingressgateway"}},
        "redirect": {"type": "boolean", "default": true,
          "description": "With tls: plain HTTP is sent there."},
        "tls": {"type": "object", "additionalProperties": false, "required": ["credentialName"],
          "properties": {"mode": {"enum": ["SIMPLE", "MUTUAL"], "default": "SIMPLE"},
            "credentialName": {"type": "string", "minLength": 1,
              "description": "The Secret with the certificate."}}}})json"),
      {"hosts"}, Gateway);
  add("destination-rule", "Subsets and traffic policy of a service.",
      R"json({"host": {"type": "string", "minLength": 1},
        "subsets": {"type": "array", "items": {"type": "object"}},
        "trafficPolicy": {"type": "object"}})json",
      {"host"}, DestinationRule);
  add("peer-authentication", "Whether services must speak mutual TLS.",
      absl::StrCat(R"json({"mode": {"enum": ["STRICT", "PERMISSIVE", "DISABLE", "UNSET"],
        "default": "STRICT"},
        "ports": {"type": "object", "description": "Port number to {mode}."}, )json",
                   kSelector, "}"),
      {}, PeerAuthentication);
  add("authorization-policy", "Who may call the services of a namespace.",
      absl::StrCat(R"json({"action": {"enum": ["ALLOW", "DENY", "AUDIT", "CUSTOM"],
        "default": "ALLOW"},
        "fromNamespaces": )json",
                   kTexts, R"json(, "fromPrincipals": )json", kTexts,
                   R"json(, "rules": {"type": "array", "items": {"type": "object"},
        "description": "As Istio writes them; none at all with ALLOW denies everything."}, )json",
                   kSelector, "}"),
      {}, AuthorizationPolicy);
  add("request-authentication", "Whose tokens of end users are believed.",
      absl::StrCat(R"json({"issuer": {"type": "string", "minLength": 1},
        "jwksUri": {"type": "string", "pattern": "^https?://"},
        "audiences": )json",
                   kTexts, R"json(, "forwardOriginalToken": {"type": "boolean"}, )json", kSelector,
                   "}"),
      {"issuer"}, RequestAuthentication);
  return all;
}

}  // namespace

const Json& IstioConnector::ConfigSchema() { return TypedConnector::ConfigSchema(); }

absl::StatusOr<std::unique_ptr<Connector>> IstioConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies) {
  static const auto& operations = *new std::vector<TypedOperation>(MakeOperations());
  return TypedConnector::FromConfig(name, config, dependencies, operations);
}

}  // namespace purser::connectors
