#include "costs/readers/parquet/tag_decoder.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "costs/readers/parquet/encodings.h"
#include "costs/readers/parquet/testing/pages.h"
#include "gtest/gtest.h"

namespace purser::costs::parquet {
namespace {

using testing::AppendFour;
using testing::Numbers;
using testing::Page;
using testing::Plain;
using testing::Runs;

struct Entry {
  uint32_t repetition = 0;
  uint32_t level = 3;  // 1: an empty map, 2: an element without this text, 3: the text is there
  std::string text;
};

// A column of entries in pages of any length, with a dictionary or without.
std::string Written(const std::vector<Entry>& entries, base::Rng& rng) {
  std::string out;
  std::vector<std::string> dictionary;
  std::map<std::string, uint32_t> number_of;
  const bool some_numbered = rng.Below(4) != 0;
  for (const Entry& entry : entries) {
    if (entry.level < 3) continue;
    if (number_of.emplace(entry.text, dictionary.size()).second) dictionary.push_back(entry.text);
  }
  if (some_numbered) out += Page(2, dictionary.size(), kPlain, Plain(dictionary));
  const int width = std::bit_width(dictionary.size());
  for (size_t first = 0, end = 0; first < entries.size(); first = end) {
    end = std::min(entries.size(), first + 1 + rng.Below(rng.Below(3) == 0 ? 9'000 : 40));
    const bool numbered = some_numbered && rng.Below(4) != 0;
    Numbers repetitions, levels, numbers;
    std::vector<std::string> texts;
    for (size_t i = first; i < end; ++i) {
      repetitions.push_back(entries[i].repetition);
      levels.push_back(entries[i].level);
      if (entries[i].level < 3) continue;
      texts.push_back(entries[i].text);
      numbers.push_back(number_of[entries[i].text]);
    }
    std::string body;
    for (const auto& [runs, bits] : {std::pair(repetitions, 1), std::pair(levels, 2)}) {
      const std::string written = Runs(runs, bits, rng.Below(2) == 0);
      AppendFour(written.size(), body);
      body += written;
    }
    if (numbered) {
      body += static_cast<char>(width);
      body += Runs(numbers, width, rng.Below(2) == 0);
    } else {
      body += Plain(texts);
    }
    out += Page(0, end - first, numbered ? kRleDictionary : kPlain, body);
  }
  return out;
}

// What a row is said to be: the values of the asked tags, or what is wrong.
struct Expected {
  std::string team, app, wrong;
};

class TagDecoderTest : public ::testing::Test {
 protected:
  // Adds a row with these pairs; nothing stands for a text that is missing.
  using Text = std::optional<std::string>;
  void Add(const std::vector<std::pair<Text, Text>>& pairs) {
    Expected expected;
    std::map<std::string, std::string> tags;
    uint32_t repetition = 0;
    const auto entry = [&](const Text& text) {
      return text.has_value() ? Entry{repetition, 3, *text} : Entry{repetition, 2, ""};
    };
    for (const auto& [key, value] : pairs) {
      keys_.push_back(entry(key));
      values_.push_back(entry(value));
      repetition = 1;
      if (!key.has_value()) {
        expected.wrong = "a key is missing";
        continue;
      }
      const bool asked = key->find("team") != std::string::npos || *key == "app";
      if (!tags.emplace(*key, value.value_or("true")).second && asked && expected.wrong.empty()) {
        expected.wrong = "a tag is there twice";
      }
    }
    if (pairs.empty()) {
      keys_.push_back({0, 1, ""});
      values_.push_back({0, 1, ""});
    }
    for (const char* const name : {"team", "user:team", "user_team"}) {
      if (expected.team.empty() && tags.contains(name)) expected.team = tags[name];
    }
    expected.app = tags.contains("app") ? tags["app"] : "";
    expected_.push_back(expected);
  }

  // Reads the rows in pieces of any size.
  void Check(base::Rng& rng) {
    const testing::MapFile file(expected_.size(), keys_.size(),
                                {Written(keys_, rng), Written(values_, rng)});
    const auto decoders =
        NewTagDecoders(file.descriptor, file.metadata, file.map, /*column=*/7, {"team", "app"});
    SourceDictionary dictionaries[2];
    for (int times = 0; times < 2; ++times) {  // as two row groups
      for (const auto& decoder : decoders) decoder->Start(file.group, "bill.parquet");
      for (size_t row = 0; row < expected_.size();) {
        size_t rows = std::min(expected_.size() - row, 1 + rng.Below(3'000));
        for (size_t i = 0; i < 2; ++i) {
          ASSERT_TRUE(decoders[i]->Prepare(dictionaries[i], &rows).ok()) << row;
        }
        ASSERT_GT(rows, 0u);
        RowBatch batch;
        std::vector<uint32_t> codes[2];
        for (size_t i = 0; i < 2; ++i) {
          ASSERT_TRUE(decoders[i]->Take(rows, dictionaries[i], codes[i], batch).ok());
        }
        std::map<size_t, std::set<std::string>> wrong;
        for (const RowProblem& problem : batch.problems) {
          EXPECT_EQ(problem.column, 7);
          wrong[problem.row].insert(problem.reason);
        }
        for (size_t i = 0; i < rows; ++i, ++row) {
          const Expected& expected = expected_[row];
          if (!expected.wrong.empty()) {
            EXPECT_TRUE(wrong[i].contains(expected.wrong)) << row << expected.wrong;
            continue;
          }
          EXPECT_FALSE(wrong.contains(i)) << row;
          EXPECT_EQ(dictionaries[0].texts.TextOf(codes[0][i]), expected.team) << row;
          EXPECT_EQ(dictionaries[1].texts.TextOf(codes[1][i]), expected.app) << row;
        }
      }
      size_t rows = 1;
      EXPECT_FALSE(decoders[0]->Prepare(dictionaries[0], &rows).ok()) << "there are no more";
    }
  }

  std::vector<Entry> keys_, values_;
  std::vector<Expected> expected_;
};

TEST_F(TagDecoderTest, FindsValuesHoweverPagesAreCut) {
  base::SeededRng rng(11);
  const std::vector<std::string> names = {"env", "owner", "app", "cost-center", "team"};
  for (int round = 0; round < 24; ++round) {
    keys_.clear();
    values_.clear();
    expected_.clear();
    const bool odd = round % 2 == 0;  // rows that are wrong, tags of users
    for (uint64_t rows = 1 + rng.Below(round % 6 == 0 ? 6'000 : 300); rows > 0; --rows) {
      std::vector<std::pair<Text, Text>> pairs;
      for (const std::string& name : names) {
        if (rng.Below(4) == 0) continue;
        const std::string mark = odd && rng.Below(5) == 0 ? "user:" : "";
        pairs.emplace_back(name == "team" ? mark + name : name,
                           name + "-" + std::to_string(rng.Below(50)));
        if (rng.Below(9) == 0) pairs.back().second = std::nullopt;
      }
      if (odd && rng.Below(6) == 0) pairs.emplace_back("user_team", "one");
      if (odd && rng.Below(20) == 0) pairs.emplace_back(std::nullopt, "lost");
      if (odd && rng.Below(20) == 0 && !pairs.empty()) pairs.push_back(pairs.front());
      if (odd && rng.Below(20) == 0) pairs.emplace_back("app", "again");
      Add(rng.Below(6) == 0 ? std::vector<std::pair<Text, Text>>() : pairs);
    }
    Check(rng);
  }
}

TEST_F(TagDecoderTest, TellsTextsThatAreNotUtf8) {
  base::SeededRng rng(12);
  Add({{"app", "\xff"}, {"team", "a"}});
  expected_.back().wrong = "the text is not UTF-8";
  Add({{"env", "\xff"}, {"team", "b"}});  // not asked for
  Check(rng);
}

}  // namespace
}  // namespace purser::costs::parquet
