// The links of an entity to the portal's forms for what its owner may want of it.
#ifndef PURSER_PROVISIONING_HOLDING_LINKS_H_
#define PURSER_PROVISIONING_HOLDING_LINKS_H_

#include <map>
#include <string>

#include "nlohmann/json.hpp"
#include "provisioning/holding_store.h"

namespace purser::provisioning {

// Where people change what they have: the portal, and its templates by verb ("change", "renew",
// "transfer", "suspend", "resume", "repair", "delete"). A template is a ref like
// "template:default/renew-holding"; "{blueprint}" in it stands for the holding's blueprint.
struct PortalForms {
  std::string url;  // without a slash at the end; "": there are no links
  std::map<std::string, std::string> templates;
};

// INVALID_ARGUMENT: an unknown verb, or no ref of a template.
absl::Status CheckForms(const PortalForms& forms);

// [{"title", "url"}] for those verbs that make sense for the holding as it is: the form opens
// with its entity filled in (as `entity`). Empty for what is not in the catalog.
nlohmann::json HoldingLinks(const PortalForms& forms, const HoldingRow& holding);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_HOLDING_LINKS_H_
