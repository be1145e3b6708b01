#include "costs/suppressions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/days.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::costs {

absl::StatusOr<std::vector<Suppression>> ParseSuppressions(absl::string_view yaml,
                                                           absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(yaml, file));
  const nlohmann::json& root = document.value;
  std::vector<Suppression> suppressions;
  if (!root.is_object() || !root.contains("suppress") || !root["suppress"].is_array() ||
      root["suppress"].size() > kMaxSuppressions) {
    return absl::InvalidArgumentError(
        absl::StrCat(document.Where(file, ""),
                     ": the file has the form {suppress: [{of, service, "
                     "from, to, reason}]}, at most ",
                     kMaxSuppressions));
  }
  for (size_t i = 0; i < root["suppress"].size(); ++i) {
    const nlohmann::json& value = root["suppress"][i];
    const std::string where = document.Where(file, absl::StrCat("/suppress/", i));
    Suppression one;
    std::string from, to;
    size_t known = 0;
    for (const auto& [name, out] :
         {std::make_pair("of", &one.of), std::make_pair("service", &one.service),
          std::make_pair("from", &from), std::make_pair("to", &to),
          std::make_pair("reason", &one.reason)}) {
      if (!value.is_object() || !value.contains(name)) continue;
      if (!value[name].is_string()) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", name, " must be a text"));
      }
      *out = value[name].get<std::string>();
      ++known;
    }
    if (!value.is_object() || known != value.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": known fields are of, service, from, to, reason"));
    }
    const absl::StatusOr<absl::CivilDay> first = ParseDay(from);
    const absl::StatusOr<absl::CivilDay> last = ParseDay(to);
    if (!first.ok() || !last.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": from and to are needed, days like 2026-11-01"));
    }
    if (*last < *first) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": to is before from"));
    }
    one.from = *first;
    one.to = *last;
    suppressions.push_back(std::move(one));
  }
  return suppressions;
}

}  // namespace purser::costs
