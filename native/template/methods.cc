// The methods that values have: closed lists, as in JavaScript. Those of arrays are in
// methods_array.cc.
#include "template/methods.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "template/number.h"
#include "template/regex.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr int kAny = 1 << 30;

struct Method {
  absl::string_view name;
  Arity arity;
};

constexpr Method kStringMethods[] = {
    {"charAt", {0, 1}},      {"charCodeAt", {0, 1}},  {"concat", {0, kAny}},
    {"endsWith", {1, 2}},    {"includes", {1, 2}},    {"indexOf", {1, 2}},
    {"lastIndexOf", {1, 2}}, {"replace", {2, 2}},     {"slice", {0, 2}},
    {"split", {0, 2}},       {"startsWith", {1, 2}},  {"substring", {0, 2}},
    {"toLowerCase", {0, 0}}, {"toUpperCase", {0, 0}}, {"trim", {0, 0}},
    {"trimEnd", {0, 0}},     {"trimStart", {0, 0}},
};
constexpr Method kNumberMethods[] = {
    {"toExponential", {0, 1}}, {"toFixed", {0, 1}}, {"toPrecision", {0, 1}}, {"toString", {0, 1}}};
constexpr Method kArrayMethods[] = {
    {"at", {1, 1}},          {"concat", {0, kAny}}, {"copyWithin", {1, 3}}, {"fill", {1, 3}},
    {"flat", {0, 1}},        {"includes", {1, 2}},  {"indexOf", {1, 2}},    {"join", {0, 1}},
    {"lastIndexOf", {1, 2}}, {"pop", {0, 0}},       {"push", {0, kAny}},    {"reverse", {0, 0}},
    {"shift", {0, 0}},       {"slice", {0, 2}},     {"sort", {0, 0}},       {"splice", {0, kAny}},
    {"unshift", {0, kAny}}};
constexpr Method kJinjaArrayMethods[] = {{"append", {1, 1}}, {"count", {1, 1}},
                                         {"find", {1, 1}},   {"index", {1, 1}},
                                         {"insert", {2, 2}}, {"remove", {1, 1}}};
constexpr Method kJinjaRecordMethods[] = {
    {"get", {1, 2}}, {"has_key", {1, 1}}, {"items", {0, 0}}, {"keys", {0, 0}}, {"values", {0, 0}}};

template <size_t N>
const Method* Find(const Method (&methods)[N], absl::string_view name) {
  for (const Method& method : methods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

constexpr Method kRegexTest = {"test", {1, 1}};

const Method* FindMethodOf(const Value& receiver, absl::string_view name, bool cookiecutter) {
  if (receiver.IsText()) return Find(kStringMethods, name);
  if (receiver.IsNumber()) return Find(kNumberMethods, name);
  if (receiver.IsRegex()) return name == "test" ? &kRegexTest : nullptr;
  if (receiver.IsRecord()) return cookiecutter ? Find(kJinjaRecordMethods, name) : nullptr;
  if (!receiver.IsArray()) return nullptr;
  const Method* found = Find(kArrayMethods, name);
  if (found == nullptr && cookiecutter) found = Find(kJinjaArrayMethods, name);
  return found;
}

// An argument's integer, `otherwise` when it is undefined.
bool Integer(Run& run, const Value& value, double otherwise, double* out) {
  *out = otherwise;
  return value.IsUndefined() || ToInteger(run, value, out);
}

// Bounds as slice takes them: negative ones count from the end.
size_t FromEnd(double at, size_t size) {
  const auto length = static_cast<double>(size);
  if (at < 0) at += length;
  return static_cast<size_t>(std::clamp(at, 0.0, length));
}

struct StringCall {
  Run& run;
  const StringObject& text;
  const std::vector<Value>& args;

  Value Arg(size_t i) const { return i < args.size() ? args[i] : Value(); }
  double length() const { return static_cast<double>(text.length); }
  std::string Part(size_t begin, size_t end) const { return Units(text, begin, end); }
};

// Searching works on bytes while all is ASCII, else on units.
template <typename View>
bool SearchIn(const StringCall& call, absl::string_view name, View text, View needle, Value* out) {
  const double length = static_cast<double>(text.size());
  double at;
  if (name == "lastIndexOf") {
    double number = std::numeric_limits<double>::quiet_NaN();
    if (!call.Arg(1).IsUndefined() && !ToNumber(call.run, call.Arg(1), &number)) return false;
    at = std::isnan(number) ? length : std::clamp(ToIntegerOrInfinity(number), 0.0, length);
    const size_t found = text.rfind(needle, static_cast<size_t>(at));
    *out = Value::Number(found == View::npos ? -1 : static_cast<double>(found));
    return true;
  }
  if (!Integer(call.run, call.Arg(1), name == "endsWith" ? length : 0, &at)) return false;
  const auto from = static_cast<size_t>(std::clamp(at, 0.0, length));
  if (name == "endsWith") {
    *out = Value::Bool(from >= needle.size() &&
                       text.substr(from - needle.size(), needle.size()) == needle);
  } else if (name == "startsWith") {
    *out = Value::Bool(text.substr(from, needle.size()) == needle);
  } else {
    const size_t found = text.find(needle, from);
    *out = name == "includes" ? Value::Bool(found != View::npos)
                              : Value::Number(found == View::npos ? -1 : double(found));
  }
  return true;
}

bool Search(const StringCall& call, absl::string_view name, Value* out) {
  std::string needle;
  if (!call.run.Step(static_cast<int64_t>(call.text.bytes.size() / 256)) ||
      !ToText(call.run, call.Arg(0), &needle)) {
    return false;
  }
  if (call.text.ascii && IsAscii(needle)) {
    return SearchIn(call, name, std::string_view(call.text.bytes), std::string_view(needle), out);
  }
  const std::u16string text = ToUtf16(call.text.bytes), wanted = ToUtf16(needle);
  return SearchIn(call, name, std::u16string_view(text), std::u16string_view(wanted), out);
}

bool Replace(const StringCall& call, Value* out) {
  std::string by, result;
  if (!ToText(call.run, call.Arg(1), &by)) return false;
  if (call.Arg(0).IsRegex()) {
    RegexObject& regex = call.Arg(0).regex();
    if (!RegexReplace(call.run, regex, call.text.bytes, by, &regex.last_index, &result)) {
      return false;
    }
    *out = Value::String(std::move(result));
    return true;
  }
  std::string needle;
  if (!ToText(call.run, call.Arg(0), &needle)) return false;
  const std::u16string text = ToUtf16(call.text.bytes), wanted = ToUtf16(needle);
  const size_t found = text.find(wanted);
  if (found == std::u16string::npos) {
    *out = Value::String(call.text.bytes);
    return true;
  }
  std::u16string replaced = text.substr(0, found);
  const std::vector<int64_t> match = {static_cast<int64_t>(found),
                                      static_cast<int64_t>(found + wanted.size())};
  ExpandReplacement(ToUtf16(by), text, match, nullptr, &replaced);
  replaced.append(text, found + wanted.size(), std::u16string::npos);
  *out = Value::String(FromUtf16(replaced));
  return true;
}

bool Split(const StringCall& call, Value* out) {
  uint32_t limit = 0xffffffff;
  if (!call.Arg(1).IsUndefined()) {
    double number;
    if (!ToNumber(call.run, call.Arg(1), &number)) return false;
    limit = ToUint32(number);
  }
  std::vector<Value> parts;
  if (call.Arg(0).IsRegex()) {
    if (!RegexSplit(call.run, call.Arg(0).regex(), call.text.bytes, limit, &parts)) return false;
    return MakeArray(call.run, std::move(parts), out);
  }
  if (call.Arg(0).IsUndefined()) {
    if (limit > 0) parts.push_back(Value::String(call.text.bytes));
    return MakeArray(call.run, std::move(parts), out);
  }
  std::string separator;
  if (!ToText(call.run, call.Arg(0), &separator)) return false;
  if (separator.empty()) {
    parts = SplitUnits(call.text);
    if (parts.size() > limit) parts.resize(limit);
    return MakeArray(call.run, std::move(parts), out);
  }
  absl::string_view rest = call.text.bytes;
  while (parts.size() < limit) {
    if (!call.run.Step()) return false;
    const size_t found = rest.find(separator);
    parts.push_back(Value::String(std::string(rest.substr(0, found))));
    if (found == absl::string_view::npos) break;
    rest.remove_prefix(found + separator.size());
  }
  return MakeArray(call.run, std::move(parts), out);
}

bool Cut(const StringCall& call, absl::string_view name, Value* out) {
  double begin, end;
  if (!Integer(call.run, call.Arg(0), 0, &begin) ||
      !Integer(call.run, call.Arg(1), call.length(), &end)) {
    return false;
  }
  size_t from, to;
  if (name == "slice") {
    from = FromEnd(begin, call.text.length);
    to = FromEnd(end, call.text.length);
  } else {
    from = static_cast<size_t>(std::clamp(begin, 0.0, call.length()));
    to = static_cast<size_t>(std::clamp(end, 0.0, call.length()));
    if (from > to) std::swap(from, to);
  }
  *out = Value::String(call.Part(from, to));
  return true;
}

bool CharAt(const StringCall& call, bool code, Value* out) {
  double at;
  if (!Integer(call.run, call.Arg(0), 0, &at)) return false;
  const bool inside = at >= 0 && at < call.length();
  if (!code) {
    *out = Value::String(inside ? call.Part(static_cast<size_t>(at), static_cast<size_t>(at) + 1)
                                : "");
  } else if (!inside) {
    *out = Value::Number(std::numeric_limits<double>::quiet_NaN());
  } else {
    *out = Value::Number(call.text.ascii ? call.text.bytes[static_cast<size_t>(at)]
                                         : ToUtf16(call.text.bytes)[static_cast<size_t>(at)]);
  }
  return true;
}

bool CallStringMethod(const StringCall& call, absl::string_view name, Value* out) {
  const std::string& text = call.text.bytes;
  if (name == "replace") return Replace(call, out);
  if (name == "split") return Split(call, out);
  if (name == "slice" || name == "substring") return Cut(call, name, out);
  if (name == "charAt" || name == "charCodeAt") return CharAt(call, name == "charCodeAt", out);
  if (name == "concat") {
    std::string result = text;
    for (const Value& value : call.args) {
      if (!ToText(call.run, value, &result)) return false;
    }
    *out = Value::String(std::move(result));
    return true;
  }
  if (name == "toLowerCase") {
    *out = Value::String(ToLowerCase(text));
  } else if (name == "toUpperCase") {
    *out = Value::String(ToUpperCase(text));
  } else if (name == "trim") {
    *out = Value::String(std::string(TrimEnd(TrimStart(text))));
  } else if (name == "trimStart") {
    *out = Value::String(std::string(TrimStart(text)));
  } else if (name == "trimEnd") {
    *out = Value::String(std::string(TrimEnd(text)));
  } else {
    return Search(call, name, out);
  }
  return true;
}

bool CallNumberMethod(Run& run, double value, absl::string_view name, const Value& argument,
                      Value* out) {
  const bool given = !argument.IsUndefined();
  double number = 0;
  if (!Integer(run, argument, 0, &number)) return false;
  const auto within = [&](double least, double most) {
    return (number >= least && number <= most) ||
           run.Fail(absl::StrCat(name, " takes a number from ", least, " to ", most));
  };
  std::string text;
  if (name == "toFixed") {
    if (!within(0, 100)) return false;
    text = NumberToFixed(value, static_cast<int>(number));
  } else if (name == "toString") {
    if (given && !within(2, 36)) return false;
    text = NumberToRadix(value, given ? static_cast<int>(number) : 10);
  } else if (!std::isfinite(value) || (name == "toPrecision" && !given)) {
    text = NumberToString(value);
  } else if (name == "toPrecision") {
    if (!within(1, 100)) return false;
    text = NumberToPrecision(value, static_cast<int>(number));
  } else {
    if (given && !within(0, 100)) return false;
    text = NumberToExponential(value, given ? static_cast<int>(number) : -1);
  }
  *out = Value::String(std::move(text));
  return true;
}

bool CallRecordMethod(Run& run, const RecordObject& record, absl::string_view name,
                      const std::vector<Value>& args, Value* out) {
  if (name == "get" || name == "has_key") {
    std::string key;
    if (!ToText(run, args[0], &key)) return false;
    const Value* found = IsReservedName(key) ? nullptr : record.Find(key);
    if (name == "has_key") {
      *out = Value::Bool(found != nullptr);
    } else {
      *out = found != nullptr ? *found : (args.size() > 1 ? args[1] : Value());
    }
    return true;
  }
  std::vector<Value> items;
  for (const auto& [key, value] : record.entries()) {
    if (name == "values") {
      items.push_back(value);
      continue;
    }
    Value item = Value::String(key);
    if (name == "items" && !MakeArray(run, {item, value}, &item)) return false;
    items.push_back(std::move(item));
  }
  return MakeArray(run, std::move(items), out);
}

}  // namespace

bool FindMethod(const Value& receiver, absl::string_view name, bool cookiecutter) {
  return FindMethodOf(receiver, name, cookiecutter) != nullptr;
}

Arity MethodArity(const Value& receiver, absl::string_view name, bool cookiecutter) {
  if (receiver.IsArray() && cookiecutter && name == "pop") return {0, 1};
  const Method* found = FindMethodOf(receiver, name, cookiecutter);
  return found == nullptr ? Arity{0, 0} : found->arity;
}

bool CallMethod(Run& run, const Value& receiver, absl::string_view name,
                const std::vector<Value>& args, bool cookiecutter, Value* out) {
  if (HoldsCallable(receiver)) return run.Fail("callable values have no methods");
  if (receiver.IsText()) return CallStringMethod({run, receiver.text(), args}, name, out);
  if (receiver.IsNumber()) {
    return CallNumberMethod(run, receiver.number(), name, args.empty() ? Value() : args[0], out);
  }
  if (receiver.IsArray()) return CallArrayMethod(run, receiver, name, args, cookiecutter, out);
  if (receiver.IsRecord()) return CallRecordMethod(run, receiver.record(), name, args, out);
  std::string text;
  bool result = false;
  if (!ToText(run, args[0], &text) ||
      !RegexTest(run, receiver.regex(), text, &receiver.regex().last_index, &result)) {
    return false;
  }
  *out = Value::Bool(result);
  return true;
}

}  // namespace purser::tmpl
