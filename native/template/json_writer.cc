// JSON.stringify over template values.
#include <cmath>
#include <string>

#include "absl/strings/str_format.h"
#include "template/builtins.h"
#include "template/number.h"

namespace purser::tmpl {
namespace {

bool Write(Run& run, const Value& value, absl::string_view indent, int depth, std::string* out,
           bool* defined);

void NewLine(absl::string_view indent, int depth, std::string* out) {
  if (indent.empty()) return;
  out->push_back('\n');
  for (int i = 0; i < depth; ++i) out->append(indent.data(), indent.size());
}

bool WriteArray(Run& run, const ArrayObject& array, absl::string_view indent, int depth,
                std::string* out) {
  out->push_back('[');
  for (size_t i = 0; i < array.size(); ++i) {
    if (i > 0) out->push_back(',');
    NewLine(indent, depth + 1, out);
    bool defined = false;
    if (!Write(run, array.items()[i], indent, depth + 1, out, &defined)) return false;
    if (!defined) out->append("null");
  }
  if (array.size() > 0) NewLine(indent, depth, out);
  out->push_back(']');
  return true;
}

bool WriteRecord(Run& run, const RecordObject& record, absl::string_view indent, int depth,
                 std::string* out) {
  out->push_back('{');
  bool first = true;
  for (const auto& [name, value] : record.entries()) {
    const size_t before = out->size();
    if (!first) out->push_back(',');
    NewLine(indent, depth + 1, out);
    AppendJsonString(name, out);
    out->append(indent.empty() ? ":" : ": ");
    bool defined = false;
    if (!Write(run, value, indent, depth + 1, out, &defined)) return false;
    if (defined) {
      first = false;
    } else {
      out->resize(before);
    }
  }
  if (!first) NewLine(indent, depth, out);
  out->push_back('}');
  return true;
}

bool Write(Run& run, const Value& value, absl::string_view indent, int depth, std::string* out,
           bool* defined) {
  if (!run.Step() || !run.Stack() || !run.Reserve(static_cast<int64_t>(out->size()))) return false;
  *defined = true;
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kHole:
      *defined = false;
      return true;
    case Kind::kNull:
      out->append("null");
      return true;
    case Kind::kBool:
      out->append(value.boolean() ? "true" : "false");
      return true;
    case Kind::kNumber:
      out->append(std::isfinite(value.number()) ? NumberToString(value.number()) : "null");
      return true;
    case Kind::kString:
    case Kind::kSafe:
      AppendJsonString(value.bytes(), out);
      return true;
    case Kind::kArray:
      return WriteArray(run, value.array(), indent, depth, out);
    case Kind::kRecord:
      return WriteRecord(run, value.record(), indent, depth, out);
    case Kind::kRegex:
      out->append("{}");
      return true;
    case Kind::kCallable:
      return run.Fail("callable values cannot be written as JSON");
  }
  return true;
}

}  // namespace

bool WriteJson(Run& run, const Value& value, absl::string_view indent, std::string* out,
               bool* defined) {
  return Write(run, value, indent, 0, out, defined);
}

void AppendJsonString(absl::string_view text, std::string* out) {
  out->push_back('"');
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (byte >= 0x20 && byte != 0xed) {
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\r') {
      out->append("\\r");
    } else if (c == '\t') {
      out->append("\\t");
    } else if (c == '\b') {
      out->append("\\b");
    } else if (c == '\f') {
      out->append("\\f");
    } else if (byte < 0x20) {
      absl::StrAppendFormat(out, "\\u%04x", byte);
    } else if (i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xa0) {
      // Half of a surrogate pair.
      absl::StrAppendFormat(out, "\\ud%03x",
                            ((static_cast<unsigned char>(text[i + 1]) & 0x3f) << 6 |
                             (static_cast<unsigned char>(text[i + 2]) & 0x3f)) &
                                0xfff);
      i += 2;
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

}  // namespace purser::tmpl
