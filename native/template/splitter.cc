// Splits a template into text and tags.
#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "template/code_scan.h"
#include "template/lexer.h"
#include "template/scan.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

class Splitter {
 public:
  Splitter(Run& run, absl::string_view source, const Options& options,
           std::deque<std::string>& owned, Growing<Piece>* out)
      : run_(run), source_(source), options_(options), owned_(owned), out_(out) {}

  bool Split();

 private:
  // A tag's or a comment's opening, or a "#}" that stands alone.
  struct Opening {
    PieceKind kind = PieceKind::kText;
    bool comment = false;
    size_t at = kNpos;
    absl::string_view mark;
    bool stray = false;
  };

  Opening FindOpening(size_t from);
  void Add(PieceKind kind, absl::string_view value, size_t offset) {
    Piece made;
    made.data = value.data();
    made.size = static_cast<uint32_t>(value.size()) & 0x3fffffff;
    made.kind = kind;
    made.offset = static_cast<uint32_t>(offset);
    out_->push_back(made);
  }
  void AddText(absl::string_view text);
  void TrimPendingEnd();
  void StripIndent(size_t tag_at);
  void Flush();
  bool Raw(absl::string_view name, size_t tag_at, bool right_trim, size_t* at);
  size_t SkipSpace(size_t at) const;
  size_t SkipNewline(size_t at) const;

  Run& run_;
  const absl::string_view source_;
  const Options& options_;
  std::deque<std::string>& owned_;
  Growing<Piece>* out_;
  absl::string_view pending_;      // text not yet emitted
  std::string* joined_ = nullptr;  // its storage when it is not one part of the source
  uint32_t pending_offset_ = 0;
  // Next place of an unusual mark of interpolations; kNpos - 1 means not looked for yet. Keeps the
  // search linear.
  size_t variable_at_ = kNpos - 1;
};

Splitter::Opening Splitter::FindOpening(size_t from) {
  const absl::string_view variable = options_.variable_start;
  const bool dollar = variable == "${{";
  const bool plain = variable == "{{";
  size_t unusual = kNpos;
  if (!dollar && !plain) {
    if (variable_at_ == kNpos - 1 || variable_at_ < from) {
      variable_at_ = source_.find(variable, from);
    }
    unusual = variable_at_;
  }
  for (size_t at = FindMark(source_, from); at != kNpos; at = FindMark(source_, at + 1)) {
    if (unusual <= at) break;
    if (source_[at] == '#') return {PieceKind::kText, false, at, "#}", true};
    const char second = source_[at + 1];
    if (second == '%') return {PieceKind::kBlock, false, at, "{%", false};
    if (second == '#') return {PieceKind::kText, true, at, "{#", false};
    if (plain) return {PieceKind::kVariable, false, at, variable, false};
    if (dollar && at > from && source_[at - 1] == '$') {
      return {PieceKind::kVariable, false, at - 1, variable, false};
    }
  }
  if (unusual != kNpos) return {PieceKind::kVariable, false, unusual, variable, false};
  return {};
}

void Splitter::AddText(absl::string_view text) {
  if (text.empty()) return;
  if (pending_.empty()) {
    pending_ = text;
    pending_offset_ = static_cast<uint32_t>(text.data() - source_.data());
    return;
  }
  if (joined_ == nullptr && pending_.data() + pending_.size() == text.data()) {
    pending_ = absl::string_view(pending_.data(), pending_.size() + text.size());
    return;
  }
  if (joined_ == nullptr) joined_ = &owned_.emplace_back(pending_);
  joined_->resize(pending_.size());
  joined_->append(text.data(), text.size());
  pending_ = *joined_;
}

void Splitter::TrimPendingEnd() { pending_ = TrimEnd(pending_); }

// Takes away the white space between the line's start and the tag when nothing else is there.
void Splitter::StripIndent(size_t tag_at) {
  const absl::string_view before = TrimEnd(source_.substr(0, tag_at));
  const absl::string_view space = source_.substr(before.size(), tag_at - before.size());
  if (!before.empty() && !absl::StrContains(space, '\n')) return;
  const size_t newline = pending_.rfind('\n');
  const size_t keep = newline == kNpos ? 0 : newline + 1;
  if (TrimEnd(pending_.substr(keep)).empty()) pending_ = pending_.substr(0, keep);
}

void Splitter::Flush() {
  if (!pending_.empty()) {
    Add(PieceKind::kText, pending_, pending_offset_);
  }
  pending_ = {};
  joined_ = nullptr;
}

size_t Splitter::SkipSpace(size_t at) const {
  return source_.size() - TrimStart(source_.substr(at)).size();
}

size_t Splitter::SkipNewline(size_t at) const {
  const absl::string_view rest = source_.substr(at);
  if (absl::StartsWith(rest, "\r\n")) return at + 2;
  return absl::StartsWith(rest, "\n") ? at + 1 : at;
}

// The text up to the end tag that belongs to this raw tag; raw tags inside count.
bool Splitter::Raw(absl::string_view name, size_t tag_at, bool right_trim, size_t* at) {
  if (options_.trim_blocks) *at = SkipNewline(*at);
  int depth = 1;
  for (size_t from = *at; from < source_.size();) {
    const size_t mark = source_.find("{%", from);
    if (mark == kNpos) break;
    from = mark + 2;
    if (source_.substr(from, 1) == "-") continue;
    absl::string_view rest = TrimStart(source_.substr(from));
    const bool end = absl::ConsumePrefix(&rest, absl::StrCat("end", name));
    if (!end && !absl::ConsumePrefix(&rest, name)) continue;
    rest = TrimStart(rest);
    if (!absl::ConsumePrefix(&rest, "%}")) continue;
    from = source_.size() - rest.size();
    depth += end ? -1 : 1;
    if (depth > 0) continue;
    if (absl::StrContains(source_.substr(mark, from - mark), '\n')) {
      return FailAt(run_, mark, absl::StrCat("the end", name, " tag must be on one line"));
    }
    AddText(source_.substr(*at, mark - *at));
    *at = right_trim ? SkipSpace(from) : from;
    return true;
  }
  return FailAt(run_, tag_at, absl::StrCat("missing end", name, " tag"));
}

bool Splitter::Split() {
  for (size_t at = 0; at < source_.size();) {
    if (!run_.Step()) return false;
    const Opening opening = FindOpening(at);
    if (opening.stray) return FailAt(run_, opening.at, "#} without {#");
    if (opening.at == kNpos) {
      AddText(source_.substr(at));
      break;
    }
    AddText(source_.substr(at, opening.at - at));
    if (opening.kind == PieceKind::kBlock && options_.lstrip_blocks) StripIndent(opening.at);
    size_t inside = opening.at + opening.mark.size();
    if (source_.substr(inside, 1) == "-") {
      TrimPendingEnd();
      ++inside;
    }
    Flush();
    const absl::string_view close = opening.comment ? "#}"
                                    : opening.kind == PieceKind::kBlock
                                        ? "%}"
                                        : absl::string_view(options_.variable_end);
    size_t end = kNpos;
    if (opening.comment) {
      end = source_.find(close, inside);
    } else {
      std::string problem;
      for (size_t i = inside; i + close.size() <= source_.size();) {
        const size_t skipped = SkipToken(source_, i, &problem);
        if (skipped == kNpos) return FailAt(run_, i, std::move(problem));
        if (skipped > i) {
          i = skipped;
        } else if (absl::StartsWith(source_.substr(i), close)) {
          end = i;
          break;
        } else {
          ++i;
        }
      }
    }
    if (end == kNpos) {
      return FailAt(run_, opening.at, absl::StrCat("no ", close, " closes ", opening.mark));
    }
    const bool right_trim = end > inside - 1 && source_[end - 1] == '-';
    const size_t inside_end = right_trim ? std::max(inside, end - 1) : end;
    at = end + close.size();
    if (!opening.comment) {
      const absl::string_view inner = source_.substr(inside, inside_end - inside);
      const absl::string_view start = TrimCodeStart(inner);
      const absl::string_view value = opening.kind == PieceKind::kBlock ? TrimCode(inner) : start;
      const absl::string_view name =
          opening.kind == PieceKind::kBlock ? TagName(value) : absl::string_view();
      if (name == "raw" || name == "verbatim") {
        if (!TagRest(value).empty()) {
          return FailAt(run_, opening.at, absl::StrCat(name, " takes nothing behind its name"));
        }
        if (!Raw(name, opening.at, right_trim, &at)) return false;
        continue;
      }
      Add(opening.kind, value, opening.at);
    }
    if (right_trim) {
      at = SkipSpace(at);
    } else if (opening.kind == PieceKind::kBlock && options_.trim_blocks) {
      at = SkipNewline(at);
    }
  }
  Flush();
  return true;
}

}  // namespace

bool SplitTemplate(Run& run, absl::string_view source, const Options& options,
                   std::deque<std::string>& owned, Growing<Piece>* out) {
  return Splitter(run, source, options, owned, out).Split();
}

}  // namespace purser::tmpl
