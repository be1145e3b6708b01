// The entities by which a definition is offered: a Template with a form, and an API.
#ifndef PURSER_CATALOG_PROVIDERS_CROSSPLANE_OFFER_TEMPLATE_H_
#define PURSER_CATALOG_PROVIDERS_CROSSPLANE_OFFER_TEMPLATE_H_

#include <string>

#include "catalog-providers/crossplane/definition.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers {

// How a filled form becomes a claim.
struct OfferOptions {
  enum class Way {
    kNone,         // no templates
    kPullRequest,  // a manifest in a repository, as a pull or merge request
    kRequest,      // a request of a blueprint, which applies it
  };
  Way way = Way::kPullRequest;
  std::string repo_url;   // as RepoUrlPicker gives it; "" lets people pick
  std::string host_kind;  // "github" or "gitlab"
  std::string path;       // folder of the repository
  std::string target_branch;
  std::string blueprint;  // of kRequest
};

// Completes `draft` (a Template's kind, metadata and owner are there) with parameters and steps.
// Returns how many fields of the definition no form can show.
int64_t AddOffer(const CompositeDefinition& definition, const OfferOptions& options,
                 nlohmann::json* draft);

// The definition as OpenAPI 3: what the cluster's API takes.
std::string ApiDefinitionOf(const CompositeDefinition& definition);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CROSSPLANE_OFFER_TEMPLATE_H_
