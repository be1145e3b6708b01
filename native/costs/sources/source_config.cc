#include "costs/sources/source_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/column_map.h"
#include "costs/sources/fetching_source.h"
#include "costs/sources/kubernetes_source.h"
#include "costs/sources/metrics_source.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using Json = nlohmann::json;

Json Text(const char* description) { return {{"type", "string"}, {"description", description}}; }
Json Price(const char* description) {
  return {{"type", Json::array({"string", "number"})}, {"description", description}};
}

// Members of each type beside `type`, `every` and `badRows`.
Json MembersOf(const std::string& type) {
  Json members = {{"type", Text("s3, http, folder, kubernetes or metrics")},
                  {"every", Text("how often it is looked at, e.g. 1h; at least 1m")}};
  const Json headers = {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
  if (type == "s3" || type == "http" || type == "folder") {
    members["columns"] = {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
    members["badRows"] = {{"enum", {"refuse", "quarantine"}}};
    members["manifests"] = {{"type", "boolean"}};
    members["depth"] = {{"type", "integer"}, {"minimum", 0}, {"maximum", 20}};
  }
  if (type == "s3") {
    for (const char* name :
         {"url", "region", "prefix", "accessKeyId", "secretAccessKey", "sessionToken"}) {
      members[name] = Text("");
    }
  } else if (type == "http") {
    members["urls"] = {{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", 1}};
    members["headers"] = headers;
    members["secretHeaders"] = headers;
  } else if (type == "folder") {
    members["path"] = Text("below costs.folders");
    members["prefix"] = Text("");
  } else {
    members["url"] = Text("of Prometheus");
    members["headers"] = headers;
    members["secretHeaders"] = headers;
    members["days"] = {{"type", "integer"}, {"minimum", 1}, {"maximum", 400}};
  }
  if (type == "kubernetes") {
    members["cluster"] = Text("as allocations name it");
    members["currency"] = {{"type", "string"}, {"pattern", "^[A-Z]{3}$"}};
    members["step"] = Text("");
    members["matchLabels"] = {{"type", "object"},
                              {"propertyNames", {{"pattern", "^[a-zA-Z_][a-zA-Z0-9_]*$"}}},
                              {"additionalProperties", {{"type", "string"}}}};
    Json prices = Json::object();
    for (const char* name : {"cpuHour", "memoryGibHour", "gpuHour", "storageGibHour", "networkGib",
                             "loadBalancerHour"}) {
      prices[name] = Price("");
    }
    members["prices"] = {
        {"type", "object"}, {"properties", prices}, {"additionalProperties", false}};
    members["nodes"] = {
        {"type", "array"},
        {"items",
         {{"type", "object"},
          {"required", {"label", "value", "hour"}},
          {"additionalProperties", false},
          {"properties", {{"label", Text("")}, {"value", Text("")}, {"hour", Price("")}}}}}};
  } else if (type == "metrics") {
    members["queries"] = {{"type", "array"},
                          {"minItems", 1},
                          {"items",
                           {{"type", "object"},
                            {"required", {"metric", "query"}},
                            {"additionalProperties", false},
                            {"properties",
                             {{"metric", Text("")},
                              {"query", Text("")},
                              {"entity", Text("")},
                              {"label", Text("")}}}}}};
  }
  return members;
}

Json SchemaOf(const std::string& type) {
  Json required = Json::array({"type"});
  if (type == "s3") required.insert(required.end(), {"url", "accessKeyId", "secretAccessKey"});
  if (type == "http") required.push_back("urls");
  if (type == "folder") required.push_back("path");
  if (type == "kubernetes" || type == "metrics") required.push_back("url");
  if (type == "metrics") required.push_back("queries");
  return {{"type", "object"},
          {"required", required},
          {"additionalProperties", false},
          {"properties", MembersOf(type)}};
}

// A checked entry, read member by member.
class Entry {
 public:
  Entry(std::string name, const Json& config, const SourceDeps& deps)
      : name_(std::move(name)), config_(config), deps_(deps) {}

  absl::Status Wrong(absl::string_view member, absl::string_view why) const {
    return absl::InvalidArgumentError(
        absl::StrCat("costs.sources.", name_, member.empty() ? "" : ".", member, ": ", why));
  }
  std::string Get(const char* member, const std::string& otherwise = "") const {
    return config_.value(member, otherwise);
  }
  int GetInt(const char* member, int otherwise) const { return config_.value(member, otherwise); }
  absl::StatusOr<std::string> Secret(const std::string& reference, absl::string_view member) const {
    absl::StatusOr<std::string> value = deps_.resolve_secret(reference);
    if (!value.ok()) return Wrong(member, value.status().message());
    return value;
  }
  absl::StatusOr<absl::Duration> Time(const char* member, absl::Duration otherwise,
                                      absl::Duration least) const {
    if (!config_.contains(member)) return otherwise;
    absl::Duration duration;
    if (!absl::ParseDuration(Get(member), &duration) || duration < least) {
      return Wrong(member, absl::StrCat("\"", Get(member), "\" is no time like 30m, at least ",
                                        absl::FormatDuration(least)));
    }
    return duration;
  }
  absl::StatusOr<base::Decimal> Price(const Json& at, const std::string& member,
                                      const char* otherwise) const {
    const auto found = at.find(member);
    std::string text = otherwise;
    if (found != at.end()) text = found->is_string() ? found->get<std::string>() : found->dump();
    const absl::StatusOr<base::Decimal> price = base::Decimal::Parse(text);
    if (!price.ok() || price->IsNegative()) return Wrong(member, "is no price");
    return *price;
  }
  absl::StatusOr<http::Headers> Headers() const {
    http::Headers headers;
    if (config_.contains("headers")) {
      for (const auto& [name, value] : config_["headers"].items()) {
        headers.emplace_back(name, value.get<std::string>());
      }
    }
    if (config_.contains("secretHeaders")) {
      for (const auto& [name, reference] : config_["secretHeaders"].items()) {
        PURSER_ASSIGN_OR_RETURN(std::string value,
                                Secret(reference.get<std::string>(), "secretHeaders"));
        headers.emplace_back(name, std::move(value));
      }
    }
    return headers;
  }
  const Json& config() const { return config_; }

 private:
  const std::string name_;
  const Json& config_;
  const SourceDeps& deps_;
};

// By the map of columns, null without one.
absl::StatusOr<std::shared_ptr<const BillFormat>> FormatOf(const Entry& entry) {
  if (!entry.config().contains("columns")) return std::shared_ptr<const BillFormat>();
  absl::StatusOr<std::shared_ptr<const BillFormat>> format =
      MapColumns(entry.config()["columns"].get<std::map<std::string, std::string>>());
  if (!format.ok()) return entry.Wrong("columns", format.status().message());
  return format;
}

// Prices as OpenCost has them for machines it knows nothing of.
absl::StatusOr<ClusterPrices> PricesOf(const Entry& entry) {
  const Json prices = entry.config().value("prices", Json::object());
  ClusterPrices out;
  PURSER_ASSIGN_OR_RETURN(out.cpu_hour, entry.Price(prices, "cpuHour", "0.031611"));
  PURSER_ASSIGN_OR_RETURN(out.memory_hour, entry.Price(prices, "memoryGibHour", "0.004237"));
  PURSER_ASSIGN_OR_RETURN(out.gpu_hour, entry.Price(prices, "gpuHour", "0.95"));
  PURSER_ASSIGN_OR_RETURN(out.storage_hour, entry.Price(prices, "storageGibHour", "0.00005479452"));
  PURSER_ASSIGN_OR_RETURN(out.network_gib, entry.Price(prices, "networkGib", "0"));
  PURSER_ASSIGN_OR_RETURN(out.load_balancer_hour, entry.Price(prices, "loadBalancerHour", "0"));
  return out;
}

absl::StatusOr<std::unique_ptr<BillSource>> OpenKubernetes(const std::string& name,
                                                           const Entry& entry,
                                                           PrometheusClient prometheus,
                                                           const SourceDeps& deps) {
  KubernetesOptions options{.name = name,
                            .cluster = entry.Get("cluster", name),
                            .currency = entry.Get("currency", "USD"),
                            .days = entry.GetInt("days", 3),
                            .spool_folder = deps.spool_folder};
  PURSER_ASSIGN_OR_RETURN(options.prices, PricesOf(entry));
  PURSER_ASSIGN_OR_RETURN(options.metrics.step,
                          entry.Time("step", absl::Minutes(5), absl::Minutes(1)));
  options.metrics.match_labels =
      entry.config().value("matchLabels", Json::object()).get<std::map<std::string, std::string>>();
  for (const Json& node : entry.config().value("nodes", Json::array())) {
    NodePrice price{.label = node["label"], .value = node["value"], .hour = {}};
    PURSER_ASSIGN_OR_RETURN(price.hour, entry.Price(node, "hour", ""));
    options.metrics.nodes.push_back(std::move(price));
  }
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<KubernetesSource> source,
                          KubernetesSource::Open(std::move(options), std::move(prometheus),
                                                 *deps.costs, *deps.database, *deps.clock));
  return source;
}

absl::StatusOr<std::unique_ptr<BillSource>> OpenMetrics(const Entry& entry,
                                                        PrometheusClient prometheus,
                                                        const SourceDeps& deps) {
  MetricsOptions options{.days = entry.GetInt("days", 3)};
  for (const Json& query : entry.config()["queries"]) {
    MetricQuery added{.metric = query["metric"],
                      .query = query["query"],
                      .entity = query.value("entity", ""),
                      .label = query.value("label", "")};
    if (added.entity.empty() == added.label.empty()) {
      return entry.Wrong("queries", "each has an entity or a label with one, not both");
    }
    options.queries.push_back(std::move(added));
  }
  return std::make_unique<MetricsSource>(std::move(options), std::move(prometheus), *deps.costs,
                                         *deps.clock);
}

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenStore(const std::string& type, const Entry& entry,
                                                       const SourceDeps& deps) {
  if (type == "folder") {
    PURSER_ASSIGN_OR_RETURN(std::string folder, deps.resolve_folder(entry.Get("path")));
    return OpenFolder(std::move(folder));
  }
  if (type == "http") {
    HttpFilesOptions options{.urls = entry.config()["urls"].get<std::vector<std::string>>()};
    PURSER_ASSIGN_OR_RETURN(options.headers, entry.Headers());
    return OpenHttpFiles(std::move(options), *deps.transport);
  }
  S3Options options{.url = entry.Get("url"),
                    .region = entry.Get("region", "us-east-1"),
                    .prefix = entry.Get("prefix")};
  PURSER_ASSIGN_OR_RETURN(options.credentials.access_key_id,
                          entry.Secret(entry.Get("accessKeyId"), "accessKeyId"));
  PURSER_ASSIGN_OR_RETURN(options.credentials.secret_access_key,
                          entry.Secret(entry.Get("secretAccessKey"), "secretAccessKey"));
  if (entry.config().contains("sessionToken")) {
    PURSER_ASSIGN_OR_RETURN(options.credentials.session_token,
                            entry.Secret(entry.Get("sessionToken"), "sessionToken"));
  }
  return OpenS3(std::move(options), *deps.transport, *deps.clock);
}

}  // namespace

absl::StatusOr<std::string> CheckSource(const std::string& name, const Json& config) {
  const SourceDeps none;
  const Entry entry(name, config, none);
  std::string type;
  if (config.is_object() && config.contains("type") && config["type"].is_string()) {
    type = config["type"];
  }
  static constexpr const char* kTypes[] = {"s3", "http", "folder", "kubernetes", "metrics"};
  if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) {
    return entry.Wrong("type", "must be s3, http, folder, kubernetes or metrics");
  }
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema, json::Schema::Compile(SchemaOf(type)));
  PURSER_RETURN_IF_ERROR(
      json::ToStatus(schema.Validate(config), absl::StrCat("costs.sources.", name)));
  PURSER_RETURN_IF_ERROR(entry.Time("every", kDefaultInterval, kLeastInterval).status());
  PURSER_RETURN_IF_ERROR(FormatOf(entry).status());
  return type;
}

absl::StatusOr<ConfiguredSource> OpenSource(const std::string& name, const Json& config,
                                            const SourceDeps& deps) {
  ConfiguredSource opened;
  PURSER_ASSIGN_OR_RETURN(opened.type, CheckSource(name, config));
  const Entry entry(name, config, deps);
  PURSER_ASSIGN_OR_RETURN(opened.interval, entry.Time("every", kDefaultInterval, kLeastInterval));
  if (opened.type == "kubernetes" || opened.type == "metrics") {
    PrometheusOptions options{.url = entry.Get("url")};
    PURSER_ASSIGN_OR_RETURN(options.headers, entry.Headers());
    PrometheusClient prometheus(std::move(options), *deps.transport);
    if (opened.type == "kubernetes") {
      PURSER_ASSIGN_OR_RETURN(opened.source,
                              OpenKubernetes(name, entry, std::move(prometheus), deps));
    } else {
      PURSER_ASSIGN_OR_RETURN(opened.source, OpenMetrics(entry, std::move(prometheus), deps));
    }
    return opened;
  }
  FetchingOptions options{
      .name = name,
      .finder = {.prefix = entry.Get("prefix"),
                 .manifests = config.value("manifests", opened.type != "http"),
                 .depth = entry.GetInt("depth", 0)},
      .bad_rows = entry.Get("badRows") == "quarantine" ? BadRows::kQuarantine : BadRows::kRefuse,
      .spool_folder = deps.spool_folder};
  PURSER_ASSIGN_OR_RETURN(options.format, FormatOf(entry));
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<ObjectStore> store, OpenStore(opened.type, entry, deps));
  PURSER_ASSIGN_OR_RETURN(FetchLog log, FetchLog::Open(*deps.database));
  opened.source = std::make_unique<FetchingSource>(std::move(options), std::move(store),
                                                   *deps.costs, std::move(log), *deps.clock);
  return opened;
}

}  // namespace purser::costs
