// Composes JSON values from libyaml's events, where yaml_plain does not read the text. The stack is
// ours and on the heap; nothing recurses on the document's depth, and every limit is met before
// memory is spent.
#include <yaml.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/scalar.h"
#include "document/yaml.h"
#include "document/yaml_plain.h"
#include "json/json.h"

namespace purser::document {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kTagPrefix = "tag:yaml.org,2002:";

absl::string_view View(const yaml_char_t* text) {
  return text == nullptr ? absl::string_view()
                         : absl::string_view(reinterpret_cast<const char*>(text));
}

// An event that frees itself.
class Event {
 public:
  Event() = default;
  ~Event() { yaml_event_delete(&event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_ = {};
};

class Reader {
 public:
  Reader(absl::string_view text, absl::string_view file, const Limits& limits)
      : file_(file), limits_(limits) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Reader() {
    if (ready_) yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  absl::StatusOr<std::vector<Document>> Read() {
    if (!ready_) return absl::ResourceExhaustedError("no memory for a YAML parser");
    std::vector<Document> documents;
    for (;;) {
      Event event;
      if (yaml_parser_parse(&parser_, event.get()) == 0) return SyntaxError();
      switch (event->type) {
        case YAML_STREAM_END_EVENT:
          return documents;
        case YAML_DOCUMENT_START_EVENT:
          if (static_cast<int>(documents.size()) >= limits_.max_documents) {
            return Exhausted(event->start_mark, absl::StrCat("more than ", limits_.max_documents,
                                                             " documents (max_documents)"));
          }
          document_ = Document();
          anchors_.clear();
          break;
        case YAML_DOCUMENT_END_EVENT:
          documents.push_back(std::move(document_));
          break;
        case YAML_SCALAR_EVENT:
          PURSER_RETURN_IF_ERROR(OnScalar(event));
          break;
        case YAML_ALIAS_EVENT:
          PURSER_RETURN_IF_ERROR(OnAlias(event));
          break;
        case YAML_SEQUENCE_START_EVENT:
          PURSER_RETURN_IF_ERROR(Open(event, Json::array(), View(event->data.sequence_start.anchor),
                                      View(event->data.sequence_start.tag), "seq"));
          break;
        case YAML_MAPPING_START_EVENT:
          PURSER_RETURN_IF_ERROR(Open(event, Json::object(), View(event->data.mapping_start.anchor),
                                      View(event->data.mapping_start.tag), "map"));
          break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
          PURSER_RETURN_IF_ERROR(Close(event->start_mark));
          break;
        default:
          break;
      }
    }
  }

  // A fault of the text's form, as opposed to a limit that was met or a rule of ours.
  bool syntax_error() const { return syntax_error_; }

 private:
  struct Anchored {
    Json value;
    int64_t nodes = 0;
    int64_t bytes = 0;
  };
  struct Frame {
    Json value;
    std::string anchor;
    size_t pointer_bytes;  // length of the pointer of this container
    int64_t nodes_before;
    int64_t bytes_before;
    bool has_key = false;
    bool merge_next = false;
    std::string key;         // of the value that comes next; kept for positions only
    Json* member = nullptr;  // where that value goes; nodes of an object stay where they are
    Json merged;             // an object of what << brought, if there was one; explicit keys win
  };

  absl::Status At(const yaml_mark_t& mark, absl::StatusCode code, absl::string_view what) const {
    return absl::Status(code,
                        absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1, ": ", what));
  }
  absl::Status Invalid(const yaml_mark_t& mark, absl::string_view what) const {
    return At(mark, absl::StatusCode::kInvalidArgument, what);
  }
  absl::Status Exhausted(const yaml_mark_t& mark, absl::string_view what) const {
    return At(mark, absl::StatusCode::kResourceExhausted, what);
  }

  absl::Status SyntaxError() {
    syntax_error_ = true;
    const char* problem = parser_.problem == nullptr ? "unreadable" : parser_.problem;
    if (parser_.error == YAML_READER_ERROR) {
      return absl::InvalidArgumentError(absl::StrCat(file_, ":", parser_.mark.line + 1, ":",
                                                     parser_.mark.column + 1, ": ", problem,
                                                     " (the text must be UTF-8)"));
    }
    std::string what = problem;
    if (parser_.context != nullptr) {
      absl::StrAppend(&what, " ", parser_.context);
      if (parser_.context_mark.line != parser_.problem_mark.line) {
        absl::StrAppend(&what, " from line ", parser_.context_mark.line + 1);
      }
    }
    return Invalid(parser_.problem_mark, what);
  }

  absl::Status Count(const yaml_mark_t& mark, int64_t nodes, int64_t bytes) {
    nodes_ += nodes;
    bytes_ += bytes;
    if (nodes_ > limits_.max_nodes) {
      return Exhausted(mark, absl::StrCat("more than ", limits_.max_nodes,
                                          " values, with aliases expanded (max_nodes)"));
    }
    if (bytes_ > limits_.max_bytes * kMaxYamlExpansion) {
      return Exhausted(mark, absl::StrCat("more than ", limits_.max_bytes * kMaxYamlExpansion,
                                          " bytes of text, with aliases expanded"
                                          " (kMaxYamlExpansion)"));
    }
    return absl::OkStatus();
  }

  bool ExpectsKey() const {
    return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().has_key;
  }

  // The pointer of the value that comes next; "" when it grew too long to be kept.
  void EnterPointer() {
    if (frames_.empty() || !limits_.with_positions) return;
    const Frame& frame = frames_.back();
    pointer_.resize(frame.pointer_bytes);
    if (pointer_.size() > kMaxPositionPointerBytes) return;
    if (frame.value.is_array()) {
      absl::StrAppend(&pointer_, "/", frame.value.size());
    } else if (frame.key.size() <= kMaxPositionPointerBytes) {
      absl::StrAppend(&pointer_, "/", json::PointerToken(frame.key));
    } else {
      pointer_.append(kMaxPositionPointerBytes + 1, '/');
    }
  }
  void Remember(const yaml_mark_t& mark) {
    if (!limits_.with_positions) return;
    if (pointer_.size() > kMaxPositionPointerBytes) return;
    if (!frames_.empty() && frames_.back().merge_next) return;
    document_.positions[pointer_] = {static_cast<int>(mark.line) + 1,
                                     static_cast<int>(mark.column) + 1};
  }

  absl::Status OnScalar(const Event& event) {
    const auto& scalar = event->data.scalar;
    const absl::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
    PURSER_RETURN_IF_ERROR(Count(event->start_mark, 1, static_cast<int64_t>(text.size())));
    if (ExpectsKey()) {
      if (scalar.anchor != nullptr) {
        anchors_[View(scalar.anchor)] = {Json(std::string(text)), 1,
                                         static_cast<int64_t>(text.size())};
      }
      return OnKey(event->start_mark, text, plain && scalar.tag == nullptr);
    }
    absl::StatusOr<Json> value = Resolve(text, View(scalar.tag), plain);
    if (!value.ok()) return Invalid(event->start_mark, value.status().message());
    if (scalar.anchor != nullptr) {
      anchors_[View(scalar.anchor)] = {*value, 1, static_cast<int64_t>(text.size())};
    }
    EnterPointer();
    Remember(event->start_mark);
    return Place(event->start_mark, *std::move(value));
  }

  static absl::StatusOr<Json> Resolve(absl::string_view text, absl::string_view tag, bool plain) {
    if (tag.empty()) {
      return plain ? ResolvePlain(text) : absl::StatusOr<Json>(Json(std::string(text)));
    }
    if (tag == "!") return Json(std::string(text));
    absl::string_view name = tag;
    if (!absl::StartsWith(name, kTagPrefix)) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown tag ", base::EscapeForDisplay(tag, 80)));
    }
    name.remove_prefix(kTagPrefix.size());
    if (name == "str") return Json(std::string(text));
    if (name != "int" && name != "float" && name != "bool" && name != "null") {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown tag !!", base::EscapeForDisplay(name, 80)));
    }
    PURSER_ASSIGN_OR_RETURN(Json value, ResolvePlain(text));
    if (name == "float" && value.is_number()) value = value.get<double>();
    const bool fits = (name == "int" && value.is_number_integer()) ||
                      (name == "float" && value.is_number_float()) ||
                      (name == "bool" && value.is_boolean()) || (name == "null" && value.is_null());
    if (!fits) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", base::EscapeForDisplay(text, 40), "\" is no !!", name));
    }
    return value;
  }

  absl::Status OnKey(const yaml_mark_t& mark, absl::string_view text, bool plain) {
    Frame& frame = frames_.back();
    frame.has_key = true;
    frame.merge_next = plain && text == "<<";
    if (limits_.with_positions) frame.key.assign(text.data(), text.size());
    if (frame.merge_next) return absl::OkStatus();
    auto& members = frame.value.get_ref<Json::object_t&>();
    const auto [member, added] = members.try_emplace(std::string(text));
    frame.member = &member->second;
    if (!added) {
      return Invalid(mark, absl::StrCat("key \"", base::EscapeForDisplay(text, 80),
                                        "\" is there twice in one mapping"));
    }
    return absl::OkStatus();
  }

  absl::Status OnAlias(const Event& event) {
    const absl::string_view name = View(event->data.alias.anchor);
    const auto found = anchors_.find(name);
    if (found == anchors_.end()) {
      for (const Frame& frame : frames_) {
        if (frame.anchor == name) {
          return Invalid(event->start_mark,
                         absl::StrCat("alias *", base::EscapeForDisplay(name, 80),
                                      " stands inside its own anchor"));
        }
      }
      return Invalid(event->start_mark, absl::StrCat("alias *", base::EscapeForDisplay(name, 80),
                                                     " has no anchor before it"));
    }
    PURSER_RETURN_IF_ERROR(Count(event->start_mark, found->second.nodes, found->second.bytes));
    if (ExpectsKey()) {
      if (!found->second.value.is_string()) {
        return Invalid(event->start_mark, "a key must be a scalar");
      }
      return OnKey(event->start_mark, found->second.value.get_ref<const std::string&>(), false);
    }
    EnterPointer();
    Remember(event->start_mark);
    return Place(event->start_mark, found->second.value);
  }

  absl::Status Open(const Event& event, Json value, absl::string_view anchor, absl::string_view tag,
                    absl::string_view wanted_tag) {
    if (!tag.empty() && tag != "!" && tag != absl::StrCat(kTagPrefix, wanted_tag)) {
      return Invalid(event->start_mark,
                     absl::StrCat("unknown tag ", base::EscapeForDisplay(tag, 80)));
    }
    if (ExpectsKey()) return Invalid(event->start_mark, "a key must be a scalar");
    if (static_cast<int>(frames_.size()) >= limits_.max_depth) {
      return Exhausted(event->start_mark,
                       absl::StrCat("nested deeper than ", limits_.max_depth, " (max_depth)"));
    }
    const int64_t nodes_before = nodes_;
    const int64_t bytes_before = bytes_;
    PURSER_RETURN_IF_ERROR(Count(event->start_mark, 1, 0));
    EnterPointer();
    Remember(event->start_mark);
    if (frames_.empty()) pointer_.clear();
    Frame frame;
    frame.value = std::move(value);
    frame.anchor = std::string(anchor);
    frame.pointer_bytes = pointer_.size();
    frame.nodes_before = nodes_before;
    frame.bytes_before = bytes_before;
    if (!anchor.empty()) anchors_.erase(anchor);  // the name means the new one from here on
    frames_.push_back(std::move(frame));
    return absl::OkStatus();
  }

  absl::Status Close(const yaml_mark_t& mark) {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    pointer_.resize(frame.pointer_bytes);
    for (auto& [key, value] : frame.merged.items()) {
      if (!frame.value.contains(key)) frame.value[key] = std::move(value);
    }
    if (!frame.anchor.empty()) {
      const int64_t nodes = nodes_ - frame.nodes_before;
      const int64_t bytes = bytes_ - frame.bytes_before;
      // The copy kept for aliases is counted too: nested anchors would multiply memory otherwise.
      PURSER_RETURN_IF_ERROR(Count(mark, nodes, bytes));
      anchors_[frame.anchor] = {frame.value, nodes, bytes};
    }
    return Place(mark, std::move(frame.value));
  }

  absl::Status Place(const yaml_mark_t& mark, Json value) {
    if (frames_.empty()) {
      document_.value = std::move(value);
      return absl::OkStatus();
    }
    Frame& frame = frames_.back();
    if (frame.value.is_array()) {
      frame.value.push_back(std::move(value));
      return absl::OkStatus();
    }
    frame.has_key = false;
    if (!frame.merge_next) {
      *frame.member = std::move(value);
      return absl::OkStatus();
    }
    frame.merge_next = false;
    return Merge(mark, frame, std::move(value));
  }

  absl::Status Merge(const yaml_mark_t& mark, Frame& frame, Json value) {
    Json sources = value.is_array() ? std::move(value) : Json::array({std::move(value)});
    for (Json& source : sources) {
      if (!source.is_object()) {
        return Invalid(mark, "the value of a merge key << must be a mapping or a list of them");
      }
      for (auto& [key, member] : source.items()) {
        if (!frame.merged.contains(key)) frame.merged[key] = std::move(member);
      }
    }
    return absl::OkStatus();
  }

  yaml_parser_t parser_ = {};
  bool ready_ = false;
  bool syntax_error_ = false;
  const std::string file_;
  const Limits limits_;
  Document document_;
  std::vector<Frame> frames_;
  std::string pointer_;
  absl::flat_hash_map<std::string, Anchored> anchors_;
  int64_t nodes_ = 0;
  int64_t bytes_ = 0;
};

// JSON that libyaml cannot read (surrogate escapes, keys beyond 1,024 bytes) is a document as well.
bool ReadAsJson(absl::string_view text, const Limits& limits, Document* out) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == absl::string_view::npos || (text[first] != '{' && text[first] != '[')) return false;
  absl::StatusOr<Json> value = json::Parse(text, {.max_bytes = limits.max_bytes,
                                                  .max_depth = limits.max_depth,
                                                  .max_values = limits.max_nodes});
  if (!value.ok()) return false;
  out->value = *std::move(value);
  const absl::string_view before = text.substr(0, first);
  const size_t line_start = before.rfind('\n');
  out->positions[""] = {
      static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
      static_cast<int>(line_start == absl::string_view::npos ? first : first - line_start - 1) + 1};
  return true;
}

}  // namespace

std::string Document::Where(absl::string_view file, absl::string_view pointer) const {
  for (;;) {
    const auto found = positions.find(base::ToStd(pointer));
    if (found != positions.end()) {
      return absl::StrCat(file, ":", found->second.line, ":", found->second.column);
    }
    const size_t cut = pointer.rfind('/');
    if (cut == absl::string_view::npos) return std::string(file);
    pointer = pointer.substr(0, cut);
  }
}

absl::StatusOr<std::vector<Document>> ReadYamlByLibyaml(absl::string_view text,
                                                        absl::string_view file,
                                                        const Limits& limits) {
  Reader reader(text, file, limits);
  absl::StatusOr<std::vector<Document>> documents = reader.Read();
  Document as_json;
  if (reader.syntax_error() && ReadAsJson(text, limits, &as_json)) {
    std::vector<Document> one;
    one.push_back(std::move(as_json));
    return one;
  }
  return documents;
}

absl::StatusOr<std::vector<Document>> ParseYaml(absl::string_view text, absl::string_view file,
                                                const Limits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(file, ": ", text.size(), " bytes, more than ",
                                                     limits.max_bytes, " (max_bytes)"));
  }
  std::optional<std::vector<Document>> plain = ReadPlainYaml(text, limits);
  return plain.has_value() ? *std::move(plain) : ReadYamlByLibyaml(text, file, limits);
}

absl::StatusOr<Document> ParseYamlDocument(absl::string_view text, absl::string_view file,
                                           const Limits& limits) {
  PURSER_ASSIGN_OR_RETURN(std::vector<Document> documents, ParseYaml(text, file, limits));
  if (documents.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": must hold exactly one document, holds ", documents.size()));
  }
  return std::move(documents.front());
}

}  // namespace purser::document
