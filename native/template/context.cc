#include "template/context.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "nlohmann/json.hpp"
#include "template/number.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

Counted* ObjectOf(const Value& value) {
  return const_cast<Counted*>(static_cast<const Counted*>(value.identity()));
}

// Calls `visit` for every value below and with `root`, parents first, without recursion.
template <typename Visit>
void Walk(const Value& root, Visit visit) {
  struct Item {
    Kind kind;
    Counted* object;
  };
  std::vector<Item> pending;
  const auto push = [&](const Value& value) {
    if (value.IsObject()) pending.push_back({value.kind(), ObjectOf(value)});
  };
  push(root);
  while (!pending.empty()) {
    const Item item = pending.back();
    pending.pop_back();
    if (item.kind == Kind::kArray) {
      for (const Value& child : static_cast<ArrayObject*>(item.object)->items()) push(child);
    } else if (item.kind == Kind::kRecord) {
      for (const auto& entry : static_cast<RecordObject*>(item.object)->entries()) {
        push(entry.second);
      }
    }
    visit(item.object);
  }
}

absl::Status TooDeep() {
  return absl::ResourceExhaustedError(
      absl::StrCat("template values are nested deeper than ", kMaxValueDepth, " levels"));
}

absl::Status Reserved(absl::string_view name) {
  return absl::InvalidArgumentError(
      absl::StrCat("the name ", name, " is reserved and cannot be a template value's member"));
}

// Builds values while nlohmann's parser reads, without a DOM between and without recursion.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Put(Value::Null()); }
  bool boolean(bool value) override { return Put(Value::Bool(value)); }
  bool number_integer(number_integer_t value) override {
    return Put(Value::Number(static_cast<double>(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return Put(Value::Number(static_cast<double>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Put(Value::Number(value));
  }
  bool string(string_t& value) override { return Put(Value::String(std::move(value))); }
  bool binary(binary_t&) override { return Stop(absl::InvalidArgumentError("binary value")); }
  bool start_object(std::size_t) override { return Open(true); }
  bool end_object() override {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return Put(Value::Of(new RecordObject(std::move(level.entries))));
  }
  bool start_array(std::size_t) override { return Open(false); }
  bool end_array() override {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return Put(Value::Array(std::move(level.items)));
  }
  bool key(string_t& name) override {
    if (IsReservedName(name)) return Stop(Reserved(name));
    levels_.back().key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return Stop(absl::InvalidArgumentError(
        absl::StrCat("template values are not JSON at byte ", position, ": ", error.what())));
  }

  absl::StatusOr<Value> Finish() {
    if (!status_.ok()) return status_;
    return result_;
  }

 private:
  struct Level {
    bool object;
    std::string key;
    std::vector<RecordObject::Entry> entries;
    std::vector<Value> items;
  };

  bool Open(bool object) {
    if (levels_.size() >= kMaxValueDepth) return Stop(TooDeep());
    levels_.push_back({object, {}, {}, {}});
    return true;
  }
  bool Put(Value value) {
    if (levels_.empty()) {
      result_ = std::move(value);
    } else if (levels_.back().object) {
      levels_.back().entries.emplace_back(std::move(levels_.back().key), std::move(value));
    } else {
      levels_.back().items.push_back(std::move(value));
    }
    return true;
  }
  bool Stop(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
    return false;
  }

  std::vector<Level> levels_;
  Value result_;
  absl::Status status_;
};

absl::Status Convert(const nlohmann::json& json, int depth, Value* out) {
  if (depth > kMaxValueDepth) return TooDeep();
  switch (json.type()) {
    case nlohmann::json::value_t::object: {
      std::vector<RecordObject::Entry> entries;
      entries.reserve(json.size());
      for (const auto& [name, member] : json.items()) {
        if (IsReservedName(name)) return Reserved(name);
        Value value;
        PURSER_RETURN_IF_ERROR(Convert(member, depth + 1, &value));
        entries.emplace_back(name, std::move(value));
      }
      *out = Value::Of(new RecordObject(std::move(entries)));
      return absl::OkStatus();
    }
    case nlohmann::json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const nlohmann::json& member : json) {
        Value value;
        PURSER_RETURN_IF_ERROR(Convert(member, depth + 1, &value));
        items.push_back(std::move(value));
      }
      *out = Value::Array(std::move(items));
      return absl::OkStatus();
    }
    case nlohmann::json::value_t::string: {
      const std::string& text = json.get_ref<const std::string&>();
      *out = Value::String(base::IsValidUtf8(text) ? text : DecodeUtf8(text));
      return absl::OkStatus();
    }
    case nlohmann::json::value_t::boolean:
      *out = Value::Bool(json.get<bool>());
      return absl::OkStatus();
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
    case nlohmann::json::value_t::number_float:
      *out = Value::Number(json.get<double>());
      return absl::OkStatus();
    case nlohmann::json::value_t::null:
      *out = Value::Null();
      return absl::OkStatus();
    default:
      *out = Value();
      return absl::OkStatus();
  }
}

}  // namespace

ContextData::ContextData(Value root) : root_(std::move(root)) {
  Walk(root_, [](Counted* object) { object->MakeImmortal(); });
}

ContextData::~ContextData() {
  // Parents first: a parent's end still asks its children whether they are immortal.
  std::vector<Counted*> objects;
  Walk(root_, [&](Counted* object) { objects.push_back(object); });
  root_ = Value();
  for (Counted* object : objects) delete object;
}

absl::StatusOr<Value> ValueFromText(absl::string_view json) {
  Builder builder;
  nlohmann::json::sax_parse(json.begin(), json.end(), &builder);
  return builder.Finish();
}

absl::StatusOr<Value> ValueFromJson(const nlohmann::json& json) {
  Value value;
  PURSER_RETURN_IF_ERROR(Convert(json, 0, &value));
  return value;
}

Value CopyValue(const Value& value) {
  if (value.IsArray()) {
    std::vector<Value> items;
    items.reserve(value.array().size());
    for (const Value& item : value.array().items()) items.push_back(CopyValue(item));
    return Value::Array(std::move(items));
  }
  if (value.IsRecord()) {
    std::vector<RecordObject::Entry> entries;
    entries.reserve(value.record().entries().size());
    for (const auto& [name, item] : value.record().entries()) {
      entries.emplace_back(name, CopyValue(item));
    }
    return Value::Of(new RecordObject(std::move(entries)));
  }
  return value;
}

bool ValueToJson(Run& run, const Value& value, nlohmann::json* out) {
  if (!run.Step() || !run.Stack()) return false;
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kHole:
      *out = nlohmann::json(nlohmann::json::value_t::discarded);
      return true;
    case Kind::kNull:
      *out = nullptr;
      return true;
    case Kind::kBool:
      *out = value.boolean();
      return true;
    case Kind::kNumber: {
      const double number = value.number();
      if (!std::isfinite(number)) {
        *out = nullptr;
      } else if (number == std::floor(number) && std::fabs(number) < 9007199254740992.0) {
        *out = static_cast<int64_t>(number);
      } else if (uint64_t whole; number >= 0 && absl::SimpleAtoi(NumberToString(number), &whole)) {
        // Written as JavaScript writes it: 12345678901234567000, not the double's last bits.
        *out = whole;
      } else {
        *out = number;
      }
      return true;
    }
    case Kind::kString:
    case Kind::kSafe: {
      std::string text = value.text().bytes;
      if (!value.text().ascii) ReplaceLoneSurrogates(text);
      *out = std::move(text);
      return true;
    }
    case Kind::kArray: {
      *out = nlohmann::json::array();
      for (const Value& item : value.array().items()) {
        nlohmann::json member;
        if (!ValueToJson(run, item, &member)) return false;
        out->push_back(member.is_discarded() ? nlohmann::json() : std::move(member));
      }
      return true;
    }
    case Kind::kRecord: {
      *out = nlohmann::json::object();
      for (const auto& [name, item] : value.record().entries()) {
        nlohmann::json member;
        if (!ValueToJson(run, item, &member)) return false;
        std::string key = name;
        ReplaceLoneSurrogates(key);
        if (!member.is_discarded()) (*out)[std::move(key)] = std::move(member);
      }
      return true;
    }
    case Kind::kRegex:
      *out = value.regex().ToText();
      return true;
    case Kind::kCallable:
      return run.Fail("callable values cannot leave a template");
  }
  return true;
}

}  // namespace purser::tmpl
