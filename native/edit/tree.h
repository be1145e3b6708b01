// A text and the places of all values in it: what an editor needs in order to change one value and
// leave every other byte as it is.
//
// Both YAML and JSON (with comments and trailing commas, as tsconfig.json has them) become the same
// tree. Values themselves are compared and computed as `Model`; what JSON cannot say (aliases,
// tags, numbers beyond a double) is in the model as a marker that compares equal to itself only.
#ifndef PURSER_EDIT_TREE_H_
#define PURSER_EDIT_TREE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "edit/stop_look.h"
#include "nlohmann/json.hpp"

namespace purser::edit {

using Model = nlohmann::ordered_json;

inline constexpr int64_t kMaxFileBytes = 4 << 20;
inline constexpr int kMaxDepth = 100;
inline constexpr int kMaxValues = 500'000;  // of one text
inline constexpr int kMaxMembers = 10'000;  // of one mapping
inline constexpr int kMaxDocuments = 1'000;
inline constexpr size_t kMaxKeyBytes = 1'000;  // YAML's implicit keys end at 1,024

enum class Syntax : uint8_t { kYaml, kJson };
enum class Kind : uint8_t { kScalar, kMapping, kSequence, kAlias };
enum class Style : uint8_t {
  kPlain,
  kSingleQuoted,
  kDoubleQuoted,
  kLiteral,
  kFolded,
  kBlock,
  kFlow
};

// Offsets are bytes of the text.
struct Node {
  Kind kind = Kind::kScalar;
  Style style = Style::kPlain;
  size_t begin = 0;           // of the value with its anchor and tag
  size_t properties_end = 0;  // behind anchor and tag; begin when there are none
  size_t content = 0;         // of the value itself
  size_t end = 0;             // behind the value; line ends and comments are not in it
  std::string text;           // of a scalar, unescaped; name of an alias
  std::string anchor;
  std::string tag;
  std::vector<int> children;  // a mapping's: key, value, key, value, …
  bool bare = false;          // a flow mapping of one pair without braces: [a: b]
};

struct DocumentSpan {
  int root = -1;     // -1: nothing but comments
  size_t begin = 0;  // behind the mark "---", or of the text
};

struct Tree {
  Syntax syntax = Syntax::kYaml;
  std::string text;
  std::vector<Node> nodes;
  std::vector<DocumentSpan> documents;  // at least one

  const Node& at(int node) const { return nodes[static_cast<size_t>(node)]; }
  // Of the byte at `offset`: end of its line (without the line end), its start, and its column from
  // 0 in bytes.
  size_t LineEnd(size_t offset) const;
  size_t LineStart(size_t offset) const;
  int Column(size_t offset) const;
  // True when only blanks stand before `offset` on its line.
  bool StartsLine(size_t offset) const;
  // Over blanks, line ends and comments; over blanks only.
  size_t SkipSpace(size_t offset) const;
  size_t SkipBlanks(size_t offset) const;
  bool AtComment(size_t offset) const;
  std::string Where(size_t offset) const;  // "line:column", from 1
};

// INVALID_ARGUMENT "file:line:column: …", RESOURCE_EXHAUSTED for a limit above, CANCELLED.
absl::StatusOr<Tree> ParseYamlTree(absl::string_view text, absl::string_view file, StopLook& look);
absl::StatusOr<Tree> ParseJsonTree(absl::string_view text, absl::string_view file, StopLook& look);

// The value of a node (-1: null). What it gives after a stop means nothing: look.status() tells.
Model ToModel(const Tree& tree, int node, StopLook& look);

// The marker of a value that JSON has no words for; `source` is its text.
Model Opaque(absl::string_view source);
bool IsOpaque(const Model& value);
const std::string& OpaqueSource(const Model& value);

// Order of members does not matter, 1 equals 1.0.
bool Equal(const Model& a, const Model& b);

}  // namespace purser::edit

#endif  // PURSER_EDIT_TREE_H_
