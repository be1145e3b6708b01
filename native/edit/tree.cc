#include "edit/tree.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "document/scalar.h"

namespace purser::edit {
namespace {

// The one member of a marker. No key from outside may begin with NUL (see CheckValue).
const std::string& MarkerKey() {
  static const std::string* const key = new std::string("\0opaque", 7);
  return *key;
}

constexpr absl::string_view kTagPrefix = "tag:yaml.org,2002:";
constexpr int kMaxExactDigits = 17;

// True when a double or a 64-bit integer gives the number's text back.
bool IsExact(absl::string_view text, const Model& value) {
  if (value.is_number_integer()) return true;
  int digits = 0;  // significant ones
  for (const char c : text) {
    if (c == 'e' || c == 'E') break;
    if (c >= '0' && c <= '9' && (digits > 0 || c != '0')) ++digits;
  }
  return digits <= kMaxExactDigits;
}

Model ScalarModel(const Tree& tree, const Node& node) {
  const absl::string_view source =
      absl::string_view(tree.text).substr(node.begin, node.end - node.begin);
  absl::string_view tag = node.tag;
  if (absl::StartsWith(tag, kTagPrefix)) {
    tag.remove_prefix(kTagPrefix.size());
    if (tag == "str") return node.text;
    if (tag != "int" && tag != "float" && tag != "bool" && tag != "null") return Opaque(source);
  } else if (tag == "!") {
    return node.text;
  } else if (!tag.empty()) {
    return Opaque(source);
  } else if (node.style != Style::kPlain) {
    return node.text;
  }
  const absl::StatusOr<nlohmann::json> value = document::ResolvePlain(node.text);
  if (!value.ok()) return Opaque(source);
  if (value->is_number() && !IsExact(node.text, Model(*value))) return Opaque(source);
  return Model(*value);
}

}  // namespace

size_t Tree::LineEnd(size_t offset) const {
  size_t end = text.find('\n', offset);
  if (end == std::string::npos) end = text.size();
  if (end > offset && end < text.size() && text[end - 1] == '\r') --end;
  return end;
}

size_t Tree::LineStart(size_t offset) const {
  if (offset == 0) return 0;
  const size_t before = text.rfind('\n', offset - 1);
  return before == std::string::npos ? 0 : before + 1;
}

int Tree::Column(size_t offset) const {
  size_t start = LineStart(offset);
  if (start == 0 && absl::StartsWith(text, "\xEF\xBB\xBF") && offset >= 3) start = 3;
  return static_cast<int>(offset - start);
}

bool Tree::StartsLine(size_t offset) const {
  size_t at = LineStart(offset);
  if (at == 0 && absl::StartsWith(text, "\xEF\xBB\xBF")) at = 3;
  return SkipBlanks(at) >= offset;
}

size_t Tree::SkipBlanks(size_t offset) const {
  while (offset < text.size() && (text[offset] == ' ' || text[offset] == '\t')) ++offset;
  return offset;
}

bool Tree::AtComment(size_t offset) const {
  if (offset >= text.size()) return false;
  if (syntax == Syntax::kYaml) {
    return text[offset] == '#' &&
           (offset == 0 || text[offset - 1] == ' ' || text[offset - 1] == '\t' ||
            text[offset - 1] == '\n' || text[offset - 1] == '\r' || text[offset - 1] == '\xBF' ||
            text[offset - 1] == ',' || text[offset - 1] == '[' || text[offset - 1] == '{');
  }
  return text[offset] == '/' && offset + 1 < text.size() &&
         (text[offset + 1] == '/' || text[offset + 1] == '*');
}

size_t Tree::SkipSpace(size_t offset) const {
  for (;;) {
    while (offset < text.size() && (text[offset] == ' ' || text[offset] == '\t' ||
                                    text[offset] == '\n' || text[offset] == '\r')) {
      ++offset;
    }
    if (!AtComment(offset)) return offset;
    if (syntax == Syntax::kJson && text[offset + 1] == '*') {
      const size_t close = text.find("*/", offset + 2);
      if (close == std::string::npos) return text.size();
      offset = close + 2;
    } else {
      offset = std::min(text.find('\n', offset), text.size());
    }
  }
}

std::string Tree::Where(size_t offset) const {
  offset = std::min(offset, text.size());
  const auto line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n');
  return absl::StrCat(line + 1, ":", Column(offset) + 1);
}

Model Opaque(absl::string_view source) {
  Model marker = Model::object();
  marker[MarkerKey()] = std::string(source);
  return marker;
}

bool IsOpaque(const Model& value) {
  return value.is_object() && value.size() == 1 && value.begin().key() == MarkerKey();
}

const std::string& OpaqueSource(const Model& value) {
  return value.begin()->get_ref<const std::string&>();
}

Model ToModel(const Tree& tree, int index, StopLook& look) {
  if (index < 0 || look()) return nullptr;
  const Node& node = tree.at(index);
  const absl::string_view source =
      absl::string_view(tree.text).substr(node.begin, node.end - node.begin);
  if (node.kind == Kind::kAlias) return Opaque(source);
  if (node.kind == Kind::kScalar) return ScalarModel(tree, node);
  if (!node.tag.empty() && node.tag != absl::StrCat(kTagPrefix, "map") &&
      node.tag != absl::StrCat(kTagPrefix, "seq")) {
    return Opaque(source);
  }
  if (node.kind == Kind::kSequence) {
    Model items = Model::array();
    for (const int child : node.children) items.push_back(ToModel(tree, child, look));
    return items;
  }
  // Straight into the members: ordered_json searches them all at each insertion.
  Model::object_t members;
  members.reserve(node.children.size() / 2);
  absl::flat_hash_set<absl::string_view> keys;
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const Node& key = tree.at(node.children[i]);
    std::string name = key.text;
    if (key.kind != Kind::kScalar) {
      name = absl::StrCat(absl::string_view("\0#", 2), i);
    } else if (!keys.insert(key.text).second) {
      return Opaque(source);  // which of the two would be meant?
    }
    members.emplace_back(std::move(name), ToModel(tree, node.children[i + 1], look));
  }
  return Model(std::move(members));
}

bool Equal(const Model& a, const Model& b) {
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    auto other = b.begin();
    absl::flat_hash_map<absl::string_view, const Model*> by_name;
    for (auto member = a.begin(); member != a.end(); ++member, ++other) {
      if (by_name.empty() && member.key() == other.key()) {
        if (!Equal(*member, *other)) return false;
        continue;
      }
      if (by_name.empty()) {
        for (auto rest = b.begin(); rest != b.end(); ++rest) by_name[rest.key()] = &*rest;
      }
      const auto found = by_name.find(member.key());
      if (found == by_name.end() || !Equal(*member, *found->second)) return false;
    }
    return true;
  }
  if (a.is_array() && b.is_array()) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(),
                      [](const Model& x, const Model& y) { return Equal(x, y); });
  }
  return a == b;
}

}  // namespace purser::edit
