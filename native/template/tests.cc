// The tests: what may stand behind `is`.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "template/builtins.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

enum class Test : uint8_t {
  kCallable,
  kDefined,
  kDivisibleBy,
  kEscaped,
  kEqual,
  kEven,
  kFalsy,
  kGe,
  kGt,
  kIterable,
  kLe,
  kLt,
  kLower,
  kMapping,
  kNe,
  kNull,
  kNumber,
  kOdd,
  kString,
  kTruthy,
  kUndefined,
  kUpper,
};

struct Named {
  absl::string_view name;
  Test test;
  int arity;
};

// Sorted by name.
constexpr Named kTests[] = {
    {"callable", Test::kCallable, 0},
    {"defined", Test::kDefined, 0},
    {"divisibleby", Test::kDivisibleBy, 1},
    {"eq", Test::kEqual, 1},
    {"equalto", Test::kEqual, 1},
    {"escaped", Test::kEscaped, 0},
    {"even", Test::kEven, 0},
    {"falsy", Test::kFalsy, 0},
    {"ge", Test::kGe, 1},
    {"greaterthan", Test::kGt, 1},
    {"gt", Test::kGt, 1},
    {"iterable", Test::kIterable, 0},
    {"le", Test::kLe, 1},
    {"lessthan", Test::kLt, 1},
    {"lower", Test::kLower, 0},
    {"lt", Test::kLt, 1},
    {"mapping", Test::kMapping, 0},
    {"ne", Test::kNe, 1},
    {"null", Test::kNull, 0},
    {"number", Test::kNumber, 0},
    {"odd", Test::kOdd, 0},
    {"sameas", Test::kEqual, 1},
    {"string", Test::kString, 0},
    {"truthy", Test::kTruthy, 0},
    {"undefined", Test::kUndefined, 0},
    {"upper", Test::kUpper, 0},
};

const Named* Find(absl::string_view name) {
  const Named* found =
      std::lower_bound(std::begin(kTests), std::end(kTests), name,
                       [](const Named& entry, absl::string_view key) { return entry.name < key; });
  return found != std::end(kTests) && found->name == name ? found : nullptr;
}

bool SameCase(Run& run, const Value& input, bool upper, bool* out) {
  if (input.IsSafe()) {
    *out = false;
    return true;
  }
  if (!input.IsString()) return run.Fail("the value must be a string");
  *out = (upper ? ToUpperCase(input.bytes()) : ToLowerCase(input.bytes())) == input.bytes();
  return true;
}

}  // namespace

int TestArity(absl::string_view name) {
  const Named* found = Find(name);
  return found == nullptr ? -1 : found->arity;
}

bool RunTest(Run& run, absl::string_view name, const Value& input, const std::vector<Value>& args,
             bool* out) {
  const Named& named = *Find(name);
  const Value argument = args.empty() ? Value() : args.front();
  if (named.test != Test::kCallable && named.test != Test::kEqual && named.test != Test::kNe &&
      (HoldsCallable(input) || HoldsCallable(argument))) {
    return run.Fail("callable values cannot be tested so");
  }
  double number = 0, divisor = 0;
  switch (named.test) {
    case Test::kCallable:
      *out = input.IsCallable();
      return true;
    case Test::kDefined:
      *out = !input.IsUndefined();
      return true;
    case Test::kUndefined:
      *out = input.IsUndefined();
      return true;
    case Test::kDivisibleBy:
      if (!ToNumber(run, input, &number) || !ToNumber(run, argument, &divisor)) return false;
      *out = std::fmod(number, divisor) == 0;
      return true;
    case Test::kEven:
    case Test::kOdd:
      if (!ToNumber(run, input, &number)) return false;
      *out = std::fmod(number, 2) == (named.test == Test::kOdd ? 1 : 0);
      return true;
    case Test::kEscaped:
      *out = input.IsSafe();
      return true;
    case Test::kEqual:
      *out = StrictEqual(input, argument);
      return true;
    case Test::kNe:
      *out = !StrictEqual(input, argument);
      return true;
    case Test::kFalsy:
      *out = !Truthy(input);
      return true;
    case Test::kTruthy:
      *out = Truthy(input);
      return true;
    case Test::kGe:
    case Test::kGt:
    case Test::kLe:
    case Test::kLt:
      if (!Order(run, input, argument, &number)) return false;
      *out = named.test == Test::kGe   ? number >= 0
             : named.test == Test::kGt ? number > 0
             : named.test == Test::kLe ? number <= 0
                                       : number < 0;
      return true;
    case Test::kIterable:
      if (input.IsNullish()) return run.Fail("there is no value");
      *out = input.IsText() || input.IsArray();
      return true;
    case Test::kMapping:
      *out = input.IsRecord() || input.IsSafe() || input.IsRegex();
      return true;
    case Test::kNull:
      *out = input.kind() == Kind::kNull;
      return true;
    case Test::kNumber:
      *out = input.IsNumber();
      return true;
    case Test::kString:
      *out = input.IsString();
      return true;
    case Test::kLower:
      return SameCase(run, input, false, out);
    case Test::kUpper:
      return SameCase(run, input, true, out);
  }
  return true;
}

}  // namespace purser::tmpl
