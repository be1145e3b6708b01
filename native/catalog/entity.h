// Backstage catalog entities: references, validation, canonical form and hash.
#ifndef PURSER_CATALOG_ENTITY_H_
#define PURSER_CATALOG_ENTITY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::catalog {

// kind:namespace/name; compared without case, kept in lower case (as Backstage prints refs).
struct EntityRef {
  std::string kind;
  std::string namespace_name = "default";
  std::string name;

  // "[kind:][namespace/]name"; parts not given come from the defaults. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<EntityRef> Parse(absl::string_view text,
                                         absl::string_view default_kind = "",
                                         absl::string_view default_namespace = "default");
  std::string ToString() const;
  friend bool operator==(const EntityRef&, const EntityRef&) = default;
};

// One thing wrong with an entity; `pointer` is a JSON pointer ("/metadata/name").
struct Problem {
  std::string pointer;
  std::string message;
};

// Envelope, name/namespace/label/annotation/tag rules and the built-in kinds' required fields: all
// problems at once, none when valid.
std::vector<Problem> Validate(const nlohmann::json& entity);

// A valid entity name from any text: allowed characters kept, others become '-', at most 63 bytes;
// texts that had to be cut or changed get a short hash so that two never meet. "" only for "".
std::string SanitizeName(absl::string_view text);

// Compact JSON with sorted keys: equal entities, equal bytes.
std::string Canonical(const nlohmann::json& entity);
// First 16 bytes of SHA-256 over the canonical form, hexadecimal.
std::string ContentHash(absl::string_view canonical);

// Of an entity that passed Validate: its ref, and its annotation backstage.io/managed-by-location,
// "" when it has none.
EntityRef RefOf(const nlohmann::json& entity);
std::string LocationOf(const nlohmann::json& entity);

}  // namespace purser::catalog

#endif  // PURSER_CATALOG_ENTITY_H_
