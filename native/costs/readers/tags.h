// The Tags column: a JSON object as text, with what real exports make of it.
#ifndef PURSER_COSTS_READERS_TAGS_H_
#define PURSER_COSTS_READERS_TAGS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

// Tag key → value as text; a tag without a value has "true".
using Tags = std::map<std::string, std::string>;

inline constexpr size_t kMaxTagsBytes = 256 << 10;

// Accepts the object, the object without its braces (Azure) and nothing at all (also null). Keys
// stay as they are, blanks included; a tag without a value (true, null) has the value "true",
// numbers keep their digits. Values that are objects or lists are refused, as FOCUS does.
absl::StatusOr<Tags> ParseTags(absl::string_view text);

// Compact JSON, keys sorted.
std::string TagsToJson(const Tags& tags);

// The value of `key`; where clouds mark users' tags, the key behind "user:" or "user_" (AWS
// CUR 2.0) counts too. Null when there is none.
const std::string* FindTag(const Tags& tags, absl::string_view key);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_TAGS_H_
