// Filters of lists and records.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "template/filters.h"
#include "template/number.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;

// The items of an array or the units of a string; false when the value is neither.
bool SequenceItems(const Value& input, std::vector<Value>* out) {
  if (input.IsArray()) {
    for (size_t i = 0; i < input.array().size(); ++i) out->push_back(input.array().At(i));
    return true;
  }
  if (input.IsText()) *out = SplitUnits(input.text());
  return input.IsText();
}

bool PositiveInteger(const FilterCall& call, absl::string_view what, double* out) {
  if (!ToNumber(call.run, call.Arg(0), out)) return false;
  *out = std::trunc(*out);
  return (*out > 0 && *out <= kMaxSafeInteger) ||
         call.run.Fail(absl::StrCat(what, " must be a positive integer"));
}

bool CheckAttribute(Run& run, absl::string_view name) {
  return !IsReservedName(name) ||
         run.Fail(absl::StrCat("the attribute name ", name, " is reserved"));
}

bool ReadAttribute(Run& run, const Value& value, absl::string_view name, Value* out) {
  if (value.IsNullish()) {
    return run.Fail(absl::StrCat("an item without a value has no attribute ", name));
  }
  *out = Property(value, name);
  return true;
}

// "a.b" as a path; other values are one key.
bool AttributePath(Run& run, const Value& value, std::vector<std::string>* out) {
  if (!Truthy(value)) return true;
  if (value.IsString()) {
    *out = absl::StrSplit(value.bytes(), '.');
  } else {
    std::string key;
    if (!ToText(run, value, &key)) return false;
    out->push_back(std::move(key));
  }
  for (const std::string& name : *out) {
    if (!CheckAttribute(run, name)) return false;
  }
  return true;
}

bool FollowPath(Run& run, const Value& value, const std::vector<std::string>& path, Value* out) {
  *out = value;
  for (const std::string& name : path) {
    if (out->IsNullish()) {
      return run.Fail(absl::StrCat("an item without a value has no attribute ", name));
    }
    if (!HasProperty(*out, name)) {
      *out = Value();
      return true;
    }
    *out = Property(*out, name);
  }
  return true;
}

// The attribute of each item. Holes stay holes.
bool Attributes(Run& run, const Value& input, absl::string_view name, std::vector<Value>* out) {
  std::vector<Value> items;
  if (input.IsArray()) {
    items = input.array().items();
  } else if (input.IsString()) {
    items = SplitUnits(input.text());
  } else if (input.IsRecord()) {
    if (!RecordItems(run, input.record(), true, &items)) return false;
  } else if (input.IsSafe() && !input.bytes().empty()) {
    return run.Fail(absl::StrCat("a safe string has no items with the attribute ", name));
  }
  for (const Value& item : items) {
    if (!run.Step()) return false;
    Value part = Value::Hole();
    if (!item.IsHole() && !ReadAttribute(run, item, name, &part)) return false;
    out->push_back(std::move(part));
  }
  return true;
}

// The items to go through for join and sum.
bool ItemsOrAttributes(const FilterCall& call, const Value& attribute, std::vector<Value>* out) {
  if (Truthy(attribute)) {
    std::string name;
    return ToText(call.run, attribute, &name) && CheckAttribute(call.run, name) &&
           Attributes(call.run, call.input, name, out);
  }
  if (!call.input.IsArray()) return call.run.Fail("the input must be an array");
  *out = call.input.array().items();
  return true;
}

class SortComparison final : public Comparison {
 public:
  SortComparison(Run& run, bool case_sensitive, bool reverse, std::vector<std::string> path)
      : run_(run), case_sensitive_(case_sensitive), reverse_(reverse), path_(std::move(path)) {}
  double Compare(const Value& a, const Value& b) override {
    Value left, right;
    double order;
    if (!FollowPath(run_, a, path_, &left) || !FollowPath(run_, b, path_, &right)) return 0;
    if (!case_sensitive_ && left.IsText() && right.IsText()) {
      order = CompareUtf16(ToLowerCase(left.bytes()), ToLowerCase(right.bytes()));
    } else if (!Order(run_, left, right, &order)) {
      return 0;
    }
    return reverse_ ? -order : order;
  }

 private:
  Run& run_;
  const bool case_sensitive_;
  const bool reverse_;
  const std::vector<std::string> path_;
};

// Pairs [key, value] by one of both. What cannot be compared counts as smaller.
class DictsortComparison final : public Comparison {
 public:
  DictsortComparison(Run& run, bool case_sensitive, size_t part)
      : run_(run), case_sensitive_(case_sensitive), part_(part) {}
  double Compare(const Value& a, const Value& b) override {
    const Value left = Normalized(a), right = Normalized(b);
    double order;
    if (!Order(run_, left, right, &order)) return 0;
    if (order > 0) return 1;
    return StrictEqual(left, right) ? 0 : -1;
  }

 private:
  Value Normalized(const Value& pair) const {
    const Value value = pair.array().At(part_);
    if (case_sensitive_ || !value.IsText()) return value;
    return Value::String(ToUpperCase(value.bytes()));
  }
  Run& run_;
  const bool case_sensitive_;
  const size_t part_;
};

bool SelectByTest(const FilterCall& call, bool wanted, Value* out) {
  Run& run = call.run;
  std::string test = "truthy";
  if (!call.Arg(0).IsUndefined()) {
    test.clear();
    if (!ToText(run, call.Arg(0), &test)) return false;
  }
  const int arity = TestArity(test);
  if (arity < 0) return run.Fail(absl::StrCat("unknown test \"", test, "\""));
  if (call.input.IsNullish()) return run.Fail("there is no sequence");
  std::vector<Value> items;
  if (call.input.IsRecord()) {
    double length;
    const RecordObject& record = call.input.record();
    if (!ToNumber(run, record.Get("length"), &length)) return false;
    if (length > static_cast<double>(run.limits().max_steps)) {
      return run.FailLimit("max_steps", run.limits().max_steps);
    }
    for (double i = 0; i < std::floor(length); ++i) {
      if (!run.Step()) return false;
      if (const Value* item = record.Find(NumberToString(i))) items.push_back(*item);
    }
  } else if (!SequenceItems(call.input, &items)) {
    return MakeArray(run, {}, out);
  }
  const std::vector<Value> args(call.args.begin() + (call.args.empty() ? 0 : 1), call.args.end());
  if (static_cast<int>(args.size()) != arity) {
    return run.Fail(absl::StrCat("the test ", test, " takes ", arity, " arguments"));
  }
  std::vector<Value> kept;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!run.Step()) return false;
    if (call.input.IsArray() && call.input.array().items()[i].IsHole()) continue;
    bool result = false;
    if (!RunTest(run, test, items[i], args, &result)) return false;
    if (result == wanted) kept.push_back(items[i]);
  }
  return MakeArray(run, std::move(kept), out);
}

bool SelectByAttribute(const FilterCall& call, bool wanted, Value* out) {
  if (!call.input.IsArray()) return call.run.Fail("the input must be an array");
  std::string name;
  if (!ToText(call.run, call.Arg(0), &name) || !CheckAttribute(call.run, name)) return false;
  std::vector<Value> kept;
  for (const Value& item : call.input.array().items()) {
    if (!call.run.Step()) return false;
    if (item.IsHole()) continue;
    Value value;
    if (!ReadAttribute(call.run, item, name, &value)) return false;
    if (Truthy(value) == wanted) kept.push_back(item);
  }
  return MakeArray(call.run, std::move(kept), out);
}

}  // namespace

bool RecordItems(Run& run, const RecordObject& record, bool check_length, std::vector<Value>* out) {
  const Value length = record.Get("length");
  double count;
  if (check_length && length.IsNumber() && !std::isnan(length.number())) {
    const double number = length.number();
    if (number < 0 || number != std::floor(number) || number > 4294967295.0) {
      return run.Fail("the record's length is no array length");
    }
  }
  if (!ToNumber(run, length, &count)) return false;
  if (std::isnan(count) || count <= 0) return true;
  if (count > static_cast<double>(kMaxContainerEntries)) {
    return run.FailLimit("entries of one container", kMaxContainerEntries);
  }
  for (double i = 0; i < std::ceil(count); ++i) {
    if (!run.Step()) return false;
    out->push_back(record.Get(NumberToString(i)));
  }
  return true;
}

bool BatchFilter(const FilterCall& call, Value* out) {
  Run& run = call.run;
  if (call.input.IsNullish()) return run.Fail("there is no sequence");
  double width;
  if (!PositiveInteger(call, "the size of a batch", &width)) return false;
  std::vector<Value> items;
  if (call.input.IsRecord()) {
    if (!RecordItems(run, call.input.record(), false, &items)) return false;
  } else if (!SequenceItems(call.input, &items)) {
    return MakeArray(run, {}, out);
  }
  const Value fill = call.Arg(1);
  std::vector<Value> rows, row;
  const auto finish = [&] {
    Value made;
    if (!MakeArray(run, std::exchange(row, {}), &made)) return false;
    rows.push_back(std::move(made));
    return true;
  };
  for (Value& item : items) {
    row.push_back(std::move(item));
    if (static_cast<double>(row.size()) == width && !finish()) return false;
  }
  if (!row.empty()) {
    if (Truthy(fill)) {
      if (width > static_cast<double>(kMaxContainerEntries)) {
        return run.FailLimit("entries of one container", kMaxContainerEntries);
      }
      row.resize(static_cast<size_t>(width), fill);
    }
    if (!finish()) return false;
  }
  return MakeArray(run, std::move(rows), out);
}

bool DictsortFilter(const FilterCall& call, Value* out) {
  if (!call.input.IsRecord()) return call.run.Fail("the input must be a record");
  const Value by = call.Arg(1);
  const bool by_value = by.IsString() && by.bytes() == "value";
  if (!by.IsUndefined() && !by_value && !(by.IsString() && by.bytes() == "key")) {
    return call.run.Fail("entries can be sorted by \"key\" or \"value\" only");
  }
  std::vector<Value> pairs;
  for (const auto& [name, value] : call.input.record().entries()) {
    Value pair;
    if (!MakeArray(call.run, {Value::String(name), value}, &pair)) return false;
    pairs.push_back(std::move(pair));
  }
  DictsortComparison comparison(call.run, Truthy(call.Arg(0)), by_value ? 1 : 0);
  return SortValues(call.run, comparison, &pairs) && MakeArray(call.run, std::move(pairs), out);
}

bool GroupbyFilter(const FilterCall& call, Value* out) {
  Run& run = call.run;
  if (call.input.IsNullish()) return run.Fail("there is no sequence");
  std::vector<Value> items;
  if (call.input.IsRecord()) {
    if (!RecordItems(run, call.input.record(), false, &items)) return false;
  } else if (!SequenceItems(call.input, &items)) {
    return MakeRecord(run, {}, out);
  }
  std::vector<std::string> path;
  if (!AttributePath(run, call.Arg(0), &path)) return false;
  std::vector<std::pair<std::string, std::vector<Value>>> groups;
  absl::flat_hash_map<std::string, size_t> places;
  for (const Value& item : items) {
    Value value;
    std::string key;
    if (!run.Step() || !FollowPath(run, item, path, &value) || !ToText(run, value, &key)) {
      return false;
    }
    if (IsReservedName(key)) return run.Fail(absl::StrCat("the name ", key, " is reserved"));
    const auto [found, added] = places.emplace(key, groups.size());
    if (added) groups.push_back({key, {}});
    groups[found->second].second.push_back(item);
  }
  std::vector<RecordObject::Entry> entries;
  for (auto& [key, members] : groups) {
    Value list;
    if (!MakeArray(run, std::move(members), &list)) return false;
    entries.emplace_back(key, std::move(list));
  }
  return MakeRecord(run, std::move(entries), out);
}

bool JoinFilter(const FilterCall& call, Value* out) {
  std::string separator, text;
  if (Truthy(call.Arg(0)) && !ToText(call.run, call.Arg(0), &separator)) return false;
  std::vector<Value> items;
  if (!ItemsOrAttributes(call, call.Arg(1), &items)) return false;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!call.run.Step() ||
        !call.run.Reserve(static_cast<int64_t>(text.size() + separator.size()))) {
      return false;
    }
    if (i > 0) AppendJoined(text, separator);
    if (!items[i].IsNullish() && !ToText(call.run, items[i], &text)) return false;
  }
  *out = Value::String(std::move(text));
  return true;
}

bool SelectFilter(const FilterCall& call, Value* out) { return SelectByTest(call, true, out); }
bool RejectFilter(const FilterCall& call, Value* out) { return SelectByTest(call, false, out); }
bool SelectattrFilter(const FilterCall& call, Value* out) {
  return SelectByAttribute(call, true, out);
}
bool RejectattrFilter(const FilterCall& call, Value* out) {
  return SelectByAttribute(call, false, out);
}

bool ReverseFilter(const FilterCall& call, Value* out) {
  const Value& input = call.input;
  std::vector<Value> items;
  if (input.IsText()) {
    std::u16string units = ToUtf16(input.bytes());
    std::reverse(units.begin(), units.end());
    *out = LikeInput(input, FromUtf16(units));
    return true;
  }
  if (input.IsArray()) {
    items = input.array().items();
  } else if (input.IsRecord() && !RecordItems(call.run, input.record(), true, &items)) {
    return false;
  }
  std::reverse(items.begin(), items.end());
  return MakeArray(call.run, std::move(items), out);
}

bool SliceFilter(const FilterCall& call, Value* out) {
  Run& run = call.run;
  const Value& input = call.input;
  if (!input.IsArray() && !input.IsText()) return run.Fail("there is no sequence");
  double count;
  if (!PositiveInteger(call, "the number of slices", &count)) return false;
  if (count > static_cast<double>(kMaxContainerEntries)) {
    return run.FailLimit("entries of one container", kMaxContainerEntries);
  }
  const size_t size = input.IsArray() ? input.array().size() : input.text().length;
  const auto slices = static_cast<size_t>(count);
  const size_t base = size / slices, extra = size % slices;
  const Value fill = call.Arg(1);
  const bool fills = Truthy(fill);
  std::vector<Value> parts;
  size_t at = 0;
  for (size_t i = 0; i < slices; ++i) {
    if (!run.Step()) return false;
    const size_t end = at + base + (i < extra ? 1 : 0);
    Value part;
    if (input.IsText()) {
      if (fills && i >= extra) return run.Fail("a string cannot be filled up");
      part = Value::String(Units(input.text(), at, end));
    } else {
      const auto& items = input.array().items();
      std::vector<Value> some(items.begin() + static_cast<ptrdiff_t>(at),
                              items.begin() + static_cast<ptrdiff_t>(end));
      if (fills && i >= extra) some.push_back(fill);
      if (!MakeArray(run, std::move(some), &part)) return false;
    }
    parts.push_back(std::move(part));
    at = end;
  }
  return MakeArray(run, std::move(parts), out);
}

bool SortFilter(const FilterCall& call, Value* out) {
  Run& run = call.run;
  std::vector<Value> items;
  if (call.input.IsRecord()) {
    if (!RecordItems(run, call.input.record(), true, &items)) return false;
  } else if (call.input.IsArray()) {
    items = call.input.array().items();
  } else if (!SequenceItems(call.input, &items)) {
    return MakeArray(run, {}, out);
  }
  std::vector<std::string> path;
  if (!AttributePath(run, call.Arg(2), &path)) return false;
  SortComparison comparison(run, Truthy(call.Arg(1)), Truthy(call.Arg(0)), std::move(path));
  return SortValues(run, comparison, &items) && MakeArray(run, std::move(items), out);
}

bool SumFilter(const FilterCall& call, Value* out) {
  std::vector<Value> items;
  if (!ItemsOrAttributes(call, call.Arg(0), &items)) return false;
  Value sum = Value::Number(0);
  for (const Value& item : items) {
    if (!call.run.Step()) return false;
    if (!item.IsHole() && !Add(call.run, sum, item, &sum)) return false;
  }
  const Value start = call.Arg(1);
  return Add(call.run, start.IsUndefined() ? Value::Number(0) : start, sum, out);
}

}  // namespace purser::tmpl
