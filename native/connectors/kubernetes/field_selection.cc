#include "connectors/kubernetes/field_selection.h"

#include <charconv>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/json_scan.h"
#include "json/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Printable ASCII without escapes: its text is its value.
bool IsPlain(absl::string_view text) {
  size_t at = 0;
#if defined(__SSE2__)
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    // As signed numbers, all bytes beyond ASCII are below the space, too.
    const __m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    if (_mm_movemask_epi8(odd) != 0) return false;
  }
#endif
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e || c == '\\') {
      return false;
    }
  }
  return true;
}

}  // namespace

class FieldSelection::Reader {
 public:
  explicit Reader(absl::string_view text)
      : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

  absl::StatusOr<Json> ReadWhole(const Node& root) {
    Space();
    if (at_ == end_ || *at_ != '{') return Fault("this is no object");
    Json value;
    PURSER_RETURN_IF_ERROR(Value(root, &value));
    Space();
    if (at_ != end_) return Fault("text behind the object");
    return value;
  }

 private:
  absl::Status Fault(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("byte ", at_ - begin_, " of the object: ", what));
  }

  void Space() {
    while (at_ < end_ && IsSpace(*at_)) ++at_;
  }

  // At '"': the text between the quotes, at_ behind them.
  absl::Status String(absl::string_view* raw) {
    const char* const start = at_ + 1;
    for (const char* from = start;;) {
      const char* const quote = static_cast<const char*>(
          from < end_ ? std::memchr(from, '"', static_cast<size_t>(end_ - from)) : nullptr);
      if (quote == nullptr) return Fault("a string does not end");
      const char* slash = quote;
      while (slash > start && slash[-1] == '\\') --slash;
      if ((quote - slash) % 2 == 0) {
        *raw = absl::string_view(start, static_cast<size_t>(quote - start));
        at_ = quote + 1;
        return absl::OkStatus();
      }
      from = quote + 1;
    }
  }

  absl::Status Skip() {
    if (at_ == end_) return Fault("a value is missing");
    if (*at_ == '"') {
      absl::string_view raw;
      return String(&raw);
    }
    if (*at_ == '{' || *at_ == '[') {
      JsonScan scan;
      const char* const behind = ScanToEnd(at_, end_, &scan);
      if (behind == nullptr) return Fault("a value does not end");
      at_ = behind;
      return absl::OkStatus();
    }
    const char* const start = at_;
    while (at_ < end_ && *at_ != ',' && *at_ != '}' && *at_ != ']' && !IsSpace(*at_)) ++at_;
    return at_ == start ? Fault("a value is missing") : absl::OkStatus();
  }

  // The value with all below it. Built here, in half the time of a general parser.
  absl::Status Whole(Json* out) {
    static const Node& everything = *[] {
      auto* const node = new Node();
      node->all = true;
      return node;
    }();
    if (at_ == end_) return Fault("a value is missing");
    if (*at_ == '{') return Object(everything, out);
    if (*at_ == '[') return Items(everything, out);
    const char* const start = at_;
    if (*at_ == '"') {
      absl::string_view raw;
      PURSER_RETURN_IF_ERROR(String(&raw));
      if (IsPlain(raw)) {
        *out = Json(std::string(raw));
        return absl::OkStatus();
      }
    } else {
      PURSER_RETURN_IF_ERROR(Skip());
      const absl::string_view text(start, static_cast<size_t>(at_ - start));
      if (text == "true" || text == "false") {
        *out = text == "true";
        return absl::OkStatus();
      }
      // Plain integers; "-0", "007" and all else are for the parser.
      int64_t number = 0;
      if (text.size() < 18 && text[0] >= '1' && text[0] <= '9') {
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
        if (parsed.ptr == text.data() + text.size()) {
          *out = static_cast<uint64_t>(number);
          return absl::OkStatus();
        }
      }
    }
    absl::StatusOr<Json> parsed =
        json::Parse(absl::string_view(start, static_cast<size_t>(at_ - start)));
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("byte ", start - begin_, " of the object: ", parsed.status().message()));
    }
    *out = *std::move(parsed);
    return absl::OkStatus();
  }

  absl::Status Items(const Node& node, Json* out) {
    *out = Json::array();
    if (++depth_ > kMaxValueDepth) return Fault("values are nested too deep (kMaxValueDepth)");
    ++at_;
    Space();
    if (at_ < end_ && *at_ == ']') {
      ++at_;
      --depth_;
      return absl::OkStatus();
    }
    for (;;) {
      out->emplace_back();
      PURSER_RETURN_IF_ERROR(Value(node, &out->back()));
      Space();
      if (at_ == end_) return Fault("the list does not end");
      const char c = *at_++;
      if (c == ']') {
        --depth_;
        return absl::OkStatus();
      }
      if (c != ',') return Fault("',' or ']' is missing");
      Space();
    }
  }

  absl::Status Value(const Node& node, Json* out) {
    if (at_ < end_ && *at_ == '{') return Object(node, out);
    if (at_ < end_ && *at_ == '[') return Items(node, out);
    return Whole(out);
  }

  absl::Status Object(const Node& node, Json* out) {
    *out = Json::object();
    auto& members = out->get_ref<Json::object_t&>();
    if (++depth_ > kMaxValueDepth) return Fault("values are nested too deep (kMaxValueDepth)");
    ++at_;
    Space();
    if (at_ < end_ && *at_ == '}') {
      ++at_;
      --depth_;
      return absl::OkStatus();
    }
    for (;;) {
      if (at_ == end_ || *at_ != '"') return Fault("a member's name is missing");
      absl::string_view name;
      PURSER_RETURN_IF_ERROR(String(&name));
      Space();
      if (at_ == end_ || *at_ != ':') return Fault("':' is missing");
      ++at_;
      Space();
      const Node* const member = node.Find(name);
      if (member != nullptr ? member->drop : !node.all) {
        PURSER_RETURN_IF_ERROR(Skip());
      } else {
        std::string key(name);
        if (!IsPlain(name)) {
          const absl::StatusOr<Json> parsed = json::Parse(absl::StrCat("\"", name, "\""));
          if (!parsed.ok()) return Fault("a member's name is no text");
          key = parsed->get<std::string>();
        }
        // Servers write members in order.
        Json& value = members.emplace_hint(members.end(), std::move(key), nullptr)->second;
        PURSER_RETURN_IF_ERROR(member != nullptr ? Value(*member, &value) : Whole(&value));
      }
      Space();
      if (at_ == end_) return Fault("the object does not end");
      const char c = *at_++;
      if (c == '}') {
        --depth_;
        return absl::OkStatus();
      }
      if (c != ',') return Fault("',' or '}' is missing");
      Space();
    }
  }

  const char* const begin_;
  const char* at_;
  const char* const end_;
  int depth_ = 0;
};

FieldSelection::Node* FieldSelection::Node::Make(const std::string& member) {
  for (Node& known : members) {
    if (known.name == member) return &known;
  }
  Node& made = members.emplace_back();
  made.name = member;
  // What is wanted as a whole is so below, too.
  made.all = all;
  return &made;
}

const FieldSelection::Node* FieldSelection::Node::Find(absl::string_view member) const {
  for (const Node& known : members) {
    if (known.name.size() == member.size() &&
        std::memcmp(known.name.data(), member.data(), member.size()) == 0) {
      return &known;
    }
  }
  return nullptr;
}

// Whatever was dropped below stays dropped.
void FieldSelection::Node::Widen() {
  all = true;
  for (Node& member : members) member.Widen();
}

FieldSelection::Node* FieldSelection::At(const Path& path) {
  Node* node = &root_;
  for (size_t i = 0; i < path.size() && i < kMaxSelectionDepth; ++i) node = node->Make(path[i]);
  return node;
}

void FieldSelection::Add(const Path& path) { At(path)->Widen(); }

void FieldSelection::Drop(const Path& path) { At(path)->drop = true; }

FieldSelection FieldSelection::Below(const std::string& member) const {
  FieldSelection selection;
  Node& below = selection.root_.members.emplace_back(root_);
  below.name = member;
  return selection;
}

absl::StatusOr<Json> FieldSelection::Read(absl::string_view text) const {
  return Reader(text).ReadWhole(root_);
}

}  // namespace purser::connectors
