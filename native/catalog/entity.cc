#include "catalog/entity.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/strings.h"
#include "catalog/names.h"
#include "json/writer.h"
#include "nlohmann/json.hpp"

namespace purser::catalog {
namespace {

constexpr size_t kNameHashDigits = 8;

absl::Status BadRef(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("entity ref '", base::EscapeForDisplay(text), "' ",
                                                 why, "; write kind:namespace/name"));
}

}  // namespace

absl::StatusOr<EntityRef> EntityRef::Parse(absl::string_view text, absl::string_view default_kind,
                                           absl::string_view default_namespace) {
  EntityRef ref;
  absl::string_view rest = text;
  const size_t colon = rest.find(':');
  if (colon != absl::string_view::npos) {
    ref.kind = absl::AsciiStrToLower(rest.substr(0, colon));
    if (!IsKind(ref.kind)) return BadRef(text, "has a bad kind");
    rest.remove_prefix(colon + 1);
  } else {
    ref.kind = absl::AsciiStrToLower(default_kind);
    if (ref.kind.empty()) return BadRef(text, "has no kind");
  }
  const size_t slash = rest.find('/');
  if (slash != absl::string_view::npos) {
    ref.namespace_name = absl::AsciiStrToLower(rest.substr(0, slash));
    rest.remove_prefix(slash + 1);
  } else {
    ref.namespace_name = absl::AsciiStrToLower(default_namespace);
  }
  if (!IsDnsLabel(ref.namespace_name)) return BadRef(text, "has a bad namespace");
  ref.name = absl::AsciiStrToLower(rest);
  if (!IsObjectName(ref.name)) return BadRef(text, "has a bad name");
  return ref;
}

std::string EntityRef::ToString() const {
  return absl::StrCat(kind, ":", namespace_name, "/", name);
}

std::string SanitizeName(absl::string_view text) {
  if (text.empty()) return "";
  if (IsObjectName(text)) return std::string(text);
  std::string name;
  name.reserve(std::min(text.size(), kMaxNameBytes));
  const size_t room = kMaxNameBytes - kNameHashDigits - 1;
  for (const char c : text) {
    if (name.size() >= room) break;
    const bool allowed = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
    if (allowed) {
      name.push_back(c);
    } else if (!name.empty() && name.back() != '-') {
      name.push_back('-');
    }
  }
  const auto is_edge = [](char c) { return !absl::ascii_isalnum(static_cast<unsigned char>(c)); };
  name.erase(name.begin(), std::find_if_not(name.begin(), name.end(), is_edge));
  while (!name.empty() && is_edge(name.back())) name.pop_back();
  const std::string hash = base::Sha256Hex(text).substr(0, kNameHashDigits);
  return name.empty() ? hash : absl::StrCat(name, "-", hash);
}

std::string Canonical(const nlohmann::json& entity) {
  std::string text;
  text.reserve(1024);
  json::AppendValue(entity, &text);
  return text;
}

std::string ContentHash(absl::string_view canonical) {
  return base::Sha256Hex(canonical).substr(0, 32);
}

EntityRef RefOf(const nlohmann::json& entity) {
  const nlohmann::json& metadata = entity.at("metadata");
  EntityRef ref;
  ref.kind = absl::AsciiStrToLower(entity.at("kind").get_ref<const std::string&>());
  ref.namespace_name = absl::AsciiStrToLower(metadata.value("namespace", "default"));
  ref.name = absl::AsciiStrToLower(metadata.at("name").get_ref<const std::string&>());
  return ref;
}

std::string LocationOf(const nlohmann::json& entity) {
  const nlohmann::json& metadata = entity.at("metadata");
  const auto annotations = metadata.find("annotations");
  if (annotations == metadata.end()) return "";
  const auto location = annotations->find("backstage.io/managed-by-location");
  return location == annotations->end() ? "" : location->get<std::string>();
}

}  // namespace purser::catalog
