#include "provider/entity_draft.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog/names.h"
#include "provider/mapping.h"

namespace purser::provider {
namespace {

using Json = nlohmann::json;

bool IsWebUrl(absl::string_view url) {
  return (absl::StartsWith(url, "https://") || absl::StartsWith(url, "http://")) &&
         url.size() > 8 && url.size() <= 2048 && std::none_of(url.begin(), url.end(), [](char c) {
           return absl::ascii_iscntrl(static_cast<unsigned char>(c)) || c == ' ' || c == '"' ||
                  c == '<' || c == '>';
         });
}

}  // namespace

bool IsNothing(const Json& value) {
  return value.is_discarded() || value.is_null() ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

const std::string* TextOf(const Json* object, const std::string& key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found != object->end() && found->is_string() ? found->get_ptr<const std::string*>()
                                                      : nullptr;
}

Json& Member(Json& object, const char* key) {
  Json& member = object[key];
  if (!member.is_object()) member = Json::object();
  return member;
}

absl::StatusOr<std::string> AsText(const Json& value, const std::string& where) {
  if (IsNothing(value)) return "";
  if (value.is_string()) {
    return std::string(absl::StripAsciiWhitespace(value.get_ref<const std::string&>()));
  }
  if (value.is_structured()) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": gives ", value.is_array() ? "a list" : "an object", " where a text belongs"));
  }
  return value.dump();
}

absl::StatusOr<std::vector<std::string>> AsTexts(const Json& value, const std::string& where) {
  std::vector<std::string> texts;
  const auto add = [&texts](absl::string_view text) {
    text = absl::StripAsciiWhitespace(text);
    if (!text.empty()) texts.emplace_back(text);
  };
  if (value.is_array()) {
    for (const Json& item : value) {
      PURSER_ASSIGN_OR_RETURN(const std::string text, AsText(item, where));
      add(text);
    }
    return texts;
  }
  PURSER_ASSIGN_OR_RETURN(const std::string text, AsText(value, where));
  for (size_t start = 0; start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    add(absl::string_view(text).substr(start, comma - start));
    start = comma + 1;
  }
  return texts;
}

void AddTags(const std::vector<std::string>& texts, Json* draft) {
  Json& tags = (*draft)["metadata"]["tags"];
  if (!tags.is_array()) tags = Json::array();
  for (const std::string& text : texts) {
    const std::string tag = TagOf(text);
    if (tag.empty() || tags.size() >= kMaxEntityTags) continue;
    if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  }
  if (tags.empty()) (*draft)["metadata"].erase("tags");
}

void AddLinks(const Json& list, Json* draft) {
  if (!list.is_array()) return;
  Json& links = (*draft)["metadata"]["links"];
  if (!links.is_array()) links = Json::array();
  for (const Json& link : list) {
    const std::string* const url = TextOf(&link, "url");
    if (url == nullptr || !IsWebUrl(*url) || links.size() >= kMaxEntityLinks) continue;
    Json kept = {{"url", *url}};
    for (const char* key : {"title", "icon", "type"}) {
      const std::string* const text = TextOf(&link, key);
      if (text != nullptr && !text->empty()) kept[key] = *text;
    }
    if (std::find(links.begin(), links.end(), kept) == links.end()) links.push_back(kept);
  }
  if (links.empty()) (*draft)["metadata"].erase("links");
}

std::string TagOf(absl::string_view text) {
  std::string tag;
  for (char c : text) {
    c = absl::ascii_tolower(static_cast<unsigned char>(c));
    const bool fits = absl::ascii_islower(static_cast<unsigned char>(c)) ||
                      absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == ':' || c == '+' ||
                      c == '#';
    if (fits) {
      tag.push_back(c);
    } else if (!tag.empty() && tag.back() != '-') {
      tag.push_back('-');
    }
    if (tag.size() == catalog::kMaxNameBytes) break;
  }
  while (!tag.empty() && tag.back() == '-') tag.pop_back();
  return tag;
}

}  // namespace purser::provider
