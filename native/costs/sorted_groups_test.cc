#include "costs/sorted_groups.h"

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using Units = std::vector<__int128>;
struct Sum {
  Units units;
  int64_t charges = 0;
  friend bool operator==(const Sum&, const Sum&) = default;
};
using Sums = std::map<std::vector<std::string>, Sum>;

void Add(GroupTable& table, const std::vector<std::string>& keys, const Units& units) {
  GroupTable::Batch batch;
  batch.rows = 1;
  batch.same.assign(keys.size(), 0);
  for (size_t part = 0; part < keys.size(); ++part) {
    batch.codes.push_back({table.part(part).CodeOf(keys[part])});
  }
  std::vector<std::vector<__int128>> amounts;
  for (const __int128 amount : units) amounts.push_back({amount});
  batch.units = &amounts;
  ASSERT_TRUE(table.Add(batch).ok());
}

std::vector<const GroupTable*> All(const std::vector<std::unique_ptr<GroupTable>>& tables) {
  std::vector<const GroupTable*> all;
  for (const std::unique_ptr<GroupTable>& table : tables) all.push_back(table.get());
  return all;
}

// What is given, with a look at the order and at what is said to be the same.
Sums Given(const std::vector<std::unique_ptr<GroupTable>>& tables) {
  Sums given;
  std::vector<std::string> before;
  EXPECT_TRUE(ForEachSorted(All(tables), [&](const GroupRow& row) {
                const std::vector<std::string> keys(row.keys.begin(), row.keys.end());
                size_t same = 0;
                while (!before.empty() && same < keys.size() && keys[same] == before[same]) ++same;
                EXPECT_EQ(row.same, same);
                EXPECT_LT(before, keys);
                before = keys;
                Sum& sum = given[keys];
                for (const base::Decimal one : row.sums) sum.units.push_back(one.units());
                sum.charges = row.charges;
                return absl::OkStatus();
              }).ok());
  return given;
}

// Few groups and many, in one table and in several that share some, all or none of them, with keys
// of one word and of several.
TEST(SortedGroupsTest, AreTheSumsOfAllTables) {
  base::SeededRng rng(17);
  for (int round = 0; round < 60; ++round) {
    const size_t parts = 1 + rng.Below(4), measures = 1 + rng.Below(2);
    const size_t rows = round % 10 == 9 ? 30'000 : rng.Below(300);
    const size_t texts = round % 10 == 9 ? 20'000 : 1 + rng.Below(40);
    std::vector<std::unique_ptr<GroupTable>> tables;
    for (size_t i = 0, count = 1 + rng.Below(5); i < count; ++i) {
      tables.push_back(std::make_unique<GroupTable>(parts, measures));
    }
    Sums expected;
    for (size_t row = 0; row < rows; ++row) {
      std::vector<std::string> keys;
      for (size_t part = 0; part < parts; ++part) {
        const uint64_t text = rng.Below(texts);
        keys.push_back(text == 0 ? "" : absl::StrCat(text));
      }
      Units units;
      for (size_t i = 0; i < measures; ++i) {
        units.push_back(static_cast<__int128>(rng.Below(1'000'000)) - 500'000);
      }
      Sum& sum = expected[keys];
      sum.units.resize(measures);
      for (size_t i = 0; i < measures; ++i) sum.units[i] += units[i];
      ++sum.charges;
      Add(*tables[rng.Below(tables.size())], keys, units);
    }
    EXPECT_EQ(Given(tables), expected) << "round " << round;
  }
}

TEST(SortedGroupsTest, SumsThatDoNotFitAreAnError) {
  std::vector<std::unique_ptr<GroupTable>> tables;
  for (int i = 0; i < 2; ++i) {
    tables.push_back(std::make_unique<GroupTable>(1, 1));
    Add(*tables.back(), {"a"}, {std::numeric_limits<__int128>::max()});
  }
  const auto nothing = [](const GroupRow&) { return absl::OkStatus(); };
  EXPECT_TRUE(ForEachSorted({tables[0].get()}, nothing).ok());
  EXPECT_EQ(ForEachSorted(All(tables), nothing).code(), absl::StatusCode::kOutOfRange);
}

TEST(SortedGroupsTest, AnErrorEndsIt) {
  std::vector<std::unique_ptr<GroupTable>> tables;
  tables.push_back(std::make_unique<GroupTable>(1, 1));
  for (const char* const key : {"a", "b", "c"}) Add(*tables[0], {key}, {1});
  int rows = 0;
  const absl::Status status = ForEachSorted(All(tables), [&](const GroupRow&) {
    return ++rows == 2 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(rows, 2);
}

}  // namespace
}  // namespace purser::costs
