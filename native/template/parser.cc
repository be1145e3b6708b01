#include "template/parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "template/expression_parser.h"
#include "template/lexer.h"
#include "template/program_builder.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

using Stops = std::vector<absl::string_view>;

bool Contains(const Stops& stops, absl::string_view name) {
  return std::find(stops.begin(), stops.end(), name) != stops.end();
}

// Tags that end or divide another tag's body.
bool IsStructural(absl::string_view name) {
  static constexpr absl::string_view kNames[] = {"else",      "endif",     "endfor", "endmacro",
                                                 "endcall",   "endfilter", "endset", "default",
                                                 "endswitch", "elif",      "elseif", "case"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

class Parser {
 public:
  Parser(Run& run, ProgramData& program)
      : builder_(run, program), program_(program), pieces_(program.pieces) {}

  bool Parse() {
    if (!SplitTemplate(builder_.run(), program_.source, program_.options, program_.owned_texts,
                       &program_.pieces)) {
      return false;
    }
    program_.plain = std::all_of(pieces_.begin(), pieces_.end(),
                                 [](const Piece& piece) { return piece.kind == PieceKind::kText; });
    builder_.Enter(builder_.NewFrame(false));
    if (!Body({}, nullptr, &program_.root) || builder_.run().failed()) return false;
    if (twice_.has_value()) return builder_.Fail(twice_->first, std::move(twice_->second));
    return !builder_.run().postponed();
  }

 private:
  // Parses up to one of `stops`, which goes to `*stop` (nullptr at the end of the template).
  bool Body(const Stops& stops, const Piece** stop, NodeId* out);
  bool Statement(absl::string_view name, absl::string_view rest, const Piece& tag, NodeId* out);
  bool If(absl::string_view rest, const Piece& tag, NodeId* out);
  bool For(absl::string_view rest, const Piece& tag, NodeId* out);
  bool ForHead(absl::string_view rest, const Piece& tag, std::vector<NodeId>* targets,
               NodeId* sequence);
  bool Set(absl::string_view rest, const Piece& tag, NodeId* out);
  bool Macro(absl::string_view rest, const Piece& tag, NodeId* out);
  bool MacroHead(absl::string_view rest, const Piece& tag, NodeId* named,
                 absl::string_view* parameters);
  bool Call(absl::string_view rest, const Piece& tag, NodeId* out);
  bool CallHead(absl::string_view rest, const Piece& tag, NodeId* call,
                absl::string_view* parameters);
  bool FilterBlock(absl::string_view rest, const Piece& tag, NodeId* out);
  bool Block(absl::string_view rest, const Piece& tag, NodeId* out);
  bool BlockName(absl::string_view rest, const Piece& tag, NodeId* named);
  bool Switch(absl::string_view rest, const Piece& tag, NodeId* out);
  bool Capture(const Piece& tag, absl::string_view end, NodeId* out);

  bool Expression(absl::string_view code, NodeId* out) {
    return ExpressionParser(builder_, code, OffsetOf(code)).Expression(out);
  }
  // As Expression; a wrong one is told with the errors that follow, and `*out` is some expression.
  bool HeadExpression(absl::string_view code, NodeId* out) {
    return Expression(code, out) || Recovered(out);
  }
  // After a failure that leaves it clear how the tags stand: goes on, or false when it cannot.
  bool Recovered() { return !lost_ && builder_.run().Postpone(); }
  bool Recovered(NodeId* out) {
    if (!Recovered()) return false;
    *out = builder_.MakeLiteral(Value(), 0);
    return true;
  }
  // The names that a tag binds; where none is, the tag's end is where one is missed.
  bool Targets(absl::string_view names, absl::string_view rest, std::vector<NodeId>* out) {
    const uint32_t offset = OffsetOf(TrimCode(names).empty() ? rest.substr(rest.size()) : names);
    return ExpressionParser(builder_, names, offset).Targets(out);
  }
  // Where failures of a signature are told: as Backstage's engine does, where its text stands last.
  uint32_t SignatureOffset(absl::string_view parameters, const Piece& tag) const {
    return OffsetOf(tag.value().substr(tag.value().rfind(parameters)));
  }
  bool Missing(absl::string_view end, const Piece& tag) {
    lost_ = true;
    return builder_.Fail(tag.offset, absl::StrCat("missing ", end, " tag"));
  }
  uint32_t OffsetOf(absl::string_view part) const {
    return static_cast<uint32_t>(part.data() - program_.source.data());
  }
  // Whether a call block may name this: a macro, or a member of something by constant names.
  bool IsStaticTarget(NodeId id) {
    while (builder_.node(id).type == NodeType::kLookup) {
      if (builder_.node(builder_.node(id).b).type != NodeType::kLiteral) return false;
      id = builder_.node(id).a;
    }
    return builder_.node(id).type == NodeType::kName;
  }

  ProgramBuilder builder_;
  ProgramData& program_;
  Growing<Piece>& pieces_;
  size_t at_ = 0;
  std::vector<const Stops*> open_;  // what may end the bodies around
  bool lost_ = false;  // a failure after which it is not clear which tags belong together
  int macros_ = 0;     // declared so far
  absl::flat_hash_set<uint32_t> blocks_;
  std::optional<std::pair<uint32_t, std::string>> twice_;  // the first block declared twice
};

bool Parser::Body(const Stops& stops, const Piece** stop, NodeId* out) {
  if (stop != nullptr) *stop = nullptr;
  const uint32_t offset = at_ < pieces_.size() ? pieces_[at_].offset : 0;
  ProgramBuilder::Nesting nesting(builder_, offset);
  if (!nesting.ok()) return false;
  open_.push_back(&stops);
  Growing<NodeId> children;
  while (at_ < pieces_.size()) {
    if (!builder_.run().Step()) return false;
    const Piece& piece = pieces_[at_++];
    NodeId made;
    if (piece.kind == PieceKind::kText) {
      made = kTextBit | static_cast<uint32_t>(at_ - 1);
    } else if (piece.kind == PieceKind::kVariable) {
      ProgramBuilder::Parsed parsed = builder_.FindParsed(piece.value());
      if (parsed.id == kNoNode) {
        parsed.offset = OffsetOf(piece.value());
        if (!ExpressionParser(builder_, piece.value(), parsed.offset).Expression(&parsed.id)) {
          // What follows an interpolation does not depend on it: look for more errors.
          if (!Recovered()) return false;
          continue;
        }
        builder_.KeepParsed(piece.value(), parsed.id, parsed.offset);
      }
      made = builder_.Make(NodeType::kOutput, piece.offset);
      builder_.node(made).a = parsed.id;
      builder_.node(made).literal = OffsetOf(piece.value()) - parsed.offset;
    } else {
      const absl::string_view name = TagName(piece.value());
      if (Contains(stops, name)) {
        // endblock may repeat its name, conditions follow elif and case; others stand alone.
        if (name != "endblock" && name != "elif" && name != "elseif" && name != "case" &&
            !TagRest(piece.value()).empty()) {
          builder_.Fail(piece.offset, absl::StrCat(name, " takes nothing behind its name"));
          if (!Recovered()) return false;
        }
        *stop = &piece;
        break;
      }
      if (IsStructural(name)) {
        // It ends a tag further out: then this one's end is missing, and all else a guess.
        lost_ |= std::any_of(open_.begin(), open_.end(),
                             [&](const Stops* outer) { return Contains(*outer, name); });
        builder_.Fail(piece.offset, stops.empty()
                                        ? absl::StrCat("the ", name, " tag has no opening tag")
                                        : absl::StrCat("unexpected ", name, " tag; expected ",
                                                       absl::StrJoin(stops, ", ")));
        if (!Recovered()) return false;
        continue;
      }
      if (!Statement(name, TagRest(piece.value()), piece, &made)) {
        if (!Recovered()) return false;
        continue;
      }
    }
    children.push_back(made);
  }
  open_.pop_back();
  *out = builder_.Make(NodeType::kBlockList, offset);
  builder_.SetList(*out, {children.begin(), children.size()});
  return true;
}

bool Parser::Statement(absl::string_view name, absl::string_view rest, const Piece& tag,
                       NodeId* out) {
  if (name == "if") return If(rest, tag, out);
  if (name == "for") return For(rest, tag, out);
  if (name == "set") return Set(rest, tag, out);
  if (name == "macro") return Macro(rest, tag, out);
  if (name == "call") return Call(rest, tag, out);
  if (name == "filter") return FilterBlock(rest, tag, out);
  if (name == "block") return Block(rest, tag, out);
  if (name == "switch") return Switch(rest, tag, out);
  if (name == "include" || name == "import" || name == "from" || name == "extends") {
    return builder_.Fail(
        tag.offset, absl::StrCat("the ", name, " tag is not supported: templates read no files"));
  }
  if (name.empty()) return builder_.Fail(tag.offset, "a tag needs a name");
  return builder_.Fail(tag.offset,
                       absl::StrCat("unknown tag \"", base::EscapeForDisplay(name, 60), "\""));
}

bool Parser::If(absl::string_view rest, const Piece& tag, NodeId* out) {
  *out = kNoNode;
  const Piece* current = &tag;
  NodeId last = kNoNode;
  while (true) {
    const NodeId made = builder_.Make(NodeType::kIf, current->offset);
    NodeId condition, body;
    const Piece* stop;
    if (!HeadExpression(rest, &condition)) return false;
    if (!Body({"elif", "elseif", "else", "endif"}, &stop, &body)) return false;
    if (stop == nullptr) return Missing("endif", *current);
    builder_.node(made).a = condition;
    builder_.node(made).b = body;
    if (last == kNoNode) {
      *out = made;
    } else {
      builder_.node(last).c = made;
    }
    last = made;
    const absl::string_view name = TagName(stop->value());
    if (name == "endif") return true;
    if (name == "else") {
      NodeId otherwise;
      if (!Body({"endif"}, &stop, &otherwise)) return false;
      if (stop == nullptr) return Missing("endif", *current);
      builder_.node(last).c = otherwise;
      return true;
    }
    rest = TagRest(stop->value());
    current = stop;
  }
}

bool Parser::ForHead(absl::string_view rest, const Piece& tag, std::vector<NodeId>* targets,
                     NodeId* sequence) {
  const size_t in = FindTopLevelKeyword(rest, "in");
  if (in == absl::string_view::npos) {
    return builder_.Fail(tag.offset, "a for tag needs \"in\" and a sequence");
  }
  const absl::string_view names = TrimCode(rest.substr(0, in));
  if (!Targets(names, rest, targets)) return false;
  if (targets->size() == 1 && builder_.Name(builder_.node((*targets)[0]).name) == "loop") {
    return builder_.Fail(tag.offset, "the only target of a loop cannot be named loop");
  }
  return Expression(TrimCode(rest.substr(in + 2)), sequence);
}

bool Parser::For(absl::string_view rest, const Piece& tag, NodeId* out) {
  std::vector<NodeId> targets;
  NodeId sequence, body;
  if (!ForHead(rest, tag, &targets, &sequence) && !Recovered(&sequence)) return false;
  const NodeId made = builder_.Make(NodeType::kFor, tag.offset);
  const SlotId length = builder_.AddSlot();
  ProgramBuilder::Region outer = builder_.Enter(builder_.Fork());
  for (const NodeId target : targets) {
    builder_.node(target).slot = builder_.Bind(builder_.node(target).name);
  }
  SlotId shadow = kNoSlot;
  if (targets.size() > 1) {
    shadow = builder_.AddSlot();
    for (size_t i = 0; i < 2; ++i) {
      builder_.AddSlot();
      Node& target = builder_.node(targets[i]);
      target.literal = static_cast<uint32_t>(builder_.Lookup(target.name));
    }
  }
  const Piece* stop;
  if (!Body({"else", "endfor"}, &stop, &body)) return false;
  if (stop == nullptr) return Missing("endfor", tag);
  NodeId otherwise = kNoNode;
  if (TagName(stop->value()) == "else") {
    if (!Body({"endfor"}, &stop, &otherwise)) return false;
    if (stop == nullptr) return Missing("endfor", tag);
  }
  builder_.Enter(std::move(outer));
  builder_.SetList(made, targets);
  Node& node = builder_.node(made);
  node.a = sequence;
  node.b = body;
  node.c = otherwise;
  node.slot = length;
  node.literal = static_cast<uint32_t>(shadow);
  *out = made;
  return true;
}

bool Parser::Capture(const Piece& tag, absl::string_view end, NodeId* out) {
  const int before = macros_;
  const Piece* stop;
  if (!Body({end}, &stop, out)) return false;
  if (stop == nullptr) return Missing(end, tag);
  if (macros_ != before) {
    return builder_.Fail(tag.offset, "a macro cannot be declared inside a captured body");
  }
  return true;
}

bool Parser::Set(absl::string_view rest, const Piece& tag, NodeId* out) {
  const size_t assign = FindTopLevel(rest, '=');
  const NodeId made = builder_.Make(NodeType::kSet, tag.offset);
  std::vector<NodeId> targets;
  const absl::string_view names = rest.substr(0, assign);
  if (!Targets(names, rest, &targets) && !Recovered()) return false;
  NodeId value = kNoNode, body = kNoNode;
  if (assign != absl::string_view::npos) {
    if (!HeadExpression(rest.substr(assign + 1), &value)) return false;
  } else if (!Capture(tag, "endset", &body)) {
    return false;
  }
  builder_.node(made).a = value;
  builder_.node(made).b = body;
  builder_.SetList(made, targets);
  *out = made;
  return true;
}

// The name of a macro tag, and its parameters without the parentheses.
bool Parser::MacroHead(absl::string_view rest, const Piece& tag, NodeId* named,
                       absl::string_view* parameters) {
  rest = TrimCode(rest);
  const absl::string_view name = TagName(rest);
  const absl::string_view signature = TagRest(rest);
  if (name.empty() || !absl::StartsWith(signature, "(") || !absl::EndsWith(signature, ")") ||
      signature.size() < 2) {
    return builder_.Fail(tag.offset, "a macro tag needs a name and parameters in parentheses");
  }
  *parameters = signature.substr(1, signature.size() - 2);
  if (!Expression(name, named)) return false;
  return builder_.node(*named).type == NodeType::kName ||
         builder_.Fail(tag.offset, "a macro's name must not be a literal");
}

bool Parser::Macro(absl::string_view rest, const Piece& tag, NodeId* out) {
  NodeId named;
  absl::string_view parameters;
  if (!MacroHead(rest, tag, &named, &parameters)) {
    if (!Recovered()) return false;
    named = builder_.MakeName("_", tag.offset);
    parameters = {};
  }
  ++macros_;
  const NodeId made = builder_.Make(NodeType::kMacro, tag.offset);
  builder_.node(made).name = builder_.node(named).name;
  builder_.node(made).slot = builder_.Bind(builder_.node(named).name);
  CallableInfo info;
  ProgramBuilder::Region outer = builder_.Enter(builder_.NewFrame(false));
  info.frame = builder_.region().frame;
  if (!parameters.empty() &&
      !ExpressionParser(builder_, parameters, SignatureOffset(parameters, tag)).Signature(&info) &&
      !Recovered()) {
    return false;
  }
  const Piece* stop;
  if (!Body({"endmacro"}, &stop, &info.body)) return false;
  if (stop == nullptr) return Missing("endmacro", tag);
  builder_.Enter(std::move(outer));
  builder_.node(made).callable = static_cast<uint32_t>(program_.callables.size());
  program_.callables.push_back(std::move(info));
  *out = made;
  return true;
}

// The call of a call tag, and its parameters without the parentheses.
bool Parser::CallHead(absl::string_view rest, const Piece& tag, NodeId* call,
                      absl::string_view* parameters) {
  absl::string_view callee = TrimCode(rest);
  if (absl::StartsWith(callee, "(")) {
    const size_t closing = FindClosing(callee, 0);
    if (closing == absl::string_view::npos) {
      return builder_.Fail(tag.offset, "the parameters of a call tag are not closed");
    }
    *parameters = callee.substr(1, closing - 1);
    callee = TrimCode(callee.substr(closing + 1));
  }
  if (!Expression(callee, call)) return false;
  const Node& node = builder_.node(*call);
  return (node.type == NodeType::kCall && IsStaticTarget(node.a)) ||
         builder_.Fail(tag.offset, "a call tag needs the call of a macro");
}

bool Parser::Call(absl::string_view rest, const Piece& tag, NodeId* out) {
  NodeId call;
  absl::string_view parameters;
  if (!CallHead(rest, tag, &call, &parameters) && !Recovered(&call)) return false;
  const NodeId made = builder_.Make(NodeType::kCallBlock, tag.offset);
  CallableInfo info;
  info.is_caller = true;
  ProgramBuilder::Region outer = builder_.Enter(builder_.NewFrame(true));
  info.frame = builder_.region().frame;
  std::optional<Run::Failure> failure;
  if (!parameters.empty() &&
      !ExpressionParser(builder_, parameters, SignatureOffset(parameters, tag)).Signature(&info)) {
    // Told behind the failures of the body.
    failure = builder_.run().TakeFailure();
    if (!failure.has_value()) return false;
  }
  const Piece* stop;
  if (!Body({"endcall"}, &stop, &info.body)) return false;
  if (stop == nullptr) return Missing("endcall", tag);
  if (failure.has_value()) {
    builder_.Fail(failure->offset, std::move(failure->message));
    if (!Recovered()) return false;
  }
  builder_.Enter(std::move(outer));
  Node& node = builder_.node(made);
  node.a = builder_.node(call).a;
  node.b = builder_.node(call).b;
  node.callable = static_cast<uint32_t>(program_.callables.size());
  program_.callables.push_back(std::move(info));
  *out = made;
  return true;
}

bool Parser::FilterBlock(absl::string_view rest, const Piece& tag, NodeId* out) {
  NodeId body, filter;
  if (!Capture(tag, "endfilter", &body)) return false;
  const NodeId capture = builder_.Make(NodeType::kCapture, tag.offset);
  builder_.node(capture).b = body;
  if (!ExpressionParser(builder_, rest, OffsetOf(rest)).FilterOf(capture, &filter)) return false;
  *out = builder_.Make(NodeType::kOutput, tag.offset);
  builder_.node(*out).a = filter;
  return true;
}

bool Parser::BlockName(absl::string_view rest, const Piece& tag, NodeId* named) {
  return Expression(rest, named) && (builder_.node(*named).type == NodeType::kName ||
                                     builder_.Fail(tag.offset, "a block's name must be a word"));
}

bool Parser::Block(absl::string_view rest, const Piece& tag, NodeId* out) {
  NodeId named;
  if (!BlockName(rest, tag, &named) && !Recovered(&named)) return false;
  const bool is_named = builder_.node(named).type == NodeType::kName;
  const uint32_t name = is_named ? builder_.node(named).name : kNoName;
  // Told when all has been parsed.
  if (is_named && !blocks_.insert(name).second && !twice_.has_value()) {
    twice_ = {tag.offset, absl::StrCat("the block ", builder_.Name(name), " is declared twice")};
  }
  const NodeId made = builder_.Make(NodeType::kBlock, tag.offset);
  CallableInfo info;
  ProgramBuilder::Region outer = builder_.Enter(builder_.NewFrame(false));
  info.frame = builder_.region().frame;
  const Piece* stop;
  if (!Body({"endblock"}, &stop, &info.body)) return false;
  if (stop == nullptr) return Missing("endblock", tag);
  builder_.Enter(std::move(outer));
  const absl::string_view closing = TagRest(stop->value());
  if (is_named && !closing.empty() && closing != builder_.Name(name)) {
    return builder_.Fail(stop->offset, "an endblock tag must name its own block");
  }
  builder_.node(made).callable = static_cast<uint32_t>(program_.callables.size());
  program_.callables.push_back(std::move(info));
  *out = made;
  return true;
}

bool Parser::Switch(absl::string_view rest, const Piece& tag, NodeId* out) {
  const NodeId made = builder_.Make(NodeType::kSwitch, tag.offset);
  NodeId value, body, otherwise = kNoNode;
  const Piece* stop;
  if (!HeadExpression(rest, &value)) return false;
  if (!Body({"case", "default", "endswitch"}, &stop, &body)) return false;
  if (builder_.node(body).count > 0) {
    builder_.Fail(tag.offset, "a switch must begin with a case or default tag");
    if (!Recovered()) return false;
  }
  std::vector<NodeId> cases;
  while (stop != nullptr && TagName(stop->value()) == "case") {
    const NodeId one = builder_.Make(NodeType::kCase, stop->offset);
    NodeId condition;
    if (!HeadExpression(TagRest(stop->value()), &condition)) return false;
    if (!Body({"case", "default", "endswitch"}, &stop, &body)) return false;
    builder_.node(one).a = condition;
    builder_.node(one).b = body;
    cases.push_back(one);
  }
  if (stop != nullptr && TagName(stop->value()) == "default") {
    if (!Body({"endswitch"}, &stop, &otherwise)) return false;
  }
  if (stop == nullptr) return Missing("endswitch", tag);
  if (cases.empty() && otherwise == kNoNode) {
    return builder_.Fail(tag.offset, "a switch needs a case or default tag");
  }
  builder_.node(made).a = value;
  builder_.node(made).c = otherwise;
  builder_.SetList(made, cases);
  *out = made;
  return true;
}

}  // namespace

bool ParseTemplate(Run& run, ProgramData& program) { return Parser(run, program).Parse(); }

}  // namespace purser::tmpl
