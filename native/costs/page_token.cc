#include "costs/page_token.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "costs/query.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr size_t kMaxTokenBytes = 16 << 10;

std::string Fingerprint(absl::string_view question) {
  return base::Sha256Hex(question).substr(0, 16);
}

}  // namespace

std::string TextOf(const std::vector<Filter>& filters) {
  std::string text;
  for (const Filter& filter : filters) {
    absl::StrAppend(&text, "\n", DimensionName(filter.dimension));
    for (const std::string& value : filter.values) absl::StrAppend(&text, "\t", value);
  }
  return text;
}

std::string MakePageToken(absl::string_view question, const std::vector<std::string>& position) {
  return absl::WebSafeBase64Escape(json::Dump({{"q", Fingerprint(question)}, {"k", position}}));
}

absl::StatusOr<std::vector<std::string>> ReadPageToken(absl::string_view token,
                                                       absl::string_view question, size_t size) {
  const absl::Status bad = absl::InvalidArgumentError(
      "the page token does not belong to this query: start again without one");
  std::string text;
  if (token.size() > kMaxTokenBytes || !absl::WebSafeBase64Unescape(token, &text)) return bad;
  const absl::StatusOr<nlohmann::json> value = json::Parse(text);
  if (!value.ok() || !value->is_object() ||
      value->value("q", nlohmann::json()) != Fingerprint(question)) {
    return bad;
  }
  const nlohmann::json keys = value->value("k", nlohmann::json());
  if (!keys.is_array() || keys.size() != size) return bad;
  std::vector<std::string> position;
  for (const nlohmann::json& key : keys) {
    if (!key.is_string()) return bad;
    position.push_back(key);
  }
  return position;
}

}  // namespace purser::costs
