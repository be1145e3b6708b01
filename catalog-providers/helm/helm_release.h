// Helm's record of a release, as it stands in a Secret of type helm.sh/release.v1.
#ifndef PURSER_CATALOG_PROVIDERS_HELM_HELM_RELEASE_H_
#define PURSER_CATALOG_PROVIDERS_HELM_HELM_RELEASE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::catalog_providers {

inline constexpr int64_t kMaxReleaseBytes = 64
                                            << 20;  // unpacked; packed it fits into etcd's 1.5 MB

// `data` is the Secret's member "release": base64 of base64 of gzip of JSON (without gzip when Helm
// was old). Gives name, namespace, version, info.{status,first_deployed,last_deployed} and
// chart.metadata; nothing else is kept, since values and manifests hold secrets. INVALID_ARGUMENT
// when it is damaged, RESOURCE_EXHAUSTED beyond the limit; errors hold nothing of the contents.
absl::StatusOr<nlohmann::json> DecodeHelmRelease(absl::string_view data);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_HELM_HELM_RELEASE_H_
