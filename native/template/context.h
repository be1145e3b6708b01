// Building the values of a context, and reading results back.
#ifndef PURSER_TEMPLATE_CONTEXT_H_
#define PURSER_TEMPLATE_CONTEXT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"
#include "template/run.h"
#include "template/value.h"

namespace purser::tmpl {

// An immortal tree of values with its end of life.
class ContextData {
 public:
  explicit ContextData(Value root);
  ~ContextData();
  ContextData(const ContextData&) = delete;
  const RecordObject& record() const { return root_.record(); }

 private:
  Value root_;
};

// Text must be one JSON object; members keep their order. Numbers become doubles.
absl::StatusOr<Value> ValueFromText(absl::string_view json);
absl::StatusOr<Value> ValueFromJson(const nlohmann::json& json);

// A deep copy whose arrays may be changed.
Value CopyValue(const Value& value);

// As JSON: safe strings and regular expressions as text, NaN and infinities as null, undefined
// members removed, undefined items null; a value that is undefined gives a discarded JSON.
bool ValueToJson(Run& run, const Value& value, nlohmann::json* out);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_CONTEXT_H_
