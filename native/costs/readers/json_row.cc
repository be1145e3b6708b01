#include "costs/readers/json_row.h"

#include "absl/strings/str_cat.h"
#include "base/decimal.h"
#include "base/strings.h"
#include "json/json.h"
#include "json/writer.h"

namespace purser::costs {
namespace {

// Builds a JsonNode from nlohmann's events, which give numbers as they are written.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const std::function<bool(const JsonNode&)>& take) : take_(take) {}
  bool null() override { return Add({}); }
  bool boolean(bool value) override {
    return Add({JsonNode::kTruth, value ? "true" : "false", {}});
  }
  bool number_integer(number_integer_t value) override {
    return Add({JsonNode::kNumber, absl::StrCat(value), {}});
  }
  bool number_unsigned(number_unsigned_t value) override {
    return Add({JsonNode::kNumber, absl::StrCat(value), {}});
  }
  bool number_float(number_float_t, const string_t& text) override {
    return Add({JsonNode::kNumber, text, {}});
  }
  bool string(string_t& text) override { return Add({JsonNode::kText, std::move(text), {}}); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(JsonNode::kObject); }
  bool start_array(std::size_t) override { return Open(JsonNode::kArray); }
  bool key(string_t& name) override {
    name_ = std::move(name);
    return true;
  }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    problem_ = absl::StrCat("not JSON at byte ", position);
    return false;
  }

  JsonNode root;
  const std::string& problem() const { return problem_; }

 private:
  bool Add(JsonNode node) {
    if (++nodes_ > kMaxJsonNodes) {
      problem_ = absl::StrCat("more than ", kMaxJsonNodes, " values (kMaxJsonNodes)");
      return false;
    }
    if (open_.empty()) {
      root = std::move(node);
    } else {
      open_.back().node->members.push_back({std::move(name_), std::move(node)});
      name_.clear();
    }
    return true;
  }
  bool Open(JsonNode::Kind kind) {
    if (open_.size() >= static_cast<size_t>(kMaxJsonDepth)) {
      problem_ = absl::StrCat("nested deeper than ", kMaxJsonDepth, " (kMaxJsonDepth)");
      return false;
    }
    const size_t before = nodes_;
    JsonNode node;
    node.kind = kind;
    if (!Add(std::move(node))) return false;
    // Members move when their list grows, but those of open objects are the last ones.
    open_.push_back({open_.empty() ? &root : &open_.back().node->members.back().node, before});
    return true;
  }
  bool Close() {
    const Container closed = open_.back();
    open_.pop_back();
    if (take_ && !open_.empty() && closed.node->kind == JsonNode::kObject && take_(*closed.node)) {
      open_.back().node->members.pop_back();
      nodes_ = closed.nodes_before;
    }
    return true;
  }

  struct Container {
    JsonNode* node;
    size_t nodes_before;
  };
  const std::function<bool(const JsonNode&)>& take_;
  size_t nodes_ = 0;  // held
  std::vector<Container> open_;
  std::string name_;
  std::string problem_ = "not JSON";
};

bool IsScalar(const JsonNode& node) {
  return node.kind != JsonNode::kObject && node.kind != JsonNode::kArray;
}

// {"key":…} pairs, or members, as one JSON object.
std::string TagsOf(const JsonNode& node) {
  std::string text = "{";
  const auto add = [&](const std::string& key, const JsonNode& value) {
    if (!IsScalar(value)) return;
    absl::StrAppend(&text, text.size() > 1 ? "," : "", json::Dump(key), ":",
                    json::Dump(value.text));
  };
  for (const auto& [name, member] : node.members) {
    if (node.kind == JsonNode::kObject) {
      add(name, member);
    } else if (const JsonNode* key = member.Find("key"); key != nullptr && IsScalar(*key)) {
      const JsonNode* const value = member.Find("value");
      add(key->text, value != nullptr ? *value : JsonNode());
    }
  }
  return text + "}";
}

// The exact sum of a number in all elements; what is no amount is left to be told as such.
std::string SumOf(const JsonNode& list, absl::string_view member) {
  base::Decimal sum;
  for (const auto& [name, element] : list.members) {
    const JsonNode* const node = element.Find(member);
    if (node == nullptr || node->kind == JsonNode::kNull) continue;
    const absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(node->text);
    if (!amount.ok() || !base::Decimal::Add(sum, *amount, &sum)) return node->text;
  }
  return sum.ToString();
}

}  // namespace

const JsonNode* JsonNode::Find(absl::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == base::ToStd(name)) return &member.node;
  }
  return nullptr;
}

absl::StatusOr<JsonNode> ParseJsonNode(absl::string_view text,
                                       const std::function<bool(const JsonNode&)>& take) {
  Builder builder(take);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return absl::InvalidArgumentError(builder.problem());
  }
  return std::move(builder.root);
}

void FlattenJson(const JsonNode& node, const std::string& path, JsonRow& row) {
  for (const auto& [name, member] : node.members) {
    const std::string at = path.empty() ? name : absl::StrCat(path, ".", name);
    if (member.kind == JsonNode::kArray) {
      if (name == "credits") {
        row.emplace_back(absl::StrCat(at, ".amount"), SumOf(member, "amount"));
      } else {
        row.emplace_back(at, TagsOf(member));
      }
    } else if (member.kind == JsonNode::kObject) {
      if (name == "labels" || name == "Tags") {
        row.emplace_back(at, TagsOf(member));
      } else {
        FlattenJson(member, at, row);
      }
    } else {
      row.emplace_back(at, member.text);
    }
  }
}

std::string JsonOfRow(const JsonRow& row) {
  std::string text = "{";
  for (const auto& [name, value] : row) {
    if (text.size() > 1) text += ',';
    json::AppendQuoted(name, &text);
    text += ':';
    json::AppendQuoted(value, &text);
  }
  return text + "}";
}

}  // namespace purser::costs
