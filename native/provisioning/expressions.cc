#include "provisioning/expressions.h"

#include <cctype>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"
#include "template/template.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

// Expressions run inside transactions: small, and never for long.
constexpr tmpl::Limits ExpressionLimits() {
  tmpl::Limits limits;
  limits.max_source_bytes = 256 << 10;
  limits.max_output_bytes = 1 << 20;
  limits.max_steps = 1'000'000;
  limits.max_memory_bytes = 32 << 20;
  limits.max_wall_ms = 2'000;
  return limits;
}

constexpr size_t kMaxCachedTemplates = 4096;

// Compiled expressions by source; blueprints hold few and use them again and
// again. Thread-safe.
class TemplateCache {
 public:
  static TemplateCache& Get() {
    // Never destroyed: workers may evaluate while the process ends.
    static auto& cache = *new TemplateCache;
    return cache;
  }

  absl::StatusOr<std::shared_ptr<const tmpl::Template>> Compile(absl::string_view source) {
    {
      base::MutexLock lock(mutex_);
      const auto found = templates_.find(base::ToStd(source));
      if (found != templates_.end()) return found->second;
    }
    tmpl::Options options;
    options.name = "expression";
    PURSER_ASSIGN_OR_RETURN(tmpl::Template compiled,
                            tmpl::Template::Compile(source, options, ExpressionLimits()));
    auto shared = std::make_shared<const tmpl::Template>(std::move(compiled));
    base::MutexLock lock(mutex_);
    if (templates_.size() >= kMaxCachedTemplates) templates_.clear();
    templates_.emplace(std::string(source), shared);
    return shared;
  }

 private:
  base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const tmpl::Template>, std::less<>> templates_
      ABSL_GUARDED_BY(mutex_);
};

// nullopt: undefined.
absl::StatusOr<std::optional<json>> EvaluateString(absl::string_view text, const json& context,
                                                   absl::string_view pointer) {
  if (!IsExpression(text)) return json(std::string(text));
  const auto compiled = TemplateCache::Get().Compile(text);
  if (!compiled.ok()) return base::Annotate(compiled.status(), pointer);
  absl::StatusOr<json> value = (*compiled)->Evaluate(context, ExpressionLimits());
  if (!value.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(pointer, ": ", value.status().message()));
  }
  if (value->is_discarded()) return std::nullopt;
  return *std::move(value);
}

std::string Below(absl::string_view pointer, absl::string_view key) {
  return absl::StrCat(pointer, "/", purser::json::PointerToken(key));
}

absl::StatusOr<std::optional<json>> EvaluateValue(const json& value, const json& context,
                                                  const std::string& pointer) {
  if (value.is_string()) {
    return EvaluateString(value.get_ref<const std::string&>(), context, pointer);
  }
  if (value.is_array()) {
    json result = json::array();
    for (size_t i = 0; i < value.size(); ++i) {
      PURSER_ASSIGN_OR_RETURN(std::optional<json> element,
                              EvaluateValue(value[i], context, absl::StrCat(pointer, "/", i)));
      if (element.has_value()) result.push_back(*std::move(element));
    }
    return result;
  }
  if (value.is_object()) {
    json result = json::object();
    for (const auto& [key, member] : value.items()) {
      const std::string at = Below(pointer, key);
      PURSER_ASSIGN_OR_RETURN(const std::optional<json> name, EvaluateString(key, context, at));
      if (!name.has_value() || !name->is_string()) {
        return absl::InvalidArgumentError(absl::StrCat(at, ": the key must become a text"));
      }
      PURSER_ASSIGN_OR_RETURN(std::optional<json> evaluated, EvaluateValue(member, context, at));
      if (!evaluated.has_value()) continue;
      if (!result.emplace(name->get<std::string>(), *std::move(evaluated)).second) {
        return absl::InvalidArgumentError(
            absl::StrCat(at, ": two keys become \"", name->get<std::string>(), "\""));
      }
    }
    return result;
  }
  return value;
}

bool IsIdentifierStart(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool IsIdentifier(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Reads references out of the text between `${{` and `}}`.
class ReferenceScanner {
 public:
  ReferenceScanner(absl::string_view text, std::vector<Reference>& out) : text_(text), out_(out) {}

  void Scan() {
    char previous = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\'' || c == '"') {
        SkipString(c);
        previous = c;
      } else if (IsIdentifierStart(c) && previous != '.') {
        ReadReference();
        previous = 'x';
      } else if (IsIdentifier(c)) {
        while (at_ < text_.size() && IsIdentifier(text_[at_])) ++at_;
        previous = 'x';
      } else {
        if (!std::isspace(static_cast<unsigned char>(c))) previous = c;
        ++at_;
      }
    }
  }

 private:
  void SkipString(char quote) {
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  std::string ReadIdentifier() {
    const size_t start = at_;
    while (at_ < text_.size() && IsIdentifier(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  void ReadReference() {
    Reference reference;
    reference.root = ReadIdentifier();
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      reference.dotted = true;
      reference.member = ReadIdentifier();
    } else if (at_ + 1 < text_.size() && text_[at_] == '[' &&
               (text_[at_ + 1] == '\'' || text_[at_ + 1] == '"')) {
      const char quote = text_[at_ + 1];
      const size_t start = at_ + 2;
      const size_t end = text_.find(quote, start);
      if (end != absl::string_view::npos) {
        reference.member = std::string(text_.substr(start, end - start));
        at_ = end + 1;
      }
    }
    reference.after = std::string(text_.substr(at_, 32));
    out_.push_back(std::move(reference));
  }

  absl::string_view text_;
  std::vector<Reference>& out_;
  size_t at_ = 0;
};

void VisitText(absl::string_view text, const std::string& pointer, const Visitor& visitor) {
  if (!IsExpression(text)) return;
  const auto compiled = TemplateCache::Get().Compile(text);
  if (!compiled.ok()) {
    visitor.on_fault(pointer, compiled.status());
    return;
  }
  for (const Reference& reference : FindReferences(text)) {
    visitor.on_reference(pointer, reference);
  }
}

}  // namespace

bool IsExpression(absl::string_view text) {
  return absl::StrContains(text, "${{") || absl::StrContains(text, "{%") ||
         absl::StrContains(text, "{#");
}

bool HasExpression(const json& value) {
  if (value.is_string()) return IsExpression(value.get_ref<const std::string&>());
  if (value.is_array()) {
    for (const json& element : value) {
      if (HasExpression(element)) return true;
    }
  }
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      if (IsExpression(key) || HasExpression(member)) return true;
    }
  }
  return false;
}

absl::StatusOr<json> Evaluate(const json& value, const json& context, absl::string_view pointer) {
  PURSER_ASSIGN_OR_RETURN(std::optional<json> result,
                          EvaluateValue(value, context, std::string(pointer)));
  if (!result.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(pointer, ": the expression is undefined"));
  }
  return *std::move(result);
}

absl::StatusOr<std::string> EvaluateText(const json& expression, const json& context,
                                         absl::string_view what) {
  if (expression.is_null()) return std::string();
  PURSER_ASSIGN_OR_RETURN(const json value, Evaluate(expression, context, what));
  if (value.is_null()) return std::string();
  if (!value.is_string() || value.get_ref<const std::string&>().size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, ": the blueprint's expression gives no text of at most ", kMaxTextBytes, " bytes"));
  }
  return value.get<std::string>();
}

absl::StatusOr<bool> EvaluateCondition(absl::string_view text, const json& context) {
  PURSER_ASSIGN_OR_RETURN(const std::optional<json> value, EvaluateString(text, context, "if"));
  if (!value.has_value() || value->is_null()) return false;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number()) return value->get<double>() != 0.0;
  if (value->is_string()) return !value->get_ref<const std::string&>().empty();
  return true;
}

std::vector<Reference> FindReferences(absl::string_view text) {
  std::vector<Reference> references;
  size_t at = 0;
  while (true) {
    const size_t variable = text.find("${{", at);
    const size_t block = text.find("{%", at);
    const size_t open = std::min(variable, block);
    if (open == absl::string_view::npos) return references;
    const bool is_variable = open == variable;
    const size_t start = open + (is_variable ? 3 : 2);
    size_t end = text.find(is_variable ? "}}" : "%}", start);
    if (end == absl::string_view::npos) end = text.size();
    ReferenceScanner(text.substr(start, end - start), references).Scan();
    at = end;
  }
}

void Visit(const json& value, const std::string& pointer, const Visitor& visitor) {
  if (value.is_string()) {
    VisitText(value.get_ref<const std::string&>(), pointer, visitor);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      Visit(value[i], absl::StrCat(pointer, "/", i), visitor);
    }
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      const std::string at = Below(pointer, key);
      VisitText(key, at, visitor);
      Visit(member, at, visitor);
    }
  }
}

}  // namespace purser::provisioning
