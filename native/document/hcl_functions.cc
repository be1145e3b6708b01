#include "document/hcl_functions.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "document/hcl_expression.h"

namespace purser::document {
namespace {

using nlohmann::json;
using Maybe = std::optional<json>;

// %s, %d, %v, %q, %% and %0Nd, %N…: what names and addresses are made with.
Maybe Format(const std::vector<json>& arguments) {
  if (arguments.empty() || !arguments[0].is_string()) return std::nullopt;
  const std::string pattern = arguments[0].get<std::string>();
  std::string out;
  size_t next = 1;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out.push_back(pattern[i]);
      continue;
    }
    if (++i >= pattern.size()) return std::nullopt;
    if (pattern[i] == '%') {
      out.push_back('%');
      continue;
    }
    const bool zeros = pattern[i] == '0';
    size_t width = 0;
    for (; i < pattern.size() && absl::ascii_isdigit(static_cast<unsigned char>(pattern[i])); ++i) {
      width = std::min<size_t>(1000, width * 10 + static_cast<size_t>(pattern[i] - '0'));
    }
    if (i >= pattern.size() || next >= arguments.size()) return std::nullopt;
    const json& argument = arguments[next++];
    std::optional<std::string> text;
    switch (pattern[i]) {
      case 's':
        text = HclTextOf(argument);
        break;
      case 'v':
        text =
            argument.is_structured() || argument.is_null() ? argument.dump() : HclTextOf(argument);
        break;
      case 'q':
        if (argument.is_string()) text = argument.dump();
        break;
      case 'd':
        if (const auto number = HclNumberOf(argument); number && *number == std::floor(*number)) {
          text = HclTextOf(HclJsonOf(*number));
        }
        break;
      default:
        break;
    }
    if (!text.has_value()) return std::nullopt;
    if (text->size() < width) text->insert(0, width - text->size(), zeros ? '0' : ' ');
    out += *text;
  }
  if (next != arguments.size()) return std::nullopt;
  return out;
}

Maybe Join(const std::vector<json>& arguments) {
  if (arguments.size() < 2 || !arguments[0].is_string()) return std::nullopt;
  std::vector<std::string> parts;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (!arguments[i].is_array()) return std::nullopt;
    for (const json& element : arguments[i]) {
      std::optional<std::string> text = HclTextOf(element);
      if (!text.has_value()) return std::nullopt;
      parts.push_back(*std::move(text));
    }
  }
  return absl::StrJoin(parts, arguments[0].get<std::string>());
}

Maybe ReplaceText(const std::string& text, const std::string& from, const std::string& to) {
  // /…/ is a regular expression.
  if (from.empty() || (from.size() > 1 && from.front() == '/' && from.back() == '/')) {
    return std::nullopt;
  }
  if (to.size() > from.size() &&
      text.size() / from.size() > kMaxHclValueBytes / std::max<size_t>(1, to.size())) {
    return std::nullopt;
  }
  return absl::StrReplaceAll(text, {{from, to}});
}

Maybe MinOrMax(const std::vector<json>& arguments, bool max) {
  std::optional<double> best;
  for (const json& argument : arguments) {
    const std::optional<double> number = HclNumberOf(argument);
    if (!number.has_value()) return std::nullopt;
    best = !best ? *number : max ? std::max(*best, *number) : std::min(*best, *number);
  }
  return best ? Maybe(HclJsonOf(*best)) : std::nullopt;
}

Maybe OneText(const std::string& name, const std::string& text) {
  if (name == "upper") return absl::AsciiStrToUpper(text);
  if (name == "lower") return absl::AsciiStrToLower(text);
  return std::string(absl::StripAsciiWhitespace(text));
}

Maybe OneNumber(const std::string& name, double number) {
  if (name == "abs") return HclJsonOf(std::fabs(number));
  return HclJsonOf(name == "ceil" ? std::ceil(number) : std::floor(number));
}

Maybe OfCollection(const std::string& name, const std::vector<json>& arguments) {
  const json& first = arguments[0];
  if (name == "length") {
    if (first.is_structured()) return static_cast<int64_t>(first.size());
    return std::nullopt;
  }
  if (name == "keys" || name == "values") {
    if (!first.is_object()) return std::nullopt;
    json list = json::array();
    for (const auto& [key, member] : first.items())
      list.push_back(name == "keys" ? json(key) : member);
    return list;
  }
  if (name == "contains") {
    if (arguments.size() != 2 || !first.is_array()) return std::nullopt;
    return std::find(first.begin(), first.end(), arguments[1]) != first.end();
  }
  if (name == "lookup") {
    if (arguments.size() < 2 || !first.is_object() || !arguments[1].is_string())
      return std::nullopt;
    const auto found = first.find(arguments[1].get<std::string>());
    if (found != first.end()) return *found;
    return arguments.size() == 3 ? Maybe(arguments[2]) : std::nullopt;
  }
  json result = name == "merge" ? json::object() : json::array();
  for (const json& argument : arguments) {
    if (name == "merge") {
      if (!argument.is_object()) return std::nullopt;
      result.update(argument);
    } else {
      if (!argument.is_array()) return std::nullopt;
      result.insert(result.end(), argument.begin(), argument.end());
    }
  }
  return result;
}

Maybe Convert(const std::string& name, const json& value) {
  if (name == "tonumber") {
    const auto number = HclNumberOf(value);
    return number ? Maybe(HclJsonOf(*number)) : std::nullopt;
  }
  if (name == "tobool") {
    const auto flag = HclBoolOf(value);
    return flag ? Maybe(*flag) : std::nullopt;
  }
  if (name == "tostring") {
    const auto text = HclTextOf(value);
    return text ? Maybe(*text) : std::nullopt;
  }
  if (name == "tomap") return value.is_object() ? Maybe(value) : std::nullopt;
  if (!value.is_array()) return std::nullopt;
  if (name == "tolist") return value;
  const std::set<json> unique(value.begin(), value.end());
  return json(std::vector<json>(unique.begin(), unique.end()));
}

bool Is(const std::string& name, std::initializer_list<absl::string_view> names) {
  return std::find(names.begin(), names.end(), absl::string_view(name)) != names.end();
}

}  // namespace

std::optional<std::string> HclTextOf(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_integer()) return absl::StrCat(value.get<int64_t>());
  if (value.is_number()) {
    const double number = value.get<double>();
    if (number == std::floor(number) && std::fabs(number) < 1e15) {
      return absl::StrCat(static_cast<int64_t>(number));
    }
    return value.dump();
  }
  return std::nullopt;
}

std::optional<double> HclNumberOf(const json& value) {
  if (value.is_number()) return value.get<double>();
  double number = 0;
  if (value.is_string() && absl::SimpleAtod(value.get<std::string>(), &number)) return number;
  return std::nullopt;
}
json HclJsonOf(double number) {
  if (number == std::floor(number) && std::fabs(number) < 9e15) return static_cast<int64_t>(number);
  return number;
}
std::optional<bool> HclBoolOf(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

std::optional<json> CallHclFunction(const std::string& name, const std::vector<json>& arguments) {
  if (name == "format") return Format(arguments);
  if (name == "join") return Join(arguments);
  if (name == "min" || name == "max") return MinOrMax(arguments, name == "max");
  if (arguments.empty()) return std::nullopt;
  if (name == "coalesce") {
    for (const json& argument : arguments) {
      if (!argument.is_null() && argument != "") return argument;
    }
    return std::nullopt;
  }
  if (Is(name, {"length", "keys", "values", "contains", "lookup", "merge", "concat"})) {
    return OfCollection(name, arguments);
  }
  if (name == "replace" || name == "split") {
    if (!std::all_of(arguments.begin(), arguments.end(),
                     [](const json& argument) { return argument.is_string(); })) {
      return std::nullopt;
    }
    if (name == "replace") {
      if (arguments.size() != 3) return std::nullopt;
      return ReplaceText(arguments[0], arguments[1], arguments[2]);
    }
    if (arguments.size() != 2 || arguments[0] == "") return std::nullopt;
    return json(std::vector<std::string>(
        absl::StrSplit(arguments[1].get<std::string>(), arguments[0].get<std::string>())));
  }
  if (arguments.size() != 1) return std::nullopt;
  if (name == "jsonencode") {
    // As Go writes it, so that a page may hold it.
    return absl::StrReplaceAll(arguments[0].dump(), {{"<", "\\u003c"},
                                                     {">", "\\u003e"},
                                                     {"&", "\\u0026"},
                                                     {"\u2028", "\\u2028"},
                                                     {"\u2029", "\\u2029"}});
  }
  if (Is(name, {"upper", "lower", "trimspace"})) {
    const auto text = HclTextOf(arguments[0]);
    return text ? OneText(name, *text) : std::nullopt;
  }
  if (Is(name, {"abs", "ceil", "floor"})) {
    const auto number = HclNumberOf(arguments[0]);
    return number ? OneNumber(name, *number) : std::nullopt;
  }
  if (Is(name, {"tostring", "tonumber", "tobool", "tolist", "toset", "tomap"})) {
    return Convert(name, arguments[0]);
  }
  return std::nullopt;
}

}  // namespace purser::document
