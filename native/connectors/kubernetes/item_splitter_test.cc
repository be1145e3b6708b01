#include "connectors/kubernetes/item_splitter.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::connectors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Split {
  std::vector<std::string> items;
  std::string envelope;
  absl::Status status;
};

Split Cut(ItemSplitter::Form form, absl::string_view text, size_t piece) {
  Split split;
  ItemSplitter splitter(form, [&split](absl::string_view item) {
    split.items.emplace_back(item);
    return absl::OkStatus();
  });
  for (size_t at = 0; at < text.size() && split.status.ok(); at += piece) {
    split.status = splitter.Feed(text.substr(at, piece));
  }
  if (split.status.ok()) split.status = splitter.Finish();
  split.envelope = splitter.envelope();
  return split;
}

TEST(ItemSplitterTest, CutsAListWhereverItsPiecesEnd) {
  const std::string text =
      R"( {"kind":"X","metadata":{"continue":"\"items\":[","n":[1]},"items" : [ {"a":"]}\\"} ,)"
      R"({},{"b":[{"c":"\""}]}],"more":{"items":[{"no":1}]}} )";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    const Split split = Cut(ItemSplitter::Form::kList, text, piece);
    ASSERT_TRUE(split.status.ok()) << split.status << " at " << piece;
    EXPECT_THAT(split.items, ElementsAre(R"({"a":"]}\\"})", "{}", R"({"b":[{"c":"\""}]})"));
    EXPECT_EQ(split.envelope,
              R"({"kind":"X","metadata":{"continue":"\"items\":[","n":[1]},"items" : [],)"
              R"("more":{"items":[{"no":1}]}})");
  }
  EXPECT_TRUE(Cut(ItemSplitter::Form::kList, R"({"items":null})", 100).status.ok());
}

TEST(ItemSplitterTest, CutsAWatch) {
  const Split split = Cut(ItemSplitter::Form::kStream, "{\"a\":1}\n\n{\"b\":{}}\r\n{}", 3);
  ASSERT_TRUE(split.status.ok()) << split.status;
  EXPECT_THAT(split.items, ElementsAre("{\"a\":1}", "{\"b\":{}}", "{}"));
  EXPECT_FALSE(Cut(ItemSplitter::Form::kStream, "{\"a\":1}\n{\"b", 4).status.ok());
  EXPECT_FALSE(Cut(ItemSplitter::Form::kStream, "<html>", 4).status.ok());
}

TEST(ItemSplitterTest, RefusesWhatIsNoList) {
  for (const char* text : {"", "[]", "<html>", "{\"items\":[1]}", "{\"items\":[{}]",
                           "{\"items\":[{", "{\"items\":[]}x", "{\"items\":[\"a\"]}"}) {
    EXPECT_EQ(Cut(ItemSplitter::Form::kList, text, 2).status.code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(ItemSplitterTest, LimitsStopIt) {
  const std::string piece(1 << 20, 'x');
  absl::Status status;
  ItemSplitter item(ItemSplitter::Form::kList, [](absl::string_view) { return absl::OkStatus(); });
  status = item.Feed("{\"items\":[{\"a\":\"");
  for (int i = 0; i < 10 && status.ok(); ++i) status = item.Feed(piece);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("kMaxItemBytes"));
  ItemSplitter envelope(ItemSplitter::Form::kList,
                        [](absl::string_view) { return absl::OkStatus(); });
  status = envelope.Feed("{\"a\":\"");
  for (int i = 0; i < 3 && status.ok(); ++i) status = envelope.Feed(piece);
  EXPECT_THAT(std::string(status.message()), HasSubstr("kMaxEnvelopeBytes"));
}

TEST(JsonScanTest, BlocksAndBytesAgree) {
  base::SeededRng rng(7);
  const std::string alphabet = "{}[]\"\\\\\"ab: ";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = rng.Below(2) == 0 ? "{" : "[";
    const size_t size = rng.Below(400);
    const bool wide = rng.Below(2) == 0;  // rarely a bracket
    for (size_t i = 0; i < size; ++i) {
      const size_t at = rng.Below(wide && rng.Below(8) != 0 ? 3 : alphabet.size());
      text += wide ? alphabet[alphabet.size() - 1 - at] : alphabet[at];
    }
    JsonScan bytes, blocks;
    const char* const end = text.data() + text.size();
    const char* const expected = ScanToEndBytewise(text.data(), end, &bytes);
    // In two pieces, so that the state is carried.
    const size_t cut = rng.Below(text.size() + 1);
    const char* found = ScanToEnd(text.data(), text.data() + cut, &blocks);
    if (found == nullptr) found = ScanToEnd(text.data() + cut, end, &blocks);
    ASSERT_EQ(found == nullptr ? -1 : found - text.data(),
              expected == nullptr ? -1 : expected - text.data())
        << text << " cut at " << cut;
  }
}

}  // namespace
}  // namespace purser::connectors
