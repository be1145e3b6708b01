// Values and blocks as text of Terraform's form.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/hcl.h"

namespace purser::edit {
namespace {

// Lists of plain values up to this length stand on one line.
constexpr size_t kMaxListLine = 80;

std::string Spaces(size_t count) { return std::string(count, ' '); }

bool IsExpression(const Model& value) {
  return value.is_object() && value.size() == 1 && value.begin().key() == kExpressionKey;
}
bool IsBlock(const Model& value) {
  return value.is_object() && value.size() == 1 && value.begin().key() == kBlockKey;
}

struct Line {
  std::string name;
  std::string value;
};

// "name = value" with the signs of equality under each other, as terraform fmt has them: a value of
// several lines ends the run.
void AppendAligned(const std::vector<Line>& lines, int indent, std::string* out) {
  for (size_t begin = 0; begin < lines.size();) {
    size_t end = begin;
    size_t width = 0;
    while (end < lines.size() && lines[end].value.find('\n') == std::string::npos) {
      width = std::max(width, lines[end++].name.size());
    }
    for (; begin < end; ++begin) {
      absl::StrAppend(out, Spaces(static_cast<size_t>(indent)), lines[begin].name,
                      Spaces(width - lines[begin].name.size()), " = ", lines[begin].value, "\n");
    }
    if (begin < lines.size()) {
      absl::StrAppend(out, Spaces(static_cast<size_t>(indent)), lines[begin].name, " = ",
                      lines[begin].value, "\n");
      ++begin;
    }
  }
}

absl::Status AppendBlock(const std::string& type, const Model& block, int indent,
                         std::string* out) {
  if (!block.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("block ", type, ": must be an object"));
  }
  absl::StrAppend(out, Spaces(static_cast<size_t>(indent)), type);
  Model body = block;
  if (const auto labels = body.find(kLabelsKey); labels != body.end()) {
    if (!labels->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(type, "/", kLabelsKey, ": must be a list"));
    }
    for (const Model& label : *labels) {
      if (!label.is_string()) {
        return absl::InvalidArgumentError(
            absl::StrCat(type, "/", kLabelsKey, ": must hold strings"));
      }
      absl::StrAppend(out, " ", HclQuote(label.get_ref<const std::string&>()));
    }
    body.erase(kLabelsKey);
  }
  PURSER_ASSIGN_OR_RETURN(const std::string text, HclBodyText(body, indent + 2));
  if (text.empty()) {
    absl::StrAppend(out, " {\n", Spaces(static_cast<size_t>(indent)), "}\n");
  } else {
    absl::StrAppend(out, " {\n", text, Spaces(static_cast<size_t>(indent)), "}\n");
  }
  return absl::OkStatus();
}

}  // namespace

std::string HclQuote(absl::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const bool opens = (c == '$' || c == '%') && i + 1 < text.size() && text[i + 1] == '{';
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else if (opens && i > 0 && text[i - 1] == c) {
      // Doubled once more, the first two would be taken for the pair.
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out += c;
      if (opens) out += c;
    }
  }
  out += '"';
  return out;
}

// Recursion is bounded by the depth of the value (kMaxDepth).
absl::StatusOr<std::string> HclLiteral(const Model& value, int indent) {
  if (IsExpression(value)) {
    const Model& text = *value.begin();
    if (!text.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(kExpressionKey, ": must be a string"));
    }
    const std::string& expression = text.get_ref<const std::string&>();
    PURSER_RETURN_IF_ERROR(CheckHclExpression(expression));
    return expression;
  }
  if (IsBlock(value)) {
    return absl::InvalidArgumentError(absl::StrCat(kBlockKey, ": a block is no value"));
  }
  if (value.is_string()) return HclQuote(value.get_ref<const std::string&>());
  if (!value.is_structured()) return value.dump();
  const size_t inner = static_cast<size_t>(indent) + 2;
  if (value.is_array()) {
    std::vector<std::string> items;
    size_t length = 0;
    bool lines = false;
    for (const Model& item : value) {
      PURSER_ASSIGN_OR_RETURN(std::string text, HclLiteral(item, static_cast<int>(inner)));
      length += text.size() + 2;
      lines = lines || text.find('\n') != std::string::npos;
      items.push_back(std::move(text));
    }
    lines = lines || length > kMaxListLine;
    std::string out = "[";
    for (size_t i = 0; i < items.size(); ++i) {
      if (lines) {
        absl::StrAppend(&out, "\n", Spaces(inner), items[i], ",");
      } else {
        absl::StrAppend(&out, i == 0 ? "" : ", ", items[i]);
      }
    }
    if (lines) absl::StrAppend(&out, "\n", Spaces(inner - 2));
    return out + "]";
  }
  if (value.empty()) return std::string("{}");
  std::vector<Line> lines;
  for (auto member = value.begin(); member != value.end(); ++member) {
    PURSER_ASSIGN_OR_RETURN(std::string text, HclLiteral(*member, static_cast<int>(inner)));
    lines.push_back(
        {IsHclIdentifier(member.key()) ? member.key() : HclQuote(member.key()), std::move(text)});
  }
  std::string out = "{\n";
  AppendAligned(lines, static_cast<int>(inner), &out);
  return absl::StrCat(out, Spaces(inner - 2), "}");
}

absl::StatusOr<std::string> HclBodyText(const Model& body, int indent) {
  if (!body.is_object()) return absl::InvalidArgumentError("must be an object");
  std::string out;
  std::vector<Line> lines;
  for (auto member = body.begin(); member != body.end(); ++member) {
    if (!IsHclIdentifier(member.key())) {
      return absl::InvalidArgumentError(absl::StrCat("\"", base::EscapeForDisplay(member.key(), 80),
                                                     "\" cannot name an attribute or block"));
    }
    if (IsBlock(*member)) continue;
    absl::StatusOr<std::string> text = HclLiteral(*member, indent);
    if (!text.ok()) return base::Annotate(text.status(), member.key());
    lines.push_back({member.key(), *std::move(text)});
  }
  AppendAligned(lines, indent, &out);
  for (auto member = body.begin(); member != body.end(); ++member) {
    if (!IsBlock(*member)) continue;
    const Model& blocks = *member->begin();
    const Model list = blocks.is_array() ? blocks : Model::array({blocks});
    for (const Model& block : list) {
      if (!out.empty()) out += "\n";
      PURSER_RETURN_IF_ERROR(AppendBlock(member.key(), block, indent, &out));
    }
  }
  return out;
}

}  // namespace purser::edit
