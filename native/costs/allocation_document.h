// What all parts of an allocation's document are read with: places, texts and refs, and the list of
// what is wrong.
#ifndef PURSER_COSTS_ALLOCATION_DOCUMENT_H_
#define PURSER_COSTS_ALLOCATION_DOCUMENT_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "costs/allocation.h"
#include "document/yaml.h"
#include "nlohmann/json.hpp"

namespace purser::costs {

inline constexpr int kMaxStars = 9;  // of a glob, as {1} to {9}

// Pointers are JSON pointers into the document.
class AllocationDocument {
 public:
  AllocationDocument(const document::Document& document, absl::string_view file)
      : document_(document), file_(file) {}

  const nlohmann::json& value() const { return document_.value; }
  void Problem(absl::string_view pointer, absl::string_view text);
  // Each "file:line:column: …".
  const std::vector<std::string>& problems() const { return problems_; }

  // The member's text; "" and a problem when it is something else.
  std::string TextAt(const nlohmann::json& object, const char* key, const std::string& pointer);
  // A text or a list of texts, sorted. They count as mapped values.
  std::vector<std::string> TextsOf(const nlohmann::json& value, const std::string& pointer,
                                   absl::string_view what);
  void CheckKeys(const nlohmann::json& object, const std::set<std::string>& allowed,
                 const std::string& pointer);
  // In lower case; a problem when it is no entity ref.
  std::string CheckedRef(const std::string& text, const std::string& pointer);
  // A problem when all of these together are more than kMaxMappedValues.
  void CountMapped(size_t values, const std::string& pointer);

 private:
  const document::Document& document_;
  absl::string_view file_;
  std::vector<std::string> problems_;
  size_t mapped_ = 0;
};

// Reads `spec.pools`.
std::vector<Pool> ReadPools(AllocationDocument& document, const nlohmann::json& pools);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ALLOCATION_DOCUMENT_H_
