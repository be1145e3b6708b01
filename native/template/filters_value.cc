// Filters of numbers and of single values.
#include <cmath>
#include <string>
#include <utility>

#include "base/rng.h"
#include "template/filters.h"
#include "template/number.h"

namespace purser::tmpl {
namespace {

constexpr double kMaxJsonIndent = 10;

// Math.round: halves go up.
double RoundHalfUp(double value) {
  const double floor = std::floor(value);
  return value - floor >= 0.5 ? floor + 1 : floor;
}

bool Edge(const FilterCall& call, bool last, Value* out) {
  const Value& input = call.input;
  *out = Value();
  if (input.IsNullish()) return call.run.Fail("there is no sequence");
  if (input.IsArray()) {
    const size_t size = input.array().size();
    if (size > 0) *out = input.array().At(last ? size - 1 : 0);
  } else if (input.IsText()) {
    const size_t length = input.text().length;
    const size_t at = last ? length - 1 : 0;
    if (length > 0) *out = Value::String(Units(input.text(), at, at + 1));
  } else if (input.IsRecord()) {
    double index = 0;
    if (last) {
      if (!ToNumber(call.run, input.record().Get("length"), &index)) return false;
      index -= 1;
    }
    *out = input.record().Get(NumberToString(index));
  }
  return true;
}

}  // namespace

bool AbsFilter(const FilterCall& call, Value* out) {
  double number;
  if (!ToNumber(call.run, call.input, &number)) return false;
  *out = Value::Number(std::fabs(number));
  return true;
}

bool DefaultFilter(const FilterCall& call, Value* out) {
  const bool missing = Truthy(call.Arg(1)) ? !Truthy(call.input) : call.input.IsUndefined();
  *out = missing ? call.Arg(0) : call.input;
  return true;
}

bool DumpFilter(const FilterCall& call, Value* out) {
  const Value spacing = call.Arg(0);
  std::string indent, text;
  if (spacing.IsString()) {
    const size_t length = spacing.text().length;
    indent = Units(spacing.text(), 0, std::min<size_t>(length, kMaxJsonIndent));
  } else if (spacing.IsNumber() && spacing.number() >= 1) {
    indent.assign(static_cast<size_t>(std::min(spacing.number(), kMaxJsonIndent)), ' ');
  }
  bool defined = false;
  if (!WriteJson(call.run, call.input, indent, &text, &defined)) return false;
  *out = defined ? Value::String(std::move(text)) : Value();
  return true;
}

bool FirstFilter(const FilterCall& call, Value* out) { return Edge(call, false, out); }
bool LastFilter(const FilterCall& call, Value* out) { return Edge(call, true, out); }

bool FloatFilter(const FilterCall& call, Value* out) {
  std::string text;
  if (!ToText(call.run, call.input, &text)) return false;
  const double number = ParseFloat(text);
  *out = std::isnan(number) ? call.Arg(0) : Value::Number(number);
  return true;
}

bool IntFilter(const FilterCall& call, Value* out) {
  std::string text;
  double base = 10;
  if (!ToText(call.run, call.input, &text)) return false;
  if (!call.Arg(1).IsUndefined() && !ToNumber(call.run, call.Arg(1), &base)) return false;
  const double number = ParseInt(text, std::trunc(base));
  *out = std::isnan(number) ? call.Arg(0) : Value::Number(number);
  return true;
}

bool LengthFilter(const FilterCall& call, Value* out) {
  const Value& input = call.input;
  if (input.IsArray()) {
    *out = Value::Number(static_cast<double>(input.array().size()));
  } else if (input.IsRecord()) {
    *out = Value::Number(static_cast<double>(input.record().entries().size()));
  } else if (input.IsText()) {
    *out = Value::Number(static_cast<double>(input.text().length));
  } else if (input.IsNullish() || (input.IsBool() && !input.boolean())) {
    *out = Value::Number(0);
  } else {
    *out = Value();
  }
  return true;
}

bool ListFilter(const FilterCall& call, Value* out) {
  const Value& input = call.input;
  if (input.IsArray()) {
    *out = input;
    return true;
  }
  std::vector<Value> items;
  if (input.IsText()) {
    items = SplitUnits(input.text());
  } else if (input.IsRecord()) {
    for (const auto& [name, value] : input.record().entries()) {
      Value pair;
      if (!MakeRecord(call.run, {{"key", Value::String(name)}, {"value", value}}, &pair)) {
        return false;
      }
      items.push_back(std::move(pair));
    }
  } else {
    return call.run.Fail("there is nothing to list");
  }
  return MakeArray(call.run, std::move(items), out);
}

bool RandomFilter(const FilterCall& call, Value* out) {
  const Value& input = call.input;
  base::Rng& rng = base::Rng::System();
  *out = Value();
  if (input.IsNullish()) return call.run.Fail("there is no sequence");
  if (input.IsArray() && input.array().size() > 0) {
    *out = input.array().At(rng.Below(input.array().size()));
  } else if (input.IsText() && input.text().length > 0) {
    const size_t at = rng.Below(input.text().length);
    *out = Value::String(Units(input.text(), at, at + 1));
  } else if (input.IsRecord()) {
    double length;
    if (!ToNumber(call.run, input.record().Get("length"), &length)) return false;
    const bool whole = length >= 1 && length <= 9007199254740991.0 && length == std::floor(length);
    if (whole) {
      *out = input.record().Get(
          NumberToString(static_cast<double>(rng.Below(static_cast<uint64_t>(length)))));
    }
  }
  return true;
}

bool RoundFilter(const FilterCall& call, Value* out) {
  double digits = 0, number;
  if (Truthy(call.Arg(0)) && !ToNumber(call.run, call.Arg(0), &digits)) return false;
  if (!ToNumber(call.run, call.input, &number)) return false;
  const double factor = std::pow(10, digits);
  const double scaled = number * factor;
  const Value method = call.Arg(1);
  double rounded;
  if (method.IsString() && method.bytes() == "ceil") {
    rounded = std::ceil(scaled);
  } else if (method.IsString() && method.bytes() == "floor") {
    rounded = std::floor(scaled);
  } else {
    rounded = RoundHalfUp(scaled);
  }
  *out = Value::Number(rounded / factor);
  return true;
}

}  // namespace purser::tmpl
