#include "catalog-providers/istio/istio_provider.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "catalog-providers/cluster_source.h"
#include "document/yaml.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

constexpr char kGroup[] = "networking.istio.io/*";

std::vector<std::string> Texts(const Json* list) {
  std::vector<std::string> texts;
  if (list == nullptr || !list->is_array()) return texts;
  for (const Json& item : *list) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

class IstioMapper final : public ClusterMapper {
 public:
  explicit IstioMapper(const ClusterOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<FollowedKind>> Kinds(const std::string&, connectors::KubernetesReader&,
                                                  std::stop_token) override {
    connectors::FieldSelection fields = CommonFields(options_);
    for (const char* field : {"hosts", "gateways", "http", "tcp", "tls", "servers", "selector"}) {
      fields.Add({"spec", field});
    }
    std::vector<FollowedKind> kinds;
    for (const char* kind : {"VirtualService", "Gateway"}) {
      for (FollowedKind& followed : FollowedKinds(options_, {.api_version = kGroup, .kind = kind},
                                                  fields, /*namespaced=*/true)) {
        kinds.push_back(std::move(followed));
      }
    }
    return kinds;
  }

  absl::Status Map(const ClusterObject& object, std::vector<MappedEntity>* entities) override {
    return object.kind == "Gateway" ? MapGateway(object, entities) : MapRoutes(object, entities);
  }

 private:
  absl::Status MapRoutes(const ClusterObject& object, std::vector<MappedEntity>* entities) const {
    const std::vector<std::string> gateways = Texts(object.At({"spec", "gateways"}));
    const bool http = object.At({"spec", "http"}) != nullptr;
    for (const std::string& host : Texts(object.At({"spec", "hosts"}))) {
      // Of all hosts at once nothing can be said.
      if (host == "*") continue;
      Json draft = DraftOf(object, "API", http ? "http" : "tcp", /*health=*/false);
      Json& metadata = draft["metadata"];
      // Named by its host: several VirtualServices may share one.
      metadata["name"] = EntityNameOf(object.cluster, "host", object.namespace_name, host);
      metadata["title"] = host;
      Json& annotations = metadata["annotations"];
      annotations["purser.dev/istio-host"] = host;
      if (!gateways.empty())
        annotations["purser.dev/istio-gateways"] = absl::StrJoin(gateways, ",");
      // One that is reached through a gateway has an address people can open.
      const bool outside = std::any_of(gateways.begin(), gateways.end(),
                                       [](const std::string& name) { return name != "mesh"; });
      if (http && outside && !absl::StrContains(host, '*')) {
        AddLink(absl::StrCat("https://", host), host, &draft);
      }
      draft["spec"]["definition"] = Definition(object, host);
      PURSER_ASSIGN_OR_RETURN(const bool wanted, CompleteDraft(options_, object, &draft));
      if (wanted) entities->push_back({std::move(draft), 0, /*shared=*/true});
    }
    return absl::OkStatus();
  }

  absl::Status MapGateway(const ClusterObject& object, std::vector<MappedEntity>* entities) const {
    Json draft = DraftOf(object, "Resource", "gateway", /*health=*/false);
    std::vector<std::string> hosts;
    std::vector<std::string> ports;
    const Json* const servers = object.At({"spec", "servers"});
    if (servers != nullptr && servers->is_array()) {
      for (const Json& server : *servers) {
        for (const std::string& host : Texts(json::ValueAt(server, {"hosts"}))) {
          if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(host);
        }
        const Json* const number = json::ValueAt(server, {"port", "number"});
        if (number == nullptr || !number->is_number_integer()) continue;
        const std::string port =
            absl::StrCat(json::TextAt(server, {"port", "protocol"}), ":", number->get<int64_t>());
        if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
      }
    }
    Json& annotations = draft["metadata"]["annotations"];
    if (!hosts.empty()) annotations["purser.dev/istio-hosts"] = absl::StrJoin(hosts, ",");
    if (!ports.empty()) annotations["purser.dev/istio-ports"] = absl::StrJoin(ports, ",");
    PURSER_ASSIGN_OR_RETURN(const bool wanted, CompleteDraft(options_, object, &draft));
    if (wanted) entities->push_back({.entity = std::move(draft)});
    return absl::OkStatus();
  }

  // What the routes of a host say, as people read it.
  static std::string Definition(const ClusterObject& object, const std::string& host) {
    Json routes = Json::array();
    for (const char* protocol : {"http", "tls", "tcp"}) {
      const Json* const rules = object.At({"spec", protocol});
      if (rules == nullptr || !rules->is_array()) continue;
      for (const Json& rule : *rules) {
        Json route = {{"protocol", protocol}};
        const std::string name = json::TextAt(rule, {"name"});
        if (!name.empty()) route["name"] = name;
        if (const Json* const match = json::ValueAt(rule, {"match"})) route["match"] = *match;
        Json to = Json::array();
        const Json* const destinations = json::ValueAt(rule, {"route"});
        if (destinations != nullptr && destinations->is_array()) {
          for (const Json& destination : *destinations) {
            Json target = {{"host", json::TextAt(destination, {"destination", "host"})}};
            if (const Json* const port =
                    json::ValueAt(destination, {"destination", "port", "number"})) {
              target["port"] = *port;
            }
            const std::string subset = json::TextAt(destination, {"destination", "subset"});
            if (!subset.empty()) target["subset"] = subset;
            if (const Json* const weight = json::ValueAt(destination, {"weight"})) {
              target["weight"] = *weight;
            }
            to.push_back(std::move(target));
          }
        }
        if (!to.empty()) route["to"] = std::move(to);
        if (const Json* const redirect = json::ValueAt(rule, {"redirect"}))
          route["redirect"] = *redirect;
        routes.push_back(std::move(route));
      }
    }
    return document::ToYaml({{"host", host}, {"routes", std::move(routes)}});
  }

  const ClusterOptions& options_;
};

}  // namespace

IstioProvider::IstioProvider() {
  description_.id = "istio";
  description_.description = "Hosts that Istio routes, as APIs, and its gateways.";
  description_.host = action::Host::kSidecar;
  description_.feed = provider::Feed::kWatch;
  description_.kinds = {"API", "Component", "Resource", "System"};
  description_.config_schema =
      ClusterConfigSchema(Json::object(), {{"excludeNamespaces", Json::array()}});
}

absl::Status IstioProvider::Watch(provider::Context& context) {
  PURSER_ASSIGN_OR_RETURN(const ClusterOptions options, ReadClusterOptions(context));
  IstioMapper mapper(options);
  return FollowClusters(context, options, mapper);
}

}  // namespace purser::catalog_providers
