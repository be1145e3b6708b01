// Blueprints: what may be asked for and how it is made. docs/blueprints.md describes the file.
#ifndef PURSER_PROVISIONING_BLUEPRINT_H_
#define PURSER_PROVISIONING_BLUEPRINT_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "connectors/connector.h"
#include "json/json.h"
#include "nlohmann/json.hpp"
#include "workflow/definition.h"

namespace purser::provisioning {

inline constexpr int64_t kMaxBlueprintBytes = 1 << 20;
inline constexpr int kMaxBlueprints = 1000;

// Immutable. Its `hash` is the SHA-256 of its body. Every definition that provisioning gives to the
// workflow engine is one, so that whoever gets a definition back may take it for a blueprint.
struct Blueprint : workflow::Definition {
  std::string title;
  std::string description;
  std::string file;  // "" when it comes from the store
  std::string body;  // canonical JSON of the file
  std::shared_ptr<const json::Schema> parameters;
  nlohmann::json owner;  // expression; null when the caller must name the owner
  bool approval_required = false;
  std::string approval_message;
  nlohmann::json outputs;  // expressions
  nlohmann::json entity;   // expressions; null when there is none
  std::map<std::string, nlohmann::json, std::less<>> step_resources;  // by step id, expressions
};

inline const Blueprint& BlueprintOf(const workflow::Definition& definition) {
  return static_cast<const Blueprint&>(definition);
}

// By name.
using Blueprints = std::map<std::string, std::shared_ptr<const Blueprint>, std::less<>>;

// Checks a file's text whole: INVALID_ARGUMENT lists every fault, one a line, each with
// file:line:column.
absl::StatusOr<std::shared_ptr<const Blueprint>> ParseBlueprint(
    absl::string_view text, absl::string_view file, const connectors::Connectors& connectors);

// A body stored before, which was checked then.
absl::StatusOr<std::shared_ptr<const Blueprint>> BlueprintFromBody(absl::string_view body);

// Every *.yaml and *.yml in the folders; all faults of all files at once.
absl::StatusOr<Blueprints> LoadBlueprints(const std::vector<std::string>& folders,
                                          const connectors::Connectors& connectors);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_BLUEPRINT_H_
