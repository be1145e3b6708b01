// A project of a step's input ("group/project") in GitLab's REST interface.
#ifndef PURSER_CONNECTORS_GITLAB_PROJECT_PATH_H_
#define PURSER_CONNECTORS_GITLAB_PROJECT_PATH_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "http/url.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline std::string ProjectPath(const nlohmann::json& input) {
  return absl::StrCat("/projects/", http::EncodeComponent(input["project"].get<std::string>()));
}

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITLAB_PROJECT_PATH_H_
