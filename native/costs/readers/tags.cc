#include "costs/readers/tags.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/json_row.h"
#include "json/json.h"

namespace purser::costs {

namespace {

// An object as nearly all exports write it: texts for values, ASCII, nothing escaped, no key twice.
// False for everything else, which is left to the JSON reader.
bool ReadPlainTags(absl::string_view text, Tags& tags) {
  size_t at = 1;  // behind the brace
  const auto skip_blanks = [&] {
    while (at < text.size() && absl::ascii_isspace(text[at]) && text[at] != '\v' &&
           text[at] != '\f') {
      ++at;
    }
  };
  const auto take = [&](char wanted) {
    skip_blanks();
    if (at == text.size() || text[at] != wanted) return false;
    ++at;
    return true;
  };
  const auto take_text = [&](absl::string_view* out) {
    if (!take('"')) return false;
    const size_t begin = at;
    while (at < text.size() && text[at] != '"') {
      if (!absl::ascii_isprint(text[at]) || text[at] == '\\') return false;
      ++at;
    }
    *out = text.substr(begin, at - begin);
    return take('"');
  };
  absl::string_view key, value;
  do {
    if (!take_text(&key) || !take(':') || !take_text(&value)) return false;
    if (!tags.emplace(std::string(key), std::string(value)).second) return false;
  } while (take(','));
  return take('}') && at == text.size();
}

}  // namespace

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
  if (text.front() == '{' && ReadPlainTags(text, tags)) return tags;
  tags.clear();
  const absl::StatusOr<JsonNode> value = ParseJsonNode(text);
  if (!value.ok()) return base::Annotate(value.status(), "tags are no JSON object");
  if (value->kind == JsonNode::kNull) return tags;
  if (value->kind != JsonNode::kObject) {
    return absl::InvalidArgumentError("tags are no JSON object");
  }
  for (const auto& [key, entry] : value->members) {
    const auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(
          absl::StrCat("tag \"", base::EscapeForDisplay(key), "\" ", what));
    };
    if (entry.kind == JsonNode::kObject || entry.kind == JsonNode::kArray) {
      return wrong("has an object or a list for a value");
    }
    const bool is_new =
        tags.emplace(key, entry.kind == JsonNode::kNull ? "true" : entry.text).second;
    if (!is_new) return wrong("is there twice");
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
