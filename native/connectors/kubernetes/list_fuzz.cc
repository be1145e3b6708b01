// Hostile lists and watches: the splitter cuts the same objects wherever pieces end, and what the
// field reader takes from an object is what a whole parser finds there.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "connectors/kubernetes/field_selection.h"
#include "connectors/kubernetes/item_splitter.h"
#include "json/json.h"

namespace {

using purser::connectors::FieldSelection;
using purser::connectors::ItemSplitter;

std::vector<std::string> Cut(ItemSplitter::Form form, absl::string_view text, size_t piece,
                             bool* good) {
  std::vector<std::string> items;
  ItemSplitter splitter(form, [&items](absl::string_view item) {
    items.emplace_back(item);
    return absl::OkStatus();
  });
  absl::Status status;
  for (size_t at = 0; at < text.size() && status.ok(); at += piece) {
    status = splitter.Feed(text.substr(at, piece));
  }
  if (status.ok()) status = splitter.Finish();
  *good = status.ok();
  return items;
}

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto form = data[0] % 2 == 0 ? ItemSplitter::Form::kList : ItemSplitter::Form::kStream;
  const size_t piece = 1 + data[1] % 70;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  bool good = false;
  bool good_whole = false;
  const std::vector<std::string> items = Cut(form, text, piece, &good);
  Require(items == Cut(form, text, std::max<size_t>(text.size(), 1), &good_whole));
  Require(good == good_whole);

  FieldSelection everything;
  everything.Add({});
  FieldSelection some;
  some.Add({"metadata", "name"});
  some.Add({"items", "a"});
  some.Drop({"items", "a", "b"});
  for (const std::string& item : items) {
    const auto parsed = purser::json::Parse(item);
    const auto read = everything.Read(item);
    if (parsed.ok()) Require(read.ok() && *read == *parsed);
    const auto part = some.Read(item);
    if (parsed.ok()) Require(part.ok());
    if (part.ok() && read.ok() && part->contains("metadata") && (*part)["metadata"].is_object() &&
        (*part)["metadata"].contains("name")) {
      Require((*part)["metadata"]["name"] == (*read)["metadata"]["name"]);
    }
  }
  return 0;
}
