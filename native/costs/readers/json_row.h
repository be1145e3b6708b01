// JSON of bills: a value with its numbers as they are written, and what it is as one flat row.
#ifndef PURSER_COSTS_READERS_JSON_ROW_H_
#define PURSER_COSTS_READERS_JSON_ROW_H_

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

inline constexpr int kMaxJsonDepth = 32;
// Held at a time: two bytes of text may be a value of a hundred in memory.
inline constexpr size_t kMaxJsonNodes = 500'000;

struct JsonMember;

struct JsonNode {
  enum Kind { kNull, kText, kNumber, kTruth, kObject, kArray } kind = kNull;
  std::string text;
  std::vector<JsonMember> members;
  // Null when there is none of that name.
  const JsonNode* Find(absl::string_view name) const;
};

// A type of its own, as std::pair may not hold what is not yet complete.
struct JsonMember {
  std::string name;  // empty in arrays
  JsonNode node;
};

// INVALID_ARGUMENT says where the text is no JSON, that it is nested too deep or has too many
// values. Each object within is given to `take` when it ends; what that takes (true) is not held.
absl::StatusOr<JsonNode> ParseJsonNode(absl::string_view text,
                                       const std::function<bool(const JsonNode&)>& take = nullptr);

using JsonRow = std::vector<std::pair<std::string, std::string>>;  // flattened name → value

// Appends what an object holds: members of members by their path ("service.description"), labels,
// Tags and lists of keys and values as one JSON object, credits as the exact sum of their amounts.
void FlattenJson(const JsonNode& node, const std::string& path, JsonRow& row);

// The row as one JSON object of texts.
std::string JsonOfRow(const JsonRow& row);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_JSON_ROW_H_
