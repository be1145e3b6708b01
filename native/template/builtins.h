// The filters, tests and methods of the language.
#ifndef PURSER_TEMPLATE_BUILTINS_H_
#define PURSER_TEMPLATE_BUILTINS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "template/run.h"
#include "template/template.h"
#include "template/value.h"

namespace purser::tmpl {

// Spaces that one indent or center may ask for.
inline constexpr double kMaxSpaces = 16 * 1024 * 1024;

struct FilterCall {
  Run& run;
  const Options& options;
  const Value& input;
  const std::vector<Value>& args;

  Value Arg(size_t index) const { return index < args.size() ? args[index] : Value(); }
};

// Writes the result to `out`; false with the failure in the run.
using Filter = bool (*)(const FilterCall& call, Value* out);

// nullptr when there is none. `jsonify` exists for cookiecutter only.
Filter FindFilter(absl::string_view name, bool cookiecutter);
// Filters that Backstage adds take plain values and no keywords.
Filter FindBackstageFilter(absl::string_view name);

// Number of arguments of a test; -1 when there is no such test.
int TestArity(absl::string_view name);
bool RunTest(Run& run, absl::string_view name, const Value& input, const std::vector<Value>& args,
             bool* out);

struct Arity {
  int least;
  int most;
};
// Whether the value has a method of that name, and how many arguments it takes.
bool FindMethod(const Value& receiver, absl::string_view name, bool cookiecutter);
Arity MethodArity(const Value& receiver, absl::string_view name, bool cookiecutter);
bool CallMethod(Run& run, const Value& receiver, absl::string_view name,
                const std::vector<Value>& args, bool cookiecutter, Value* out);

// --- Shared by the above.

// JSON.stringify: false on failure; `*defined` is false when the value is undefined.
bool WriteJson(Run& run, const Value& value, absl::string_view indent, std::string* out,
               bool* defined);
// A string in JSON's quotes.
void AppendJsonString(absl::string_view text, std::string* out);

// Array.prototype.sort of values for which `less_than_zero(a, b)` compares; as V8 does, so that
// even contradictory comparisons give the same order. Undefined and holes go last.
class Comparison {
 public:
  virtual ~Comparison() = default;
  // Negative, 0, positive; a failure is recorded in the run and stops the sort.
  virtual double Compare(const Value& a, const Value& b) = 0;
};
bool SortValues(Run& run, Comparison& comparison, std::vector<Value>* values);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_BUILTINS_H_
