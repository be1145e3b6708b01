#include "catalog-providers/terraform/state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "json/json.h"

namespace purser::catalog_providers::terraform {
namespace {

using Json = nlohmann::json;

constexpr int kStateVersion = 4;

const Json& At(const Json& object, const char* name) {
  static const Json& null = *new Json();
  if (!object.is_object()) return null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}
std::string TextAt(const Json& object, const char* name) {
  const Json& value = At(object, name);
  if (!value.is_string() || value.get_ref<const std::string&>().size() > kMaxStateTextBytes) {
    return "";
  }
  return value.get<std::string>();
}
int64_t IntAt(const Json& object, const char* name) {
  const Json& value = At(object, name);
  return value.is_number_integer() ? value.get<int64_t>() : 0;
}

// `provider["registry.terraform.io/hashicorp/azurerm"].alias` or the address alone.
std::string ProviderOf(absl::string_view text) {
  if (const size_t open = text.find("[\""); open != absl::string_view::npos) {
    text.remove_prefix(open + 2);
    text = text.substr(0, text.find("\"]"));
  }
  absl::ConsumePrefix(&text, "registry.terraform.io/");
  absl::ConsumePrefix(&text, "registry.opentofu.org/");
  return text.size() > kMaxStateTextBytes ? "" : std::string(text);
}

std::string IndexOf(const Json& key) {
  if (key.is_number_integer()) return absl::StrCat("[", key.get<int64_t>(), "]");
  if (key.is_string()) return absl::StrCat("[", json::Dump(key), "]");
  return "";
}

// Names of attributes that are sensitive. A path that leads into an attribute counts for the whole.
std::set<std::string> SensitiveOf(const Json& paths) {
  std::set<std::string> names;
  if (!paths.is_array()) return names;
  for (const Json& path : paths) {
    if (!path.is_array() || path.empty()) continue;
    // [{"type": "get_attr", "value": "password"}, …]
    names.insert(TextAt(path[0], "value"));
  }
  return names;
}
// {"password": true, "tags": {}, "list": [{}]}: what holds no `true` is not sensitive.
bool HoldsTrue(const Json& marks) {
  if (marks.is_boolean()) return marks.get<bool>();
  return marks.is_structured() && std::any_of(marks.begin(), marks.end(), HoldsTrue);
}
std::set<std::string> SensitiveOfShow(const Json& marks) {
  std::set<std::string> names;
  if (!marks.is_object()) return names;
  for (const auto& [name, mark] : marks.items()) {
    if (HoldsTrue(mark)) names.insert(name);
  }
  return names;
}

void ReadAttributes(const Json& attributes, const std::set<std::string>& sensitive,
                    StateResource& resource) {
  const auto text = [&](const char* name) {
    return sensitive.contains(name) ? std::string() : TextAt(attributes, name);
  };
  for (const char* const name : {"arn", "self_link", "id"}) {
    std::string id = text(name);
    if (!id.empty() &&
        std::find(resource.ids.begin(), resource.ids.end(), id) == resource.ids.end()) {
      resource.ids.push_back(std::move(id));
    }
  }
  resource.display_name = text("name");
  for (const char* const name : {"location", "region", "zone"}) {
    if (resource.location.empty()) resource.location = text(name);
  }
  for (const char* const name : {"tags", "labels"}) {
    const Json& tags = At(attributes, name);
    if (sensitive.contains(name) || !tags.is_object() || !resource.tags.empty()) continue;
    for (const auto& [key, value] : tags.items()) {
      if (value.is_string() && value.get_ref<const std::string&>().size() <= kMaxStateTextBytes) {
        resource.tags.emplace(key, value.get<std::string>());
      }
    }
  }
}

class Reader {
 public:
  explicit Reader(absl::string_view what) : what_(what) {}

  absl::StatusOr<State> OfState(const Json& root) {
    if (IntAt(root, "version") != kStateVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat(what_, ": a state of version ", IntAt(root, "version"),
                       ", not 4; apply it once with Terraform 0.12 or newer"));
    }
    state_.serial = IntAt(root, "serial");
    state_.lineage = TextAt(root, "lineage");
    state_.terraform_version = TextAt(root, "terraform_version");
    for (const Json& resource : At(root, "resources")) {
      if (TextAt(resource, "mode") != "managed") continue;
      const std::string type = TextAt(resource, "type");
      const std::string name = TextAt(resource, "name");
      const std::string module = TextAt(resource, "module");
      for (const Json& instance : At(resource, "instances")) {
        // What is only left over from a replacement is about to go.
        if (At(instance, "deposed").is_string()) continue;
        StateResource item;
        item.type = type;
        item.name = name;
        item.provider = ProviderOf(TextAt(resource, "provider"));
        item.address = absl::StrCat(module, module.empty() ? "" : ".", type, ".", name,
                                    IndexOf(At(instance, "index_key")));
        PURSER_RETURN_IF_ERROR(Add(std::move(item), At(instance, "attributes"),
                                   SensitiveOf(At(instance, "sensitive_attributes"))));
      }
    }
    return Sorted();
  }

  absl::StatusOr<State> OfShow(const Json& root) {
    state_.terraform_version = TextAt(root, "terraform_version");
    PURSER_RETURN_IF_ERROR(ReadModule(At(At(root, "values"), "root_module"), 0));
    return Sorted();
  }

 private:
  absl::Status ReadModule(const Json& module, int depth) {
    if (depth > kMaxStateModuleDepth) {
      return absl::ResourceExhaustedError(absl::StrCat(
          what_, ": modules nested deeper than ", kMaxStateModuleDepth, " (kMaxStateModuleDepth)"));
    }
    for (const Json& resource : At(module, "resources")) {
      if (TextAt(resource, "mode") != "managed" || At(resource, "deposed_key").is_string())
        continue;
      StateResource item;
      item.address = TextAt(resource, "address");
      item.type = TextAt(resource, "type");
      item.name = TextAt(resource, "name");
      item.provider = ProviderOf(TextAt(resource, "provider_name"));
      PURSER_RETURN_IF_ERROR(Add(std::move(item), At(resource, "values"),
                                 SensitiveOfShow(At(resource, "sensitive_values"))));
    }
    for (const Json& child : At(module, "child_modules")) {
      PURSER_RETURN_IF_ERROR(ReadModule(child, depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status Add(StateResource resource, const Json& attributes,
                   const std::set<std::string>& sensitive) {
    if (resource.type.empty() || resource.name.empty() || resource.address.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what_, ": a resource without type, name or address"));
    }
    if (IsLeftOut(resource.type)) {
      ++state_.secrets_left_out;
      return absl::OkStatus();
    }
    if (state_.resources.size() == kMaxStateResources) {
      return absl::ResourceExhaustedError(absl::StrCat(what_, ": more than ", kMaxStateResources,
                                                       " resources (kMaxStateResources)"));
    }
    ReadAttributes(attributes, sensitive, resource);
    state_.resources.push_back(std::move(resource));
    return absl::OkStatus();
  }

  State Sorted() {
    std::sort(state_.resources.begin(), state_.resources.end(),
              [](const StateResource& a, const StateResource& b) { return a.address < b.address; });
    return std::move(state_);
  }

  const absl::string_view what_;
  State state_;
};

}  // namespace

bool IsLeftOut(absl::string_view type) {
  for (const absl::string_view prefix :
       {"random_", "tls_", "null_", "time_", "local_", "terraform_"}) {
    if (absl::StartsWith(type, prefix)) return true;
  }
  for (const absl::string_view part :
       {"password", "secret_version", "secret_value", "access_key", "api_key", "_token",
        "private_key", "service_account_key", "credential"}) {
    if (absl::StrContains(type, part)) return true;
  }
  return type == "kubernetes_secret" || type == "kubernetes_secret_v1" ||
         type == "azurerm_key_vault_secret" || type == "vault_generic_secret" ||
         type == "vault_kv_secret" || type == "vault_kv_secret_v2";
}

absl::StatusOr<State> ParseState(absl::string_view text, absl::string_view what) {
  json::Limits limits;
  limits.max_bytes = kMaxStateBytes;
  absl::StatusOr<Json> root = json::Parse(text, limits);
  if (!root.ok()) {
    // The parser's own words may show what it met.
    const bool large = root.status().code() == absl::StatusCode::kResourceExhausted;
    return large ? absl::ResourceExhaustedError(absl::StrCat(
                       what, ": the state is larger or deeper than it may be (kMaxStateBytes ",
                       kMaxStateBytes, ")"))
                 : absl::InvalidArgumentError(absl::StrCat(what, ": the state is no JSON"));
  }
  if (root->is_object() && root->contains("format_version")) {
    if (root->contains("planned_values") || root->contains("resource_changes")) {
      return absl::InvalidArgumentError(absl::StrCat(
          what, ": this is a plan; give what `terraform show -json` says without one"));
    }
    return Reader(what).OfShow(*root);
  }
  if (root->is_object() && root->contains("version")) return Reader(what).OfState(*root);
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": neither a state nor what `terraform show -json` says"));
}

}  // namespace purser::catalog_providers::terraform
