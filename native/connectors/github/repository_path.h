// Parts of a step's input of "owner/name".
#ifndef PURSER_CONNECTORS_GITHUB_REPOSITORY_PATH_H_
#define PURSER_CONNECTORS_GITHUB_REPOSITORY_PATH_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline std::string OwnerOf(const std::string& repository) {
  return repository.substr(0, repository.find('/'));
}

// Of the repository in the REST interface.
inline std::string RepositoryPath(const nlohmann::json& input) {
  return absl::StrCat("/repos/", input["repository"].get<std::string>());
}

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_REPOSITORY_PATH_H_
