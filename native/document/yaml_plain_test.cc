#include "document/yaml_plain.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "document/yaml_plain_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::document {
namespace {

constexpr absl::string_view kManifest = R"(# what a team keeps
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: orders   # its name
  title: 'Bestellungen: O''Brien''s'
  description: Takes orders, tells the warehouse (and nobody else) – "at once" -- what to send.
  labels: {}
  annotations:
    backstage.io/techdocs-ref: dir:.
    example.com/on-call: "https://on-call.example/orders?a=1#now"
  tags: [java, tier-1, "a, b", 'it''s', 0x1F, 1.50, ~, url:https://a]
  links:
  - url: https://grafana.example.com/d/orders
    title: Überblick

  -   url: https://b
      icon: dashboard
spec:
    type: service
    replicas: -3
    ratio: .5
    isOpen: true
    nothing: null
    dependsOn:

        - resource:default/orders-db
        # a remark
        - -flag
    empty: []
---   # another one
- a
- b: 1
  c:
    d: e
- []
)";

TEST(YamlPlainTest, ReadsManifestsAsLibyamlDoes) {
  std::string difference;
  EXPECT_EQ(Compare(kManifest, {}, &difference), Comparison::kSame) << difference;
  EXPECT_EQ(Compare(kManifest, {.with_positions = false}, &difference), Comparison::kSame);
  EXPECT_EQ((*ReadPlainYaml(kManifest, {}))[0].Where("f", "/spec/dependsOn/0"), "f:28:11");
  // Without an end of the last line, and cut after every byte: read alike, or left.
  for (size_t size = 0; size <= kManifest.size(); ++size) {
    EXPECT_NE(Compare(kManifest.substr(0, size), {}, &difference), Comparison::kDiffers)
        << size << ": " << difference;
  }
}

TEST(YamlPlainTest, EachByteChangedIsReadAlikeOrLeft) {
  for (size_t at = 0; at < kManifest.size(); ++at) {
    for (const char c : absl::string_view("\n :-#'\"[]{},&*!|>%@`~.?\t\r\x01\x80\\<=")) {
      std::string text(kManifest);
      text[at] = c;
      std::string difference;
      ASSERT_NE(Compare(text, {}, &difference), Comparison::kDiffers)
          << at << " '" << c << "': " << difference;
    }
  }
}

TEST(YamlPlainTest, LeavesWhatIsNotPlain) {
  for (const absl::string_view text : {"",
                                       "# nothing\n",
                                       "--- \n",
                                       "a: 1\n---\n",
                                       "text",
                                       "[a]",
                                       "{\"a\": 1}",
                                       "a:\n",
                                       "a:\nb: 1",
                                       "a: &x 1",
                                       "a: *x",
                                       "a: !!str 1",
                                       "a: |\n  text\n",
                                       "a: >-\n  text\n",
                                       "a: b\n  c",
                                       "a: \"b\n  c\"",
                                       "a: \"\\u00e4\"",
                                       "a: {b: 1}",
                                       "a: [b,\n  c]",
                                       "a: [b: c]",
                                       "a: [,]",
                                       "a: [b, ]",
                                       "a:\tb",
                                       "a: b\r\n",
                                       "%YAML 1.2\n---\na: 1",
                                       "--- a: 1",
                                       "a: 1\n...",
                                       "? a",
                                       "a : 1",
                                       "\"a\": 1",
                                       "<<: 1",
                                       "a: 1\na: 2",
                                       "a: b: c",
                                       "a: b:",
                                       "a: .inf",
                                       "a: 1\n b: 2",
                                       "  a: 1",
                                       "- a\n  - b",
                                       "- - a",
                                       "-",
                                       "- a\n-\n",
                                       "- a\nb: 1",
                                       "a: 1\n- b",
                                       "a:\n  - b\n c: 1",
                                       "a: \xE2\x80\xA8",
                                       "\xEF\xBB\xBF"
                                       "a: 1",
                                       "a: \xFF",
                                       "a: \xC2\x85",
                                       "a: @b",
                                       "a: `b`",
                                       "a: 'b' c",
                                       "a: 'b'#c",
                                       "a: -",
                                       "a: ---"}) {
    EXPECT_FALSE(ReadPlainYaml(text, {}).has_value()) << text;
  }
}

TEST(YamlPlainTest, LeavesWhatExceedsALimit) {
  const auto is_read = [](absl::string_view text, const Limits& limits) {
    return ReadPlainYaml(text, limits).has_value();
  };
  EXPECT_TRUE(is_read("a: 1\nb: 2", {.max_nodes = 5}));
  EXPECT_FALSE(is_read("a: 1\nb: 2", {.max_nodes = 4}));
  EXPECT_TRUE(is_read("a: 1\n---\na: 1", {.max_documents = 2}));
  EXPECT_FALSE(is_read("a: 1\n---\na: 1", {.max_documents = 1}));
  EXPECT_TRUE(is_read("a:\n  b: 1", {.max_depth = 3}));
  EXPECT_FALSE(is_read("a:\n  b: [1]", {.max_depth = 2}));
  std::string deep;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&deep, std::string(i, ' '), "a:\n");
  EXPECT_FALSE(is_read(deep, {.max_depth = 10'000}));
  EXPECT_FALSE(is_read(std::string(kMaxPlainYamlKeyBytes + 1, 'k') + ": 1", {}));
}

// Every YAML file at hand: of this repository, of the packages and the data where they are there.
TEST(YamlPlainTest, FilesAtHandAreReadAlikeOrLeft) {
  const char* const shared = std::getenv("PURSER_SHARED");
  int read = 0;
  int left = 0;
  for (const std::filesystem::path& folder :
       {std::filesystem::path(PURSER_SOURCE_DIR) / "examples",
        std::filesystem::path(PURSER_SOURCE_DIR) / "node_modules",
        std::filesystem::path(shared == nullptr ? PURSER_SOURCE_DIR "/../shared" : shared) /
            "data"}) {
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator entry(folder, error), end;
         !error && entry != end; entry.increment(error)) {
      const std::string extension = entry->path().extension().string();
      if (!entry->is_regular_file() || (extension != ".yaml" && extension != ".yml")) continue;
      std::ifstream file(entry->path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      std::string difference;
      switch (Compare(text, {}, &difference)) {
        case Comparison::kSame:
          ++read;
          break;
        case Comparison::kLeft:
          ++left;
          break;
        case Comparison::kDiffers:
          ADD_FAILURE() << entry->path() << "\n" << difference;
      }
    }
  }
  EXPECT_GT(read, 10) << "of " << left + read;
  RecordProperty("read", read);
  RecordProperty("left", left);
}

}  // namespace
}  // namespace purser::document
