// Finds everything wrong with a blueprint at once, and says where.
#ifndef PURSER_PROVISIONING_BLUEPRINT_CHECK_H_
#define PURSER_PROVISIONING_BLUEPRINT_CHECK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "connectors/connector.h"
#include "document/yaml.h"

namespace purser::provisioning {

// OK, or INVALID_ARGUMENT with one fault a line, "file:line:column: <field>:
// <what is wrong>".
absl::Status CheckBlueprint(const document::Document& document, absl::string_view file,
                            const connectors::Connectors& connectors);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_BLUEPRINT_CHECK_H_
