// Any text, any place, any of a few operations: an edit is refused, or reads back as it should,
// does not change a second time, and leaves the rest of the values alone (Edit compares them
// itself).
#include <cstddef>
#include <cstdint>
#include <string>

#include "edit/edit.h"

namespace {

using purser::edit::Model;
using purser::edit::Operation;
using purser::edit::Step;
using purser::edit::Syntax;

// A place in the value, chosen by bytes.
purser::edit::Path Choose(const Model& value, const uint8_t* choice, size_t count) {
  purser::edit::Path path;
  const Model* at = &value;
  for (size_t i = 0;
       i < count && at->is_structured() && !at->empty() && !purser::edit::IsOpaque(*at); ++i) {
    if (choice[i] == 0xFF) break;
    Step step;
    const size_t index = choice[i] % at->size();
    auto child = at->begin();
    std::advance(child, static_cast<ptrdiff_t>(index));
    if (at->is_array()) {
      step.kind = Step::Kind::kIndex;
      step.index = index;
    } else {
      step.name = child.key();
    }
    path.steps.push_back(step);
    at = &*child;
  }
  return path;
}

Model ValueOf(uint8_t byte) {
  switch (byte % 8) {
    case 0:
      return "text";
    case 1:
      return 42;
    case 2:
      return nullptr;
    case 3:
      return Model{{"a", 1}, {"b", Model::array({"x", "y"})}};
    case 4:
      return Model::array({1, Model{{"name", "n"}}});
    case 5:
      return "two\nlines\n";
    case 6:
      return Model::object();
    default:
      return "yes: #no";
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHead = 6;
  if (size < kHead) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + kHead, size - kHead);
  const Syntax syntax = (data[0] & 1) != 0 ? Syntax::kJson : Syntax::kYaml;
  purser::edit::Selection all;
  all.kind = purser::edit::Selection::Kind::kAll;
  const auto change = [&](Model& value) {
    Operation operation;
    operation.path = Choose(value, data + 2, kHead - 2);
    operation.value = ValueOf(data[1]);
    switch (data[0] >> 1 & 3) {
      case 0:
        operation.kind = Operation::Kind::kSet;
        break;
      case 1:
        operation.kind = Operation::Kind::kDelete;
        break;
      case 2:
        operation.kind = Operation::Kind::kMerge;
        break;
      default:
        operation.kind = Operation::Kind::kAppend;
        break;
    }
    purser::edit::StopLook look;
    return Apply(operation, value, look);
  };
  const auto same =
      purser::edit::Edit(syntax, text, "f", all, [](Model&) { return absl::OkStatus(); });
  if (!same.ok()) return 0;
  if (same->text != text) __builtin_trap();
  const auto edited = purser::edit::Edit(syntax, text, "f", all, change);
  if (!edited.ok()) return 0;
  const auto again =
      purser::edit::Edit(syntax, edited->text, "f", all, [](Model&) { return absl::OkStatus(); });
  // Where all documents have become empty, none is left to choose.
  if (again.ok() ? again->text != edited->text
                 : again.status().code() != absl::StatusCode::kFailedPrecondition) {
    __builtin_trap();
  }
  return 0;
}
