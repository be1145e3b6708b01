#include "connectors/kubernetes/kubeconfig.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/exec_credential.h"
#include "document/yaml.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// What we read of the file; everything else in it is other people's.
constexpr char kSchema[] = R"json({
  "type": "object",
  "required": ["clusters", "users", "contexts"],
  "definitions": {"named": {"type": "array", "items": {"type": "object", "required": ["name"],
    "properties": {"name": {"type": "string"}}}}},
  "properties": {
    "clusters": {"$ref": "#/definitions/named"},
    "users": {"$ref": "#/definitions/named"},
    "contexts": {"$ref": "#/definitions/named"},
    "current-context": {"type": "string"}
  }
})json";

class Reader {
 public:
  Reader(std::string path, document::Document document)
      : path_(std::move(path)), document_(std::move(document)) {}

  absl::StatusOr<ClusterAccess> Read(absl::string_view context_name) {
    const Json& config = document_.value;
    PURSER_ASSIGN_OR_RETURN(const json::Schema schema,
                            json::Schema::Compile(*json::Parse(kSchema)));
    PURSER_RETURN_IF_ERROR(json::ToStatus(schema.Validate(config), path_));
    if (context_name.empty()) {
      if (!config.contains("current-context")) {
        return absl::InvalidArgumentError(
            absl::StrCat(path_, ": has no current-context; name one by `context`"));
      }
      context_name = config["current-context"].get_ref<const std::string&>();
    }
    PURSER_ASSIGN_OR_RETURN(const Block context, Find("contexts", context_name, "context"));
    PURSER_ASSIGN_OR_RETURN(const std::string cluster_name, Text(context, "cluster"));
    PURSER_ASSIGN_OR_RETURN(const std::string user_name, Text(context, "user"));
    PURSER_ASSIGN_OR_RETURN(const Block cluster, Find("clusters", cluster_name, "cluster"));
    PURSER_ASSIGN_OR_RETURN(const Block user, Find("users", user_name, "user"));
    for (const char* refused : {"insecure-skip-tls-verify", "proxy-url"}) {
      if (cluster.value->contains(refused) && (*cluster.value)[refused] != false) {
        return Error(cluster, refused,
                     "is not supported; give the cluster's certificate authority");
      }
    }
    for (const char* refused : {"auth-provider", "username", "password"}) {
      if (user.value->contains(refused)) {
        return Error(user, refused, "is not supported; use a token, a token file or a certificate");
      }
    }
    ClusterAccess access;
    PURSER_ASSIGN_OR_RETURN(access.server, Text(cluster, "server"));
    const absl::StatusOr<http::Url> url = http::ParseUrl(access.server);
    if (!url.ok()) return Error(cluster, "server", url.status().message());
    access.server = std::string(absl::StripSuffix(access.server, "/"));
    auto tls = std::make_shared<http::TlsOptions>();
    PURSER_ASSIGN_OR_RETURN(tls->ca_pem, Material(cluster, "certificate-authority"));
    PURSER_ASSIGN_OR_RETURN(tls->server_name, Text(cluster, "tls-server-name"));
    PURSER_ASSIGN_OR_RETURN(tls->certificate_pem, Material(user, "client-certificate"));
    PURSER_ASSIGN_OR_RETURN(tls->key_pem, Material(user, "client-key"));
    if (tls->certificate_pem.empty() != tls->key_pem.empty()) {
      return Error(user, "", "must have both client-certificate and client-key, or none");
    }
    PURSER_ASSIGN_OR_RETURN(const std::string token_file, Text(user, "tokenFile"));
    PURSER_ASSIGN_OR_RETURN(const std::string token, Text(user, "token"));
    if (!token_file.empty()) {
      access.token = TokenFile(Beside(token_file));
    } else if (!token.empty()) {
      access.token = [token]() -> absl::StatusOr<std::string> { return token; };
    } else if (const auto exec = user.value->find("exec"); exec != user.value->end()) {
      absl::StatusOr<std::function<absl::StatusOr<std::string>()>> credential =
          ExecCredential(*exec, Folder(), base::Clock::System());
      if (!credential.ok()) return Error(user, "exec", credential.status().message());
      access.token = *std::move(credential);
    } else if (tls->certificate_pem.empty()) {
      return Error(user, "", "has neither token, tokenFile, exec nor client-certificate");
    }
    access.tls = std::move(tls);
    PURSER_ASSIGN_OR_RETURN(const std::string name, Text(context, "namespace"));
    if (!name.empty()) access.default_namespace = name;
    return access;
  }

  static std::function<absl::StatusOr<std::string>()> TokenFile(std::string path) {
    return [path = std::move(path)]() -> absl::StatusOr<std::string> {
      PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxCredentialBytes));
      return std::string(absl::StripAsciiWhitespace(text));
    };
  }

 private:
  struct Block {
    const Json* value;
    std::string pointer;
  };

  absl::Status Error(const Block& block, absl::string_view key, absl::string_view what) const {
    const std::string pointer =
        key.empty() ? block.pointer : absl::StrCat(block.pointer, "/", json::PointerToken(key));
    return absl::InvalidArgumentError(
        absl::StrCat(document_.Where(path_, pointer), ": ", pointer, " ", what));
  }

  // The block of that name in a list: {name: x, cluster: {…}}.
  absl::StatusOr<Block> Find(const char* list, absl::string_view name, const char* key) const {
    const Json& entries = document_.value[list];
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i]["name"].get_ref<const std::string&>() != name) continue;
      Block block{nullptr, absl::StrCat("/", list, "/", i, "/", key)};
      const auto found = entries[i].find(key);
      if (found == entries[i].end() || !found->is_object()) {
        return Error(block, "", "must be an object");
      }
      block.value = &*found;
      return block;
    }
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", list, " has no entry named \"",
                                                   base::EscapeForDisplay(name), "\""));
  }

  // "" when the key is not there.
  absl::StatusOr<std::string> Text(const Block& block, const std::string& key) const {
    const auto found = block.value->find(key);
    if (found == block.value->end() || found->is_null()) return "";
    if (!found->is_string()) return Error(block, key, "must be a string");
    return found->get<std::string>();
  }

  // <key>-data (base64) or the file that <key> names.
  absl::StatusOr<std::string> Material(const Block& block, const std::string& key) const {
    PURSER_ASSIGN_OR_RETURN(const std::string data, Text(block, key + "-data"));
    if (!data.empty()) {
      std::string decoded;
      if (!absl::Base64Unescape(data, &decoded)) {
        return Error(block, key + "-data", "must be base64");
      }
      return decoded;
    }
    PURSER_ASSIGN_OR_RETURN(const std::string file, Text(block, key));
    if (file.empty()) return "";
    return base::ReadFile(Beside(file), kMaxCredentialBytes);
  }

  std::string Folder() const {
    const size_t slash = path_.rfind('/');
    return slash == std::string::npos ? "." : path_.substr(0, slash);
  }

  std::string Beside(absl::string_view file) const {
    const size_t slash = path_.rfind('/');
    if (absl::StartsWith(file, "/") || slash == std::string::npos) return std::string(file);
    return absl::StrCat(path_.substr(0, slash + 1), file);
  }

  const std::string path_;
  const document::Document document_;
};

}  // namespace

absl::StatusOr<ClusterAccess> ReadKubeconfig(absl::string_view path, absl::string_view context) {
  PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxKubeconfigBytes));
  PURSER_ASSIGN_OR_RETURN(document::Document document, document::ParseYamlDocument(text, path));
  return Reader(std::string(path), std::move(document)).Read(context);
}

absl::StatusOr<ClusterAccess> InClusterAccess(absl::string_view account_folder) {
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return absl::FailedPreconditionError(
        "inCluster: KUBERNETES_SERVICE_HOST and _PORT are not set; this is no pod of a cluster");
  }
  ClusterAccess access;
  access.server = absl::StrContains(host, ':') ? absl::StrCat("https://[", host, "]:", port)
                                               : absl::StrCat("https://", host, ":", port);
  auto tls = std::make_shared<http::TlsOptions>();
  PURSER_ASSIGN_OR_RETURN(
      tls->ca_pem, base::ReadFile(absl::StrCat(account_folder, "/ca.crt"), kMaxCredentialBytes));
  access.tls = std::move(tls);
  access.token = Reader::TokenFile(absl::StrCat(account_folder, "/token"));
  const absl::StatusOr<std::string> name =
      base::ReadFile(absl::StrCat(account_folder, "/namespace"), kMaxCredentialBytes);
  if (name.ok()) access.default_namespace = std::string(absl::StripAsciiWhitespace(*name));
  return access;
}

absl::StatusOr<ClusterAccess> AccessFromConfig(
    const Json& config,
    std::function<absl::StatusOr<std::string>(absl::string_view reference)> resolve_secret) {
  const auto text = [&config](const char* key) {
    const auto found = config.find(key);
    return found != config.end() && found->is_string() ? found->get<std::string>() : "";
  };
  if (config.contains("kubeconfig")) return ReadKubeconfig(text("kubeconfig"), text("context"));
  if (config.contains("inCluster")) return InClusterAccess();
  ClusterAccess access;
  access.server = std::string(absl::StripSuffix(text("server"), "/"));
  PURSER_ASSIGN_OR_RETURN(const http::Url url, http::ParseUrl(access.server));
  auto tls = std::make_shared<http::TlsOptions>();
  if (config.contains("caFile")) {
    PURSER_ASSIGN_OR_RETURN(tls->ca_pem, base::ReadFile(text("caFile"), kMaxCredentialBytes));
  }
  access.tls = std::move(tls);
  if (const std::string reference = text("token"); !reference.empty()) {
    // A bearer token in clear text would be anybody's.
    if (!url.tls) return absl::InvalidArgumentError("a token needs an https server");
    if (!resolve_secret) {
      return absl::FailedPreconditionError("token: secrets cannot be resolved here");
    }
    access.token = [resolve = std::move(resolve_secret), reference] { return resolve(reference); };
  }
  return access;
}

void AddAccessSchema(Json* schema) {
  Json ways = Json::array();
  for (const char* way : {"kubeconfig", "inCluster", "server"}) {
    ways.push_back(Json{{"required", Json::array({way})}});
  }
  (*schema)["oneOf"] = std::move(ways);
  Json& properties = (*schema)["properties"];
  const auto text = [](const char* description) {
    return Json{{"type", "string"}, {"minLength", 1}, {"description", description}};
  };
  properties["kubeconfig"] = text("Path of a kubeconfig.");
  properties["context"] = text("Its context; the current one if not given.");
  properties["inCluster"] = {{"const", true},
                             {"description", "The account of the pod purserd runs in."}};
  properties["server"] = text("https URL of the API.");
  properties["caFile"] = text("PEM file of its authority.");
  properties["token"] = text("Secret reference of a bearer token.");
}

}  // namespace purser::connectors
