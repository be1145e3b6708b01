#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "document/hcl.h"
#include "document/hcl_parser.h"

namespace purser::document {

absl::Status HclScanner::FailAt(size_t at, absl::string_view what, absl::StatusCode code) const {
  at = std::min(at, text_.size());
  int line = start_.line;
  int column = start_.column;
  for (size_t i = 0; i < at; ++i) {
    if (text_[i] == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80) {
      ++column;
    }
  }
  return absl::Status(code, absl::StrCat(file_, ":", line, ":", column, ": ", what));
}

void HclScanner::Skip() {
  while (at_ < text_.size()) {
    const char c = Peek();
    if (c == ' ' || c == '\t' || c == '\r' || (c == '\n' && !lines_count_)) {
      ++at_;
    } else if (c == '#' || Has("//")) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (Has("/*")) {
      const size_t close = text_.find("*/", at_ + 2);
      at_ = close == absl::string_view::npos ? text_.size() : close + 2;
    } else {
      return;
    }
  }
}

void HclScanner::SkipLines() {
  const bool before = std::exchange(lines_count_, false);
  Skip();
  lines_count_ = before;
}

std::string HclScanner::Identifier() {
  const size_t begin = at_;
  while (at_ < text_.size() && IsHclIdentifierPart(text_[at_])) ++at_;
  return std::string(text_.substr(begin, at_ - begin));
}

bool HclScanner::TakeWord(absl::string_view word) {
  if (!Has(word)) return false;
  if (at_ + word.size() < text_.size() && IsHclIdentifierPart(text_[at_ + word.size()])) {
    return false;
  }
  at_ += word.size();
  return true;
}

absl::Status HclScanner::Take(absl::string_view token) {
  Skip();
  if (!Has(token)) return Unexpected(absl::StrCat("\"", token, "\""));
  at_ += token.size();
  return absl::OkStatus();
}

absl::Status HclScanner::Unexpected(absl::string_view wanted) const {
  const std::string found =
      at_ < text_.size() ? absl::StrCat("\"", base::EscapeForDisplay(text_.substr(at_, 12)), "\"")
                         : "the end of the text";
  return FailAt(at_, absl::StrCat("expected ", wanted, ", not ", found));
}

}  // namespace purser::document
