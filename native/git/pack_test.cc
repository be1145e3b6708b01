#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "base/rng.h"
#include "git/deflate.h"
#include "git/files.h"
#include "git/pack_reader.h"
#include "git/pack_writer.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;

std::string Text(int seed, int lines) {
  base::SeededRng rng(static_cast<uint64_t>(seed));
  std::string out;
  for (int i = 0; i < lines; ++i)
    absl::StrAppend(&out, "line ", i, " ", rng.Below(1'000'000), "\n");
  return out;
}

// Puts the right checksum under changed bytes, so that what is behind it is reached.
std::string WithChecksum(std::string pack) {
  if (pack.size() < 20) return pack;
  pack.resize(pack.size() - 20);
  return pack + base::Sha1(pack);
}

std::string Head(uint32_t count) {
  std::string out("PACK\0\0\0\2", 8);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(count >> shift & 0xFF);
  return out;
}

std::string Deflated(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size,
           reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  out.resize(size);
  return out;
}

std::string EntryHead(int kind, uint64_t size) {
  std::string out;
  auto byte = static_cast<unsigned char>(kind << 4 | static_cast<int>(size & 15));
  for (size >>= 4; size != 0; size >>= 7) {
    out += static_cast<char>(byte | 0x80);
    byte = static_cast<unsigned char>(size & 0x7F);
  }
  return out + static_cast<char>(byte);
}

std::string Finished(std::string body) { return body + base::Sha1(body); }

// A repository whose packs are full of deltas, and the pack git makes of it.
class DeltaRepository {
 public:
  DeltaRepository() : path_(MakeBareRepository(folder_.path())) {
    std::string text = Text(1, 400);
    for (int i = 0; i < 30; ++i) {
      text += absl::StrCat("version ", i, "\n");
      ids_.push_back(Git({"-C", path_, "hash-object", "-w", "--stdin"}, text));
    }
  }
  std::string Pack(std::vector<std::string> options, const std::string& more_input = "") {
    std::vector<std::string> arguments = {"-C", path_,         "pack-objects", "--stdout",
                                          "-q", "--window=30", "--depth=20"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    std::string input = more_input;
    for (const std::string& id : ids_) absl::StrAppend(&input, id, "\n");
    return GitRaw(arguments, input);
  }
  const std::string& path() const { return path_; }
  const std::vector<std::string>& ids() const { return ids_; }

 private:
  TempFolder folder_;
  std::string path_;
  std::vector<std::string> ids_;
};

// A blob named by `content`, which `open` is to give when it is packed.
PackItem LaterItem(const std::string& content, std::function<absl::StatusOr<Content>()> open) {
  PackItem item;
  item.id = HashObject(ObjectType::kBlob, content);
  item.name = "file a";
  item.size = static_cast<int64_t>(content.size());
  item.open = std::move(open);
  return item;
}

TEST(PackTest, WhatWeWriteGitAndWeRead) {
  TempFolder folder;
  const std::string repository = MakeBareRepository(folder.path());
  PackWriter writer;
  std::vector<std::pair<ObjectId, std::string>> expected;
  for (const size_t size : {0, 1, 15, 16, 17, 2047, 2048, 300'000}) {
    const std::string content(size, 'x');
    expected.emplace_back(*writer.Add(ObjectType::kBlob, content), content);
    ASSERT_TRUE(writer.Add(ObjectType::kBlob, content).ok());  // once is enough
  }
  EXPECT_EQ(writer.objects(), 8);
  const std::string pack = *std::move(writer).Finish("");
  Git({"-C", repository, "index-pack", "--strict", "--stdin"}, pack);
  const auto objects = ReadPack(pack);
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_EQ(objects->size(), 8u);
  for (const auto& [id, content] : expected) {
    EXPECT_EQ(objects->at(id).content, content);
    EXPECT_EQ(Git({"-C", repository, "cat-file", "-s", id.ToHex()}), absl::StrCat(content.size()));
  }
}

TEST(PackTest, WriterLimitsAreNamed) {
  PackWriterLimits limits;
  limits.max_object_bytes = 100;
  limits.max_objects = 2;
  PackWriter writer(limits);
  EXPECT_THAT(writer.Add(ObjectType::kBlob, std::string(101, 'x')).status().message(),
              HasSubstr("max_object_bytes"));
  ASSERT_TRUE(writer.Add(ObjectType::kBlob, "a").ok());
  ASSERT_TRUE(writer.Add(ObjectType::kBlob, "b").ok());
  EXPECT_THAT(writer.Add(ObjectType::kBlob, "c").status().message(), HasSubstr("max_objects"));
  limits.max_pack_bytes = 10;
  PackWriter tiny(limits);
  ASSERT_TRUE(tiny.Add(ObjectType::kBlob, "hello").ok());
  EXPECT_THAT(std::move(tiny).Finish("").status().message(), HasSubstr("max_pack_bytes"));
}

// Half text, half noise; more than the window, so that both threads and the limit work.
TEST(PackTest, ALargePackIsMadeInPiecesAndInOrder) {
  TempFolder folder;
  const std::string repository = MakeBareRepository(folder.path());
  base::SeededRng rng(7);
  std::vector<std::string> contents;
  for (int i = 0; i < 400; ++i) {
    std::string content = absl::StrCat(i, "\n");
    const size_t size = rng.Below(100'000);
    while (content.size() < size) {
      if (i % 2 == 0) absl::StrAppend(&content, "value ", rng.Below(1000), "\n");
      if (i % 2 == 1) content += static_cast<char>(rng.Next());
    }
    contents.push_back(std::move(content));
  }
  PackWriter writer;
  for (const std::string& content : contents) {
    ASSERT_TRUE(writer.AddItem(LaterItem(content, [&content] { return Content(content); })).ok());
  }
  const std::unique_ptr<PackStream> stream = std::move(writer).Stream("head", {});
  std::string all;
  while (true) {
    const auto piece = stream->Next();
    ASSERT_TRUE(piece.ok()) << piece.status();
    if (piece->empty()) break;
    EXPECT_LT(piece->size(), PackStream::kPieceBytes + 200'000);
    all += *piece;
  }
  EXPECT_EQ(all.substr(0, 4), "head");
  const std::string pack = all.substr(4);
  EXPECT_EQ(static_cast<size_t>(stream->bytes()), pack.size());
  Git({"-C", repository, "index-pack", "--strict", "--stdin"}, pack);
  const auto objects = ReadPack(pack);
  ASSERT_TRUE(objects.ok()) << objects.status();
  for (const std::string& content : contents) {
    EXPECT_EQ(objects->at(HashObject(ObjectType::kBlob, content)).content, content);
  }
}

TEST(PackTest, AFileThatChangedMeanwhileEndsThePack) {
  for (const size_t size : {10, 1'000'000, 3'000'000}) {
    PackWriter writer;
    ASSERT_TRUE(writer.Add(ObjectType::kBlob, Text(1, 50)).ok());
    ASSERT_TRUE(writer
                    .AddItem(LaterItem(std::string(size, 'x'),
                                       [size] { return Content(std::string(size, 'y')); }))
                    .ok());
    const auto pack = std::move(writer).Finish("");
    EXPECT_EQ(pack.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(pack.status().message(), HasSubstr("file a was changed while it was published"));
  }
}

TEST(PackTest, AStreamThatIsLeftOrStoppedEndsItsThread) {
  PackWriter left;
  ASSERT_TRUE(left.Add(ObjectType::kBlob, Text(1, 50'000)).ok());
  ASSERT_TRUE(left.Add(ObjectType::kBlob, Text(2, 50'000)).ok());
  std::move(left).Stream("", {}).reset();
  std::stop_source stop;
  PackWriter stopped;
  ASSERT_TRUE(stopped.Add(ObjectType::kBlob, Text(3, 50'000)).ok());
  const std::unique_ptr<PackStream> stream = std::move(stopped).Stream("", stop.get_token());
  stop.request_stop();
  EXPECT_EQ(stream->Next().status().code(), absl::StatusCode::kCancelled);
}

TEST(PackTest, NoiseIsStored) {
  base::SeededRng rng(9);
  std::string noise(100'000, '\0');
  for (char& c : noise) c = static_cast<char>(rng.Next());
  Deflater deflater;
  std::string out;
  ASSERT_TRUE(deflater.Append(noise, out).ok());
  EXPECT_GT(out.size(), noise.size());
  EXPECT_LT(out.size(), noise.size() + 100);
  out.clear();
  ASSERT_TRUE(deflater.Append(std::string(100'000, 'x'), out).ok());
  EXPECT_LT(out.size(), 1000u);
}

// Large ones among small ones, text and noise, read from files and given.
TEST(PackTest, LargeObjectsAreStreamedInTheirTurn) {
  TempFolder folder;
  const std::string repository = MakeBareRepository(folder.path());
  base::SeededRng rng(8);
  std::vector<std::string> contents;
  for (int i = 0; i < 12; ++i) {
    std::string content = absl::StrCat(i, "\n");
    const size_t size = i % 3 == 0 ? kStreamedBytes + 1000 * static_cast<size_t>(i) : 5000;
    while (content.size() < size) {
      if (i % 2 == 0) absl::StrAppend(&content, "line ", content.size(), "\n");
      if (i % 2 == 1) content += static_cast<char>(rng.Next());
    }
    std::ofstream(absl::StrCat(folder.path(), "/", i), std::ios::binary) << content;
    contents.push_back(std::move(content));
  }
  const base::Directory directory = *base::Directory::Open(folder.path());
  const DirectorySource files(directory, {});
  PackWriter writer;
  for (size_t i = 0; i < contents.size(); ++i) {
    if (i % 6 == 0) {
      ASSERT_TRUE(writer.Add(ObjectType::kBlob, contents[i]).ok());
      continue;
    }
    ASSERT_TRUE(
        writer
            .AddItem(LaterItem(contents[i],
                               [&files, i] { return files.Open(absl::StrCat(i), kModeFile); }))
            .ok());
  }
  const std::string pack = *std::move(writer).Finish("");
  Git({"-C", repository, "index-pack", "--strict", "--stdin"}, pack);
  const auto objects = ReadPack(pack);
  ASSERT_TRUE(objects.ok()) << objects.status();
  size_t total = 0;
  for (const std::string& content : contents) {
    total += content.size();
    EXPECT_TRUE(objects->at(HashObject(ObjectType::kBlob, content)).content == content);
  }
  EXPECT_LT(pack.size(), total);
}

// A large content that asks for a stop after some pieces, and counts those that are read.
class StoppingContent {
 public:
  static constexpr int64_t kPieces = 100;
  static constexpr int64_t kStopAfter = 5;

  Content Open() {
    return Content(kPieces * static_cast<int64_t>(Content::kPieceBytes),
                   [this](int64_t, char* buffer, size_t size) -> absl::StatusOr<size_t> {
                     EXPECT_LE(size, Content::kPieceBytes);
                     std::fill_n(buffer, size, 'x');
                     if (++pieces_ == kStopAfter) stop_.request_stop();
                     return size;
                   });
  }
  int64_t pieces() const { return pieces_; }
  std::stop_token stop() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  int64_t pieces_ = 0;
};

TEST(PackTest, AStopEndsNamingALargeFileAtItsNextPiece) {
  StoppingContent file;
  Content content = file.Open();
  EXPECT_EQ(NameBlob(content, file.stop()).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(file.pieces(), StoppingContent::kStopAfter);
}

TEST(PackTest, AStopEndsPackingALargeFileAtItsNextPiece) {
  StoppingContent file;
  PackItem item;
  item.name = "file a";
  item.size = file.Open().size();
  item.open = [&file] { return file.Open(); };
  PackWriter writer;
  ASSERT_TRUE(writer.AddItem(std::move(item)).ok());
  const std::unique_ptr<PackStream> stream = std::move(writer).Stream("", file.stop());
  EXPECT_EQ(stream->Next().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(file.pieces(), StoppingContent::kStopAfter);
}

TEST(PackTest, AStopEndsReadingAPack) {
  PackWriter writer;
  ASSERT_TRUE(writer.Add(ObjectType::kBlob, Text(4, 50)).ok());
  const std::string pack = *std::move(writer).Finish("");
  std::stop_source stop;
  PackReaderOptions options;
  options.stop = stop.get_token();
  EXPECT_TRUE(ReadPack(pack, options).ok());
  stop.request_stop();
  EXPECT_EQ(ReadPack(pack, options).status().code(), absl::StatusCode::kCancelled);
}

TEST(PackTest, ReadsOffsetAndReferenceDeltasOfGit) {
  DeltaRepository repository;
  for (const bool offsets : {false, true}) {
    const std::string pack = repository.Pack(
        offsets ? std::vector<std::string>{"--delta-base-offset"} : std::vector<std::string>{});
    EXPECT_LT(pack.size(), 20'000u);  // deltas, or this test tests nothing
    const auto objects = ReadPack(pack);
    ASSERT_TRUE(objects.ok()) << objects.status();
    ASSERT_EQ(objects->size(), repository.ids().size());
    for (const std::string& id : repository.ids()) {
      EXPECT_TRUE(objects->contains(*ObjectId::FromHex(id)));
    }
    PackReaderOptions skip;
    skip.skip_blobs = true;
    const auto none = ReadPack(pack, skip);
    ASSERT_TRUE(none.ok()) << none.status();
    EXPECT_EQ(none->size(), 0u);
    PackReaderOptions shallow;
    shallow.limits.max_delta_depth = 0;
    EXPECT_THAT(ReadPack(pack, shallow).status().message(), HasSubstr("max_delta_depth"));
  }
}

TEST(PackTest, ThinPacksFindTheirBasesOutside) {
  const std::string base = Text(2, 300);
  std::string delta;
  // Sizes, a copy of everything, an insert.
  for (uint64_t size : {base.size(), base.size() + 4}) {
    for (; size >= 128; size >>= 7) delta += static_cast<char>((size & 127) | 128);
    delta += static_cast<char>(size);
  }
  delta += '\xB0';
  delta += static_cast<char>(base.size() & 255);
  delta += static_cast<char>(base.size() >> 8);
  delta += "\4more";
  ASSERT_EQ(*ApplyDelta(base, delta, 1 << 20), base + "more");
  const ObjectId base_id = HashObject(ObjectType::kBlob, base);
  const std::string pack =
      Finished(absl::StrCat(Head(1), EntryHead(7, delta.size()), base_id.raw(), Deflated(delta)));
  EXPECT_THAT(ReadPack(pack).status().message(), HasSubstr("objects that are not there"));
  PackReaderOptions options;
  options.find_base = [&](const ObjectId& id) -> std::optional<Object> {
    if (id != base_id) return std::nullopt;
    return Object{ObjectType::kBlob, base};
  };
  const auto objects = ReadPack(pack, options);
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_EQ(objects->begin()->second.content, base + "more");
}

TEST(PackTest, DeltasMustFit) {
  const std::string base = "0123456789";
  EXPECT_EQ(*ApplyDelta(base, std::string("\x0A\x03\x91\x02\x03", 5), 100), "234");
  EXPECT_FALSE(ApplyDelta(base, "", 100).ok());
  EXPECT_FALSE(ApplyDelta(base, std::string("\x09\x03\x91\x02\x03", 5), 100).ok());  // base size
  EXPECT_FALSE(ApplyDelta(base, std::string("\x0A\x03\x91\x08\x03", 5), 100).ok());  // outside
  EXPECT_FALSE(ApplyDelta(base, std::string("\x0A\x02\x91\x02\x03", 5), 100).ok());  // too much
  EXPECT_FALSE(ApplyDelta(base, std::string("\x0A\x04\x91\x02\x03", 5), 100).ok());  // too little
  EXPECT_FALSE(ApplyDelta(base, std::string("\x0A\x03\x00", 3), 100).ok());          // reserved
  EXPECT_FALSE(ApplyDelta(base, std::string("\x0A\x03\x03zz", 5), 100).ok());        // cut insert
  EXPECT_FALSE(ApplyDelta(base, std::string("\x0A\x03\x91\x02", 4), 100).ok());      // cut copy
  EXPECT_EQ(ApplyDelta(base, std::string("\x0A\xFF\xFF\x7F\x91\x00\x0A", 7), 100).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(ApplyDelta(base, std::string(20, '\xFF'), 100).ok());
}

TEST(PackTest, CorruptPacksAreRefusedWithTheirPlace) {
  PackWriter writer;
  ASSERT_TRUE(writer.Add(ObjectType::kBlob, Text(3, 50)).ok());
  const std::string pack = *std::move(writer).Finish("");
  std::string flipped = pack;
  flipped[40] = static_cast<char>(flipped[40] ^ 1);
  EXPECT_THAT(ReadPack(flipped).status().message(), HasSubstr("checksum does not match"));
  EXPECT_THAT(ReadPack(WithChecksum(flipped)).status().message(), HasSubstr("bad pack at byte"));
  EXPECT_THAT(ReadPack("").status().message(), HasSubstr("does not start as a pack"));
  for (size_t cut = 0; cut < pack.size(); cut += 7) {
    EXPECT_FALSE(ReadPack(pack.substr(0, cut)).ok());
    // Without its own checksum only, it is whole again.
    if (cut + 20 == pack.size()) continue;
    EXPECT_FALSE(ReadPack(Finished(pack.substr(0, cut))).ok());
  }
  EXPECT_THAT(
      ReadPack(Finished(absl::StrCat(Head(1), EntryHead(5, 1), Deflated("x")))).status().message(),
      HasSubstr("unknown object type 5"));
  EXPECT_THAT(
      ReadPack(Finished(absl::StrCat(Head(1), EntryHead(3, 2), Deflated("x")))).status().message(),
      HasSubstr("shorter than declared"));
  EXPECT_THAT(ReadPack(Finished(absl::StrCat(Head(1), EntryHead(3, 1), Deflated("xyz"))))
                  .status()
                  .message(),
              HasSubstr("longer than declared"));
  EXPECT_THAT(ReadPack(Finished(absl::StrCat(Head(1), EntryHead(6, 1), "\x7F", Deflated("x"))))
                  .status()
                  .message(),
              HasSubstr("base offset"));
  EXPECT_THAT(ReadPack(Finished(absl::StrCat(Head(0), "junk"))).status().message(),
              HasSubstr("behind the last object"));
}

TEST(PackTest, BombsMeetNamedLimits) {
  const std::string zeros(4 << 20, '\0');
  const std::string bomb =
      Finished(absl::StrCat(Head(1), EntryHead(3, zeros.size()), Deflated(zeros)));
  EXPECT_LT(bomb.size(), 10'000u);
  PackReaderOptions options;
  options.limits.max_object_bytes = 1 << 20;
  EXPECT_THAT(ReadPack(bomb, options).status().message(), HasSubstr("max_object_bytes"));
  options.limits = {};
  options.limits.max_inflated_bytes = 1 << 20;
  EXPECT_THAT(ReadPack(bomb, options).status().message(), HasSubstr("max_inflated_bytes"));
  options.limits = {};
  options.limits.max_kept_bytes = 1 << 20;
  EXPECT_THAT(ReadPack(bomb, options).status().message(), HasSubstr("max_kept_bytes"));
  // What is not kept is not counted as held.
  options.skip_blobs = true;
  EXPECT_TRUE(ReadPack(bomb, options).ok());
  options.limits = {};
  options.limits.max_objects = 10;
  EXPECT_THAT(ReadPack(Finished(Head(1000)), options).status().message(), HasSubstr("max_objects"));
  // A declared size that never comes costs no memory.
  EXPECT_FALSE(
      ReadPack(Finished(absl::StrCat(Head(1), EntryHead(3, 200 << 20), Deflated("x")))).ok());
}

TEST(PackTest, MutatedPacksNeverDoHarm) {
  DeltaRepository repository;
  base::SeededRng rng(20261121);
  const std::string packs[] = {repository.Pack({}), repository.Pack({"--delta-base-offset"})};
  PackReaderOptions options;
  options.limits.max_inflated_bytes = 64 << 20;
  int accepted = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string pack = packs[round % 2];
    const uint64_t changes = 1 + rng.Below(4);
    for (uint64_t i = 0; i < changes; ++i) {
      const size_t at = 4 + rng.Below(pack.size() - 4);
      switch (rng.Below(4)) {
        case 0:
          pack[at] = static_cast<char>(rng.Next());
          break;
        case 1:
          pack.erase(at, 1 + rng.Below(8));
          break;
        case 2:
          pack.insert(at, 1 + rng.Below(8), static_cast<char>(rng.Next()));
          break;
        default:
          pack[at] = static_cast<char>(pack[at] ^ (1 << rng.Below(8)));
          break;
      }
      if (pack.size() < 40) break;
    }
    options.skip_blobs = round % 3 == 0;
    if (ReadPack(WithChecksum(pack), options).ok()) ++accepted;
  }
  // zlib's own checksum catches nearly everything that gets so far.
  EXPECT_LT(accepted, 1500);
}

TEST(PackTest, MutatedDeltasNeverDoHarm) {
  const std::string base = Text(5, 100);
  std::string delta;
  for (uint64_t size : {base.size(), size_t{300}}) {
    for (; size >= 128; size >>= 7) delta += static_cast<char>((size & 127) | 128);
    delta += static_cast<char>(size);
  }
  delta += std::string("\x91\x05\x64\x91\x64\x64", 6) + '\x64' + std::string(100, 'n');
  ASSERT_EQ(ApplyDelta(base, delta, 1 << 20)->size(), 300u);
  base::SeededRng rng(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = delta;
    changed[rng.Below(changed.size())] = static_cast<char>(rng.Next());
    changed.resize(1 + rng.Below(changed.size()));
    const auto built = ApplyDelta(base, changed, 1 << 20);
    EXPECT_TRUE(!built.ok() || built->size() <= size_t{1} << 20);
  }
}

}  // namespace
}  // namespace purser::git
