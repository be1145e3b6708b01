#include "provider/mapping_fields.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace purser::provider {
namespace {

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$';
}

}  // namespace

void AddFields(absl::string_view text, absl::string_view name, std::set<FieldPath>* fields) {
  for (size_t at = text.find(name); at != absl::string_view::npos; at = text.find(name, at + 1)) {
    if (at > 0 && (IsWordCharacter(text[at - 1]) || text[at - 1] == '.')) continue;
    size_t next = at + name.size();
    if (next < text.size() && IsWordCharacter(text[next])) continue;
    FieldPath path;
    for (;;) {
      if (next < text.size() && text[next] == '.') {
        size_t end = next + 1;
        while (end < text.size() && IsWordCharacter(text[end])) ++end;
        if (end == next + 1) break;
        // A method is asked of what stands before it.
        if (end < text.size() && text[end] == '(') break;
        path.emplace_back(text.substr(next + 1, end - next - 1));
        next = end;
        continue;
      }
      if (next + 1 < text.size() && text[next] == '[' &&
          (text[next + 1] == '\'' || text[next + 1] == '"')) {
        const size_t close = text.find(text[next + 1], next + 2);
        if (close == absl::string_view::npos || close + 1 >= text.size() ||
            text[close + 1] != ']' ||
            absl::StrContains(text.substr(next + 2, close - next - 2), '\\')) {
          break;
        }
        path.emplace_back(text.substr(next + 2, close - next - 2));
        next = close + 2;
        continue;
      }
      break;
    }
    // `length` is asked of a list or text, which is then needed as a whole.
    if (!path.empty() && path.back() == "length") path.pop_back();
    fields->insert(std::move(path));
  }
}

}  // namespace purser::provider
