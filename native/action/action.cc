#include "action/action.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::action {
namespace {

constexpr size_t kMinExamples = 3;  // Backstage's actions page is only useful with some to copy

}  // namespace

absl::Status Registry::Add(std::unique_ptr<Action> action) {
  const Description& description = action->description();
  if (description.id.empty()) return absl::InternalError("an action has no id");
  if (description.examples.size() < kMinExamples) {
    return absl::InternalError(absl::StrCat("action ", description.id, " has ",
                                            description.examples.size(),
                                            " examples; write at least ", kMinExamples));
  }
  const auto [position, added] = actions_.try_emplace(description.id, nullptr);
  if (!added) {
    return absl::InternalError(
        absl::StrCat("action ", description.id, " is registered twice; give one another id"));
  }
  position->second = std::move(action);
  return absl::OkStatus();
}

Action* Registry::Find(absl::string_view id) const {
  const auto found = actions_.find(base::ToStd(id));
  return found == actions_.end() ? nullptr : found->second.get();
}

std::vector<const Description*> Registry::List() const {
  std::vector<const Description*> descriptions;
  descriptions.reserve(actions_.size());
  for (const auto& [id, action] : actions_) descriptions.push_back(&action->description());
  return descriptions;
}

nlohmann::json ToJson(const Description& description) {
  nlohmann::json examples = nlohmann::json::array();
  for (const Example& example : description.examples) {
    examples.push_back({{"description", example.description}, {"example", example.yaml}});
  }
  return {{"id", description.id},
          {"description", description.description},
          {"host", description.host == Host::kPortal ? "portal" : "sidecar"},
          {"schema", {{"input", description.input_schema}, {"output", description.output_schema}}},
          {"examples", std::move(examples)},
          {"supportsDryRun", description.supports_dry_run}};
}

}  // namespace purser::action
