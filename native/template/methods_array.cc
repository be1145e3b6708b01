// The methods of arrays. Those that change the array keep it free of circles.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "template/methods.h"
#include "template/number.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

struct ArrayCall {
  Run& run;
  ArrayObject& array;
  const Value& receiver;
  const std::vector<Value>& args;

  Value Arg(size_t i) const { return i < args.size() ? args[i] : Value(); }
  double length() const { return static_cast<double>(array.size()); }
  bool Integer(size_t i, double otherwise, double* out) const {
    *out = otherwise;
    return Arg(i).IsUndefined() || ToInteger(run, Arg(i), out);
  }
};

size_t FromEnd(double at, double length) {
  if (at < 0) at += length;
  return static_cast<size_t>(std::clamp(at, 0.0, length));
}

// Whether `owner` is inside `value`.
bool Contains(Run& run, const Value& value, const ArrayObject* owner) {
  std::vector<Value> pending = {value};
  absl::flat_hash_set<const void*> seen;
  while (!pending.empty()) {
    const Value current = std::move(pending.back());
    pending.pop_back();
    if (!current.IsArray() && !current.IsRecord()) continue;
    if (!run.Step()) return true;
    if (current.identity() == owner) return true;
    if (!seen.insert(current.identity()).second) continue;
    if (current.IsArray()) {
      for (const Value& item : current.array().items()) pending.push_back(item);
    } else {
      for (const auto& entry : current.record().entries()) pending.push_back(entry.second);
    }
  }
  return false;
}

// Gives the array new items.
bool Store(const ArrayCall& call, std::vector<Value> items) {
  Run& run = call.run;
  if (items.size() > kMaxContainerEntries) {
    return run.FailLimit("entries of one container", kMaxContainerEntries);
  }
  if (!run.Step(static_cast<int64_t>(items.size() / 8))) return false;
  for (const Value& added : call.args) {
    if ((added.IsArray() || added.IsRecord()) && Contains(run, added, &call.array)) {
      return run.Fail("an array cannot contain itself");
    }
  }
  call.array.Update(std::move(items));
  return call.array.depth() <= kMaxValueDepth ||
         run.FailLimit("levels of nested values", kMaxValueDepth);
}

bool Concat(const ArrayCall& call, Value* out) {
  std::vector<Value> items = call.array.items();
  for (const Value& value : call.args) {
    if (value.IsArray()) {
      const auto& more = value.array().items();
      items.insert(items.end(), more.begin(), more.end());
    } else {
      items.push_back(value);
    }
  }
  return MakeArray(call.run, std::move(items), out);
}

bool Flatten(Run& run, const ArrayObject& array, double depth, std::vector<Value>* out) {
  if (!run.Stack()) return false;
  for (const Value& item : array.items()) {
    if (!run.Step()) return false;
    if (item.IsHole()) continue;
    if (depth > 0 && item.IsArray()) {
      if (!Flatten(run, item.array(), depth - 1, out)) return false;
    } else {
      out->push_back(item);
    }
  }
  return true;
}

bool SameValueZero(const Value& a, const Value& b) {
  if (a.IsNumber() && b.IsNumber() && std::isnan(a.number()) && std::isnan(b.number())) return true;
  return StrictEqual(a, b);
}

// includes, indexOf, lastIndexOf, index, find, count.
bool Search(const ArrayCall& call, absl::string_view name, Value* out) {
  const Value wanted = call.Arg(0);
  const auto& items = call.array.items();
  const bool last = name == "lastIndexOf", includes = name == "includes";
  const bool jinja = name == "index" || name == "find" || name == "count";
  if (!call.run.Step(static_cast<int64_t>(items.size() / 8))) return false;
  const auto same = [&](const Value& item) {
    if (includes) return SameValueZero(item, wanted);
    return !item.IsHole() && StrictEqual(item, wanted);
  };
  if (name == "count") {
    *out = Value::Number(static_cast<double>(std::count_if(items.begin(), items.end(), same)));
    return true;
  }
  double from;
  if (!call.Integer(jinja ? call.args.size() : 1, last ? call.length() - 1 : 0, &from)) {
    return false;
  }
  double found = -1;
  if (last) {
    if (from < 0) from += call.length();
    for (double i = std::min(from, call.length() - 1); i >= 0 && found < 0; --i) {
      if (same(items[static_cast<size_t>(i)])) found = i;
    }
  } else {
    for (size_t i = FromEnd(from, call.length()); i < items.size() && found < 0; ++i) {
      if (same(items[i])) found = static_cast<double>(i);
    }
  }
  *out = includes ? Value::Bool(found >= 0) : Value::Number(found);
  return true;
}

bool Join(const ArrayCall& call, Value* out) {
  std::string separator = ",", text;
  if (!call.Arg(0).IsUndefined()) {
    separator.clear();
    if (!ToText(call.run, call.Arg(0), &separator)) return false;
  }
  for (size_t i = 0; i < call.array.size(); ++i) {
    if (!call.run.Step() ||
        !call.run.Reserve(static_cast<int64_t>(text.size() + separator.size()))) {
      return false;
    }
    if (i > 0) AppendJoined(text, separator);
    const Value& item = call.array.items()[i];
    if (!item.IsNullish() && !ToText(call.run, item, &text)) return false;
  }
  *out = Value::String(std::move(text));
  return true;
}

bool Slice(const ArrayCall& call, Value* out) {
  double begin, end;
  if (!call.Integer(0, 0, &begin) || !call.Integer(1, call.length(), &end)) return false;
  const size_t from = FromEnd(begin, call.length()), to = FromEnd(end, call.length());
  const auto& items = call.array.items();
  std::vector<Value> some;
  if (from < to) some.assign(items.begin() + from, items.begin() + to);
  return MakeArray(call.run, std::move(some), out);
}

bool Splice(const ArrayCall& call, Value* out) {
  double start, remove = call.length();
  if (!call.Integer(0, 0, &start)) return false;
  std::vector<Value> items = call.array.items();
  std::vector<Value> removed;
  if (!call.Arg(0).IsUndefined()) {
    const size_t from = FromEnd(start, call.length());
    if (!call.Integer(1, call.length(), &remove)) return false;
    const auto count =
        static_cast<size_t>(std::clamp(remove, 0.0, call.length() - static_cast<double>(from)));
    const auto first = items.begin() + from;
    removed.assign(first, first + count);
    auto after = items.erase(first, first + count);
    // Without a count all the rest goes and nothing comes instead.
    if (!call.Arg(1).IsUndefined() && call.args.size() > 2) {
      items.insert(after, call.args.begin() + 2, call.args.end());
    }
  }
  return Store(call, std::move(items)) && MakeArray(call.run, std::move(removed), out);
}

class TextComparison final : public Comparison {
 public:
  explicit TextComparison(Run& run) : run_(run) {}
  double Compare(const Value& a, const Value& b) override {
    std::string left, right;
    if (!ToText(run_, a, &left) || !ToText(run_, b, &right)) return 0;
    return CompareUtf16(left, right);
  }

 private:
  Run& run_;
};

bool Fill(const ArrayCall& call) {
  double begin, end;
  if (!call.Integer(1, 0, &begin) || !call.Integer(2, call.length(), &end)) return false;
  std::vector<Value> items = call.array.items();
  const size_t to = FromEnd(end, call.length());
  for (size_t i = FromEnd(begin, call.length()); i < to; ++i) items[i] = call.Arg(0);
  return Store(call, std::move(items));
}

bool CopyWithin(const ArrayCall& call) {
  double target, begin, end;
  if (!call.Integer(0, 0, &target) || !call.Integer(1, 0, &begin) ||
      !call.Integer(2, call.length(), &end)) {
    return false;
  }
  const std::vector<Value> old = call.array.items();
  std::vector<Value> items = old;
  const size_t to = FromEnd(end, call.length());
  size_t at = FromEnd(target, call.length());
  for (size_t i = FromEnd(begin, call.length()); i < to && at < items.size(); ++i, ++at) {
    items[at] = old[i];
  }
  return Store(call, std::move(items));
}

// pop, shift and their results.
bool TakeOne(const ArrayCall& call, double index, Value* out) {
  *out = Value();
  if (index < 0) index += call.length();
  if (index < 0 || index >= call.length()) return true;
  std::vector<Value> items = call.array.Take();
  const auto at = items.begin() + static_cast<ptrdiff_t>(index);
  *out = at->IsHole() ? Value() : *at;
  items.erase(at);
  call.array.Update(std::move(items));
  return call.run.Step(static_cast<int64_t>(call.array.size() / 64));
}

}  // namespace

bool CallArrayMethod(Run& run, const Value& receiver, absl::string_view name,
                     const std::vector<Value>& args, bool cookiecutter, Value* out) {
  const ArrayCall call{run, receiver.array(), receiver, args};
  std::vector<Value> items;
  double number;
  if (name == "at") {
    if (!call.Integer(0, 0, &number)) return false;
    if (number < 0) number += call.length();
    *out = number >= 0 && number < call.length() ? call.array.At(static_cast<size_t>(number))
                                                 : Value();
    return true;
  }
  if (name == "concat") return Concat(call, out);
  if (name == "join") return Join(call, out);
  if (name == "slice") return Slice(call, out);
  if (name == "splice") return Splice(call, out);
  if (name == "flat") {
    return call.Integer(0, 1, &number) && Flatten(run, call.array, number, &items) &&
           MakeArray(run, std::move(items), out);
  }
  if (name == "pop") {
    if (!call.Integer(0, call.length() - 1, &number)) return false;
    return TakeOne(call, cookiecutter ? number : call.length() - 1, out);
  }
  if (name == "shift") return TakeOne(call, 0, out);
  if (name == "push" || name == "append" || name == "unshift") {
    items = call.array.items();
    items.insert(name == "unshift" ? items.begin() : items.end(), args.begin(), args.end());
    if (!Store(call, std::move(items))) return false;
    *out = Value::Number(call.length());
    return true;
  }
  if (name == "insert") {
    if (!call.Integer(0, 0, &number)) return false;
    items = call.array.items();
    items.insert(items.begin() + static_cast<ptrdiff_t>(FromEnd(number, call.length())), args[1]);
    return Store(call, std::move(items)) && MakeArray(run, {}, out);
  }
  if (name == "remove") {
    items = call.array.items();
    std::vector<Value> removed;
    const auto found = std::find_if(items.begin(), items.end(), [&](const Value& item) {
      return !item.IsHole() && StrictEqual(item, args[0]);
    });
    if (found != items.end()) {
      removed.push_back(*found);
      items.erase(found);
    }
    call.array.Update(std::move(items));
    return run.Step() && MakeArray(run, std::move(removed), out);
  }
  // Those that give the array itself back.
  *out = receiver;
  if (name == "reverse") {
    items = call.array.Take();
    std::reverse(items.begin(), items.end());
    call.array.Update(std::move(items));
    return run.Step();
  }
  if (name == "sort") {
    items = call.array.items();
    TextComparison comparison(run);
    if (!SortValues(run, comparison, &items)) return false;
    call.array.Update(std::move(items));
    return true;
  }
  if (name == "fill") return Fill(call);
  if (name == "copyWithin") return CopyWithin(call);
  return Search(call, name, out);
}

}  // namespace purser::tmpl
