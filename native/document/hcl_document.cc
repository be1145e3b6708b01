#include "document/hcl_document.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "document/hcl.h"
#include "json/json.h"

namespace purser::document {
namespace {

using Json = nlohmann::json;

constexpr char kComment[] = "//";

// Offsets to lines and columns; made once for a text.
class Lines {
 public:
  explicit Lines(absl::string_view text) : text_(text) {
    for (size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '\n') starts_.push_back(at + 1);
    }
  }
  Position At(size_t offset) const {
    const auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
    const size_t line = static_cast<size_t>(next - starts_.begin());
    Position position;
    position.line = static_cast<int>(line);
    position.column = 1;
    for (size_t at = starts_[line - 1]; at < offset && at < text_.size(); ++at) {
      if ((static_cast<unsigned char>(text_[at]) & 0xC0) != 0x80) ++position.column;
    }
    return position;
  }

 private:
  const absl::string_view text_;
  std::vector<size_t> starts_ = {0};
};

class Reader {
 public:
  Reader(absl::string_view text, absl::string_view file) : text_(text), file_(file), lines_(text) {}

  // As deep as ParseHcl let blocks nest.
  absl::Status Read(const HclBody& body, HclBlock& block) {
    for (const HclItem& item : body.items) {
      const Position at = lines_.At(item.begin);
      if (item.block) {
        HclBlock& inner = block.blocks.emplace_back();
        inner.type = item.name;
        inner.labels = item.labels;
        inner.at = at;
        PURSER_RETURN_IF_ERROR(Read(item.body, inner));
        continue;
      }
      HclAttribute& attribute = block.attributes.emplace_back();
      attribute.name = item.name;
      attribute.at = at;
      attribute.text = std::string(text_.substr(item.value, item.end - item.value));
      PURSER_ASSIGN_OR_RETURN(attribute.value,
                              ParseHclExpression(attribute.text, file_, lines_.At(item.value)));
    }
    return absl::OkStatus();
  }

 private:
  const absl::string_view text_;
  const absl::string_view file_;
  const Lines lines_;
};

class JsonReader {
 public:
  JsonReader(const Document& document, absl::string_view file, const HclLabelCounts& labels)
      : document_(document), file_(file), labels_(labels) {}

  absl::Status Read(HclBlock& root) {
    if (!document_.value.is_object()) return Fail("", "must be an object");
    for (const auto& [name, value] : document_.value.items()) {
      if (name == kComment) continue;
      const std::string pointer = absl::StrCat("/", json::PointerToken(name));
      const auto count = labels_.find(name);
      if (count == labels_.end()) {
        PURSER_RETURN_IF_ERROR(AddAttribute(name, value, pointer, root));
      } else {
        HclBlock block;
        block.type = name;
        PURSER_RETURN_IF_ERROR(Blocks(value, pointer, count->second, block, root));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Fail(absl::string_view pointer, absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(document_.Where(file_, pointer), ": ", pointer, " ", what));
  }
  Position PositionOf(const std::string& pointer) const {
    const auto found = document_.positions.find(pointer);
    return found == document_.positions.end() ? Position{1, 1} : found->second;
  }

  // `labels` more levels of objects, whose keys are labels, or lists of such.
  absl::Status Blocks(const Json& value, const std::string& pointer, int labels,
                      const HclBlock& head, HclBlock& root) {
    if (value.is_array()) {
      for (size_t i = 0; i < value.size(); ++i) {
        if (value[i].is_array()) return Fail(pointer, "must not hold lists in a list");
        PURSER_RETURN_IF_ERROR(Blocks(value[i], absl::StrCat(pointer, "/", i), labels, head, root));
      }
      return absl::OkStatus();
    }
    if (!value.is_object()) return Fail(pointer, "must be an object");
    if (labels > 0) {
      for (const auto& [label, inner] : value.items()) {
        if (label == kComment) continue;
        HclBlock next = head;
        next.labels.push_back(label);
        PURSER_RETURN_IF_ERROR(Blocks(inner, absl::StrCat(pointer, "/", json::PointerToken(label)),
                                      labels - 1, next, root));
      }
      return absl::OkStatus();
    }
    HclBlock& block = root.blocks.emplace_back(head);
    block.at = PositionOf(pointer);
    for (const auto& [name, member] : value.items()) {
      if (name == kComment) continue;
      PURSER_RETURN_IF_ERROR(
          AddAttribute(name, member, absl::StrCat(pointer, "/", json::PointerToken(name)), block));
    }
    return absl::OkStatus();
  }

  absl::Status AddAttribute(const std::string& name, const Json& value, const std::string& pointer,
                            HclBlock& block) {
    HclAttribute attribute;
    attribute.name = name;
    attribute.at = PositionOf(pointer);
    attribute.text = json::Dump(value);
    PURSER_ASSIGN_OR_RETURN(attribute.value, HclExpressionOfJson(value, file_, attribute.at));
    block.attributes.push_back(std::move(attribute));
    return absl::OkStatus();
  }

  const Document& document_;
  const absl::string_view file_;
  const HclLabelCounts& labels_;
};

}  // namespace

const HclAttribute* HclBlock::Attribute(absl::string_view name) const {
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const HclAttribute& item) { return item.name == name; });
  return found == attributes.end() ? nullptr : &*found;
}

const HclBlock* HclBlock::Block(absl::string_view block_type) const {
  const auto found = std::find_if(blocks.begin(), blocks.end(),
                                  [&](const HclBlock& block) { return block.type == block_type; });
  return found == blocks.end() ? nullptr : &*found;
}

std::string HclBlock::Text(absl::string_view name) const {
  const HclAttribute* attribute = Attribute(name);
  if (attribute == nullptr) return "";
  const std::optional<Json> value = attribute->value.Literal();
  return value.has_value() && value->is_string() ? value->get<std::string>() : "";
}

absl::StatusOr<HclBlock> ReadHcl(absl::string_view text, absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(const HclBody body, ParseHcl(text, file));
  HclBlock root;
  root.at = {1, 1};
  PURSER_RETURN_IF_ERROR(Reader(text, file).Read(body, root));
  return root;
}

absl::StatusOr<HclBlock> ReadHclJson(absl::string_view text, absl::string_view file,
                                     const HclLabelCounts& labels) {
  // JSON's own rules first: what YAML takes besides is no JSON.
  json::Limits limits;
  limits.max_bytes = kMaxHclBytes;
  limits.max_depth = kMaxHclExpressionDepth;
  absl::StatusOr<Json> value = json::Parse(text, limits);
  if (!value.ok()) return base::Annotate(value.status(), file);
  // The YAML reader knows where each value stands; escapes that are JSON's only cost the positions.
  Document document;
  Limits yaml_limits;
  yaml_limits.max_bytes = kMaxHclBytes;
  yaml_limits.max_depth = kMaxHclExpressionDepth;
  if (absl::StatusOr<Document> positions = ParseYamlDocument(text, file, yaml_limits);
      positions.ok()) {
    document = *std::move(positions);
  }
  document.value = *std::move(value);
  HclBlock root;
  root.at = {1, 1};
  PURSER_RETURN_IF_ERROR(JsonReader(document, file, labels).Read(root));
  return root;
}

}  // namespace purser::document
