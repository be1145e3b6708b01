#include "provisioning/core.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/time_text.h"
#include "catalog/entity.h"

namespace purser::provisioning {

using nlohmann::json;
using store::Connection;

absl::Status UnknownRequest(absl::string_view id) {
  return absl::NotFoundError(
      absl::StrCat("request ", base::EscapeForDisplay(id), " does not exist"));
}

absl::StatusOr<std::string> NormalRef(absl::string_view text, absl::string_view kind,
                                      absl::string_view what) {
  const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(text, kind);
  if (!ref.ok()) return base::Annotate(ref.status(), what);
  return ref->ToString();
}

std::string MicrosText(int64_t micros) { return base::TimeText(absl::FromUnixMicros(micros)); }

json ParseJsonOr(absl::string_view text, json fallback) {
  json value = json::parse(base::ToStd(text), nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? std::move(fallback) : value;
}

absl::StatusOr<std::shared_ptr<const Blueprint>> FindBlueprint(const Blueprints& blueprints,
                                                               absl::string_view name) {
  const auto found = blueprints.find(base::ToStd(name));
  if (found != blueprints.end()) return found->second;
  return absl::NotFoundError(absl::StrCat(
      "there is no blueprint \"", base::EscapeForDisplay(name),
      "\"; there are: ", absl::StrJoin(blueprints, ", ", [](std::string* out, const auto& entry) {
        out->append(entry.first);
      })));
}

absl::StatusOr<RequestRow> GetRequestRow(Connection& connection, absl::string_view id) {
  PURSER_ASSIGN_OR_RETURN(std::optional<RequestRow> row, FindRequest(connection, id));
  if (!row.has_value()) return UnknownRequest(id);
  return *std::move(row);
}

absl::StatusOr<workflow::Actor> ToActor(const Actor& actor) {
  workflow::Actor who;
  PURSER_ASSIGN_OR_RETURN(who.ref, NormalRef(actor.ref, "user", "actor"));
  if (actor.reason.size() > kMaxReasonBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("reason has more than ", kMaxReasonBytes, " bytes"));
  }
  who.reason = workflow::CleanMessage(actor.reason);
  return who;
}

absl::StatusOr<workflow::RunView> LoadView(Connection& connection,
                                           workflow::DefinitionCache& definitions,
                                           absl::string_view run_id) {
  PURSER_ASSIGN_OR_RETURN(const workflow::RunRecord run, workflow::LoadRun(connection, run_id));
  PURSER_ASSIGN_OR_RETURN(const std::vector<workflow::StepRecord> steps,
                          workflow::LoadSteps(connection, run_id));
  workflow::RunView view;
  view.id = run.id;
  view.subject = run.subject;
  PURSER_ASSIGN_OR_RETURN(view.definition, definitions.Get(connection, run.definition_hash));
  view.input = ParseJsonOr(run.input, json::object());
  for (const workflow::StepRecord& step : steps) {
    if (step.state == workflow::StepState::kSucceeded ||
        step.state == workflow::StepState::kSkipped) {
      view.outputs.emplace(step.id, ParseJsonOr(step.outputs, json::object()));
    }
  }
  return view;
}

}  // namespace purser::provisioning
