#include "costs/readers/byte_source.h"

#include <zlib.h>

#include <string>

#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::HasSubstr;

std::string Gzip(absl::string_view text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// The same by all methods of this machine.
absl::StatusOr<std::string> ReadBy(InflateMethod method, absl::string_view bytes, size_t step) {
  StringSource inner(bytes);
  absl::StatusOr<std::unique_ptr<ByteSource>> source = Unpacked(inner, "bill.csv.gz", method);
  if (!source.ok()) return source.status();
  std::string text;
  std::string buffer(step, '\0');
  while (true) {
    absl::StatusOr<size_t> count = (*source)->Read(buffer.data(), buffer.size());
    if (!count.ok()) return count.status();
    if (*count == 0) return text;
    text.append(buffer, 0, *count);
  }
}

absl::StatusOr<std::string> ReadAll(absl::string_view bytes, size_t step = 1000) {
  const absl::StatusOr<std::string> text = ReadBy(InflateMethod::kZlib, bytes, step);
  const absl::StatusOr<std::string> other = ReadBy(InflateMethod::kIsal, bytes, step);
  if (!absl::IsUnimplemented(other.status())) {
    EXPECT_EQ(text.status().code(), other.status().code()) << other.status();
    if (text.ok() && other.ok()) {
      EXPECT_EQ(*text, *other);
    }
  }
  return ReadBy(InflateMethod::kBest, bytes, step);
}

TEST(ByteSourceTest, PlainAndGzipAreToldByTheirContent) {
  EXPECT_EQ(*ReadAll("a,b\n1,2\n"), "a,b\n1,2\n");
  EXPECT_EQ(*ReadAll(""), "");
  EXPECT_EQ(*ReadAll("x"), "x");
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + ",";
  EXPECT_EQ(*ReadAll(Gzip(text), 777), text);
  EXPECT_EQ(*ReadAll(Gzip("a,b\n") + Gzip("1,2\n") + Gzip("")), "a,b\n1,2\n");
}

// Members of every size and at every place in the buffers.
TEST(ByteSourceTest, ManyMembersAreOneStream) {
  std::string packed, text;
  for (int i = 0; i < 3'000; ++i) {
    const std::string part(static_cast<size_t>(i % 257), static_cast<char>('a' + i % 26));
    text += part;
    packed += Gzip(part);
  }
  EXPECT_GT(packed.size(), 60'000u);
  EXPECT_EQ(*ReadAll(packed), text);
  EXPECT_EQ(*ReadAll(packed, 7), text);
}

TEST(ByteSourceTest, DamagedGzipIsRefused) {
  const std::string packed = Gzip("a,b\n1,2\n3,4\n");
  for (size_t cut = 2; cut < packed.size(); ++cut) {
    const absl::Status status = ReadAll(packed.substr(0, cut)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << cut;
  }
  EXPECT_THAT(ReadAll(packed.substr(0, packed.size() - 3)).status().message(),
              HasSubstr("bill.csv.gz: damaged gzip file: it ends in the middle"));
  std::string flipped = packed;
  flipped[packed.size() - 6] ^= 1;  // in the check sum
  EXPECT_EQ(ReadAll(flipped).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadAll(packed + "more").status().code(), absl::StatusCode::kInvalidArgument);
}

// What is read ahead of a member's end belongs to the next one, wherever the file is cut.
TEST(ByteSourceTest, MembersEndAnywhereInAPiece) {
  base::SeededRng rng(3);
  std::string noise(140'000, '\0');
  for (char& c : noise) c = static_cast<char>(rng.Below(256));
  const std::string second = "second member, " + noise.substr(0, 50);
  constexpr size_t kPiece = 128 << 10;
  const size_t more = Gzip(noise.substr(0, kPiece)).size() - kPiece;  // than the noise
  for (size_t end = kPiece - 24; end < kPiece + 12; ++end) {
    const std::string first = noise.substr(0, end - more);
    const std::string packed = Gzip(first) + Gzip(second);
    for (const size_t room : {7, 1'000, 64 << 10, 131'050}) {
      const absl::StatusOr<std::string> text = ReadAll(packed, room);
      ASSERT_TRUE(text.ok()) << end << " " << room << text.status();
      ASSERT_TRUE(*text == first + second) << end << " " << room;
    }
  }
}

// A distance that no stream has: how much room there is must not make it good.
TEST(ByteSourceTest, AWrongDistanceIsRefused) {
  const std::string packed(
      "\x1f\x8b\x08\x00\x30\xfe\xca\x05\xc1\x00\x0a\xeb\x00\xfe\xc1\x00\x10\x00\x00\x00\x00\x00\xe5"
      "\x09"
      "\xca\xca\x05\x30",
      28);
  for (const size_t room : {7, 1'000, 64 << 10}) {
    EXPECT_EQ(ReadAll(packed, room).status().code(), absl::StatusCode::kInvalidArgument) << room;
  }
}

TEST(ByteSourceTest, ABombIsRefused) {
  const std::string packed = Gzip(std::string(kFreeInflatedBytes + (1 << 20), 'x'));
  EXPECT_LT(packed.size(), 200'000u);
  const absl::Status status = ReadAll(packed, 1 << 20).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("kMaxInflateRatio"));
}

TEST(ByteSourceTest, FilesAreNamedInErrors) {
  EXPECT_EQ(FileSource::Open("/nowhere/bill.csv", nullptr).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(FileSource::Open("/tmp", nullptr).status().message(),
              HasSubstr("/tmp is not a regular file"));
}

}  // namespace
}  // namespace purser::costs
