// The YAML files of some folders, not of those below them.
#ifndef PURSER_PROVISIONING_YAML_FOLDER_H_
#define PURSER_PROVISIONING_YAML_FOLDER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace purser::provisioning {

// Calls `on_file` with each *.yaml and *.yml, by name; what cannot be read goes
// to `faults`. `what` names the folders in them.
void ForEachYaml(
    const std::vector<std::string>& folders, absl::string_view what, int64_t max_bytes,
    std::vector<std::string>* faults,
    const std::function<void(const std::string& file, const std::string& text)>& on_file);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_YAML_FOLDER_H_
