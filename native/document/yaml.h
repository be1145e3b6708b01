// YAML with source positions and limits (libyaml underneath; YAML 1.2 core schema on top).
#ifndef PURSER_DOCUMENT_YAML_H_
#define PURSER_DOCUMENT_YAML_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace purser::document {

struct Position {
  int line = 0;    // from 1
  int column = 0;  // from 1, in characters
};

struct Limits {
  int64_t max_bytes = 16 << 20;
  int max_depth = 100;
  int64_t max_nodes = 1'000'000;  // after aliases are expanded, so that a bomb stops here
  int max_documents = 10'000;
  // Without them a text is read in half the time; who then finds something wrong reads it again.
  bool with_positions = true;
};

// Text of all strings after aliases are expanded, as a multiple of max_bytes.
inline constexpr int64_t kMaxYamlExpansion = 8;
// Positions below longer pointers are not kept; Where() then answers with the nearest parent.
inline constexpr size_t kMaxPositionPointerBytes = 1024;

// One document: its value and where each part stands.
struct Document {
  nlohmann::json value;
  std::map<std::string, Position, std::less<>> positions;  // JSON pointer → where the value starts

  // "file:line:column" of the value at `pointer`, or of its nearest parent that is known.
  std::string Where(absl::string_view file, absl::string_view pointer) const;
};

// Parses all documents of `text` (a JSON text is one too). Errors are "file:line:column: …".
// Duplicate keys, unknown tags, merge keys onto non-maps, anchors that are not there, anchors
// inside themselves, keys that are no scalars, .inf and .nan: refused. Plain scalars follow the 1.2
// core schema: yes/no/on/off stay strings, 0o7 is octal, 1_000 a string. A key that is no string
// keeps its text: `8080: x` has the key "8080".
absl::StatusOr<std::vector<Document>> ParseYaml(absl::string_view text, absl::string_view file,
                                                const Limits& limits = {});
// Exactly one document, or an error that says how many there were.
absl::StatusOr<Document> ParseYamlDocument(absl::string_view text, absl::string_view file,
                                           const Limits& limits = {});

// Block style, keys in order, strings quoted where a reader could take them for something else.
std::string ToYaml(const nlohmann::json& value);

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_YAML_H_
