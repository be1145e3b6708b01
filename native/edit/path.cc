#include "edit/path.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::edit {
namespace {

absl::Status Wrong(absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("path \"", base::EscapeForDisplay(path, 120), "\": ", why));
}

bool ParseIndex(absl::string_view text, size_t* index) {
  uint64_t value = 0;
  if (text.empty() || text.size() > 9 ||
      text.find_first_not_of("0123456789") != absl::string_view::npos ||
      (text.size() > 1 && text[0] == '0') || !absl::SimpleAtoi(text, &value)) {
    return false;
  }
  *index = static_cast<size_t>(value);
  return true;
}

// Reads "…" or '…' at `at`; the same quote is written twice inside.
absl::StatusOr<std::string> Quoted(absl::string_view path, size_t* at) {
  const char quote = path[*at];
  std::string text;
  for (size_t i = *at + 1; i < path.size(); ++i) {
    if (path[i] == quote) {
      if (i + 1 < path.size() && path[i + 1] == quote) {
        ++i;
      } else {
        *at = i + 1;
        return text;
      }
    }
    text.push_back(path[i]);
  }
  return Wrong(path, "a quote is not closed");
}

// What stands between [ and ]; `at` is behind the [ and ends behind the ].
absl::StatusOr<Step> Bracket(absl::string_view path, size_t* at) {
  Step step;
  if (*at < path.size() && (path[*at] == '"' || path[*at] == '\'')) {
    PURSER_ASSIGN_OR_RETURN(step.name, Quoted(path, at));
  } else {
    const size_t end = path.find_first_of("]=", *at);
    if (end == absl::string_view::npos) return Wrong(path, "a [ is not closed");
    const absl::string_view inside = path.substr(*at, end - *at);
    *at = end;
    if (path[end] == '=') {
      step.kind = Step::Kind::kMatch;
      step.name = std::string(inside);
      if (inside.empty()) return Wrong(path, "a name must stand before the = in [name=value]");
      ++*at;
      if (*at < path.size() && (path[*at] == '"' || path[*at] == '\'')) {
        PURSER_ASSIGN_OR_RETURN(step.wanted, Quoted(path, at));
      } else {
        const size_t close = path.find(']', *at);
        if (close == absl::string_view::npos) return Wrong(path, "a [ is not closed");
        step.wanted = std::string(path.substr(*at, close - *at));
        *at = close;
      }
    } else if (inside == "-") {
      step.kind = Step::Kind::kEnd;
    } else if (ParseIndex(inside, &step.index)) {
      step.kind = Step::Kind::kIndex;
    } else {
      return Wrong(path, "between [ and ] stands a number, -, name=value or a name in quotes");
    }
  }
  if (*at >= path.size() || path[*at] != ']') return Wrong(path, "a [ is not closed");
  ++*at;
  return step;
}

absl::StatusOr<Path> Dotted(absl::string_view path) {
  Path result;
  result.text = std::string(path);
  for (size_t at = 0; at < path.size();) {
    if (path[at] == '[') {
      ++at;
      PURSER_ASSIGN_OR_RETURN(Step step, Bracket(path, &at));
      result.steps.push_back(std::move(step));
    } else {
      const size_t end = std::min(path.find_first_of(".[", at), path.size());
      if (end == at) return Wrong(path, "a name is missing");
      Step step;
      step.name = std::string(path.substr(at, end - at));
      result.steps.push_back(std::move(step));
      at = end;
    }
    if (at < path.size() && path[at] == '.') {
      if (++at == path.size()) return Wrong(path, "ends with a dot");
      if (path[at] == '[') return Wrong(path, "a name is missing");
    } else if (at < path.size() && path[at] != '[') {
      return Wrong(path, "a dot is missing behind ]");
    }
    if (result.steps.size() > kMaxPathSteps) {
      return Wrong(path, absl::StrCat("more than ", kMaxPathSteps, " steps (kMaxPathSteps)"));
    }
  }
  return result;
}

}  // namespace

absl::StatusOr<Path> ParsePointer(absl::string_view pointer) {
  Path result;
  result.text = std::string(pointer);
  if (pointer.size() > kMaxPathText) return Wrong(pointer, "longer than 4,096 bytes");
  if (pointer.empty()) return result;
  if (pointer[0] != '/') return Wrong(pointer, "a JSON pointer is empty or begins with /");
  for (const absl::string_view token : absl::StrSplit(pointer.substr(1), '/')) {
    Step step;
    step.kind = Step::Kind::kToken;
    for (size_t i = 0; i < token.size(); ++i) {
      if (token[i] != '~') {
        step.name.push_back(token[i]);
      } else if (i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
        step.name.push_back(token[++i] == '0' ? '~' : '/');
      } else {
        return Wrong(pointer, "~ must be followed by 0 or 1");
      }
    }
    if (!ParseIndex(step.name, &step.index)) step.index = SIZE_MAX;
    result.steps.push_back(std::move(step));
    if (result.steps.size() > kMaxPathSteps) {
      return Wrong(pointer, absl::StrCat("more than ", kMaxPathSteps, " steps (kMaxPathSteps)"));
    }
  }
  return result;
}

absl::StatusOr<Path> ParsePath(absl::string_view path) {
  if (path.size() > kMaxPathText) return Wrong(path, "longer than 4,096 bytes");
  if (path.empty() || path[0] == '/') return ParsePointer(path);
  if (path == ".") return Path{{}, "."};
  return Dotted(path);
}

absl::StatusOr<Path> ParsePath(const Model& path) {
  if (path.is_string()) return ParsePath(absl::string_view(path.get_ref<const std::string&>()));
  if (!path.is_array()) return absl::InvalidArgumentError("path: must be a string or a list");
  if (path.size() > kMaxPathSteps) {
    return absl::InvalidArgumentError("path: more than 100 steps (kMaxPathSteps)");
  }
  Path result;
  result.text = path.dump(-1, ' ', false, Model::error_handler_t::replace);
  for (const Model& item : path) {
    Step step;
    if (item.is_string()) {
      step.name = item.get<std::string>();
    } else if (item.is_number_integer() && item >= 0 && item < 1'000'000'000) {
      step.kind = Step::Kind::kIndex;
      step.index = item.get<size_t>();
    } else {
      return Wrong(result.text, "a list holds names and numbers from 0");
    }
    result.steps.push_back(std::move(step));
  }
  return result;
}

}  // namespace purser::edit
