#include "provisioning/holding_links.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::provisioning {
namespace {

constexpr char kBlueprintPlace[] = "{blueprint}";

bool Expires(const HoldingRow& holding) { return holding.expires_at != kNever; }
bool IsActive(const HoldingRow& holding) { return holding.state == HoldingState::kActive; }
bool IsSuspended(const HoldingRow& holding) { return holding.state == HoldingState::kSuspended; }
bool MayGo(const HoldingRow& holding) { return !holding.is_protected; }
bool Always(const HoldingRow&) { return true; }

struct Verb {
  const char* name;
  const char* title;
  bool (*fits)(const HoldingRow& holding);
};
constexpr Verb kVerbs[] = {
    {"change", "Change", Always},
    {"renew", "Keep longer", Expires},
    {"transfer", "Give away", Always},
    {"suspend", "Park", IsActive},
    {"resume", "Take up again", IsSuspended},
    {"repair", "Repair", Always},
    {"delete", "Delete", MayGo},
};

std::string TemplateOf(const std::string& text, const std::string& blueprint) {
  return absl::StrReplaceAll(text, {{kBlueprintPlace, blueprint}});
}

}  // namespace

absl::Status CheckForms(const PortalForms& forms) {
  for (const auto& [verb, ref] : forms.templates) {
    const bool known = std::any_of(std::begin(kVerbs), std::end(kVerbs),
                                   [&verb](const Verb& one) { return one.name == verb; });
    if (!known) {
      return absl::InvalidArgumentError(absl::StrCat(
          "forms: there is no verb \"", verb, "\"; there are ",
          absl::StrJoin(kVerbs, ", ",
                        [](std::string* out, const Verb& one) { out->append(one.name); })));
    }
    const auto parsed = catalog::EntityRef::Parse(TemplateOf(ref, "x"), "template");
    if (!parsed.ok()) return base::Annotate(parsed.status(), absl::StrCat("forms: ", verb));
  }
  return absl::OkStatus();
}

nlohmann::json HoldingLinks(const PortalForms& forms, const HoldingRow& holding) {
  nlohmann::json links = nlohmann::json::array();
  const bool is_there = IsActive(holding) || IsSuspended(holding);
  if (forms.url.empty() || holding.entity_ref.empty() || !is_there) return links;
  const std::string data = http::EncodeComponent(json::Dump({{"entity", holding.entity_ref}}));
  for (const Verb& verb : kVerbs) {
    const auto form = forms.templates.find(verb.name);
    if (form == forms.templates.end() || !verb.fits(holding)) continue;
    const auto ref =
        catalog::EntityRef::Parse(TemplateOf(form->second, holding.blueprint), "template");
    if (!ref.ok()) continue;
    links.push_back({{"title", verb.title},
                     {"url", absl::StrCat(forms.url, "/create/templates/", ref->namespace_name, "/",
                                          ref->name, "?formData=", data)}});
  }
  return links;
}

}  // namespace purser::provisioning
