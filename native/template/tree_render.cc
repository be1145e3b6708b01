#include "template/tree_render.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

// A longer one is taken for prose, so that the search stays linear.
constexpr size_t kMaxStringLiteral = 4096;

bool IsNameByte(char c) { return IsWordByte(c) || c == '$' || (c & 0x80) != 0; }

// Where the string literal that begins at `at` ends; npos when it does not, as in prose.
size_t StringEnd(absl::string_view source, size_t at) {
  const char quote = source[at];
  for (size_t i = at + 1; i < source.size() && i - at <= kMaxStringLiteral; ++i) {
    if (source[i] == '\\') {
      ++i;
    } else if (source[i] == quote) {
      return i;
    }
  }
  return absl::string_view::npos;
}

}  // namespace

bool UsesAny(absl::string_view source, const absl::flat_hash_set<absl::string_view>& names) {
  if (names.empty()) return false;
  size_t at = 0;
  while ((at = source.find('{', at)) != absl::string_view::npos) {
    const char mark = at + 1 < source.size() ? source[at + 1] : '\0';
    if (mark != '{' && mark != '%') {
      ++at;
      continue;
    }
    const absl::string_view closing = mark == '{' ? "}}" : "%}";
    size_t string_end = 0;  // a tag does not end within a string
    for (at += 2; at < source.size();) {
      if (at >= string_end && source.substr(at, 2) == closing) break;
      const char c = source[at];
      if (at >= string_end && (c == '"' || c == '\'')) {
        const size_t end = StringEnd(source, at);
        if (end != absl::string_view::npos) string_end = end;
      }
      size_t stop = at;
      while (stop < source.size() && IsNameByte(source[stop])) ++stop;
      if (stop > at && names.contains(source.substr(at, stop - at))) return true;
      at = std::max(stop, at + 1);
    }
  }
  return false;
}

TextRenderer::TextRenderer(const Context& context, const TreeOptions& options, std::stop_token stop)
    : context_(context), options_(options), stop_(std::move(stop)) {
  for (const std::string& name : options.foreign.names) foreign_names_.insert(name);
}

absl::StatusOr<std::string> TextRenderer::Render(absl::string_view name, std::string source,
                                                 bool* foreign) const {
  if (UsesAny(source, foreign_names_)) {
    if (foreign != nullptr) *foreign = true;
    absl::StatusOr<std::string> text = options_.foreign.render(name, source, stop_);
    if (!text.ok()) return base::Annotate(text.status(), base::EscapeForDisplay(name));
    return text;
  }
  Options options;
  options.name = std::string(name);
  options.cookiecutter_compat = options_.cookiecutter_compat;
  options.trim_blocks = options_.trim_blocks;
  options.lstrip_blocks = options_.lstrip_blocks;
  options.scm_hosts = options_.scm_hosts;
  return Template::RenderOnce(std::move(source), options, context_, options_.file_limits, stop_);
}

}  // namespace purser::tmpl
