#include "template/value.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "template/callable.h"
#include "template/number.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr size_t kIndexFrom = 9;  // records of so many entries get an index
constexpr int64_t kObjectBytes = 48;

thread_local Counted* to_delete = nullptr;
thread_local bool deleting = false;

}  // namespace

Counted::~Counted() {
  if (Meter::current != nullptr) Meter::current->live -= charged_;
}

void Counted::Charge(int64_t bytes) {
  if (Meter::current == nullptr) return;
  Meter::current->live += bytes - charged_;
  charged_ = bytes;
}

void Counted::Release(Counted* object) {
  object->next_ = to_delete;
  to_delete = object;
  if (deleting) return;  // the loop below, further up the stack, will take it
  deleting = true;
  while (to_delete != nullptr) {
    Counted* next = std::exchange(to_delete, to_delete->next_);
    delete next;
  }
  deleting = false;
}

StringObject::StringObject(std::string text) : bytes(std::move(text)), ascii(IsAscii(bytes)) {
  length = ascii ? bytes.size() : Utf16Length(bytes);
  Charge(kObjectBytes + static_cast<int64_t>(bytes.capacity()));
}

Value Value::String(std::string text) {
  return Value(Kind::kString, Bits{.object = new StringObject(std::move(text))}, true);
}
Value Value::Safe(std::string text) {
  return Value(Kind::kSafe, Bits{.object = new StringObject(std::move(text))}, true);
}
Value Value::Array(std::vector<Value> items) { return Of(new ArrayObject(std::move(items))); }
Value Value::Of(ArrayObject* array) { return Value(Kind::kArray, Bits{.object = array}, true); }
Value Value::Of(RecordObject* record) { return Value(Kind::kRecord, Bits{.object = record}, true); }
Value Value::Of(RegexObject* regex) { return Value(Kind::kRegex, Bits{.object = regex}, true); }
Value Value::Of(Callable* callable) {
  return Value(Kind::kCallable, Bits{.object = callable}, true);
}
Callable& Value::callable() const { return *static_cast<Callable*>(bits_.object); }

Value ArrayObject::At(size_t index) const {
  if (index >= items_.size() || items_[index].IsHole()) return Value();
  return items_[index];
}

void ArrayObject::Update(std::vector<Value> items) {
  items_ = std::move(items);
  depth_ = 1;
  holds_callable_ = false;
  for (const Value& item : items_) {
    depth_ = std::max(depth_, DepthOf(item) + 1);
    holds_callable_ |= HoldsCallable(item);
  }
  Charge(kObjectBytes + static_cast<int64_t>(items_.capacity() * sizeof(Value)));
}

RecordObject::RecordObject(std::vector<Entry> entries) {
  absl::flat_hash_map<std::string, size_t> seen;
  bool indexed = false;
  entries_.reserve(entries.size());
  for (Entry& entry : entries) {
    size_t at = entries_.size();
    if (entries.size() < kIndexFrom) {
      for (size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].first == entry.first) at = i;
      }
    } else {
      at = seen.emplace(entry.first, at).first->second;
    }
    if (at < entries_.size()) {
      entries_[at].second = std::move(entry.second);
      continue;
    }
    indexed |= ArrayIndex(entry.first) >= 0;
    entries_.push_back(std::move(entry));
  }
  if (indexed) {
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      const int64_t left = ArrayIndex(a.first), right = ArrayIndex(b.first);
      if (left >= 0 && right >= 0) return left < right;
      return left >= 0 && right < 0;
    });
  }
  int64_t bytes = kObjectBytes;
  for (const Entry& entry : entries_) {
    depth_ = std::max(depth_, DepthOf(entry.second) + 1);
    holds_callable_ |= HoldsCallable(entry.second);
    bytes += static_cast<int64_t>(sizeof(Entry) + entry.first.capacity());
  }
  if (entries_.size() >= kIndexFrom) {
    index_.reserve(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].first, i);
    bytes += static_cast<int64_t>(entries_.size() * 2 * sizeof(absl::string_view));
  }
  Charge(bytes);
}

const Value* RecordObject::FindIndexed(absl::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

Value RecordObject::Get(absl::string_view name) const {
  const Value* found = Find(name);
  return found == nullptr ? Value() : *found;
}

std::string RegexObject::ToText() const {
  std::string out = "/";
  if (source.empty()) out += "(?:)";
  for (size_t i = 0; i < source.size(); ++i) {
    const absl::string_view rest(source.data() + i, source.size() - i);
    if (source[i] == '\n') {
      out += "\\n";
    } else if (source[i] == '\r') {
      out += "\\r";
    } else if (rest.substr(0, 3) == "\xe2\x80\xa8" || rest.substr(0, 3) == "\xe2\x80\xa9") {
      out += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out.push_back(source[i]);
    }
  }
  out.push_back('/');
  for (const char flag : {'g', 'i', 'm', 'y'}) {
    if (flags.find(flag) != std::string::npos) out.push_back(flag);
  }
  return out;
}

int DepthOf(const Value& value) {
  if (value.IsArray()) return value.array().depth();
  if (value.IsRecord()) return value.record().depth();
  return 0;
}

bool IsReservedName(absl::string_view name) {
  return name == "constructor" || name == "prototype" || name == "__proto__";
}

int64_t ArrayIndex(absl::string_view name) {
  if (name.empty() || name.size() > 10) return -1;
  if (name[0] == '0') return name.size() == 1 ? 0 : -1;
  int64_t index = 0;
  for (const char c : name) {
    if (!IsAsciiDigit(c)) return -1;
    index = index * 10 + (c - '0');
  }
  return index < 4294967295 ? index : -1;
}

absl::string_view KindName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kHole:
      return "undefined";
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "boolean";
    case Kind::kNumber:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kSafe:
      return "safe string";
    case Kind::kArray:
      return "array";
    case Kind::kRecord:
      return "record";
    case Kind::kRegex:
      return "regular expression";
    case Kind::kCallable:
      return "callable";
  }
  return "value";
}

bool HoldsCallable(const Value& value) {
  if (value.IsArray()) return value.array().holds_callable();
  if (value.IsRecord()) return value.record().holds_callable();
  return value.IsCallable();
}

bool Truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kHole:
    case Kind::kNull:
      return false;
    case Kind::kBool:
      return value.boolean();
    case Kind::kNumber:
      return value.number() != 0 && !std::isnan(value.number());
    case Kind::kString:
      return !value.bytes().empty();
    default:
      return true;
  }
}

namespace {

// One walk serves both ways of writing: inside arrays nullish items are empty in either.
bool AppendText(Run& run, const Value& value, bool nullish_empty, std::string* out) {
  if (!run.Step()) return false;
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kHole:
      if (!nullish_empty) out->append("undefined");
      return true;
    case Kind::kNull:
      if (!nullish_empty) out->append("null");
      return true;
    case Kind::kBool:
      out->append(value.boolean() ? "true" : "false");
      return true;
    case Kind::kNumber:
      out->append(NumberToString(value.number()));
      return true;
    case Kind::kString:
    case Kind::kSafe:
      if (!run.Reserve(static_cast<int64_t>(out->size() + value.bytes().size()))) return false;
      AppendJoined(*out, value.bytes());
      return true;
    case Kind::kArray: {
      if (!run.Stack()) return false;
      const auto& items = value.array().items();
      for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out->push_back(',');
        if (!AppendText(run, items[i], true, out)) return false;
      }
      return true;
    }
    case Kind::kRecord:
      if (HoldsCallable(value)) return run.Fail("callable values cannot be written");
      out->append("[object Object]");
      return true;
    case Kind::kRegex:
      out->append(value.regex().ToText());
      return true;
    case Kind::kCallable:
      return run.Fail("callable values cannot be written");
  }
  return true;
}

}  // namespace

bool RenderText(Run& run, const Value& value, std::string* out) {
  return AppendText(run, value, true, out);
}

bool ToText(Run& run, const Value& value, std::string* out) {
  return AppendText(run, value, false, out);
}

bool ToPrimitive(Run& run, const Value& value, Value* out) {
  if (value.IsPrimitive()) {
    *out = value;
    return true;
  }
  if (value.IsSafe()) {
    *out = value.Plain();
    return true;
  }
  std::string text;
  if (!AppendText(run, value, false, &text)) return false;
  *out = Value::String(std::move(text));
  return true;
}

bool ToNumber(Run& run, const Value& value, double* out) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kHole:
      *out = std::numeric_limits<double>::quiet_NaN();
      return true;
    case Kind::kNull:
      *out = 0;
      return true;
    case Kind::kBool:
      *out = value.boolean() ? 1 : 0;
      return true;
    case Kind::kNumber:
      *out = value.number();
      return true;
    case Kind::kString:
    case Kind::kSafe:
      *out = StringToNumber(value.bytes());
      return true;
    default: {
      std::string text;
      if (!AppendText(run, value, false, &text)) return false;
      *out = StringToNumber(text);
      return true;
    }
  }
}

bool ToInteger(Run& run, const Value& value, double* out) {
  if (!ToNumber(run, value, out)) return false;
  *out = ToIntegerOrInfinity(*out);
  return true;
}

bool StrictEqual(const Value& a, const Value& b) {
  if (a.IsUndefined() || b.IsUndefined()) return a.IsUndefined() && b.IsUndefined();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return a.boolean() == b.boolean();
    case Kind::kNumber:
      return a.number() == b.number();
    case Kind::kString:
      return a.bytes() == b.bytes();
    default:
      return a.identity() == b.identity();
  }
}

bool LooseEqual(Run& run, const Value& a, const Value& b, bool* out) {
  *out = StrictEqual(a, b);
  if (*out || (!a.IsPrimitive() && !b.IsPrimitive())) return true;
  Value left, right;
  if (!ToPrimitive(run, a, &left) || !ToPrimitive(run, b, &right)) return false;
  if (left.IsNullish() || right.IsNullish()) {
    *out = left.IsNullish() && right.IsNullish();
    return true;
  }
  if (left.kind() == right.kind()) {
    *out = StrictEqual(left, right);
    return true;
  }
  // Booleans, numbers and strings of different kinds compare as numbers.
  double x, y;
  if (!ToNumber(run, left, &x) || !ToNumber(run, right, &y)) return false;
  *out = x == y;
  return true;
}

bool Add(Run& run, const Value& a, const Value& b, Value* out) {
  if (a.IsNumber() && b.IsNumber()) {
    *out = Value::Number(a.number() + b.number());
    return true;
  }
  Value left, right;
  if (!ToPrimitive(run, a, &left) || !ToPrimitive(run, b, &right)) return false;
  if (left.IsString() || right.IsString()) {
    std::string text;
    if (!AppendText(run, left, false, &text) || !AppendText(run, right, false, &text)) return false;
    *out = Value::String(std::move(text));
    return true;
  }
  double x, y;
  if (!ToNumber(run, left, &x) || !ToNumber(run, right, &y)) return false;
  *out = Value::Number(x + y);
  return true;
}

bool Order(Run& run, const Value& a, const Value& b, double* out) {
  Value left, right;
  if (!ToPrimitive(run, a, &left) || !ToPrimitive(run, b, &right)) return false;
  if (left.IsString() && right.IsString()) {
    *out = CompareUtf16(left.bytes(), right.bytes());
    return true;
  }
  double x, y;
  if (!ToNumber(run, left, &x) || !ToNumber(run, right, &y)) return false;
  if (std::isnan(x) || std::isnan(y)) {
    *out = std::numeric_limits<double>::quiet_NaN();
  } else {
    *out = x < y ? -1 : (x > y ? 1 : 0);
  }
  return true;
}

Value Property(const Value& target, absl::string_view key) {
  switch (target.kind()) {
    case Kind::kRecord:
      return IsReservedName(key) ? Value() : target.record().Get(key);
    case Kind::kArray: {
      const ArrayObject& array = target.array();
      if (key == "length") return Value::Number(static_cast<double>(array.size()));
      const int64_t index = ArrayIndex(key);
      return index < 0 ? Value() : array.At(static_cast<size_t>(index));
    }
    case Kind::kString:
    case Kind::kSafe: {
      if (key == "length") return Value::Number(static_cast<double>(target.text().length));
      if (target.IsSafe() && key == "val") return target.Plain();
      const int64_t index = ArrayIndex(key);
      if (index < 0 || static_cast<size_t>(index) >= target.text().length) return Value();
      return Value::String(Units(target.text(), index, index + 1));
    }
    default:
      return Value();
  }
}

bool HasProperty(const Value& target, absl::string_view key) {
  switch (target.kind()) {
    case Kind::kRecord:
      return !IsReservedName(key) && target.record().Find(key) != nullptr;
    case Kind::kArray: {
      const int64_t index = ArrayIndex(key);
      return key == "length" || (index >= 0 && static_cast<size_t>(index) < target.array().size());
    }
    case Kind::kString:
    case Kind::kSafe: {
      const int64_t index = ArrayIndex(key);
      return key == "length" || (target.IsSafe() && key == "val") ||
             (index >= 0 && static_cast<size_t>(index) < target.text().length);
    }
    default:
      return false;
  }
}

std::string Units(const StringObject& text, size_t begin, size_t end) {
  if (begin >= end) return {};
  if (text.ascii) return text.bytes.substr(begin, end - begin);
  return FromUtf16(std::u16string_view(ToUtf16(text.bytes)).substr(begin, end - begin));
}

std::vector<Value> SplitUnits(const StringObject& text) {
  std::vector<Value> out;
  out.reserve(text.length);
  if (text.ascii) {
    for (const char c : text.bytes) out.push_back(Value::String(std::string(1, c)));
    return out;
  }
  for (const char16_t unit : ToUtf16(text.bytes)) {
    out.push_back(Value::String(FromUtf16(std::u16string_view(&unit, 1))));
  }
  return out;
}

bool MakeArray(Run& run, std::vector<Value> items, Value* out) {
  if (items.size() > kMaxContainerEntries) {
    return run.FailLimit("entries of one container", kMaxContainerEntries);
  }
  if (!run.Step(static_cast<int64_t>(items.size() / 8))) return false;
  Value made = Value::Array(std::move(items));
  if (made.array().depth() > kMaxValueDepth) {
    return run.FailLimit("levels of nested values", kMaxValueDepth);
  }
  *out = std::move(made);
  return true;
}

bool MakeRecord(Run& run, std::vector<RecordObject::Entry> entries, Value* out) {
  if (entries.size() > kMaxContainerEntries) {
    return run.FailLimit("entries of one container", kMaxContainerEntries);
  }
  if (!run.Step(static_cast<int64_t>(entries.size() / 8))) return false;
  Value made = Value::Of(new RecordObject(std::move(entries)));
  if (made.record().depth() > kMaxValueDepth) {
    return run.FailLimit("levels of nested values", kMaxValueDepth);
  }
  *out = std::move(made);
  return true;
}

}  // namespace purser::tmpl
