#include "costs/entity_graph.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "document/yaml.h"

namespace purser::costs {
namespace {

constexpr int64_t kMaxGraphBytes = 256 << 20;

absl::Status Canonicalise(std::string& ref, absl::string_view field, absl::string_view of) {
  if (ref.empty()) return absl::OkStatus();
  const absl::StatusOr<catalog::EntityRef> parsed = catalog::EntityRef::Parse(ref);
  if (!parsed.ok()) {
    return base::Annotate(parsed.status(),
                          absl::StrCat(field, " of ", base::EscapeForDisplay(of, 200)));
  }
  ref = parsed->ToString();
  return absl::OkStatus();
}

void Add(std::vector<std::string>& list, const std::string& text) {
  if (!text.empty() && std::find(list.begin(), list.end(), text) == list.end()) {
    list.push_back(text);
  }
}

}  // namespace

absl::string_view KindOfRef(absl::string_view ref) { return ref.substr(0, ref.find(':')); }

std::shared_ptr<const EntityGraph> EntityGraph::Empty() { return std::make_shared<EntityGraph>(); }

absl::StatusOr<std::shared_ptr<const EntityGraph>> EntityGraph::Create(
    std::vector<GraphEntity> entities) {
  if (entities.size() > kMaxGraphEntities) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxGraphEntities, " entities (kMaxGraphEntities)"));
  }
  auto graph = std::make_shared<EntityGraph>();
  for (GraphEntity& entity : entities) {
    if (entity.ref.empty()) return absl::InvalidArgumentError("an entity has no ref");
    PURSER_RETURN_IF_ERROR(Canonicalise(entity.ref, "ref", entity.ref));
    PURSER_RETURN_IF_ERROR(Canonicalise(entity.owner, "owner", entity.ref));
    PURSER_RETURN_IF_ERROR(Canonicalise(entity.system, "system", entity.ref));
    PURSER_RETURN_IF_ERROR(Canonicalise(entity.domain, "domain", entity.ref));
    PURSER_RETURN_IF_ERROR(Canonicalise(entity.parent, "parent", entity.ref));
    std::string ref = entity.ref;
    graph->entities_.insert_or_assign(std::move(ref), std::move(entity));
  }
  base::Hasher hasher(base::HashKind::kSha256);
  for (const auto& [ref, entity] : graph->entities_) {
    for (const std::string* text : {&ref, &entity.owner, &entity.system, &entity.domain,
                                    &entity.parent, &entity.product, &entity.environment}) {
      hasher.Update(*text);
      hasher.Update(absl::string_view("\0", 1));
    }
  }
  if (!graph->entities_.empty()) graph->fingerprint_ = base::ToHex(hasher.Finish());
  return std::shared_ptr<const EntityGraph>(std::move(graph));
}

absl::StatusOr<std::shared_ptr<const EntityGraph>> EntityGraph::Parse(absl::string_view yaml,
                                                                      absl::string_view file) {
  document::Limits limits;
  limits.max_bytes = kMaxGraphBytes;
  limits.max_nodes = static_cast<int64_t>(kMaxGraphEntities) * 16;
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(yaml, file, limits));
  const nlohmann::json& root = document.value;
  if (!root.is_object() || !root.contains("entities") || !root["entities"].is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(document.Where(file, ""), ": the file has the form {entities: [{ref: …}]}"));
  }
  std::vector<GraphEntity> entities;
  for (size_t i = 0; i < root["entities"].size(); ++i) {
    const nlohmann::json& value = root["entities"][i];
    const std::string where = document.Where(file, absl::StrCat("/entities/", i));
    if (!value.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, ": not a map"));
    GraphEntity entity;
    const std::pair<const char*, std::string*> fields[] = {{"ref", &entity.ref},
                                                           {"owner", &entity.owner},
                                                           {"system", &entity.system},
                                                           {"domain", &entity.domain},
                                                           {"parent", &entity.parent},
                                                           {"product", &entity.product},
                                                           {"environment", &entity.environment}};
    size_t known = 0;
    for (const auto& [name, out] : fields) {
      const auto found = value.find(name);
      if (found == value.end()) continue;
      ++known;
      if (!found->is_string()) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", name, " must be a text"));
      }
      *out = found->get<std::string>();
    }
    if (known != value.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where,
                       ": unknown field; known are ref, owner, system, domain, parent, "
                       "product, environment"));
    }
    entities.push_back(std::move(entity));
  }
  absl::StatusOr<std::shared_ptr<const EntityGraph>> graph = Create(std::move(entities));
  if (!graph.ok()) return base::Annotate(graph.status(), file);
  return graph;
}

const GraphEntity* EntityGraph::Find(const std::string& ref) const {
  const auto found = entities_.find(ref);
  return found == entities_.end() ? nullptr : &found->second;
}

Ancestry EntityGraph::Of(const std::string& ref) const {
  Ancestry ancestry;
  const absl::string_view kind = KindOfRef(ref);
  const GraphEntity* entity = Find(ref);
  if (entity != nullptr) {
    ancestry.owner = entity->owner;
    ancestry.system = entity->system;
    ancestry.product = entity->product;
    ancestry.environment = entity->environment;
  }
  if (kind == "group") ancestry.owner = ref;
  if (kind == "system") ancestry.system = ref;
  std::string domain = kind == "domain" ? ref : "";
  if (const GraphEntity* system = Find(ancestry.system); system != nullptr) {
    if (ancestry.owner.empty()) ancestry.owner = system->owner;
    if (ancestry.product.empty()) ancestry.product = system->product;
    if (ancestry.environment.empty()) ancestry.environment = system->environment;
    if (domain.empty()) domain = system->domain;
  } else if (domain.empty() && entity != nullptr) {
    domain = entity->domain;
  }
  for (int depth = 0; depth < kMaxGraphDepth && !domain.empty(); ++depth) {
    const size_t before = ancestry.domains.size();
    Add(ancestry.domains, domain);
    if (ancestry.domains.size() == before) break;
    const GraphEntity* above = Find(domain);
    domain = above == nullptr ? "" : above->domain;
  }
  std::string group = ancestry.owner;
  for (int depth = 0; depth < kMaxGraphDepth && !group.empty(); ++depth) {
    const size_t before = ancestry.groups.size();
    Add(ancestry.groups, group);
    if (ancestry.groups.size() == before) break;
    const GraphEntity* above = Find(group);
    group = above == nullptr ? "" : above->parent;
  }
  return ancestry;
}

}  // namespace purser::costs
