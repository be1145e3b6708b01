// The plain reader beside libyaml, for the test and the fuzzer.
#ifndef PURSER_DOCUMENT_YAML_PLAIN_TESTING_H_
#define PURSER_DOCUMENT_YAML_PLAIN_TESTING_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "document/yaml_plain.h"
#include "json/json.h"

namespace purser::document {

// Values and positions, as text.
inline std::string TextOf(const std::vector<Document>& documents) {
  std::string text;
  for (const Document& document : documents) {
    absl::StrAppend(&text, json::Dump(document.value), "\n");
    for (const auto& [pointer, position] : document.positions) {
      absl::StrAppend(&text, "  ", pointer, " ", position.line, ":", position.column, "\n");
    }
  }
  return text;
}

enum class Comparison { kSame, kLeft, kDiffers };

// kLeft: the plain reader leaves the text to libyaml. `difference`: what the two say.
inline Comparison Compare(absl::string_view text, const Limits& limits, std::string* difference) {
  const auto plain = ReadPlainYaml(text, limits);
  if (!plain.has_value()) return Comparison::kLeft;
  const auto other = ReadYamlByLibyaml(text, "f", limits);
  const std::string ours = TextOf(*plain);
  const std::string theirs = other.ok() ? TextOf(*other) : std::string(other.status().message());
  if (ours == theirs) return Comparison::kSame;
  *difference = absl::StrCat("plain:\n", ours, "libyaml:\n", theirs);
  return Comparison::kDiffers;
}

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_YAML_PLAIN_TESTING_H_
