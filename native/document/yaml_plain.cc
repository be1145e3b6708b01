#include "document/yaml_plain.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "document/scalar.h"
#include "json/json.h"

namespace purser::document {
namespace {

using Json = nlohmann::json;

// What a byte may be to this reader; UTF-8 beyond ASCII is all of it but kFlow.
enum : uint8_t {
  kAllowed = 1,     // anywhere in a text
  kBegins = 2,      // a plain scalar or key
  kInBrackets = 4,  // a plain scalar within [ ]
};

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes = {};
  classes['\n'] = kAllowed;
  for (int c = ' '; c < 0x7F; ++c) classes[c] = kAllowed;
  for (int c = 0x80; c < 0x100; ++c) classes[c] = kAllowed | kBegins;
  for (const char c : {'_', '/', '.', '$', '(', '+', '^', '~', ';', '\\'}) classes[c] |= kBegins;
  for (int c = '0'; c <= '9'; ++c) classes[c] |= kBegins | kInBrackets;
  for (int c = 'a'; c <= 'z'; ++c) classes[c] |= kBegins | kInBrackets;
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] |= kBegins | kInBrackets;
  for (const char c : {'_', '/', '.', '-', ' ', '+', '@', '=', '~', '$'}) classes[c] |= kInBrackets;
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

bool Is(char c, uint8_t what) { return (kClasses[static_cast<uint8_t>(c)] & what) != 0; }

// No control characters, no tabs, no carriage returns; UTF-8 without what YAML takes for the end of
// a line or does not allow: U+0080 to U+009F, U+2028 and U+2029, U+FEFF, U+FFFE and U+FFFF.
bool HasPlainBytes(absl::string_view text) {
  bool ascii = true;
  for (const char c : text) {
    if (!Is(c, kAllowed)) return false;
    ascii = ascii && static_cast<uint8_t>(c) < 0x80;
  }
  if (ascii) return true;
  if (!base::IsValidUtf8(text)) return false;
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool refused =
        (byte(i) == 0xC2 && byte(i + 1) < 0xA0) ||
        (byte(i) == 0xE2 && byte(i + 1) == 0x80 && (byte(i + 2) == 0xA8 || byte(i + 2) == 0xA9)) ||
        (byte(i) == 0xEF && (byte(i + 1) == 0xBB || byte(i + 1) == 0xBF));
    if (refused) return false;
  }
  return true;
}

// Reads lines. Every function that gives a bool gives false when the text is not for this reader.
class PlainReader {
 public:
  PlainReader(absl::string_view text, const Limits& limits)
      : at_(text.data()), end_(text.data() + text.size()), limits_(limits) {}

  std::optional<std::vector<Document>> Read() {
    std::vector<Document> documents;
    NextLine();
    if (has_line_ && marker_) NextLine();
    do {
      // One without any content would be null.
      if (!has_line_ || marker_ || indent_ != 0) return std::nullopt;
      if (static_cast<int>(documents.size()) >= limits_.max_documents) return std::nullopt;
      document_ = &documents.emplace_back();
      pointer_.clear();
      if (!ReadBlock(document_->value, 0) || (has_line_ && !marker_)) return std::nullopt;
      if (has_line_)
        NextLine();
      else
        return documents;
    } while (true);
  }

 private:
  // Goes to the next line that has content; at_ is where that begins, eol_ where the line ends.
  void NextLine() {
    has_line_ = false;
    const char* line = eol_ == nullptr ? at_ : eol_;
    if (eol_ != nullptr && line < end_) ++line;
    for (; line < end_; line = eol_ + 1) {
      ++line_number_;
      line_ = line;
      const void* newline = std::memchr(line, '\n', static_cast<size_t>(end_ - line));
      eol_ = newline == nullptr ? end_ : static_cast<const char*>(newline);
      at_ = Skip(line);
      if (at_ < eol_ && *at_ != '#') {
        has_line_ = true;
        indent_ = at_ - line;
        marker_ = indent_ == 0 && eol_ - at_ >= 3 && std::memcmp(at_, "---", 3) == 0;
        if (marker_ && !IsEnd(at_ + 3)) marker_ = false;  // its key or value is none of ours
        return;
      }
      if (eol_ == end_) return;
    }
  }

  const char* Skip(const char* from) const {
    while (from < eol_ && *from == ' ') ++from;
    return from;
  }
  // Whether nothing but a comment follows.
  bool IsEnd(const char* from) const {
    const char* next = Skip(from);
    return next == eol_ || (*next == '#' && next > from);
  }

  // At a node in a line of its own.
  bool ReadBlock(Json& out, int depth) {
    // With room for a list in brackets.
    if (depth + 1 >= std::min(kMaxPlainYamlDepth, limits_.max_depth) || !Count()) return false;
    Remember(at_);
    const std::ptrdiff_t indent = at_ - line_;
    return IsItem() ? ReadSequence(out, indent, depth) : ReadMapping(out, indent, depth);
  }

  bool IsItem() const { return *at_ == '-' && at_ + 1 < eol_ && at_[1] == ' '; }

  // What stands at `indent` below what was read, or behind it: more to read, the end of this
  // collection, or something odd.
  enum class Next { kMore, kEnd, kOdd };
  Next After(std::ptrdiff_t indent) {
    NextLine();
    return Here(indent);
  }
  Next Here(std::ptrdiff_t indent) const {
    if (!has_line_ || marker_ || indent_ < indent) return Next::kEnd;
    return indent_ == indent ? Next::kMore : Next::kOdd;
  }

  bool ReadSequence(Json& out, std::ptrdiff_t indent, int depth) {
    out = Json::array();
    auto& items = out.get_ref<Json::array_t&>();
    const size_t pointer = pointer_.size();
    for (;;) {
      at_ = Skip(at_ + 1);
      if (at_ == eol_ || *at_ == '#') return false;
      if (limits_.with_positions) {
        pointer_.resize(pointer);
        absl::StrAppend(&pointer_, "/", items.size());
        if (pointer_.size() > kMaxPositionPointerBytes) return false;
      }
      Json& item = items.emplace_back();
      Next next = Next::kOdd;
      if (FindKeyEnd(at_) != nullptr) {
        if (!ReadBlock(item, depth + 1)) return false;
        next = Here(indent);
      } else {
        if (!ReadInline(item)) return false;
        next = After(indent);
      }
      // Behind a sequence that is no deeper than its key the mapping goes on.
      if (next == Next::kMore && !IsItem()) next = Next::kEnd;
      if (next != Next::kMore) {
        pointer_.resize(pointer);
        return next == Next::kEnd;
      }
    }
  }

  bool ReadMapping(Json& out, std::ptrdiff_t indent, int depth) {
    out = Json::object();
    auto& members = out.get_ref<Json::object_t&>();
    const size_t pointer = pointer_.size();
    for (;;) {
      const char* key_end = FindKeyEnd(at_);
      if (key_end == nullptr || !Count()) return false;
      std::string key(at_, key_end);
      if (key == "<<") return false;
      if (limits_.with_positions) {
        pointer_.resize(pointer);
        absl::StrAppend(&pointer_, "/", json::PointerToken(key));
        if (pointer_.size() > kMaxPositionPointerBytes) return false;
      }
      const auto [member, is_new] = members.try_emplace(std::move(key));
      if (!is_new) return false;
      at_ = key_end + 1;
      Next next = Next::kOdd;
      if (IsEnd(at_)) {
        NextLine();
        // An empty value is null, unless a sequence follows that is no deeper than its key.
        if (!has_line_ || marker_ || indent_ < indent) return false;
        if (indent_ == indent && !IsItem()) return false;
        if (!ReadBlock(member->second, depth + 1)) return false;
        next = Here(indent);
      } else {
        at_ = Skip(at_);
        if (!ReadInline(member->second)) return false;
        next = After(indent);
      }
      if (next != Next::kMore) {
        pointer_.resize(pointer);
        return next == Next::kEnd;
      }
    }
  }

  // Where the colon of a plain key is that begins at `from`; null when none does.
  const char* FindKeyEnd(const char* from) const {
    if (!Is(*from, kBegins)) return nullptr;
    for (const char* p = from; p < eol_; ++p) {
      if (*p == ' ' && p + 1 < eol_ && p[1] == '#') return nullptr;
      if (*p == ':' && (p + 1 == eol_ || p[1] == ' ')) {
        const bool usual = p[-1] != ' ' && static_cast<size_t>(p - from) <= kMaxPlainYamlKeyBytes;
        return usual ? p : nullptr;
      }
    }
    return nullptr;
  }

  // A value behind its key or dash, to the end of the line.
  bool ReadInline(Json& out) {
    Remember(at_);
    switch (*at_) {
      case '[':
        return ReadBrackets(out) && IsEnd(at_);
      case '{':
        if (at_ + 1 == eol_ || at_[1] != '}' || !Count()) return false;
        out = Json::object();
        return IsEnd(at_ + 2);
      case '"':
      case '\'':
        return ReadQuoted(out) && IsEnd(at_);
      default:
        return ReadPlain(out);
    }
  }

  bool ReadPlain(Json& out) {
    // A dash begins a number or a flag, when no space follows.
    const bool dash = *at_ == '-' && at_ + 1 < eol_ && at_[1] != '-' && Is(at_[1], kBegins);
    if (!dash && !Is(*at_, kBegins)) return false;
    const char* end = at_;
    for (; end < eol_; ++end) {
      if (*end == ':' && (end + 1 == eol_ || end[1] == ' ')) return false;
      if (*end == ' ' && end + 1 < eol_ && end[1] == '#') break;
    }
    return Resolve({at_, static_cast<size_t>(end - at_)}, out);
  }

  bool Resolve(absl::string_view text, Json& out) {
    while (text.back() == ' ') text.remove_suffix(1);
    if (!Count()) return false;
    absl::StatusOr<Json> value = ResolvePlain(text);
    if (!value.ok()) return false;
    out = *std::move(value);
    return true;
  }

  bool ReadQuoted(Json& out) {
    const char quote = *at_++;
    std::string text;
    for (; at_ < eol_; ++at_) {
      if (*at_ == '\\' && quote == '"') return false;
      if (*at_ == quote) {
        if (quote == '"' || at_ + 1 == eol_ || at_[1] != quote) {
          ++at_;
          out = std::move(text);
          return Count();
        }
        ++at_;
      }
      text += *at_;
    }
    return false;
  }

  // Scalars between brackets.
  bool ReadBrackets(Json& out) {
    if (!Count()) return false;
    out = Json::array();
    auto& items = out.get_ref<Json::array_t&>();
    const size_t pointer = pointer_.size();
    at_ = Skip(at_ + 1);
    if (at_ < eol_ && *at_ == ']') {
      ++at_;
      return true;
    }
    for (;;) {
      if (at_ == eol_) return false;
      if (limits_.with_positions) {
        pointer_.resize(pointer);
        absl::StrAppend(&pointer_, "/", items.size());
        if (pointer_.size() > kMaxPositionPointerBytes) return false;
      }
      Remember(at_);
      if (!ReadBracketed(items.emplace_back())) return false;
      at_ = Skip(at_);
      if (at_ == eol_) return false;
      const char border = *at_++;
      if (border == ']') {
        pointer_.resize(pointer);
        return true;
      }
      if (border != ',') return false;
      at_ = Skip(at_);
    }
  }

  bool ReadBracketed(Json& out) {
    if (*at_ == '"' || *at_ == '\'') return ReadQuoted(out);
    const char* const begin = at_;
    if (!Is(*begin, kBegins)) return false;
    // A colon belongs to the text when such a character follows.
    while (at_ < eol_ && (Is(*at_, kInBrackets) || (*at_ == ':' && at_ + 1 < eol_ &&
                                                    at_[1] != ' ' && Is(at_[1], kInBrackets)))) {
      ++at_;
    }
    return at_ > begin && Resolve({begin, static_cast<size_t>(at_ - begin)}, out);
  }

  bool Count() { return ++nodes_ <= limits_.max_nodes; }

  void Remember(const char* where) {
    if (!limits_.with_positions) return;
    int column = 1;
    for (const char* p = line_; p < where; ++p) {
      if ((static_cast<uint8_t>(*p) & 0xC0) != 0x80) ++column;
    }
    document_->positions[pointer_] = {line_number_, column};
  }

  const char* at_;
  const char* const end_;
  const char* line_ = nullptr;
  const char* eol_ = nullptr;
  std::ptrdiff_t indent_ = 0;
  bool has_line_ = false;
  bool marker_ = false;  // the line begins a document
  int line_number_ = 0;
  const Limits& limits_;
  Document* document_ = nullptr;
  std::string pointer_;
  int64_t nodes_ = 0;
};

}  // namespace

std::optional<std::vector<Document>> ReadPlainYaml(absl::string_view text, const Limits& limits) {
  if (!HasPlainBytes(text)) return std::nullopt;
  return PlainReader(text, limits).Read();
}

}  // namespace purser::document
