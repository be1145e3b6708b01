#include "json/json.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"

namespace purser::json {
namespace {

// Builds the value event by event, so that every limit is met before memory is spent. The parser
// underneath keeps its own stack on the heap: depth never touches the C++ stack.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(absl::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return Open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return Open(nlohmann::json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    auto [member, inserted] = stack_.back()->get_ref<nlohmann::json::object_t&>().try_emplace(name);
    if (!inserted) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat("key \"", base::EscapeForDisplay(name), "\" is there twice in one object"));
      return false;
    }
    slot_ = &member->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::json::exception& error) override {
    // The library's text repeats position and type; only its last part is for people.
    std::string what = error.what();
    const size_t cut = what.find("syntax error ");
    what = cut == std::string::npos ? "number is out of range" : what.substr(cut);
    int line = 1;
    int column = 1;
    const size_t end = std::min(position > 0 ? position - 1 : 0, text_.size());
    for (size_t i = 0; i < end; ++i) {
      if (text_[i] == '\n') {
        ++line;
        column = 1;
      } else {
        ++column;
      }
    }
    (void)token;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(line, ":", column, ": ", base::EscapeForDisplay(what, 300)));
    return false;
  }

  const absl::Status& status() const { return status_; }
  nlohmann::json& root() { return root_; }

 private:
  nlohmann::json* Place(nlohmann::json value) {
    if (++values_ > limits_.max_values) {
      status_ = absl::ResourceExhaustedError(
          absl::StrCat("JSON text has more than ", limits_.max_values, " values (max_values)"));
      return nullptr;
    }
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (stack_.back()->is_array()) {
      stack_.back()->push_back(std::move(value));
      return &stack_.back()->back();
    }
    *slot_ = std::move(value);
    return slot_;
  }
  bool Add(nlohmann::json value) { return Place(std::move(value)) != nullptr; }
  bool Open(nlohmann::json value) {
    if (static_cast<int>(stack_.size()) >= limits_.max_depth) {
      status_ = absl::ResourceExhaustedError(
          absl::StrCat("JSON text is nested deeper than ", limits_.max_depth, " (max_depth)"));
      return false;
    }
    nlohmann::json* placed = Place(std::move(value));
    if (placed == nullptr) return false;
    stack_.push_back(placed);
    return true;
  }
  bool Close() {
    stack_.pop_back();
    return true;
  }

  const absl::string_view text_;
  const Limits& limits_;
  nlohmann::json root_;
  // Pointers stay valid: a container only grows while it is the last on the stack.
  std::vector<nlohmann::json*> stack_;
  nlohmann::json* slot_ = nullptr;
  int64_t values_ = 0;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<nlohmann::json> Parse(absl::string_view text, const Limits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "JSON text has ", text.size(), " bytes, more than ", limits.max_bytes, " (max_bytes)"));
  }
  Builder builder(text, limits);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    if (builder.status().ok()) return absl::InternalError("JSON parser stopped without a reason");
    return builder.status();
  }
  return std::move(builder.root());
}

std::string Dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string PointerToken(absl::string_view token) {
  std::string out;
  out.reserve(token.size());
  for (const char c : token) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

absl::Status ToStatus(const std::vector<Violation>& violations, absl::string_view what) {
  if (violations.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      what, ": ", absl::StrJoin(violations, "; ", [](std::string* out, const Violation& violation) {
        absl::StrAppend(out, violation.pointer.empty() ? "the value" : violation.pointer, " ",
                        violation.message);
      })));
}

}  // namespace purser::json
