#include "costs/allocation_document.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "json/json.h"

namespace purser::costs {

void AllocationDocument::Problem(absl::string_view pointer, absl::string_view text) {
  problems_.push_back(absl::StrCat(document_.Where(file_, pointer), ": ", text));
}

std::string AllocationDocument::TextAt(const nlohmann::json& object, const char* key,
                                       const std::string& pointer) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  if (found->is_string() && !found->get_ref<const std::string&>().empty()) return *found;
  Problem(absl::StrCat(pointer, "/", key), absl::StrCat(key, " must be a text"));
  return "";
}

std::vector<std::string> AllocationDocument::TextsOf(const nlohmann::json& value,
                                                     const std::string& pointer,
                                                     absl::string_view what) {
  std::vector<std::string> texts;
  const nlohmann::json list = value.is_array() ? value : nlohmann::json::array({value});
  for (const nlohmann::json& text : list) {
    if (!text.is_string()) {
      Problem(pointer, absl::StrCat(what, " are texts; put numbers into quotes"));
      return {};
    }
    texts.push_back(text);
  }
  std::sort(texts.begin(), texts.end());
  CountMapped(texts.size(), pointer);
  return texts;
}

void AllocationDocument::CheckKeys(const nlohmann::json& object,
                                   const std::set<std::string>& allowed,
                                   const std::string& pointer) {
  for (const auto& [key, value] : object.items()) {
    if (!allowed.contains(key)) {
      Problem(absl::StrCat(pointer, "/", json::PointerToken(key)),
              absl::StrCat("unknown field \"", base::EscapeForDisplay(key), "\"; known are ",
                           absl::StrJoin(allowed, ", ")));
    }
  }
}

std::string AllocationDocument::CheckedRef(const std::string& text, const std::string& pointer) {
  std::string sample = absl::StrReplaceAll(text, {{"{value}", "value"}});
  for (int i = 1; i <= kMaxStars; ++i) {
    sample = absl::StrReplaceAll(sample, {{absl::StrCat("{", i, "}"), "value"}});
  }
  const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(sample);
  if (!ref.ok()) Problem(pointer, ref.status().message());
  // "{value}" is in lower case itself.
  if (ref.ok() && sample == text) return ref->ToString();
  return absl::AsciiStrToLower(text);
}

void AllocationDocument::CountMapped(size_t values, const std::string& pointer) {
  mapped_ += values;
  if (mapped_ <= kMaxMappedValues) return;
  Problem(pointer, absl::StrCat("more than ", kMaxMappedValues, " values (kMaxMappedValues)"));
}

}  // namespace purser::costs
