// What Terraform made, from its state (version 4) or from `terraform show -json`.
//
// A state holds passwords and keys in plain text. Of each resource only what names it is taken: a
// fixed list of attributes, never one that is marked sensitive, and nothing of types that are
// secrets themselves.
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_STATE_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_STATE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::catalog_providers::terraform {

inline constexpr int64_t kMaxStateBytes = 64 << 20;
inline constexpr size_t kMaxStateResources = 50'000;
inline constexpr size_t kMaxStateTextBytes = 2048;  // of an id or name; longer ones are left out
inline constexpr int kMaxStateModuleDepth = 50;     // of `show -json`

struct StateResource {
  std::string address;  // module.app.azurerm_storage_account.logs["eu"]
  std::string type;
  std::string name;      // in the configuration
  std::string provider;  // "hashicorp/azurerm"; "" when it cannot be told
  // By which billing files and consoles know it: arn, self_link, id; each once, the first is the
  // best.
  std::vector<std::string> ids;
  std::string display_name;  // its attribute `name`
  std::string location;      // its attribute `location`, `region` or `zone`
  std::map<std::string, std::string> tags;
};

struct State {
  int64_t serial = 0;
  std::string lineage;
  std::string terraform_version;
  std::vector<StateResource> resources;  // managed ones, by address
  int64_t secrets_left_out = 0;          // resources whose types are secrets
};

// INVALID_ARGUMENT "<what>: …" when it is neither; FAILED_PRECONDITION for another version;
// RESOURCE_EXHAUSTED for a limit above. Texts of errors hold nothing of the state.
absl::StatusOr<State> ParseState(absl::string_view text, absl::string_view what);

// Whether resources of this type are secrets ("random_password",
// "aws_secretsmanager_secret_version"), or nothing outside of the state ("null_resource",
// "time_sleep").
bool IsLeftOut(absl::string_view type);

}  // namespace purser::catalog_providers::terraform

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_STATE_H_
