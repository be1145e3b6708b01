// Filling the draft of an entity with values from outside: texts, lists, tags and links, none of
// which are trusted to have the right shape.
#ifndef PURSER_PROVIDER_ENTITY_DRAFT_H_
#define PURSER_PROVIDER_ENTITY_DRAFT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace purser::provider {

// Undefined, null or empty text.
bool IsNothing(const nlohmann::json& value);
// The text that is the member `key`; nullptr when there is none.
const std::string* TextOf(const nlohmann::json* object, const std::string& key);
// A member that is an object, made when it is not.
nlohmann::json& Member(nlohmann::json& object, const char* key);

// A value as text. INVALID_ARGUMENT, beginning with `where`, for lists and objects.
absl::StatusOr<std::string> AsText(const nlohmann::json& value, const std::string& where);
// A list from a list, or from one text with commas.
absl::StatusOr<std::vector<std::string>> AsTexts(const nlohmann::json& value,
                                                 const std::string& where);

// Adds what is new, at most kMaxEntityTags and kMaxEntityLinks. Links that are no web addresses are
// left out: a link is something people click.
void AddTags(const std::vector<std::string>& texts, nlohmann::json* draft);
void AddLinks(const nlohmann::json& list, nlohmann::json* draft);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_ENTITY_DRAFT_H_
