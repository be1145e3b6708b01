// Any text, any attribute: an edit is refused, or gives a text of the same structure in which the
// attribute says the new value, and which does not change a second time.
#include <cstddef>
#include <cstdint>
#include <string>

#include "edit/hcl.h"

namespace {

using purser::edit::HclBody;
using purser::edit::HclItem;
using purser::edit::HclOperation;

size_t CountItems(const HclBody& body) {
  size_t count = body.items.size();
  for (const HclItem& item : body.items) count += CountItems(item.body);
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHead = 4;
  if (size < kHead) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + kHead, size - kHead);
  const auto body = purser::edit::ParseHcl(text, "f");
  if (!body.ok()) return 0;
  HclOperation operation;
  const HclBody* at = &*body;
  for (size_t i = 1; i < kHead && !at->items.empty(); ++i) {
    const HclItem& item = at->items[data[i] % at->items.size()];
    if (!item.block) break;
    operation.block.push_back({item.name});
    for (const std::string& label : item.labels) operation.block.back().push_back(label);
    at = &item.body;
  }
  operation.name = "fuzzed_name";
  for (const HclItem& item : at->items) {
    if (!item.block && (data[0] & 4) != 0) operation.name = item.name;
  }
  operation.value = (data[0] & 8) != 0 ? purser::edit::Model{{"a", "${x}"}, {"b c", {1, 2}}}
                                       : purser::edit::Model("v");
  operation.body = purser::edit::Model{{"x", 1}};
  operation.kind = static_cast<HclOperation::Kind>(data[0] & 3);
  const auto edited = purser::edit::EditHcl(text, "f", {operation});
  if (!edited.ok()) return 0;
  const auto after = purser::edit::ParseHcl(*edited, "f");
  if (!after.ok()) __builtin_trap();
  const size_t before_count = CountItems(*body);
  const size_t after_count = CountItems(*after);
  if (operation.kind == HclOperation::Kind::kSet && after_count != before_count &&
      after_count != before_count + 1) {
    __builtin_trap();
  }
  const auto again = purser::edit::EditHcl(*edited, "f", {operation});
  if (!again.ok() || *again != *edited) __builtin_trap();
  return 0;
}
