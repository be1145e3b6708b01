// Entities that follow from others: one for each resource a request made, one for each environment.
//
// A request's own entity is written by provisioning. It says, by annotations, what all that belongs
// to the request has in common (environment, product, expiry, documentation); the entities made
// here repeat it, so that each can be found, filtered and read on its own.
#ifndef PURSER_INVENTORY_DERIVED_H_
#define PURSER_INVENTORY_DERIVED_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "inventory/inventory.h"
#include "nlohmann/json.hpp"

namespace purser::inventory {

inline constexpr char kEnvironmentAnnotation[] = "purser.dev/environment";
inline constexpr size_t kMaxDependsOn = 100;  // of a resource on others of its request

// What an entity gives to the entities of its resources.
struct Heritage {
  std::string owner;
  std::string system;  // "" when it has none; the ref of the entity itself when that is a System
  std::map<std::string, std::string> annotations;
  friend bool operator==(const Heritage&, const Heritage&) = default;
};

// `entity` is valid.
Heritage HeritageOf(const nlohmann::json& entity);

// "" when the entity belongs to none. By annotation, else by label of the same name.
std::string EnvironmentOf(const nlohmann::json& entity);
// An environment that is an entity ref names an entity of another source, otherwise one that
// EnvironmentEntity makes. "" when the text can be neither.
std::string EnvironmentRef(absl::string_view environment);
bool IsForeignEnvironment(absl::string_view environment);
nlohmann::json EnvironmentEntity(absl::string_view environment, absl::string_view owner);
// Says what an entity depends on: its environment.
void AddEnvironment(nlohmann::json* entity);

// Whether `entity`, the one of the request, already is what the catalog should know of `resource`:
// it has its type and its name.
bool StandsFor(const nlohmann::json& entity, const Resource& resource);
// The entity of `resource`, which `entity` depends on (or, being a System, holds). Two resources of
// one request may give the same name: `distinct` adds a hash of the resource's id.
nlohmann::json ResourceEntity(const nlohmann::json& entity, const Resource& resource, bool distinct,
                              const std::vector<std::string>& depends_on);

}  // namespace purser::inventory

#endif  // PURSER_INVENTORY_DERIVED_H_
