// Edits of Terraform files; their operations are read in hcl_operations.cc.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/hcl.h"
#include "edit/operations.h"
#include "edit/reconcile.h"

namespace purser::edit {
namespace {

std::string Named(const std::string& type, const std::vector<std::string>& labels) {
  std::string out = base::EscapeForDisplay(type, 80);
  for (const std::string& label : labels) absl::StrAppend(&out, " ", HclQuote(label));
  return out;
}

// Without white space outside of strings, and without commas before a closing bracket: two
// expressions that differ in their form only are equal.
std::string Collapsed(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const size_t begin = i++;
      while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
      absl::StrAppend(&out, text.substr(begin, i - begin), "\"");
    } else if (c == '\n' && !out.empty() && out.back() != '{' && out.back() != '[' &&
               out.back() != ',' && out.back() != '\n') {
      out += '\n';
    } else if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      continue;
    } else {
      while ((c == ']' || c == '}') && !out.empty() && (out.back() == ',' || out.back() == '\n')) {
        out.pop_back();
      }
      out += c;
    }
  }
  return out;
}

class Editor {
 public:
  Editor(std::string text, absl::string_view file, StopLook& look)
      : text_(std::move(text)), file_(file), look_(look) {
    const size_t newline = text_.find('\n');
    if (newline != std::string::npos && newline > 0 && text_[newline - 1] == '\r') {
      line_end_ = "\r\n";
    }
  }

  absl::Status Parse() {
    PURSER_RETURN_IF_ERROR(look_.status());
    PURSER_ASSIGN_OR_RETURN(body_, ParseHcl(text_, file_));
    return absl::OkStatus();
  }

  absl::Status Do(const HclOperation& operation) {
    PURSER_RETURN_IF_ERROR(Plan(operation));
    if (splices_.empty()) return absl::OkStatus();
    std::stable_sort(splices_.begin(), splices_.end(),
                     [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
    PURSER_ASSIGN_OR_RETURN(text_, Apply(text_, splices_));
    if (absl::Status parsed = Parse(); !parsed.ok()) {
      if (absl::IsCancelled(parsed)) return parsed;
      return absl::FailedPreconditionError(
          absl::StrCat("the text would not be readable any more (", parsed.message(), ")"));
    }
    // Done means that nothing is left to do.
    const absl::Status again = Plan(operation);
    if (absl::IsCancelled(again)) return again;
    if (!again.ok() || !splices_.empty()) {
      return absl::FailedPreconditionError(
          "the layout around the place is not understood; put each attribute on a line of its own");
    }
    return absl::OkStatus();
  }

  const std::string& text() const { return text_; }

 private:
  absl::Status Plan(const HclOperation& operation) {
    splices_.clear();
    PURSER_RETURN_IF_ERROR(look_.status());
    switch (operation.kind) {
      case HclOperation::Kind::kSet:
        return Set(operation);
      case HclOperation::Kind::kDelete:
        return Delete(operation);
      case HclOperation::Kind::kAddBlock:
        return AddBlock(operation);
      case HclOperation::Kind::kRemoveBlock:
        return RemoveBlock(operation);
    }
    return absl::InternalError("unknown operation");
  }

  // Where a body is, and the indentation of what stands in it.
  struct Target {
    const HclBody* body = nullptr;
    const HclItem* owner = nullptr;  // nullptr: the file
    int indent = 0;
  };

  size_t LineStart(size_t at) const {
    if (at == 0) return 0;
    const size_t before = text_.rfind('\n', at - 1);
    return before == std::string::npos ? 0 : before + 1;
  }
  size_t LineEnd(size_t at) const {
    size_t end = std::min(text_.find('\n', at), text_.size());
    if (end > at && end < text_.size() && text_[end - 1] == '\r') --end;
    return end;
  }
  int IndentOf(size_t at) const {
    const size_t start = LineStart(at);
    size_t end = start;
    while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t')) ++end;
    return static_cast<int>(end - start);
  }
  bool StartsLine(size_t at) const {
    return LineStart(at) + static_cast<size_t>(IndentOf(at)) >= at;
  }
  std::string Lines(absl::string_view text) const {
    return line_end_ == "\n" ? std::string(text) : absl::StrReplaceAll(text, {{"\n", line_end_}});
  }
  void Add(size_t begin, size_t end, absl::string_view text) {
    splices_.push_back({begin, end, Lines(text)});
  }

  Target TargetOf(const HclItem* owner) const {
    Target target;
    target.owner = owner;
    target.body = owner == nullptr ? &body_ : &owner->body;
    if (owner != nullptr) target.indent = IndentOf(owner->begin) + 2;
    for (const HclItem& item : target.body->items) {
      if (StartsLine(item.begin)) {
        target.indent = IndentOf(item.begin);
        break;
      }
    }
    return target;
  }

  // NOT_FOUND when a block is missing.
  absl::StatusOr<Target> Resolve(const HclOperation& operation) const {
    const HclItem* owner = nullptr;
    for (const std::vector<std::string>& selector : operation.block) {
      const HclBody& body = owner == nullptr ? body_ : owner->body;
      const std::vector<std::string> labels(selector.begin() + 1, selector.end());
      const HclItem* found = nullptr;
      for (const HclItem& item : body.items) {
        if (!item.block || item.name != selector[0] || item.labels.size() < labels.size() ||
            !std::equal(labels.begin(), labels.end(), item.labels.begin())) {
          continue;
        }
        if (found != nullptr) {
          return absl::FailedPreconditionError(absl::StrCat(
              "block ", Named(selector[0], labels), " is there more than once; name its labels"));
        }
        found = &item;
      }
      if (found == nullptr) {
        return absl::NotFoundError(absl::StrCat("there is no block ", Named(selector[0], labels)));
      }
      owner = found;
    }
    return TargetOf(owner);
  }

  absl::Status Set(const HclOperation& operation) {
    absl::StatusOr<Target> target = Resolve(operation);
    if (!target.ok()) {
      if (target.status().code() != absl::StatusCode::kNotFound) return target.status();
      if (!operation.create || operation.block.size() != 1) {
        return absl::FailedPreconditionError(target.status().message());
      }
      HclOperation add;
      add.kind = HclOperation::Kind::kAddBlock;
      add.name = operation.block[0][0];
      add.labels.assign(operation.block[0].begin() + 1, operation.block[0].end());
      add.body = Model{{operation.name, operation.value}};
      return AddBlock(add);
    }
    for (const HclItem& item : target->body->items) {
      if (item.name != operation.name) continue;
      if (item.block) {
        return absl::FailedPreconditionError(
            absl::StrCat(operation.name, " is a block there, not an attribute"));
      }
      PURSER_ASSIGN_OR_RETURN(const std::string text,
                              HclLiteral(operation.value, IndentOf(item.begin)));
      const absl::string_view old =
          absl::string_view(text_).substr(item.value, item.end - item.value);
      if (Collapsed(old) != Collapsed(text)) Add(item.value, item.end, text);
      return absl::OkStatus();
    }
    PURSER_ASSIGN_OR_RETURN(const std::string value, HclLiteral(operation.value, target->indent));
    Insert(*target, operation.name, value);
    return absl::OkStatus();
  }

  // Attributes on neighbouring lines up to `last`, whose signs of equality stand under each other.
  std::vector<const HclItem*> Run(const HclBody& body, size_t last) const {
    std::vector<const HclItem*> run;
    for (size_t i = last + 1; i-- > 0;) {
      const HclItem& item = body.items[i];
      const bool one_line = text_.find('\n', item.begin) >= item.end;
      if (item.block || !one_line || !StartsLine(item.begin)) break;
      if (!run.empty()) {
        const bool next = LineEnd(item.end) < text_.size() &&
                          LineStart(run.back()->begin) == text_.find('\n', item.end) + 1;
        const bool aligned = item.equals - LineStart(item.begin) ==
                             run.back()->equals - LineStart(run.back()->begin);
        if (!next || !aligned) break;
      }
      run.push_back(&item);
    }
    return run;
  }

  void Insert(const Target& target, const std::string& name, const std::string& value) {
    const std::string indent(static_cast<size_t>(target.indent), ' ');
    const std::vector<HclItem>& items = target.body->items;
    if (target.owner != nullptr && target.owner->one_line) {
      const absl::string_view inside = absl::StripAsciiWhitespace(absl::string_view(text_).substr(
          target.body->begin, target.body->end - target.body->begin));
      const std::string outer(static_cast<size_t>(IndentOf(target.owner->begin)), ' ');
      Add(target.body->begin, target.body->end,
          absl::StrCat("\n", inside.empty() ? "" : absl::StrCat(outer, "  ", inside, "\n"), outer,
                       "  ", name, " = ", value, "\n", outer));
      return;
    }
    size_t last = items.size();
    for (size_t i = 0; i < items.size(); ++i) {
      if (!items[i].block) last = i;
    }
    if (last == items.size()) {  // no attribute yet: before the blocks
      const std::string line = absl::StrCat(indent, name, " = ", value);
      if (target.owner == nullptr) {
        const size_t at = items.empty() ? text_.size() : LineStart(items[0].begin);
        const bool behind = at > 0 && text_[at - 1] != '\n';
        Add(at, at, absl::StrCat(behind ? "\n" : "", line, items.empty() ? "\n" : "\n\n"));
      } else {
        const size_t at = LineEnd(target.body->begin);
        if (!items.empty() && items[0].begin < at) {  // "{" and the first block on one line
          Add(target.body->begin, items[0].begin, absl::StrCat("\n", line, "\n\n", indent));
        } else {
          Add(at, at, absl::StrCat("\n", line, items.empty() ? "" : "\n"));
        }
      }
      return;
    }
    const HclItem& before = items[last];
    std::string pad = " ";
    if (value.find('\n') == std::string::npos) {
      const std::vector<const HclItem*> run = Run(*target.body, last);
      if (!run.empty()) {
        const size_t column = run[0]->equals - LineStart(run[0]->begin);
        const size_t own = indent.size() + name.size() + 1;
        size_t longest = own;
        for (const HclItem* item : run) {
          longest = std::max(longest, item->begin + item->name.size() + 1 - LineStart(item->begin));
        }
        // A run is moved as a whole, unless its signs stand at a place of their own.
        const size_t wanted = std::max(longest, own > column ? longest : column);
        pad.assign(wanted - own + 1, ' ');
        if (wanted != column) {
          for (const HclItem* item : run) {
            const size_t end_of_name = item->begin + item->name.size();
            const size_t width = wanted - (end_of_name - LineStart(item->begin));
            Add(end_of_name, item->equals, std::string(width, ' '));
          }
        }
      }
    }
    const size_t at = LineEnd(before.end);
    if (target.owner != nullptr && target.body->end < at) {  // "}" behind the last attribute
      const std::string outer(static_cast<size_t>(IndentOf(target.owner->begin)), ' ');
      Add(before.end, target.body->end,
          absl::StrCat("\n", indent, name, pad, "= ", value, "\n", outer));
      return;
    }
    Add(at, at, absl::StrCat("\n", indent, name, pad, "= ", value));
  }

  absl::Status Delete(const HclOperation& operation) {
    const absl::StatusOr<Target> target = Resolve(operation);
    if (target.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
    PURSER_RETURN_IF_ERROR(target.status());
    for (const HclItem& item : target->body->items) {
      if (item.name != operation.name) continue;
      if (item.block) {
        return absl::FailedPreconditionError(
            absl::StrCat(operation.name, " is a block there; \"removeBlock\" takes it away"));
      }
      TakeOut(item);
    }
    return absl::OkStatus();
  }

  void TakeOut(const HclItem& item) {
    const size_t line_end = LineEnd(item.end);
    const absl::string_view rest = absl::string_view(text_).substr(item.end, line_end - item.end);
    const absl::string_view bare = absl::StripAsciiWhitespace(rest);
    const bool own_lines =
        StartsLine(item.begin) && (bare.empty() || bare[0] == '#' || absl::StartsWith(bare, "//"));
    if (!own_lines) {
      size_t begin = item.begin;
      while (begin > 0 && text_[begin - 1] == ' ') --begin;
      Add(begin, item.end, "");
      return;
    }
    size_t begin = LineStart(item.begin);
    size_t end = std::min(text_.find('\n', line_end), text_.size());
    if (end < text_.size()) ++end;
    // Of two blank lines around a block that goes, one goes as well.
    if (item.block) {
      const bool blank_before = begin >= 2 && IsBlankLine(LineStart(begin - 1));
      const bool last =
          end >= text_.size() || absl::StripAsciiWhitespace(absl::string_view(text_).substr(
                                     end, LineEnd(end) - end)) == "}";
      if (blank_before && (last || IsBlankLine(end))) begin = LineStart(begin - 1);
    }
    Add(begin, end, "");
  }
  bool IsBlankLine(size_t start) const {
    return start < text_.size() && absl::StripAsciiWhitespace(absl::string_view(text_).substr(
                                                                  start, LineEnd(start) - start))
                                       .empty();
  }

  absl::Status AddBlock(const HclOperation& operation) {
    absl::StatusOr<Target> target = Resolve(operation);
    if (!target.ok()) {
      return target.status().code() == absl::StatusCode::kNotFound
                 ? absl::FailedPreconditionError(target.status().message())
                 : target.status();
    }
    const std::string indent(static_cast<size_t>(target->indent), ' ');
    PURSER_ASSIGN_OR_RETURN(const std::string inside,
                            HclBodyText(operation.body, target->indent + 2));
    std::string head = absl::StrCat(indent, operation.name);
    for (const std::string& label : operation.labels) {
      absl::StrAppend(&head, " ", HclQuote(label));
    }
    const std::string block = inside.empty() ? absl::StrCat(head, " {\n", indent, "}")
                                             : absl::StrCat(head, " {\n", inside, indent, "}");
    for (const HclItem& item : target->body->items) {
      if (!item.block || item.name != operation.name || item.labels != operation.labels) continue;
      const absl::string_view old =
          absl::string_view(text_).substr(item.begin, item.end - item.begin);
      if (!operation.duplicate || Collapsed(old) == Collapsed(block)) return absl::OkStatus();
    }
    const bool first = target->body->items.empty();
    if (target->owner == nullptr) {
      const bool ends = text_.empty() || text_.back() == '\n';
      const bool gap = absl::StripAsciiWhitespace(text_).empty() ||
                       absl::EndsWith(text_, absl::StrCat(line_end_, line_end_));
      Add(text_.size(), text_.size(), absl::StrCat(ends ? "" : "\n", gap ? "" : "\n", block, "\n"));
    } else if (target->owner->one_line) {
      const absl::string_view old = absl::StripAsciiWhitespace(absl::string_view(text_).substr(
          target->body->begin, target->body->end - target->body->begin));
      const std::string outer(static_cast<size_t>(IndentOf(target->owner->begin)), ' ');
      Add(target->body->begin, target->body->end,
          absl::StrCat("\n", old.empty() ? "" : absl::StrCat(outer, "  ", old, "\n\n"), block, "\n",
                       outer));
    } else {
      // Before the line of the closing bracket, behind comments too.
      const size_t close = LineStart(target->body->end);
      const bool alone = StartsLine(target->body->end);
      const size_t at = alone ? close : target->body->end;
      Add(at, at, absl::StrCat(alone ? "" : "\n", first ? "" : "\n", block, "\n"));
    }
    return absl::OkStatus();
  }

  absl::Status RemoveBlock(const HclOperation& operation) {
    const absl::StatusOr<Target> target = Resolve(operation);
    if (target.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
    PURSER_RETURN_IF_ERROR(target.status());
    size_t end = 0;
    for (const HclItem& item : target->body->items) {
      if (!item.block || item.name != operation.name || item.labels != operation.labels) continue;
      TakeOut(item);
      // Neighbours that both go share the blank line between them.
      if (splices_.back().begin < end) splices_.back().begin = end;
      end = splices_.back().end;
    }
    return absl::OkStatus();
  }

  std::string text_;
  const std::string file_;
  StopLook& look_;
  absl::string_view line_end_ = "\n";
  HclBody body_;
  std::vector<Splice> splices_;
};

}  // namespace

absl::StatusOr<std::string> EditHcl(absl::string_view text, absl::string_view file,
                                    const std::vector<HclOperation>& operations,
                                    std::stop_token stop) {
  StopLook look(std::move(stop));
  Editor editor{std::string(text), file, look};
  PURSER_RETURN_IF_ERROR(editor.Parse());
  for (size_t i = 0; i < operations.size(); ++i) {
    PURSER_RETURN_IF_ERROR(
        base::Annotate(editor.Do(operations[i]),
                       absl::StrCat(file, ": operation ", i, " (", operations[i].name, ")")));
    if (static_cast<int64_t>(editor.text().size()) > kMaxFileBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(file, ": would grow beyond ", kMaxFileBytes, " bytes (kMaxFileBytes)"));
    }
  }
  return editor.text();
}

}  // namespace purser::edit
