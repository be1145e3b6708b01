// Blueprints: what may be asked for and how it is made. docs/blueprints.md
// describes the file.
#ifndef PURSER_PROVISIONING_BLUEPRINT_H_
#define PURSER_PROVISIONING_BLUEPRINT_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "connectors/connector.h"
#include "json/json.h"
#include "nlohmann/json.hpp"
#include "workflow/definition.h"

namespace purser::provisioning {

inline constexpr int64_t kMaxBlueprintBytes = 1 << 20;
inline constexpr int kMaxBlueprints = 1000;
inline constexpr size_t kMaxEachItems = 100;  // of one step
inline constexpr absl::Duration kMaxStepTimeout = absl::Hours(24 * 90);

// What a run does with its steps.
enum class Mode {
  kMake,    // calls them; undoes them when the run fails
  kChange,  // calls them over what is there; never undoes, for that would take
            // the old away too
  kAdopt,   // looks at what is there and calls nothing
  kRemove,  // calls their compensations, latest first
};

// How long what was made stays, and what is looked after meanwhile.
struct Life {
  nlohmann::json expires_after;           // duration, perhaps an expression; null: it stays
  std::vector<absl::Duration> reminders;  // before the expiry, longest first
  absl::Duration grace = absl::ZeroDuration();
  bool suspend_when_over = false;                  // instead of deleting
  absl::Duration renew_by = absl::ZeroDuration();  // 0: as long as it was given at first
  nlohmann::json is_protected;                     // boolean, perhaps an expression
  bool suspendable = false;
  absl::Duration drift_every = absl::ZeroDuration();  // 0: never
  bool repair_drift = false;
};

// Who must agree before a request starts.
struct Approval {
  int count = 0;                  // 0: nobody
  bool four_eyes = false;         // not who asked
  std::vector<std::string> from;  // entity refs of users or groups; empty: anybody allowed to
  std::string message;
};

// Immutable. Its `hash` is the SHA-256 of its body. Every definition that
// provisioning gives to the workflow engine is one, so that whoever gets a
// definition back may take it for a blueprint.
struct Blueprint : workflow::Definition {
  std::string title;
  std::string description;
  std::string file;  // "" when it comes from the store
  std::string body;  // canonical JSON of the file
  std::shared_ptr<const json::Schema> parameters;
  nlohmann::json owner;           // expression; null when the caller must name the owner
  nlohmann::json environment;     // expression; null when there is none
  nlohmann::json classification;  // expression; null when there is none
  std::string product;            // in the price book
  Approval approval;
  Life life;
  Mode mode = Mode::kMake;
  nlohmann::json outputs;  // expressions
  nlohmann::json entity;   // expressions; null when there is none
  std::map<std::string, nlohmann::json, std::less<>> step_resources;  // by step id, expressions
  std::set<std::string, std::less<>> keeps;  // steps whose work stays when all else is undone
  // Steps with `each`: their ids are "<id>.<n>"; expressions see them under the
  // id alone.
  struct Item {
    std::string of;  // "<id>"
    nlohmann::json item;
    int64_t index = 0;
  };
  std::map<std::string, Item, std::less<>> items;
  std::vector<std::string> groups;  // ids of steps with `each`, also of those without any item
};

inline const Blueprint& BlueprintOf(const workflow::Definition& definition) {
  return static_cast<const Blueprint&>(definition);
}

// By name.
using Blueprints = std::map<std::string, std::shared_ptr<const Blueprint>, std::less<>>;

// The operation behind "connector/operation", those of Purser itself ("wait/…")
// included.
absl::StatusOr<const connectors::Operation*> FindOperation(const connectors::Connectors& connectors,
                                                           absl::string_view uses);

// Checks a file's text whole: INVALID_ARGUMENT lists every fault, one a line,
// each with file:line:column.
absl::StatusOr<std::shared_ptr<const Blueprint>> ParseBlueprint(
    absl::string_view text, absl::string_view file, const connectors::Connectors& connectors);

// Bodies of runs other than a blueprint as it stands: another mode, steps
// written out by `each` (items by step id), or the steps of a removal.
std::string DerivedBody(const Blueprint& blueprint, Mode mode, const nlohmann::json& each);
struct RemovalStep {
  std::string id;
  std::string uses;  // the compensation
};
// Called in this order, each after the one before.
std::string RemovalBody(absl::string_view name, const std::vector<RemovalStep>& steps);

// A body stored before, which was checked then.
absl::StatusOr<std::shared_ptr<const Blueprint>> BlueprintFromBody(absl::string_view body);

// Every *.yaml and *.yml in the folders; all faults of all files at once.
absl::StatusOr<Blueprints> LoadBlueprints(const std::vector<std::string>& folders,
                                          const connectors::Connectors& connectors);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_BLUEPRINT_H_
