#include "connectors/terraform/terraform_events.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/strings.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using json::TextAt;

// "  ID:        1234" in the text of a lock error.
std::string FieldOf(absl::string_view text, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, absl::StrCat(name, ":"))) {
      return base::EscapeForDisplay(absl::StripAsciiWhitespace(line), 100);
    }
  }
  return "";
}

}  // namespace

void TerraformEvents::Log(action::LogLevel level, absl::string_view line) {
  if (++lines_ > kMaxTerraformLogLines) {
    if (lines_ == kMaxTerraformLogLines + 1) {
      log_(action::LogLevel::kWarning, "… further lines are left out (kMaxTerraformLogLines)");
    }
    return;
  }
  log_(level, base::EscapeForDisplay(line, 1000));
}

void TerraformEvents::Add(absl::string_view line) {
  const absl::StatusOr<Json> event = json::Parse(line);
  if (!event.ok() || !event->is_object()) return;
  const std::string type = TextAt(*event, {"type"});
  const std::string message = TextAt(*event, {"@message"});
  if (type == "diagnostic") {
    const bool error = TextAt(*event, {"diagnostic", "severity"}) == "error";
    const std::string summary = TextAt(*event, {"diagnostic", "summary"});
    const std::string detail = TextAt(*event, {"diagnostic", "detail"});
    std::string text = absl::StrCat(summary, detail.empty() ? "" : ": ", detail);
    const std::string address = TextAt(*event, {"diagnostic", "address"});
    const std::string file = TextAt(*event, {"diagnostic", "range", "filename"});
    if (!address.empty()) absl::StrAppend(&text, " (", address, ")");
    if (!file.empty()) {
      const Json at = event->value(Json::json_pointer("/diagnostic/range/start/line"), Json(0));
      absl::StrAppend(&text, " at ", file, ":", at.is_number_integer() ? at.get<int64_t>() : 0);
    }
    Log(error ? action::LogLevel::kError : action::LogLevel::kWarning, text);
    if (!error) return;
    if (errors_.size() < kMaxTerraformDiagnostics) {
      errors_.push_back(base::EscapeForDisplay(text, 1000));
    }
    if (absl::StrContains(summary, "acquiring the state lock")) {
      lock_held_ = true;
      lock_ = {FieldOf(detail, "ID"), FieldOf(detail, "Who")};
    }
    if (absl::StrContains(summary, "Saved plan is stale")) stale_ = true;
    return;
  }
  if (type == "planned_change") {
    if (changes_.size() < kMaxPlannedChanges) {
      changes_.push_back({{"address", TextAt(*event, {"change", "resource", "addr"})},
                          {"action", TextAt(*event, {"change", "action"})}});
    }
    Log(action::LogLevel::kInfo, message);
  } else if (type == "change_summary") {
    summary_ = event->value("changes", Json::object());
    Log(action::LogLevel::kInfo, message);
  } else if (type == "outputs") {
    outputs_ = event->value("outputs", Json::object());
  } else if (type == "apply_start" || type == "apply_complete" || type == "apply_errored" ||
             type == "provision_errored" || type == "resource_drift") {
    Log(action::LogLevel::kInfo, message);
  } else if (type == "apply_progress") {
    Log(action::LogLevel::kDebug, message);
  }
}

std::string TerraformEvents::Errors() const { return absl::StrJoin(errors_, "\n"); }

Json ShownOutputs(const Json& outputs, absl::string_view root) {
  Json shown = Json::object();
  for (const auto& [name, output] : outputs.items()) {
    if (!output.is_object()) continue;
    if (output.value("sensitive", Json(false)) == true) {
      shown[name] = absl::StrCat("terraform:", root, "#", name);
    } else if (output.contains("value")) {
      shown[name] = output["value"];
    }
  }
  return shown;
}

}  // namespace purser::connectors
