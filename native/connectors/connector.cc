#include "connectors/connector.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"

namespace purser::connectors {

absl::StatusOr<std::optional<CallResult>> Connector::Probe(absl::string_view operation,
                                                           const nlohmann::json&, CallContext&) {
  return absl::UnimplementedError(
      absl::StrCat(name(), "/", operation, " cannot tell whether an earlier call happened"));
}

absl::StatusOr<CallResult> Connector::Observe(absl::string_view operation, const nlohmann::json&,
                                              const CallResult& previous, CallContext&) {
  if (previous.ready) return previous;
  return absl::UnimplementedError(
      absl::StrCat(name(), "/", operation, " said it is not ready, but cannot be looked at again"));
}

absl::StatusOr<CallResult> Connector::Import(absl::string_view operation,
                                             const nlohmann::json& input,
                                             const nlohmann::json& told, CallContext& context) {
  CallResult known;
  known.outputs = told;
  // One that could not look again would give back what it was told.
  known.ready = false;
  absl::StatusOr<CallResult> found = Observe(operation, input, known, context);
  if (!absl::IsUnimplemented(found.status())) return found;
  known.ready = true;
  return known;
}

absl::StatusOr<Comparison> Connector::Compare(absl::string_view operation,
                                              const nlohmann::json& input,
                                              const CallResult& applied, CallContext& context) {
  CallResult previous = applied;
  // One that cannot look again must say so instead of giving back what it was told.
  previous.ready = false;
  const absl::StatusOr<CallResult> now = Observe(operation, input, previous, context);
  if (absl::IsNotFound(now.status())) {
    return Comparison{Comparison::State::kGone, std::string(now.status().message())};
  }
  if (!now.ok()) return now.status();
  if (!now->ready) return Comparison{Comparison::State::kDiffers, now->progress};
  if (now->outputs == applied.outputs) return Comparison{};
  std::string paths;
  for (const nlohmann::json& change : nlohmann::json::diff(applied.outputs, now->outputs)) {
    absl::StrAppend(&paths, paths.empty() ? "its outputs differ: " : ", ",
                    change.at("path").get<std::string>());
  }
  return Comparison{Comparison::State::kDiffers, std::move(paths)};
}

absl::StatusOr<Resolved> Resolve(const Connectors& connectors, absl::string_view uses) {
  const size_t slash = uses.find('/');
  if (slash == absl::string_view::npos || slash == 0 || slash + 1 == uses.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", base::EscapeForDisplay(uses), "\" must be connector/operation"));
  }
  const auto connector = connectors.find(base::ToStd(uses.substr(0, slash)));
  if (connector == connectors.end()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no connector \"", base::EscapeForDisplay(uses.substr(0, slash)),
        "\"; configured are: ",
        absl::StrJoin(connectors, ", ",
                      [](std::string* out, const auto& entry) { out->append(entry.first); })));
  }
  const std::vector<Operation>& operations = connector->second->operations();
  for (const Operation& operation : operations) {
    if (operation.name == uses.substr(slash + 1)) {
      return Resolved{connector->second.get(), &operation};
    }
  }
  return absl::NotFoundError(absl::StrCat(
      "connector \"", connector->first, "\" has no operation \"",
      base::EscapeForDisplay(uses.substr(slash + 1)),
      "\"; it has: ", absl::StrJoin(operations, ", ", [](std::string* out, const Operation& one) {
        out->append(one.name);
      })));
}

}  // namespace purser::connectors
