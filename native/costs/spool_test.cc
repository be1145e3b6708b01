#include "costs/spool.h"

#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

std::vector<std::string> Read(const Spool& spool) {
  std::vector<std::string> records;
  EXPECT_TRUE(spool
                  .ForEach([&](absl::string_view record) {
                    records.emplace_back(record);
                    return absl::OkStatus();
                  })
                  .ok());
  return records;
}

// Of all sizes around what is held and what is read at once, with what stands in memory behind what
// stands in the file.
TEST(SpoolTest, RecordsComeBackInTheirOrder) {
  for (const size_t held : {size_t{1}, size_t{1000}, size_t{1 << 20}, size_t{64 << 20}}) {
    Spool spool(held);
    std::vector<std::string> added;
    for (size_t i = 0; i < 300; ++i) {
      const size_t size = i % 100 == 99 ? 700'000 : i * 37 % 5'000;
      added.push_back(std::string(size, static_cast<char>('a' + i % 26)));
      ASSERT_TRUE(spool.Add(added.back()).ok());
    }
    EXPECT_EQ(Read(spool), added);
    EXPECT_EQ(Read(spool), added) << "again";
    EXPECT_EQ(spool.written() > 0, held < (64 << 20));
  }
}

// The system's own folder may be one that cannot be written to, or too small.
TEST(SpoolTest, TheFileIsWhereTmpdirSays) {
  setenv("TMPDIR", "/nowhere", 1);
  Spool spool(1);
  const absl::Status status = spool.Add("a record");
  unsetenv("TMPDIR");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_TRUE(spool.Add("a record").ok());
}

TEST(SpoolTest, MemoryDoesNotGrowWithTheRecords) {
  constexpr size_t kHeld = 64 << 10;
  Spool spool(kHeld);
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(spool.Add(absl::StrCat("record ", i)).ok());
  EXPECT_LE(spool.bytes(), 2 * kHeld);
  EXPECT_GT(spool.written(), 1'000'000u);
}

TEST(SpoolTest, AnErrorEndsTheReading) {
  Spool spool(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(spool.Add("a").ok());
  int read = 0;
  EXPECT_EQ(spool
                .ForEach([&](absl::string_view) {
                  return ++read == 2 ? absl::AbortedError("no more") : absl::OkStatus();
                })
                .code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(read, 2);
}

}  // namespace
}  // namespace purser::costs
