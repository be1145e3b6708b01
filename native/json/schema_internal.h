// What the parts of the schema validator share; nobody else includes this.
#ifndef PURSER_JSON_SCHEMA_INTERNAL_H_
#define PURSER_JSON_SCHEMA_INTERNAL_H_

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "json/json.h"
#include "json/pattern.h"
#include "nlohmann/json.hpp"

namespace purser::json {

struct Schema::Compiled {
  nlohmann::json schema;
  absl::flat_hash_map<std::string, const nlohmann::json*> refs;  // $ref text → place in `schema`
  absl::flat_hash_map<std::string, Pattern> patterns;            // source → compiled
};

// The place "#/a/b" names in `root`; nullptr when there is none.
const nlohmann::json* ResolveRef(const nlohmann::json& root, absl::string_view ref);

// True when `text` has the form `format` names; formats we do not know are always true.
bool MatchesFormat(absl::string_view format, absl::string_view text);

}  // namespace purser::json

#endif  // PURSER_JSON_SCHEMA_INTERNAL_H_
