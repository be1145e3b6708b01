#include "costs/readers/tags.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::costs {

absl::StatusOr<Tags> ParseTags(absl::string_view text) {
  Tags tags;
  text = absl::StripAsciiWhitespace(text);
  if (text.empty() || text == "{}") return tags;
  if (text.size() > kMaxTagsBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("tags have more than ", kMaxTagsBytes, " bytes (kMaxTagsBytes)"));
  }
  std::string braced;
  if (text.front() == '"') {
    braced = absl::StrCat("{", text, "}");
    text = braced;
  }
  absl::StatusOr<nlohmann::json> value = json::Parse(text, {.max_depth = 4});
  if (!value.ok()) return base::Annotate(value.status(), "tags are no JSON object");
  if (!value->is_object()) return absl::InvalidArgumentError("tags are no JSON object");
  for (const auto& [key, entry] : value->items()) {
    if (entry.is_structured()) {
      return absl::InvalidArgumentError(absl::StrCat("tag \"", base::EscapeForDisplay(key),
                                                     "\" has an object or a list for a value"));
    }
    if (entry.is_string()) {
      tags[key] = entry.get<std::string>();
    } else {
      tags[key] = entry.is_null() ? "true" : json::Dump(entry);
    }
  }
  return tags;
}

std::string TagsToJson(const Tags& tags) { return json::Dump(nlohmann::json(tags)); }

const std::string* FindTag(const Tags& tags, absl::string_view key) {
  auto found = tags.find(std::string(key));
  for (const absl::string_view mark : {"user:", "user_"}) {
    if (found == tags.end()) found = tags.find(absl::StrCat(mark, key));
  }
  return found == tags.end() ? nullptr : &found->second;
}

}  // namespace purser::costs
