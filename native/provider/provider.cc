#include "provider/provider.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::provider {

absl::Status Context::EmitPrepared(absl::string_view partition, const catalog::EntityRef& ref,
                                   std::string canonical) {
  const nlohmann::json entity = nlohmann::json::parse(canonical, nullptr, false);
  if (entity.is_discarded()) {
    return absl::InternalError(absl::StrCat(ref.ToString(), ": its text is no JSON"));
  }
  return EmitIn(partition, entity);
}

absl::StatusOr<std::string> Context::Secret(absl::string_view) {
  return absl::UnimplementedError("this host has no secrets: only purserd resolves references");
}

absl::Status Context::BeginSnapshot(absl::string_view) {
  return absl::FailedPreconditionError("only a watch begins snapshots");
}

absl::Status Context::CompleteSnapshot(absl::string_view) {
  return absl::FailedPreconditionError("only a watch completes snapshots");
}

absl::Status Context::Remove(absl::string_view) {
  return absl::FailedPreconditionError("only a watch removes single entities");
}

absl::Status Provider::Snapshot(Context&) {
  return absl::UnimplementedError(
      absl::StrCat("provider ", description().id, " gives no snapshots"));
}

absl::Status Provider::Watch(Context&) {
  return absl::UnimplementedError(
      absl::StrCat("provider ", description().id, " does not watch; ask it for a snapshot"));
}

absl::Status Registry::Add(std::unique_ptr<Provider> provider) {
  const std::string& id = provider->description().id;
  if (id.empty()) return absl::InternalError("a provider has no id");
  const auto [position, added] = providers_.try_emplace(id, nullptr);
  if (!added) {
    return absl::InternalError(
        absl::StrCat("provider ", id, " is registered twice; give one another id"));
  }
  position->second = std::move(provider);
  return absl::OkStatus();
}

Provider* Registry::Find(absl::string_view id) const {
  const auto found = providers_.find(base::ToStd(id));
  return found == providers_.end() ? nullptr : found->second.get();
}

std::vector<const Description*> Registry::List() const {
  std::vector<const Description*> descriptions;
  descriptions.reserve(providers_.size());
  for (const auto& [id, provider] : providers_) descriptions.push_back(&provider->description());
  return descriptions;
}

nlohmann::json ToJson(const Description& description) {
  return {{"id", description.id},
          {"description", description.description},
          {"host", description.host == action::Host::kPortal ? "portal" : "sidecar"},
          {"configSchema", description.config_schema},
          // In the sidecar every source looks like a change log.
          {"hasDeltas", description.host == action::Host::kSidecar}};
}

}  // namespace purser::provider
