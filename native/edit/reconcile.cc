#include "edit/reconcile.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/pairing.h"

namespace purser::edit {
namespace {

struct Place {
  enum class Kind : uint8_t { kRoot, kMember, kItem, kFlow };
  Kind kind = Kind::kRoot;
  size_t after = 0;  // behind the colon or the dash
  int column = 0;    // of the key or the dash
};

class Planner {
 public:
  Planner(const Tree& tree, const Manner& manner, StopLook& look)
      : tree_(tree), manner_(manner), look_(look) {}

  absl::StatusOr<std::vector<Splice>> Plan(const std::vector<Model>& current,
                                           const std::vector<const Model*>& targets) {
    for (size_t i = 0; i < targets.size() && i < tree_.documents.size(); ++i) {
      if (targets[i] == nullptr || Equal(current[i], *targets[i])) continue;
      const DocumentSpan& document = tree_.documents[i];
      if (document.root < 0) {
        FillEmpty(document.begin, *targets[i]);
        continue;
      }
      Place place;
      place.after = document.begin;
      if (tree_.syntax == Syntax::kJson) place.kind = Place::Kind::kFlow;
      PURSER_RETURN_IF_ERROR(Visit(document.root, current[i], *targets[i], place));
    }
    PURSER_RETURN_IF_ERROR(look_.status());
    return AcceptGroups(std::move(groups_));
  }

 private:
  absl::string_view Text(size_t begin, size_t end) const {
    return absl::string_view(tree_.text).substr(begin, end - begin);
  }
  absl::Status Unsupported(size_t offset, absl::string_view what) const {
    return absl::FailedPreconditionError(absl::StrCat(tree_.Where(offset), ": ", what));
  }

  // Splices of a group go together or not at all.
  void Begin() { groups_.emplace_back(); }
  void Add(size_t begin, size_t end, std::string text) {
    groups_.back().push_back({begin, end, std::move(text)});
  }

  absl::Status Visit(int index, const Model& current, const Model& target, const Place& place) {
    if (look_()) return look_.status();
    if (Equal(current, target)) return absl::OkStatus();
    const Node& node = tree_.at(index);
    const bool plain = !IsOpaque(current) && !IsOpaque(target) && !node.bare &&
                       !node.children.empty() && !target.empty();
    if (plain && node.kind == Kind::kMapping && target.is_object()) {
      return VisitMapping(node, current, target);
    }
    if (plain && node.kind == Kind::kSequence && target.is_array()) {
      return VisitSequence(node, current, target);
    }
    return Replace(node, target, place);
  }

  // ---- mappings

  absl::Status VisitMapping(const Node& node, const Model& current, const Model& target) {
    absl::flat_hash_map<absl::string_view, const Model*> wanted;
    for (auto member = target.begin(); member != target.end(); ++member) {
      wanted[member.key()] = &*member;
    }
    absl::flat_hash_map<absl::string_view, bool> there;
    std::vector<size_t> gone;
    size_t entry = 0;
    for (auto member = current.begin(); member != current.end(); ++member, ++entry) {
      there[member.key()] = true;
      const auto found = wanted.find(member.key());
      if (found == wanted.end()) {
        gone.push_back(entry);
      } else if (!Equal(*member, *found->second)) {
        PURSER_ASSIGN_OR_RETURN(const Place place, MemberPlace(node, entry));
        PURSER_RETURN_IF_ERROR(Visit(node.children[2 * entry + 1], *member, *found->second, place));
      }
    }
    Model added = Model::object();
    for (auto member = target.begin(); member != target.end(); ++member) {
      if (!there.contains(member.key())) added[member.key()] = *member;
    }
    if (!added.empty()) {
      if (node.style == Style::kBlock) return InsertMembers(node, added);
      std::vector<std::string> texts;
      for (auto member = added.begin(); member != added.end(); ++member) {
        texts.push_back(FlowMember(node, member.key(), *member));
      }
      InsertFlow(node, node.children.size() / 2, texts);
      return absl::OkStatus();
    }
    return DeleteEntries(node, gone);
  }

  absl::StatusOr<Place> MemberPlace(const Node& node, size_t entry) const {
    Place place;
    const Node& key = tree_.at(node.children[2 * entry]);
    if (node.style == Style::kFlow) {
      place.kind = Place::Kind::kFlow;
      return place;
    }
    const size_t colon = tree_.SkipBlanks(key.end);
    if (key.kind != Kind::kScalar || colon >= tree_.text.size() || tree_.text[colon] != ':' ||
        tree_.Column(key.begin) != tree_.Column(node.content)) {
      return Unsupported(key.begin, "a \"? key\" entry; write it as \"key: value\" first");
    }
    place.kind = Place::Kind::kMember;
    place.after = colon + 1;
    place.column = tree_.Column(node.content);
    return place;
  }

  // Where lines go that stand behind all of a block container at `column`: behind its comments too,
  // unless they are about what follows.
  size_t TailOf(size_t end, int column) const {
    size_t tail = tree_.LineEnd(end);
    size_t line = tree_.text.find('\n', tail);
    size_t candidate = tail;
    while (line != std::string::npos && ++line < tree_.text.size()) {
      const size_t first = tree_.SkipBlanks(line);
      if (!tree_.AtComment(first) || tree_.Column(first) < column) break;
      candidate = tree_.LineEnd(first);
      line = tree_.text.find('\n', candidate);
    }
    if (candidate == tail) return tail;
    size_t next = candidate;
    while (next < tree_.text.size() &&
           (tree_.text[next] == '\n' || tree_.text[next] == '\r' || tree_.text[next] == ' ')) {
      ++next;
    }
    if (next >= tree_.text.size()) return candidate;
    const size_t first_comment = tree_.SkipBlanks(tree_.text.find('\n', tail) + 1);
    return tree_.Column(next) < tree_.Column(first_comment) ? candidate : tail;
  }

  absl::Status InsertMembers(const Node& node, const Model& added) {
    const int column = tree_.Column(node.content);
    std::string text;
    for (auto member = added.begin(); member != added.end(); ++member) {
      const Rendered value = YamlMember(*member, column, Style::kPlain, manner_);
      absl::StrAppend(&text, manner_.line_end, std::string(static_cast<size_t>(column), ' '),
                      YamlKey(member.key(), manner_), ":", value.head.empty() ? "" : " ",
                      value.head, value.body);
    }
    const size_t at = TailOf(node.end, column);
    Begin();
    Add(at, at, std::move(text));
    return absl::OkStatus();
  }

  // ---- lists

  // The dash of an item of a block list.
  size_t DashOf(const Node& node, size_t item) const {
    size_t at = item == 0 ? node.content : tree_.SkipSpace(tree_.at(node.children[item - 1]).end);
    return at;
  }

  absl::Status VisitSequence(const Node& node, const Model& current, const Model& target) {
    const Pairing pairing = Pair(current, target, look_);
    PURSER_RETURN_IF_ERROR(look_.status());
    std::vector<bool> kept(current.size());
    std::vector<bool> present(target.size());
    bool inserts = false;
    for (const auto& [from, to] : pairing.pairs) {
      kept[from] = true;
      present[to] = true;
    }
    size_t place_in_old = 0;
    size_t pair = 0;
    for (size_t i = 0; i < target.size();) {
      if (present[i]) {
        place_in_old = pairing.pairs[pair++].first + 1;
        ++i;
        continue;
      }
      std::vector<const Model*> added;
      for (; i < target.size() && !present[i]; ++i) added.push_back(&target[i]);
      // Behind the items that will go as well, so that the end stays the end.
      size_t at = place_in_old;
      while (at < current.size() && !kept[at]) ++at;
      InsertItems(node, at, added);
      inserts = true;
    }
    for (const auto& [from, to] : pairing.pairs) {
      if (Equal(current[from], target[to])) continue;
      Place place;
      place.kind = Place::Kind::kFlow;
      if (node.style == Style::kBlock) {
        const size_t dash = DashOf(node, from);
        place = {Place::Kind::kItem, dash + 1, tree_.Column(dash)};
      }
      PURSER_RETURN_IF_ERROR(Visit(node.children[from], current[from], target[to], place));
    }
    if (inserts) return absl::OkStatus();
    std::vector<size_t> gone;
    for (size_t i = 0; i < current.size(); ++i) {
      if (!kept[i]) gone.push_back(i);
    }
    return DeleteEntries(node, gone);
  }

  void InsertItems(const Node& node, size_t at, const std::vector<const Model*>& added) {
    if (node.style == Style::kFlow) {
      std::vector<std::string> texts;
      for (const Model* item : added) texts.push_back(FlowItem(node, *item));
      InsertFlow(node, at, texts);
      return;
    }
    const int column = tree_.Column(node.content);
    const std::string blanks(static_cast<size_t>(column), ' ');
    const auto line = [&](const Model& item) {
      const Rendered value = YamlItem(item, column + 2, Style::kPlain, manner_);
      return absl::StrCat("-", value.head.empty() ? "" : " ", value.head, value.body);
    };
    std::string text;
    Begin();
    if (at == 0) {
      for (const Model* item : added) absl::StrAppend(&text, line(*item), manner_.line_end, blanks);
      const size_t dash = DashOf(node, 0);
      Add(dash, dash, std::move(text));
      return;
    }
    for (const Model* item : added) absl::StrAppend(&text, manner_.line_end, blanks, line(*item));
    const size_t count = node.children.size();
    const size_t end = tree_.at(node.children[at - 1]).end;
    const size_t where = at == count ? TailOf(end, column) : tree_.LineEnd(end);
    Add(where, where, std::move(text));
  }

  // ---- flow containers

  std::string Indentation(size_t offset) const {
    const size_t start = tree_.LineStart(offset);
    return std::string(Text(start, tree_.SkipBlanks(start)));
  }
  // True when every entry has a line of its own.
  bool IsSpread(const Node& node) const {
    return !node.children.empty() && tree_.StartsLine(tree_.at(node.children[0]).begin);
  }
  std::string FlowValue(const Node& node, const Model& value) const {
    if (tree_.syntax == Syntax::kYaml) return YamlFlow(value, manner_);
    if (IsSpread(node)) {
      return JsonText(value, Indentation(tree_.at(node.children[0]).begin), manner_);
    }
    Manner tight = manner_;
    tight.spread = false;
    return JsonText(value, "", tight);
  }
  std::string FlowMember(const Node& node, const std::string& key, const Model& value) const {
    const std::string name =
        tree_.syntax == Syntax::kYaml ? YamlKey(key, manner_) : JsonText(key, "", manner_);
    const bool blank = tree_.syntax == Syntax::kYaml || manner_.blanks;
    return absl::StrCat(name, blank ? ": " : ":", FlowValue(node, value));
  }
  std::string FlowItem(const Node& node, const Model& value) const {
    return FlowValue(node, value);
  }

  size_t Stride(const Node& node) const { return node.kind == Kind::kMapping ? 2 : 1; }
  const Node& EntryBegin(const Node& node, size_t entry) const {
    return tree_.at(node.children[entry * Stride(node)]);
  }
  size_t EntryEnd(const Node& node, size_t entry) const {
    const size_t last = entry * Stride(node) + Stride(node) - 1;
    const Node& value = tree_.at(node.children[last]);
    return std::max(value.end, EntryBegin(node, entry).end);
  }

  void InsertFlow(const Node& node, size_t at, const std::vector<std::string>& texts) {
    const size_t count = node.children.size() / Stride(node);
    const bool spread = IsSpread(node);
    const bool blank = tree_.syntax == Syntax::kYaml || manner_.blanks;
    const std::string between =
        spread ? absl::StrCat(manner_.line_end, Indentation(EntryBegin(node, 0).begin))
               : (blank ? " " : "");
    std::string text;
    Begin();
    if (at < count) {
      for (const std::string& one : texts) absl::StrAppend(&text, one, ",", between);
      const size_t begin = EntryBegin(node, at).begin;
      Add(begin, begin, std::move(text));
      return;
    }
    const size_t end = EntryEnd(node, count - 1);
    const size_t next = tree_.SkipSpace(end);
    const bool trailing = next < tree_.text.size() && tree_.text[next] == ',';
    if (!trailing) Add(end, end, ",");
    for (size_t i = 0; i < texts.size(); ++i) {
      absl::StrAppend(&text, between, texts[i], i + 1 < texts.size() || trailing ? "," : "");
    }
    // A comment on the last entry's line stays with it.
    size_t where = trailing ? next + 1 : end;
    const size_t comment = tree_.SkipBlanks(where);
    if (spread && tree_.AtComment(comment)) where = tree_.LineEnd(comment);
    Add(where, where, std::move(text));
  }

  // ---- deleting

  absl::Status DeleteEntries(const Node& node, const std::vector<size_t>& gone) {
    const size_t count = node.children.size() / Stride(node);
    for (size_t i = 0; i < gone.size();) {
      size_t last = i;
      while (last + 1 < gone.size() && gone[last + 1] == gone[last] + 1) ++last;
      PURSER_RETURN_IF_ERROR(node.style == Style::kFlow
                                 ? DeleteFlow(node, gone[i], gone[last], count)
                                 : DeleteBlock(node, gone[i], gone[last], count));
      i = last + 1;
    }
    return absl::OkStatus();
  }

  // Where an entry of a block container begins: its key or its dash.
  absl::StatusOr<size_t> BlockBegin(const Node& node, size_t entry) const {
    if (node.kind == Kind::kSequence) return DashOf(node, entry);
    PURSER_RETURN_IF_ERROR(MemberPlace(node, entry).status());
    return EntryBegin(node, entry).begin;
  }

  absl::Status DeleteBlock(const Node& node, size_t first, size_t last, size_t count) {
    PURSER_ASSIGN_OR_RETURN(const size_t begin, BlockBegin(node, first));
    size_t end = EntryEnd(node, last);
    // "key:" ends behind its colon, "-" behind its dash.
    if (node.kind == Kind::kMapping) {
      PURSER_ASSIGN_OR_RETURN(const Place place, MemberPlace(node, last));
      end = std::max(end, place.after);
    } else {
      end = std::max(end, DashOf(node, last) + 1);
    }
    Begin();
    if (!tree_.StartsLine(begin)) {
      // Behind "- " or "---": what stays moves up.
      if (last + 1 >= count) return Unsupported(begin, "an entry that cannot be taken out");
      PURSER_ASSIGN_OR_RETURN(const size_t next, BlockBegin(node, last + 1));
      const size_t space = tree_.SkipBlanks(end);
      const bool comments =
          tree_.SkipSpace(space) != next || Text(end, next).find('#') != absl::string_view::npos;
      Add(begin, comments ? end : next, "");
      return absl::OkStatus();
    }
    // Each entry goes with its own lines; comments between them stay.
    for (size_t entry = first; entry <= last; ++entry) {
      PURSER_ASSIGN_OR_RETURN(const size_t from, BlockBegin(node, entry));
      size_t to = EntryEnd(node, entry);
      if (node.kind == Kind::kMapping) {
        PURSER_ASSIGN_OR_RETURN(const Place place, MemberPlace(node, entry));
        to = std::max(to, place.after);
      } else {
        to = std::max(to, DashOf(node, entry) + 1);
      }
      DeleteLines(from, to);
    }
    return absl::OkStatus();
  }

  void DeleteLines(size_t begin, size_t end) {
    size_t from = tree_.LineStart(begin);
    if (from == 0 && begin >= 3 && Text(0, 3) == "\xEF\xBB\xBF") from = 3;
    size_t to = tree_.text.find('\n', tree_.LineEnd(end));
    if (to == std::string::npos) {
      to = tree_.text.size();
      // The line before becomes the last one, which has no line end in this file.
      if (from > 0 && tree_.text[from - 1] == '\n') --from;
      if (from > 0 && tree_.text[from - 1] == '\r') --from;
    } else {
      ++to;
    }
    Add(from, to, "");
  }

  absl::Status DeleteFlow(const Node& node, size_t first, size_t last, size_t count) {
    Begin();
    const size_t begin = EntryBegin(node, first).begin;
    const size_t end = EntryEnd(node, last);
    if (first == 0 && last + 1 < count) {
      const size_t next = EntryBegin(node, last + 1).begin;
      const size_t comma = tree_.SkipSpace(end);
      const bool comments = HasComment(end, next);
      Add(begin, comments ? comma + 1 : next, "");
      return absl::OkStatus();
    }
    const size_t before = EntryEnd(node, first - 1);
    if (!HasComment(before, begin)) {
      Add(before, end, "");
      return absl::OkStatus();
    }
    if (last + 1 < count) {
      const size_t next = EntryBegin(node, last + 1).begin;
      Add(begin, HasComment(end, next) ? tree_.SkipSpace(end) + 1 : next, "");
      return absl::OkStatus();
    }
    // The last one goes: so does the comma before it.
    const size_t comma = tree_.SkipSpace(before);
    Add(comma, comma + 1, "");
    if (tree_.StartsLine(begin)) {
      Add(tree_.LineEnd(tree_.LineStart(begin) - 1), end, "");
    } else {
      Add(begin, end, "");
    }
    return absl::OkStatus();
  }

  bool HasComment(size_t begin, size_t end) const {
    for (size_t at = begin; at < end; ++at) {
      if (tree_.AtComment(at)) return true;
    }
    return false;
  }

  // ---- one value by another

  absl::Status Replace(const Node& node, const Model& target, const Place& place) {
    // A tag speaks of the old value; an anchor of the place.
    const bool tagged = !node.tag.empty();
    const size_t begin = tagged ? node.begin : node.content;
    const std::string anchor =
        tagged && !node.anchor.empty() ? absl::StrCat("&", node.anchor, " ") : "";
    if (node.bare) {
      Begin();
      Add(node.begin, node.end, absl::StrCat(anchor, YamlFlow(target, manner_)));
      return absl::OkStatus();
    }
    if (tree_.syntax == Syntax::kJson) {
      const bool line = manner_.spread;
      Begin();
      Add(begin, node.end, JsonText(target, line ? Indentation(node.begin) : "", manner_));
      return absl::OkStatus();
    }
    Style wished = node.kind == Kind::kScalar ? node.style : Style::kPlain;
    // A quoted string may become a number, and a number a string, without their quotes.
    if (place.kind == Place::Kind::kFlow) {
      if (IsBlock(wished)) wished = Style::kPlain;
      std::string text = target.is_structured() && !IsOpaque(target)
                             ? YamlFlow(target, manner_)
                             : YamlScalar(target, wished, manner_);
      Begin();
      if (begin == node.end) {
        size_t at = begin;
        while (at > 0 && (tree_.text[at - 1] == ' ' || tree_.text[at - 1] == '\n' ||
                          tree_.text[at - 1] == '\r' || tree_.text[at - 1] == '\t')) {
          --at;
        }
        const bool colon = at > 0 && tree_.text[at - 1] == ':';
        text = absl::StrCat(colon ? " " : ": ", text);
        Add(at, begin, absl::StrCat(anchor, text));
      } else {
        Add(begin, node.end, absl::StrCat(anchor, text));
      }
      return absl::OkStatus();
    }
    const Rendered value =
        place.kind == Place::Kind::kMember ? YamlMember(target, place.column, wished, manner_)
        : place.kind == Place::Kind::kItem ? YamlItem(target, place.column + 2, wished, manner_)
                                           : YamlItem(target, 0, wished, manner_);
    if (place.kind == Place::Kind::kRoot && node.begin < node.end &&
        tree_.LineEnd(place.after) < node.content) {
      // On lines of its own.
      Begin();
      Add(begin, node.end, absl::StrCat(anchor, value.head, value.body));
      return absl::OkStatus();
    }
    PutAfter(node, begin, anchor, value, place);
    return absl::OkStatus();
  }

  static bool IsBlock(Style style) { return style == Style::kLiteral || style == Style::kFolded; }

  // Behind a key, a dash or "---": the head on that line, the body below its comment.
  void PutAfter(const Node& node, size_t begin, const std::string& anchor, const Rendered& value,
                const Place& place) {
    const bool properties = node.tag.empty() && node.properties_end > node.begin;
    const size_t after = properties ? node.properties_end : place.after;
    const std::string head = absl::StrCat(anchor, value.head);
    Begin();
    if (node.begin == node.end && !properties) {  // "key:" or "-"
      // Behind "---" a mapping needs a line of its own.
      if (place.kind == Place::Kind::kRoot) {
        const size_t end = tree_.LineEnd(after);
        const bool inside = after > 0;
        Add(end, end,
            absl::StrCat(inside ? manner_.line_end : "", head, value.body,
                         inside ? "" : manner_.line_end));
        return;
      }
      if (!head.empty()) Add(after, after, absl::StrCat(" ", head));
      if (!value.body.empty()) Add(tree_.LineEnd(after), tree_.LineEnd(after), value.body);
      return;
    }
    if (place.kind == Place::Kind::kRoot && begin > 0 && after >= 3 &&
        Text(after - 3, after) == "---" && after < begin) {
      // Behind the mark: a block needs lines of its own.
      Add(after, node.end, absl::StrCat(manner_.line_end, head, value.body));
      return;
    }
    if (tree_.LineEnd(after) >= begin) {  // on one line
      if (begin >= node.end) {            // an anchor alone: "key: &a"
        if (!head.empty()) Add(after, after, absl::StrCat(" ", head));
      } else if (head.empty()) {
        Add(after, node.end, "");
      } else {
        Add(begin, node.end, head);
      }
      if (!value.body.empty()) {
        const size_t end = tree_.LineEnd(node.end);
        Add(end, end, value.body);
      }
      return;
    }
    if (!head.empty()) Add(after, after, absl::StrCat(" ", head));
    Add(tree_.LineEnd(after), tree_.LineEnd(node.end), value.body);
  }

  // A document of nothing but comments.
  void FillEmpty(size_t begin, const Model& target) {
    std::string text;
    if (tree_.syntax == Syntax::kJson) {
      text = absl::StrCat(JsonText(target, "", manner_), manner_.line_end);
    } else {
      const Rendered value = YamlItem(target, 0, Style::kPlain, manner_);
      text = absl::StrCat(value.head, value.body, manner_.line_end);
    }
    const bool line =
        begin > 0 && tree_.text[begin - 1] != '\n' && Text(0, begin) != "\xEF\xBB\xBF";
    Begin();
    Add(begin, begin, absl::StrCat(line ? manner_.line_end : "", text));
  }

  const Tree& tree_;
  const Manner& manner_;
  StopLook& look_;
  std::vector<std::vector<Splice>> groups_;
};

}  // namespace

absl::StatusOr<std::vector<Splice>> PlanStep(const Tree& tree, const Manner& manner,
                                             const std::vector<Model>& current,
                                             const std::vector<const Model*>& targets,
                                             StopLook& look) {
  return Planner(tree, manner, look).Plan(current, targets);
}

}  // namespace purser::edit
