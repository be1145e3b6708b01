// JSON Schema draft-07: judging an instance.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "json/json.h"
#include "json/schema_internal.h"

namespace purser::json {
namespace {

using Json = nlohmann::json;

// Length as JavaScript counts it: UTF-16 units.
size_t Utf16Length(const std::string& text) {
  size_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) != 0x80) units += byte >= 0xF0 ? 2 : 1;
  }
  return units;
}

bool IsInteger(const Json& value) {
  if (value.is_number_integer()) return true;
  return value.is_number_float() && std::isfinite(value.get<double>()) &&
         std::floor(value.get<double>()) == value.get<double>();
}

bool HasType(const Json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  return IsInteger(value);
}

bool IsMultiple(const Json& value, const Json& step) {
  if (value.is_number_integer() && step.is_number_integer()) {
    // Both signs and both widths at once.
    const auto wide = [](const Json& number) {
      return number.is_number_unsigned() ? static_cast<__int128>(number.get<uint64_t>())
                                         : static_cast<__int128>(number.get<int64_t>());
    };
    return wide(value) % wide(step) == 0;
  }
  const double quotient = value.get<double>() / step.get<double>();
  if (!std::isfinite(quotient)) return false;
  // 0.0075 is a multiple of 0.0001 for people, though not in binary.
  return std::abs(quotient - std::round(quotient)) <= 1e-9 * std::max(1.0, std::abs(quotient));
}

std::string Short(const Json& value) { return base::EscapeForDisplay(Dump(value), 60); }

// Pointers in the order of the instance: parents first, members by name, items by number.
bool PointerLess(const Violation& a, const Violation& b) {
  const std::vector<absl::string_view> left = absl::StrSplit(a.pointer, '/');
  const std::vector<absl::string_view> right = absl::StrSplit(b.pointer, '/');
  return std::lexicographical_compare(
      left.begin(), left.end(), right.begin(), right.end(),
      [](absl::string_view x, absl::string_view y) {
        const auto number = [](absl::string_view text) {
          return !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos;
        };
        if (number(x) && number(y) && x.size() != y.size()) return x.size() < y.size();
        return x < y;
      });
}

class Validator {
 public:
  explicit Validator(const Schema::Compiled& compiled) : compiled_(compiled) {}

  // Appends what is wrong to `out` (nullptr: only the answer matters, the first fault ends it).
  bool Check(const Json& schema, const Json& instance, const std::string& pointer, int depth,
             std::vector<Violation>* out) {
    if (schema.is_boolean()) {
      return schema.get<bool>() || Fail(pointer, "is not allowed", out);
    }
    if (depth > kMaxSchemaDepth || ++steps_ > kMaxSchemaSteps) {
      exhausted_ = true;
      return false;
    }
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      return Check(*compiled_.refs.at(ref->get_ref<const std::string&>()), instance, pointer,
                   depth + 1, out);
    }
    bool ok = CheckAny(schema, instance, pointer, out);
    if (!ok && out == nullptr) return false;
    if (instance.is_number()) ok = CheckNumber(schema, instance, pointer, out) && ok;
    if (instance.is_string()) ok = CheckString(schema, instance, pointer, out) && ok;
    if (instance.is_array()) ok = CheckArray(schema, instance, pointer, depth, out) && ok;
    if (instance.is_object()) ok = CheckObject(schema, instance, pointer, depth, out) && ok;
    if (!ok && out == nullptr) return false;
    return CheckCombined(schema, instance, pointer, depth, out) && ok;
  }

  bool exhausted() const { return exhausted_; }

 private:
  static bool Fail(const std::string& pointer, std::string message, std::vector<Violation>* out) {
    if (out != nullptr && out->size() <= kMaxViolations) {
      out->push_back({pointer, std::move(message)});
    }
    return false;
  }

  static const Json* Find(const Json& schema, const char* keyword) {
    const auto found = schema.find(keyword);
    return found == schema.end() ? nullptr : &*found;
  }

  bool CheckAny(const Json& schema, const Json& instance, const std::string& pointer,
                std::vector<Violation>* out) {
    if (const Json* type = Find(schema, "type")) {
      bool ok = false;
      std::string names;
      for (const Json& name : type->is_array() ? *type : Json::array({*type})) {
        ok = ok || HasType(instance, name.get_ref<const std::string&>());
        absl::StrAppend(&names, names.empty() ? "" : " or ", name.get_ref<const std::string&>());
      }
      // What follows would only repeat that the type is wrong.
      if (!ok) {
        return Fail(pointer, absl::StrCat("must be ", names, ", is ", TypeName(instance)), out);
      }
    }
    if (const Json* allowed = Find(schema, "const"); allowed != nullptr && *allowed != instance) {
      return Fail(pointer, absl::StrCat("must be ", Short(*allowed)), out);
    }
    if (const Json* values = Find(schema, "enum")) {
      if (std::find(values->begin(), values->end(), instance) == values->end()) {
        constexpr size_t kShown = 12;
        std::string list;
        for (size_t i = 0; i < values->size() && i < kShown; ++i) {
          absl::StrAppend(&list, i == 0 ? "" : ", ", Short((*values)[i]));
        }
        if (values->size() > kShown) absl::StrAppend(&list, ", …");
        return Fail(pointer, absl::StrCat("must be one of ", list, "; is ", Short(instance)), out);
      }
    }
    return true;
  }

  static absl::string_view TypeName(const Json& value) {
    if (IsInteger(value)) return "integer";
    return value.type_name();
  }

  static bool CheckNumber(const Json& schema, const Json& instance, const std::string& pointer,
                          std::vector<Violation>* out) {
    bool ok = true;
    const auto bound = [&](const char* keyword, absl::string_view words, auto holds) {
      const Json* limit = Find(schema, keyword);
      if (limit == nullptr || holds(instance, *limit)) return;
      ok = Fail(pointer,
                absl::StrCat("must be ", words, " ", Dump(*limit), ", is ", Dump(instance)), out);
    };
    bound("minimum", "at least", [](const Json& a, const Json& b) { return a >= b; });
    bound("maximum", "at most", [](const Json& a, const Json& b) { return a <= b; });
    bound("exclusiveMinimum", "above", [](const Json& a, const Json& b) { return a > b; });
    bound("exclusiveMaximum", "below", [](const Json& a, const Json& b) { return a < b; });
    bound("multipleOf", "a multiple of", IsMultiple);
    return ok;
  }

  // Answers whether a count lies between two keywords' values.
  static bool CheckCount(const Json& schema, const char* least, const char* most, size_t count,
                         absl::string_view unit, const std::string& pointer,
                         std::vector<Violation>* out) {
    bool ok = true;
    if (const Json* limit = Find(schema, least);
        limit != nullptr && static_cast<double>(count) < limit->get<double>()) {
      ok = Fail(pointer,
                absl::StrCat("must have at least ", Dump(*limit), " ", unit, ", has ", count), out);
    }
    if (const Json* limit = Find(schema, most);
        limit != nullptr && static_cast<double>(count) > limit->get<double>()) {
      ok = Fail(pointer,
                absl::StrCat("must have at most ", Dump(*limit), " ", unit, ", has ", count), out);
    }
    return ok;
  }

  bool MatchPattern(const std::string& source, const std::string& text, const std::string& pointer,
                    std::vector<Violation>* out, bool* failed) {
    const absl::StatusOr<bool> matched = compiled_.patterns.at(source).Search(text);
    if (!matched.ok()) {
      *failed = true;
      Fail(pointer,
           absl::StrCat("cannot be checked against pattern ", base::EscapeForDisplay(source), ": ",
                        matched.status().message()),
           out);
      return false;
    }
    return *matched;
  }

  bool CheckString(const Json& schema, const Json& instance, const std::string& pointer,
                   std::vector<Violation>* out) {
    const std::string& text = instance.get_ref<const std::string&>();
    bool ok =
        CheckCount(schema, "minLength", "maxLength", Utf16Length(text), "characters", pointer, out);
    if (const Json* pattern = Find(schema, "pattern")) {
      const std::string& source = pattern->get_ref<const std::string&>();
      bool failed = false;
      const bool matched = MatchPattern(source, text, pointer, out, &failed);
      if (!matched && !failed) {
        Fail(pointer, absl::StrCat("must match the pattern ", base::EscapeForDisplay(source)), out);
      }
      ok = ok && matched;
    }
    if (const Json* format = Find(schema, "format")) {
      const std::string& name = format->get_ref<const std::string&>();
      if (!MatchesFormat(name, text)) {
        ok = Fail(pointer, absl::StrCat("must be of format ", name), out);
      }
    }
    return ok;
  }

  bool CheckArray(const Json& schema, const Json& instance, const std::string& pointer, int depth,
                  std::vector<Violation>* out) {
    bool ok = CheckCount(schema, "minItems", "maxItems", instance.size(), "items", pointer, out);
    const Json* items = Find(schema, "items");
    const Json* additional = Find(schema, "additionalItems");
    for (size_t i = 0; items != nullptr && i < instance.size(); ++i) {
      const Json* one = items;
      if (items->is_array()) one = i < items->size() ? &(*items)[i] : additional;
      if (one == nullptr) break;
      ok = Check(*one, instance[i], absl::StrCat(pointer, "/", i), depth + 1, out) && ok;
      if (exhausted_ || (!ok && out == nullptr)) return false;
    }
    if (const Json* wanted = Find(schema, "contains")) {
      const bool found = std::any_of(instance.begin(), instance.end(), [&](const Json& item) {
        return Check(*wanted, item, pointer, depth + 1, nullptr);
      });
      if (!found) ok = Fail(pointer, "must contain an item of the form the schema asks for", out);
    }
    if (const Json* unique = Find(schema, "uniqueItems");
        unique != nullptr && *unique == true && instance.size() > 1) {
      std::vector<const Json*> sorted;
      for (const Json& item : instance) sorted.push_back(&item);
      std::sort(sorted.begin(), sorted.end(), [](const Json* a, const Json* b) { return *a < *b; });
      const auto twin = std::adjacent_find(sorted.begin(), sorted.end(),
                                           [](const Json* a, const Json* b) { return *a == *b; });
      if (twin != sorted.end()) {
        ok = Fail(pointer, absl::StrCat("must not hold ", Short(**twin), " twice"), out);
      }
    }
    return ok;
  }

  bool CheckObject(const Json& schema, const Json& instance, const std::string& pointer, int depth,
                   std::vector<Violation>* out) {
    bool ok = CheckCount(schema, "minProperties", "maxProperties", instance.size(), "members",
                         pointer, out);
    if (const Json* required = Find(schema, "required")) {
      for (const Json& name : *required) {
        const std::string& text = name.get_ref<const std::string&>();
        if (!instance.contains(text)) {
          ok = Fail(absl::StrCat(pointer, "/", PointerToken(text)), "is required", out);
        }
      }
    }
    const Json* names = Find(schema, "propertyNames");
    for (const auto& [name, value] : instance.items()) {
      const std::string child = absl::StrCat(pointer, "/", PointerToken(name));
      if (names != nullptr) {
        std::vector<Violation> found;
        if (!Check(*names, Json(name), child, depth + 1, out == nullptr ? nullptr : &found)) {
          ok = false;
          if (!found.empty())
            Fail(child, absl::StrCat("has a bad name: it ", found[0].message), out);
        }
      }
      ok = CheckMember(schema, name, value, child, depth, out) && ok;
      if (exhausted_ || (!ok && out == nullptr)) return false;
    }
    return CheckDependencies(schema, instance, pointer, depth, out) && ok;
  }

  bool CheckMember(const Json& schema, const std::string& name, const Json& value,
                   const std::string& pointer, int depth, std::vector<Violation>* out) {
    bool ok = true;
    bool known = false;
    if (const Json* properties = Find(schema, "properties")) {
      if (const auto found = properties->find(name); found != properties->end()) {
        known = true;
        ok = Check(*found, value, pointer, depth + 1, out);
      }
    }
    if (const Json* patterns = Find(schema, "patternProperties")) {
      for (const auto& [source, child] : patterns->items()) {
        bool failed = false;
        if (MatchPattern(source, name, pointer, out, &failed)) {
          known = true;
          ok = Check(child, value, pointer, depth + 1, out) && ok;
        }
        ok = ok && !failed;
      }
    }
    const Json* additional = Find(schema, "additionalProperties");
    if (known || additional == nullptr) return ok;
    if (additional->is_boolean()) {
      return additional->get<bool>() || Fail(pointer, UnknownMember(schema), out);
    }
    return Check(*additional, value, pointer, depth + 1, out) && ok;
  }

  static std::string UnknownMember(const Json& schema) {
    constexpr size_t kShown = 20;
    std::vector<std::string> names;
    if (const Json* properties = Find(schema, "properties")) {
      for (const auto& [name, unused] : properties->items()) names.push_back(name);
    }
    if (names.empty() || names.size() > kShown) return "is not known here";
    return absl::StrCat("is not known here; known are ", absl::StrJoin(names, ", "));
  }

  bool CheckDependencies(const Json& schema, const Json& instance, const std::string& pointer,
                         int depth, std::vector<Violation>* out) {
    const Json* dependencies = Find(schema, "dependencies");
    if (dependencies == nullptr) return true;
    bool ok = true;
    for (const auto& [name, needs] : dependencies->items()) {
      if (!instance.contains(name)) continue;
      if (!needs.is_array()) {
        ok = Check(needs, instance, pointer, depth + 1, out) && ok;
        continue;
      }
      for (const Json& need : needs) {
        const std::string& text = need.get_ref<const std::string&>();
        if (!instance.contains(text)) {
          ok = Fail(absl::StrCat(pointer, "/", PointerToken(text)),
                    absl::StrCat("is required when ", name, " is given"), out);
        }
      }
    }
    return ok;
  }

  bool CheckCombined(const Json& schema, const Json& instance, const std::string& pointer,
                     int depth, std::vector<Violation>* out) {
    bool ok = true;
    if (const Json* all = Find(schema, "allOf")) {
      for (const Json& part : *all) {
        ok = Check(part, instance, pointer, depth + 1, out) && ok;
        if (exhausted_ || (!ok && out == nullptr)) return false;
      }
    }
    if (const Json* any = Find(schema, "anyOf")) {
      const size_t matches = CountMatches(*any, instance, pointer, depth, 1);
      if (matches == 0) ok = FailChoice(*any, instance, pointer, depth, out);
    }
    if (const Json* one = Find(schema, "oneOf")) {
      const size_t matches = CountMatches(*one, instance, pointer, depth, 2);
      if (matches == 0) ok = FailChoice(*one, instance, pointer, depth, out);
      if (matches > 1) ok = Fail(pointer, "fits several forms of which only one is allowed", out);
    }
    if (const Json* other = Find(schema, "not")) {
      if (Check(*other, instance, pointer, depth + 1, nullptr)) {
        ok = Fail(pointer, absl::StrCat("must not be of the form ", Short(*other)), out);
      }
    }
    if (const Json* condition = Find(schema, "if")) {
      const bool holds = Check(*condition, instance, pointer, depth + 1, nullptr);
      if (const Json* then = Find(schema, holds ? "then" : "else")) {
        ok = Check(*then, instance, pointer, depth + 1, out) && ok;
      }
    }
    return ok && !exhausted_;
  }

  size_t CountMatches(const Json& forms, const Json& instance, const std::string& pointer,
                      int depth, size_t enough) {
    size_t matches = 0;
    for (const Json& form : forms) {
      if (Check(form, instance, pointer, depth + 1, nullptr) && ++matches == enough) break;
      if (exhausted_) break;
    }
    return matches;
  }

  // Says for each form what is missing to it, or, when one form fits best, just that.
  bool FailChoice(const Json& forms, const Json& instance, const std::string& pointer, int depth,
                  std::vector<Violation>* out) {
    if (out == nullptr || exhausted_) return false;
    constexpr size_t kShown = 4;
    std::vector<std::string> reasons;
    for (const Json& form : forms) {
      std::vector<Violation> found;
      Check(form, instance, pointer, depth + 1, &found);
      if (forms.size() == 1) {
        for (Violation& violation : found) {
          Fail(violation.pointer, std::move(violation.message), out);
        }
        return false;
      }
      if (reasons.size() == kShown || found.empty()) continue;
      std::string reason;
      for (const Violation& violation : found) {
        absl::StrAppend(&reason, reason.empty() ? "" : " and ",
                        violation.pointer == pointer ? "it" : violation.pointer, " ",
                        violation.message);
        if (reason.size() > 200) break;
      }
      reasons.push_back(std::move(reason));
    }
    return Fail(pointer,
                absl::StrCat("fits none of the ", forms.size(),
                             " allowed forms: ", absl::StrJoin(reasons, ", or ")),
                out);
  }

  const Schema::Compiled& compiled_;
  int64_t steps_ = 0;
  bool exhausted_ = false;
};

}  // namespace

std::vector<Violation> Schema::Validate(const nlohmann::json& instance) const {
  std::vector<Violation> violations;
  Validator validator(*compiled_);
  validator.Check(compiled_->schema, instance, "", 0, &violations);
  if (validator.exhausted()) {
    violations.insert(violations.begin(),
                      {"", absl::StrCat("cannot be checked: the schema applies itself more than ",
                                        kMaxSchemaDepth, " deep or ", kMaxSchemaSteps, " times")});
  }
  std::stable_sort(violations.begin(), violations.end(), PointerLess);
  violations.erase(std::unique(violations.begin(), violations.end(),
                               [](const Violation& a, const Violation& b) {
                                 return a.pointer == b.pointer && a.message == b.message;
                               }),
                   violations.end());
  if (violations.size() > kMaxViolations) violations.resize(kMaxViolations);
  return violations;
}

}  // namespace purser::json
