#include "git/message.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "git/publish.h"

namespace purser::git {
namespace {

constexpr absl::string_view kTrailer = "Purser-Effect: ";

// "Token: value", as git-interpret-trailers sees it.
bool IsTrailer(absl::string_view line) {
  const size_t colon = line.find(": ");
  if (colon == 0 || colon == absl::string_view::npos) return false;
  const absl::string_view token = line.substr(0, colon);
  return std::all_of(token.begin(), token.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-';
  });
}

// The last paragraph, or "" when the message is one paragraph only (a subject is never a trailer).
absl::string_view LastParagraph(absl::string_view message) {
  message = absl::StripTrailingAsciiWhitespace(message);
  const size_t blank = message.rfind("\n\n");
  return blank == absl::string_view::npos ? absl::string_view() : message.substr(blank + 2);
}

bool EndsInTrailers(absl::string_view message) {
  const absl::string_view last = LastParagraph(message);
  if (last.empty()) return false;
  const std::vector<absl::string_view> lines = absl::StrSplit(last, '\n');
  return std::all_of(lines.begin(), lines.end(), IsTrailer);
}

}  // namespace

absl::StatusOr<std::string> ComposeMessage(absl::string_view message,
                                           absl::string_view effect_key) {
  const auto bad = [](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("commit message: ", why));
  };
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(message, '\n')) {
    lines.emplace_back(absl::StripTrailingAsciiWhitespace(line));
  }
  std::string out = absl::StrJoin(lines, "\n");
  out = std::string(absl::StripAsciiWhitespace(out));
  if (out.empty()) return bad("is empty");
  if (out.size() > kMaxMessageBytes)
    return bad(absl::StrCat("is longer than ", kMaxMessageBytes, " bytes"));
  if (out.find('\0') != std::string::npos) return bad("holds NUL");
  if (!base::IsValidUtf8(out)) return bad("is not UTF-8");
  if (!effect_key.empty()) {
    if (effect_key.size() > kMaxEffectKeyBytes ||
        base::EscapeForDisplay(effect_key, kMaxEffectKeyBytes) != effect_key ||
        absl::StripAsciiWhitespace(effect_key) != effect_key) {
      return absl::InvalidArgumentError(
          absl::StrCat("effect key \"", base::EscapeForDisplay(effect_key),
                       "\" is not one line of at most ", kMaxEffectKeyBytes, " printable bytes"));
    }
    absl::StrAppend(&out, EndsInTrailers(out) ? "\n" : "\n\n", kTrailer, effect_key);
  }
  return absl::StrCat(out, "\n");
}

std::string EffectOf(absl::string_view message) {
  for (const absl::string_view line : absl::StrSplit(LastParagraph(message), '\n')) {
    if (absl::StartsWith(line, kTrailer)) return std::string(line.substr(kTrailer.size()));
  }
  return "";
}

}  // namespace purser::git
