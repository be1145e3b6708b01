#include "json/writer.h"

#include <cassert>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "json/json.h"

namespace purser::json {
namespace {

// Length of the well-formed UTF-8 sequence at text[0], or 0.
size_t SequenceLength(absl::string_view text) {
  const auto at = [&text](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned lead = at(0);
  const auto tail = [&at](size_t i) { return (at(i) & 0xC0u) == 0x80u; };
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (lead == 0xE0 && at(1) < 0xA0) return 0;
    if (lead == 0xED && at(1) > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (lead == 0xF0 && at(1) < 0x90) return 0;
    if (lead == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

bool IsPlain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

// How many characters at text's front are written as they are.
size_t PlainRun(absl::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = kOnes * 0x80;
  size_t run = 0;
  // Eight at a time: a byte's high bit is left where it is below 0x20, a quote, a backslash, or not
  // ASCII. Behind such a byte others may be marked for nothing, before it none is.
  for (uint64_t word = 0; text.size() - run >= sizeof(word); run += sizeof(word)) {
    std::memcpy(&word, text.data() + run, sizeof(word));
    const uint64_t quote = word ^ (kOnes * '"');
    const uint64_t backslash = word ^ (kOnes * '\\');
    const uint64_t marks = word | ((word - kOnes * 0x20) & ~word) | ((quote - kOnes) & ~quote) |
                           ((backslash - kOnes) & ~backslash);
    if ((marks & kHighs) != 0) break;
  }
  while (run < text.size() && IsPlain(static_cast<unsigned char>(text[run]))) ++run;
  return run;
}

}  // namespace

void AppendQuoted(absl::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  size_t i = 0;
  while (i < text.size()) {
    const size_t run = PlainRun(text.substr(i));
    out->append(text.data() + i, run);
    i += run;
    if (i == text.size()) break;
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const size_t length = SequenceLength(text.substr(i));
      if (length == 0) {
        out->append("\xEF\xBF\xBD");
        ++i;
      } else {
        out->append(text.data() + i, length);
        i += length;
      }
      continue;
    }
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\b':
        out->append("\\b");
        break;
      case '\f':
        out->append("\\f");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      default:
        out->append("\\u00");
        out->push_back(kHex[c >> 4]);
        out->push_back(kHex[c & 15]);
    }
    ++i;
  }
  out->push_back('"');
}

void AppendValue(const nlohmann::json& value, std::string* out) {
  if (value.is_string()) {
    AppendQuoted(value.get_ref<const std::string&>(), out);
  } else if (value.is_object()) {
    char before = '{';
    for (const auto& [name, member] : value.items()) {
      out->push_back(before);
      AppendQuoted(name, out);
      out->push_back(':');
      AppendValue(member, out);
      before = ',';
    }
    out->append(before == '{' ? "{}" : "}");
  } else if (value.is_array()) {
    char before = '[';
    for (const nlohmann::json& element : value) {
      out->push_back(before);
      AppendValue(element, out);
      before = ',';
    }
    out->append(before == '[' ? "[]" : "]");
  } else if (value.is_number_unsigned()) {
    absl::StrAppend(out, value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    absl::StrAppend(out, value.get<int64_t>());
  } else {
    out->append(Dump(value));
  }
}

void Writer::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (open_.empty()) return;
  assert(!open_.back().object && "a value in an object needs a key first");
  if (!open_.back().first) out_->push_back(',');
  open_.back().first = false;
}

Writer& Writer::BeginObject() {
  BeforeValue();
  out_->push_back('{');
  open_.push_back({true, true});
  return *this;
}

Writer& Writer::EndObject() {
  assert(!open_.empty() && open_.back().object && !after_key_);
  open_.pop_back();
  out_->push_back('}');
  return *this;
}

Writer& Writer::BeginArray() {
  BeforeValue();
  out_->push_back('[');
  open_.push_back({false, true});
  return *this;
}

Writer& Writer::EndArray() {
  assert(!open_.empty() && !open_.back().object);
  open_.pop_back();
  out_->push_back(']');
  return *this;
}

Writer& Writer::Key(absl::string_view name) {
  assert(!open_.empty() && open_.back().object && !after_key_);
  if (!open_.back().first) out_->push_back(',');
  open_.back().first = false;
  AppendQuoted(name, out_);
  out_->push_back(':');
  after_key_ = true;
  return *this;
}

Writer& Writer::String(absl::string_view value) {
  BeforeValue();
  AppendQuoted(value, out_);
  return *this;
}

Writer& Writer::Int(int64_t value) {
  BeforeValue();
  absl::StrAppend(out_, value);
  return *this;
}

Writer& Writer::Uint(uint64_t value) {
  BeforeValue();
  absl::StrAppend(out_, value);
  return *this;
}

Writer& Writer::Bool(bool value) { return Raw(value ? "true" : "false"); }
Writer& Writer::Null() { return Raw("null"); }
Writer& Writer::Number(absl::string_view decimal_text) { return Raw(decimal_text); }

Writer& Writer::Value(const nlohmann::json& value) {
  BeforeValue();
  AppendValue(value, out_);
  return *this;
}

Writer& Writer::Raw(absl::string_view json) {
  BeforeValue();
  out_->append(json.data(), json.size());
  return *this;
}

}  // namespace purser::json
