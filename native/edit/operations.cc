#include "edit/operations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::edit {
namespace {

struct Word {
  const char* name;
  Operation::Kind kind;
  bool rfc6902;
};
constexpr Word kWords[] = {
    {"set", Operation::Kind::kSet, false},        {"delete", Operation::Kind::kDelete, false},
    {"append", Operation::Kind::kAppend, false},  {"merge", Operation::Kind::kMerge, false},
    {"add", Operation::Kind::kAdd, true},         {"remove", Operation::Kind::kRemove, true},
    {"replace", Operation::Kind::kReplace, true}, {"move", Operation::Kind::kMove, true},
    {"copy", Operation::Kind::kCopy, true},       {"test", Operation::Kind::kTest, true}};

bool NeedsValue(Operation::Kind kind) {
  return kind != Operation::Kind::kDelete && kind != Operation::Kind::kRemove &&
         kind != Operation::Kind::kMove && kind != Operation::Kind::kCopy;
}

absl::string_view TypeName(const Model& value) {
  if (IsOpaque(value)) return "an alias, a tagged value or a mapping with a key twice";
  if (value.is_object()) return "a mapping";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "a string";
  if (value.is_boolean()) return "a boolean";
  return value.is_null() ? "null" : "a number";
}

std::string Shown(const Model& value) {
  return base::EscapeForDisplay(value.dump(-1, ' ', false, Model::error_handler_t::replace), 100);
}

std::string Shown(const Step& step) {
  if (step.kind == Step::Kind::kIndex) return absl::StrCat("[", step.index, "]");
  if (step.kind == Step::Kind::kEnd) return "[-]";
  if (step.kind == Step::Kind::kMatch) {
    return absl::StrCat("[", base::EscapeForDisplay(step.name, 60), "=",
                        base::EscapeForDisplay(step.wanted, 60), "]");
  }
  return absl::StrCat("\"", base::EscapeForDisplay(step.name, 80), "\"");
}

absl::Status Failed(absl::string_view what) { return absl::FailedPreconditionError(what); }

// "web" matches the string, 8080 the number, true the boolean.
bool Matches(const Model& item, const Step& step) {
  if (!item.is_object() || IsOpaque(item)) return false;
  const auto member = item.find(step.name);
  if (member == item.end()) return false;
  if (member->is_string()) return member->get_ref<const std::string&>() == step.wanted;
  return !member->is_structured() && member->dump() == step.wanted;
}

// Place of a step in a list: an item, or one behind the last. FAILED_PRECONDITION when the list has
// no such place; for a match that nothing fits: size().
absl::StatusOr<size_t> PlaceIn(const Model& list, const Step& step) {
  switch (step.kind) {
    case Step::Kind::kEnd:
      return list.size();
    case Step::Kind::kMatch: {
      size_t found = list.size();
      for (size_t i = 0; i < list.size(); ++i) {
        if (!Matches(list[i], step)) continue;
        if (found != list.size()) {
          return Failed(absl::StrCat(Shown(step), " fits items ", found, " and ", i));
        }
        found = i;
      }
      return found;
    }
    case Step::Kind::kToken:
      if (step.name == "-") return list.size();
      [[fallthrough]];
    case Step::Kind::kIndex:
      if (step.kind == Step::Kind::kToken && step.index == SIZE_MAX) {
        return Failed(absl::StrCat(Shown(step), " is no place in a list"));
      }
      if (step.index > list.size()) {
        return Failed(
            absl::StrCat("the list has ", list.size(), " items, there is no place ", step.index));
      }
      return step.index;
    case Step::Kind::kName:
      break;
  }
  return Failed(absl::StrCat("a list has places, not the name ", Shown(step)));
}

bool WantsList(const Step& step) {
  return step.kind == Step::Kind::kIndex || step.kind == Step::Kind::kEnd ||
         step.kind == Step::Kind::kMatch;
}

// The member or item a step names; nullptr when it is not there.
absl::StatusOr<Model*> Child(Model& parent, const Step& step) {
  if (IsOpaque(parent)) {
    return Failed(absl::StrCat("the path leads through ", TypeName(parent), " (",
                               base::EscapeForDisplay(OpaqueSource(parent), 60),
                               "); edit the place it stands for"));
  }
  if (parent.is_array()) {
    PURSER_ASSIGN_OR_RETURN(const size_t place, PlaceIn(parent, step));
    return place < parent.size() ? &parent[place] : nullptr;
  }
  if (parent.is_object()) {
    if (WantsList(step)) return Failed(absl::StrCat(Shown(step), " needs a list, not a mapping"));
    const auto found = parent.find(step.name);
    return found == parent.end() ? nullptr : &*found;
  }
  if (parent.is_null()) return nullptr;
  return Failed(absl::StrCat(Shown(step), " leads into ", TypeName(parent)));
}

// The value at the path's first `count` steps; nullptr when something on the way is missing.
absl::StatusOr<Model*> Find(Model& document, const Path& path, size_t count) {
  Model* at = &document;
  for (size_t i = 0; i < count && at != nullptr; ++i) {
    PURSER_ASSIGN_OR_RETURN(at, Child(*at, path.steps[i]));
  }
  return at;
}

// The same, making what is missing.
absl::StatusOr<Model*> Make(Model& document, const Path& path) {
  Model* at = &document;
  for (const Step& step : path.steps) {
    PURSER_ASSIGN_OR_RETURN(Model * child, Child(*at, step));
    if (child == nullptr) {
      if (at->is_null()) {
        const bool list = WantsList(step);
        *at = list ? Model::array() : Model::object();
      }
      if (at->is_array()) {
        PURSER_RETURN_IF_ERROR(PlaceIn(*at, step).status());
        at->push_back(nullptr);
        child = &at->back();
        if (step.kind == Step::Kind::kMatch) *child = Model{{step.name, step.wanted}};
      } else {
        child = &(*at)[step.name];
      }
    }
    at = child;
  }
  return at;
}

absl::Status Remove(Model& document, const Path& path, bool must_exist) {
  const auto missing = [&]() -> absl::Status {
    return must_exist ? Failed("there is nothing at the path") : absl::OkStatus();
  };
  if (path.steps.empty()) {
    document = nullptr;
    return absl::OkStatus();
  }
  PURSER_ASSIGN_OR_RETURN(Model * parent, Find(document, path, path.steps.size() - 1));
  if (parent == nullptr) return missing();
  const Step& last = path.steps.back();
  PURSER_ASSIGN_OR_RETURN(Model * child, Child(*parent, last));
  if (child == nullptr) return missing();
  if (parent->is_array()) {
    parent->erase(static_cast<size_t>(child - &parent->front()));
  } else {
    parent->erase(last.name);
  }
  return absl::OkStatus();
}

absl::Status Add(Model& document, const Path& path, Model value) {
  if (path.steps.empty()) {
    document = std::move(value);
    return absl::OkStatus();
  }
  PURSER_ASSIGN_OR_RETURN(Model * parent, Find(document, path, path.steps.size() - 1));
  if (parent == nullptr) return Failed("there is no parent of the path");
  const Step& last = path.steps.back();
  PURSER_RETURN_IF_ERROR(Child(*parent, last).status());
  if (parent->is_array()) {
    PURSER_ASSIGN_OR_RETURN(const size_t place, PlaceIn(*parent, last));
    parent->insert(parent->begin() + static_cast<ptrdiff_t>(place), std::move(value));
    return absl::OkStatus();
  }
  if (!parent->is_object()) {
    return Failed(absl::StrCat("the parent is ", TypeName(*parent)));
  }
  (*parent)[last.name] = std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<Model> Take(Model& document, const Path& from) {
  PURSER_ASSIGN_OR_RETURN(Model * source, Find(document, from, from.steps.size()));
  if (source == nullptr) return Failed("there is nothing at \"from\"");
  if (IsOpaque(*source) && OpaqueSource(*source).find('\n') != std::string::npos) {
    return Failed("a tagged value of several lines cannot be moved");
  }
  return *source;
}

bool IsInside(const Path& path, const Path& parent) {
  if (path.steps.size() <= parent.steps.size()) return false;
  for (size_t i = 0; i < parent.steps.size(); ++i) {
    if (path.steps[i].name != parent.steps[i].name ||
        path.steps[i].index != parent.steps[i].index) {
      return false;
    }
  }
  return true;
}

absl::Status ApplyAt(const Operation& operation, Model& document, StopLook& look) {
  using Kind = Operation::Kind;
  switch (operation.kind) {
    case Kind::kSet: {
      PURSER_ASSIGN_OR_RETURN(Model * at, Make(document, operation.path));
      *at = operation.value;
      return absl::OkStatus();
    }
    case Kind::kMerge: {
      PURSER_ASSIGN_OR_RETURN(Model * at, Make(document, operation.path));
      if (IsOpaque(*at)) return Failed(absl::StrCat("there is ", TypeName(*at)));
      *at = Merge(std::move(*at), operation.value, operation.lists, look);
      return look.status();
    }
    case Kind::kAppend: {
      PURSER_ASSIGN_OR_RETURN(Model * at, Make(document, operation.path));
      if (at->is_null()) *at = Model::array();
      if (!at->is_array()) {
        return Failed(absl::StrCat("append needs a list, there is ", TypeName(*at)));
      }
      const bool there = std::any_of(at->begin(), at->end(), [&](const Model& item) {
        return look() || Equal(item, operation.value);
      });
      PURSER_RETURN_IF_ERROR(look.status());
      if (!there || !operation.unique) at->push_back(operation.value);
      return absl::OkStatus();
    }
    case Kind::kDelete:
      return Remove(document, operation.path, false);
    case Kind::kRemove:
      return Remove(document, operation.path, true);
    case Kind::kAdd:
      return Add(document, operation.path, operation.value);
    case Kind::kReplace: {
      PURSER_ASSIGN_OR_RETURN(Model * at,
                              Find(document, operation.path, operation.path.steps.size()));
      if (at == nullptr) return Failed("there is nothing at the path");
      *at = operation.value;
      return absl::OkStatus();
    }
    case Kind::kTest: {
      PURSER_ASSIGN_OR_RETURN(Model * at,
                              Find(document, operation.path, operation.path.steps.size()));
      if (at == nullptr) return Failed("test: there is nothing at the path");
      if (Equal(*at, operation.value)) return absl::OkStatus();
      return Failed(absl::StrCat("test: is ", Shown(*at), ", not ", Shown(operation.value)));
    }
    case Kind::kCopy: {
      PURSER_ASSIGN_OR_RETURN(Model value, Take(document, operation.from));
      return Add(document, operation.path, std::move(value));
    }
    case Kind::kMove: {
      if (IsInside(operation.path, operation.from)) {
        return Failed("a value cannot be moved into itself");
      }
      PURSER_ASSIGN_OR_RETURN(Model value, Take(document, operation.from));
      PURSER_RETURN_IF_ERROR(Remove(document, operation.from, true));
      return Add(document, operation.path, std::move(value));
    }
  }
  return absl::InternalError("unknown operation");
}

absl::Status CheckBelow(const Model& value, int depth) {
  if (depth > kMaxDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("nested deeper than ", kMaxDepth, " (kMaxDepth)"));
  }
  if (!value.is_structured()) return absl::OkStatus();
  if (value.size() > kMaxMembers) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than ", kMaxMembers, " members (kMaxMembers)"));
  }
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (value.is_object()) {
      if (!item.key().empty() && item.key()[0] == '\0') {
        return absl::InvalidArgumentError("a key begins with NUL");
      }
      if (item.key().size() > kMaxKeyBytes) {
        return absl::InvalidArgumentError(
            absl::StrCat("a key is longer than ", kMaxKeyBytes, " bytes (kMaxKeyBytes)"));
      }
    }
    PURSER_RETURN_IF_ERROR(CheckBelow(*item, depth + 1));
  }
  return absl::OkStatus();
}

absl::StatusOr<Path> PathOf(const Model& operation, const char* name, bool rfc6902) {
  const auto found = operation.find(name);
  if (found == operation.end()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is required"));
  }
  if (!rfc6902) return ParsePath(*found);
  if (!found->is_string()) return absl::InvalidArgumentError("must be a JSON pointer");
  return ParsePointer(found->get_ref<const std::string&>());
}

absl::StatusOr<Operation> ParseOperation(const Model& text, bool rfc6902) {
  if (!text.is_object() || !text.contains("op") || !text["op"].is_string()) {
    return absl::InvalidArgumentError("\"op\" is required");
  }
  const std::string& op = text["op"].get_ref<const std::string&>();
  const auto* const word = std::find_if(std::begin(kWords), std::end(kWords),
                                        [&](const Word& known) { return known.name == op; });
  if (word == std::end(kWords) || (rfc6902 && !word->rfc6902)) {
    std::string known;
    for (const Word& candidate : kWords) {
      if (rfc6902 && !candidate.rfc6902) continue;
      absl::StrAppend(&known, known.empty() ? "" : ", ", candidate.name);
    }
    return absl::InvalidArgumentError(
        absl::StrCat("unknown op \"", base::EscapeForDisplay(op, 40), "\"; known are ", known));
  }
  Operation operation;
  operation.kind = word->kind;
  PURSER_ASSIGN_OR_RETURN(operation.path, PathOf(text, "path", rfc6902));
  if (word->kind == Operation::Kind::kMove || word->kind == Operation::Kind::kCopy) {
    PURSER_ASSIGN_OR_RETURN(operation.from, PathOf(text, "from", rfc6902));
  }
  if (NeedsValue(word->kind)) {
    const auto value = text.find("value");
    if (value == text.end()) {
      return absl::InvalidArgumentError(absl::StrCat("\"value\" is required by ", op));
    }
    PURSER_RETURN_IF_ERROR(CheckValue(*value));
    operation.value = *value;
  }
  operation.unique = text.value("unique", true);
  const std::string lists = text.value("lists", "replace");
  operation.lists = lists == "append"  ? Lists::kAppend
                    : lists == "unite" ? Lists::kUnite
                                       : Lists::kReplace;
  return operation;
}

}  // namespace

absl::Status CheckValue(const Model& value) { return CheckBelow(value, 0); }

absl::StatusOr<std::vector<Operation>> ParseOperations(const Model& operations, bool rfc6902) {
  if (!operations.is_array()) return absl::InvalidArgumentError("must be a list of operations");
  if (operations.size() > kMaxOperations) {
    return absl::InvalidArgumentError(absl::StrCat(operations.size(), " operations, more than ",
                                                   kMaxOperations, " (kMaxOperations)"));
  }
  std::vector<Operation> parsed;
  for (const Model& text : operations) {
    absl::StatusOr<Operation> operation = ParseOperation(text, rfc6902);
    if (!operation.ok()) {
      return base::Annotate(operation.status(), absl::StrCat("/", parsed.size()));
    }
    parsed.push_back(*std::move(operation));
  }
  return parsed;
}

absl::Status Apply(const Operation& operation, Model& document, StopLook& look) {
  PURSER_RETURN_IF_ERROR(look.status());
  return ApplyAt(operation, document, look);
}

Model Merge(Model target, const Model& patch, Lists lists, StopLook& look) {
  if (patch.is_array() && target.is_array() && lists != Lists::kReplace) {
    for (const Model& item : patch) {
      const bool there = lists == Lists::kUnite &&
                         std::any_of(target.begin(), target.end(),
                                     [&](const Model& old) { return look() || Equal(old, item); });
      if (!there) target.push_back(item);
    }
    return target;
  }
  if (!patch.is_object()) return patch;
  if (!target.is_object() || IsOpaque(target)) target = Model::object();
  for (auto member = patch.begin(); member != patch.end() && !look(); ++member) {
    if (member->is_null()) {
      target.erase(member.key());
      continue;
    }
    Model& place = target[member.key()];
    place = Merge(std::move(place), *member, lists, look);
  }
  return target;
}

}  // namespace purser::edit
