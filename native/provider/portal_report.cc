#include "provider/portal_report.h"

#include "json/json.h"
#include "nlohmann/json.hpp"

namespace purser::provider {

std::string ToText(const PortalReport& report) {
  return json::Dump({{"entities", report.entities},
                     {"held", report.held},
                     {"heldRefs", report.held_refs},
                     {"rounds", report.rounds},
                     {"failures", report.failures},
                     {"added", report.added},
                     {"changed", report.changed},
                     {"removed", report.removed},
                     {"dropped", report.dropped},
                     {"degraded", report.degraded}});
}

PortalReport PortalReportFrom(absl::string_view text) {
  PortalReport report;
  const nlohmann::json fields =
      nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!fields.is_object()) return report;
  const auto count = [&](const char* name) {
    const auto found = fields.find(name);
    return found != fields.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
  };
  report.entities = count("entities");
  report.held = count("held");
  report.rounds = count("rounds");
  report.failures = count("failures");
  report.added = count("added");
  report.changed = count("changed");
  report.removed = count("removed");
  report.dropped = count("dropped");
  if (const auto refs = fields.find("heldRefs"); refs != fields.end() && refs->is_array()) {
    for (const nlohmann::json& ref : *refs) {
      if (ref.is_string()) report.held_refs.push_back(ref.get<std::string>());
    }
  }
  if (const auto parts = fields.find("degraded"); parts != fields.end() && parts->is_object()) {
    for (const auto& [name, why] : parts->items()) {
      if (why.is_string()) report.degraded[name] = why.get<std::string>();
    }
  }
  return report;
}

}  // namespace purser::provider
