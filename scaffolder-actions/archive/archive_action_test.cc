#include "scaffolder-actions/archive/archive_action.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "scaffolder-actions/archive/entries.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ArchiveActionTest : public FileActionTest {
 protected:
  void Tree() {
    Put("src/a.txt", "a");
    Put("src/empty", "");
    Put("src/deep/" + std::string(120, 'd') + "/b.txt", std::string(100'000, 'b'));
    Put("src/run.sh", "#!/bin/sh\n");
    Put("src/.git/config", "secret");
    Put("src/ä ö.txt", "umlaut");
    chmod((context_.folder + "/src/run.sh").c_str(), 0755);
    ASSERT_EQ(symlink("../a.txt", (context_.folder + "/src/deep/link").c_str()), 0);
  }
  // An archive of entries that no writer of ours would make.
  struct Part {
    Entry entry;
    std::string content;
  };
  static std::string Archive(const std::vector<Part>& parts, bool zip, bool compressed = false) {
    TextBytes out;
    const Step step = [](int64_t) { return absl::OkStatus(); };
    const auto writer = zip ? NewZipWriter(out, step) : NewTarWriter(out, compressed, step);
    for (const Part& part : parts) {
      const TextBytes content(part.content);
      EXPECT_TRUE(writer->Add(part.entry, &content).ok());
    }
    EXPECT_TRUE(writer->Finish().ok());
    return out.text();
  }
  static std::string Tar(const std::vector<Part>& parts) { return Archive(parts, false); }
  static std::string Zip(const std::vector<Part>& parts) { return Archive(parts, true); }
  static Part File(const std::string& path, const std::string& content = "x") {
    return {{path, EntryKind::kFile, false, "", static_cast<int64_t>(content.size())}, content};
  }
  static Part Link(const std::string& path, const std::string& target) {
    return {{path, EntryKind::kLink, false, target}, ""};
  }
  // Bytes that do not compress, the same each time.
  static std::string Noise(size_t bytes) {
    base::SeededRng rng(bytes);
    std::string out;
    while (out.size() < bytes) {
      const uint64_t value = rng.Next();
      out.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
    out.resize(bytes);
    return out;
  }

  PackAction zip_{ArchiveForm::kZip}, tar_{ArchiveForm::kTar};
  UnpackAction unzip_{ArchiveForm::kZip}, untar_{ArchiveForm::kTar};
};

TEST_F(ArchiveActionTest, DescribeThemselves) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<PackAction>(ArchiveForm::kZip)).ok());
  EXPECT_TRUE(registry.Add(std::make_unique<PackAction>(ArchiveForm::kTar)).ok());
  EXPECT_TRUE(registry.Add(std::make_unique<UnpackAction>(ArchiveForm::kZip)).ok());
  EXPECT_TRUE(registry.Add(std::make_unique<UnpackAction>(ArchiveForm::kTar)).ok());
}

TEST_F(ArchiveActionTest, ThereAndBack) {
  Tree();
  for (const char* name : {"o.zip", "o.tar", "o.tar.gz", "o.tgz"}) {
    const bool zip = std::string(name) == "o.zip";
    absl::Status status =
        Perform(zip ? zip_ : tar_, {{"path", name}, {"sourcePath", "src"}, {"prefix", "p"}});
    ASSERT_TRUE(status.ok()) << name << " " << status;
    EXPECT_EQ(context_.outputs["files"], 6);
    const std::string first = Get(name);
    ASSERT_TRUE(
        Perform(zip ? zip_ : tar_, {{"path", name}, {"sourcePath", "src"}, {"prefix", "p"}}).ok());
    EXPECT_EQ(Get(name), first) << "equal bytes each time";
    const json unpack = {{"path", name}, {"targetPath", "out"}, {"strip", 1}};
    for (int round = 0; round < 2; ++round) {
      status = Perform(zip ? unzip_ : untar_, unpack);
      ASSERT_TRUE(status.ok()) << name << " " << status;
    }
    const std::string compare =
        "diff -r --no-dereference -x .git " + context_.folder + "/src " + context_.folder + "/out";
    EXPECT_EQ(std::system(compare.c_str()), 0) << name;
    EXPECT_EQ(access((context_.folder + "/out/run.sh").c_str(), X_OK), 0);
    EXPECT_NE(access((context_.folder + "/out/.git").c_str(), F_OK), 0);
    EXPECT_NE(access((context_.folder + "/.purser-stage").c_str(), F_OK), 0);
    std::filesystem::remove_all(context_.folder + "/out");
  }
}

TEST_F(ArchiveActionTest, OtherProgramsReadThem) {
  Tree();
  ASSERT_TRUE(Perform(tar_, {{"path", "o.tar.gz"}, {"sourcePath", "src"}}).ok());
  const std::string untar = "mkdir " + root_ + "/t && tar -xzf " + context_.folder +
                            "/o.tar.gz -C " + root_ + "/t && diff -r --no-dereference -x .git " +
                            context_.folder + "/src " + root_ + "/t";
  EXPECT_EQ(std::system(untar.c_str()), 0);
  ASSERT_TRUE(Perform(zip_, {{"path", "o.zip"}, {"sourcePath", "src"}}).ok());
  const std::string unzip = "python3 -m zipfile -t " + context_.folder + "/o.zip > /dev/null";
  EXPECT_EQ(std::system(unzip.c_str()), 0);
  // And ours reads theirs: GNU's long names, pax.
  for (const char* form : {"gnu", "pax"}) {
    const std::string make = std::string("tar --format=") + form + " --exclude=.git -czf " +
                             context_.folder + "/theirs.tar.gz -C " + context_.folder + "/src .";
    ASSERT_EQ(std::system(make.c_str()), 0);
    const absl::Status status =
        Perform(untar_, {{"path", "theirs.tar.gz"}, {"targetPath", "theirs"}});
    EXPECT_TRUE(status.ok()) << form << " " << status;
    const std::string compare = "diff -r --no-dereference -x .git " + context_.folder + "/src " +
                                context_.folder + "/theirs";
    EXPECT_EQ(std::system(compare.c_str()), 0) << form;
    std::filesystem::remove_all(context_.folder + "/theirs");
  }
}

TEST_F(ArchiveActionTest, PatternsAreLeftOut) {
  Put("a.txt", "a");
  Put("b.log", "b");
  Put("n/m/c.txt", "c");
  ASSERT_TRUE(Perform(zip_, {{"path", "o.zip"}, {"exclude", {"**/*.log", "n/**"}}}).ok());
  EXPECT_EQ(context_.outputs["files"], 1);
}

TEST_F(ArchiveActionTest, NothingLeadsOut) {
  const struct {
    std::vector<Part> entries;
    const char* error;
  } kCases[] = {
      {{File("../evil")}, "leads out"},
      {{File("a/../../evil")}, "leads out"},
      {{File("/etc/evil")}, "absolute"},
      {{File("a\\..\\b")}, "backslash"},
      {{File(".git/hooks/post-checkout")}, ".git"},
      {{File("a"), File("a")}, "twice"},
      {{File("a"), File("a/b")}, "no folder"},
      {{File("a/b"), File("a")}, "twice"},
      {{Link("l", "/etc")}, "a link that leads out"},
      {{Link("l", "../x")}, "a link that leads out"},
      {{Link("l", "a/../../x")}, "a link that leads out"},
      {{Link("l", "."), File("l/x")}, "no folder"},
      {{Link("d/l", ".."), Link("m", "d/l/..")}, "a link that leads out"},
      {{File(std::string(256, 'n'))}, "255"},
      {{File("\xff")}, "UTF-8"},
  };
  for (const auto& one : kCases) {
    for (const bool zip : {true, false}) {
      Put("evil", zip ? Zip(one.entries) : Tar(one.entries));
      const absl::Status status =
          Perform(zip ? unzip_ : untar_, {{"path", "evil"}, {"targetPath", "out"}});
      EXPECT_THAT(status.message(), HasSubstr(one.error)) << one.entries[0].entry.path << zip;
      EXPECT_THAT(Files(), ElementsAre("evil"));
    }
  }
  EXPECT_FALSE(std::filesystem::exists(root_ + "/evil"));
}

TEST_F(ArchiveActionTest, LinksInTheWorkspaceAreNoWayOut) {
  ASSERT_EQ(symlink(root_.c_str(), (context_.folder + "/out").c_str()), 0);
  Put("a.tar", Tar({File("x")}));
  EXPECT_FALSE(Perform(untar_, {{"path", "a.tar"}, {"targetPath", "out"}}).ok());
  EXPECT_FALSE(std::filesystem::exists(root_ + "/x"));
}

TEST_F(ArchiveActionTest, BombsEndSoon) {
  const std::string zeros(64 << 20, '\0');
  Put("b.zip", Zip({File("a", zeros), File("b", zeros)}));
  EXPECT_EQ(Perform(unzip_, {{"path", "b.zip"}}).code(), absl::StatusCode::kResourceExhausted);
  Put("b.tgz", Archive({File("a", zeros), File("b", zeros)}, false, true));
  EXPECT_EQ(Perform(untar_, {{"path", "b.tgz"}}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Files(), ElementsAre("b.tgz", "b.zip"));
}

TEST_F(ArchiveActionTest, BrokenArchivesLeaveNothing) {
  const std::string zip = Zip({File("a", "hello hello hello"), File("b", "x")});
  const std::string tar = Tar({File("a", std::string(2000, 'a')), File("b")});
  for (size_t cut = 0; cut < zip.size(); cut += 5) {
    Put("z", zip.substr(0, cut));
    EXPECT_FALSE(Perform(unzip_, {{"path", "z"}, {"targetPath", "out"}}).ok()) << cut;
  }
  for (size_t cut = 0; cut + 1024 < tar.size(); cut += 97) {
    Put("t", tar.substr(0, cut));
    EXPECT_FALSE(Perform(untar_, {{"path", "t"}, {"targetPath", "out"}}).ok()) << cut;
  }
  // A changed byte is found, or changes nothing that counts.
  for (size_t at = 0; at < zip.size(); ++at) {
    std::string changed = zip;
    changed[at] = static_cast<char>(changed[at] ^ 0x5A);
    Put("z", changed);
    Perform(unzip_, {{"path", "z"}, {"targetPath", "out"}, {"replace", true}}).IgnoreError();
    const std::string a = Get("out/a");
    EXPECT_TRUE(a.empty() || a == "hello hello hello") << at;
    std::filesystem::remove_all(context_.folder + "/out");
  }
}

TEST_F(ArchiveActionTest, ExistingFilesAreNotLost) {
  Put("a.zip", Zip({File("a", "new"), File("z", "new")}));
  Put("out/z", "old");
  const json input = {{"path", "a.zip"}, {"targetPath", "out"}};
  EXPECT_EQ(Perform(unzip_, input).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Get("out/z"), "old");
  EXPECT_FALSE(std::filesystem::exists(context_.folder + "/out/a"));
  json with = input;
  with["replace"] = true;
  ASSERT_TRUE(Perform(unzip_, with).ok());
  EXPECT_EQ(Get("out/z"), "new");
}

// Larger than what is compressed at once, and than a piece: one that compresses, one that does not.
TEST_F(ArchiveActionTest, LargeFilesGoByInPieces) {
  Put("src/noise", Noise(3 << 20));
  Put("src/text", std::string(5 << 20, 't') + Noise(1000));
  Put("src/edge", Noise(1 << 20));
  for (const char* name : {"o.zip", "o.tar", "o.tgz"}) {
    const bool zip = std::string(name) == "o.zip";
    ASSERT_TRUE(Perform(zip ? zip_ : tar_, {{"path", name}, {"sourcePath", "src"}}).ok());
    EXPECT_EQ(context_.outputs["bytes"], (3 << 20) + (5 << 20) + 1000 + (1 << 20));
    const std::string first = Get(name);
    ASSERT_TRUE(Perform(zip ? zip_ : tar_, {{"path", name}, {"sourcePath", "src"}}).ok());
    EXPECT_TRUE(Get(name) == first) << "equal bytes each time";
    const absl::Status status =
        Perform(zip ? unzip_ : untar_, {{"path", name}, {"targetPath", "out"}});
    ASSERT_TRUE(status.ok()) << status;
    const std::string compare = "diff -r " + context_.folder + "/src " + context_.folder + "/out";
    EXPECT_EQ(std::system(compare.c_str()), 0) << name;
    const std::string test = std::string("python3 -m ") + (zip ? "zipfile -t " : "tarfile -t ") +
                             context_.folder + "/" + name + " > /dev/null 2>&1";
    EXPECT_EQ(std::system(test.c_str()), 0) << name;
    std::filesystem::remove_all(context_.folder + "/out");
  }
}

TEST_F(ArchiveActionTest, Zip64) {
  // More entries than 16 bits can count: ours, read by ours and by another program.
  std::vector<Part> many;
  for (int i = 0; i < 66'000; ++i) many.push_back(File(absl::StrCat("f", i), ""));
  const TextBytes archive(Zip(many));
  class Counting final : public EntrySink {
   public:
    absl::Status Begin(const Entry&) override {
      ++count;
      return absl::OkStatus();
    }
    absl::Status Content(absl::string_view) override { return absl::OkStatus(); }
    absl::Status End() override { return absl::OkStatus(); }
    int count = 0;
  } counting;
  const absl::Status status = ReadZip(archive, counting, [](int64_t) { return absl::OkStatus(); });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(counting.count, 66'000);
  Put("many.zip", archive.text());
  const std::string count = "python3 -c \"import zipfile; assert len(zipfile.ZipFile('" +
                            context_.folder + "/many.zip').namelist()) == 66000\"";
  EXPECT_EQ(std::system(count.c_str()), 0);
  // Another program's, with sizes in the extra field.
  const std::string make = "cd " + context_.folder +
                           " && python3 -c \"import zipfile; z = zipfile.ZipFile('theirs.zip', "
                           "'w'); f = z.open('a', 'w', force_zip64=True); f.write(b'hello'); "
                           "f.close(); z.close()\"";
  ASSERT_EQ(std::system(make.c_str()), 0);
  ASSERT_TRUE(Perform(unzip_, {{"path", "theirs.zip"}, {"targetPath", "theirs"}}).ok());
  EXPECT_EQ(Get("theirs/a"), "hello");
}

// The numbers of an entry that says they stand in its extra field.
TEST_F(ArchiveActionTest, SizesOf64BitsAreBelievedNoMoreThanOthers) {
  std::string zip = Zip({File("a", "hello")});
  const size_t central = zip.rfind("PK\x01\x02");
  zip.replace(central + 24, 4, "\xFF\xFF\xFF\xFF");  // without an extra field
  Put("a.zip", zip);
  EXPECT_EQ(Perform(unzip_, {{"path", "a.zip"}}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Files(), ElementsAre("a.zip"));
}

TEST_F(ArchiveActionTest, WhatKilledRunsLeftIsNotPacked) {
  Put("src/a", "a");
  Put("src/deep/.purser-0123456789abcdef.tmp", "half");
  Put("src/.purser-stage/new/b", "half");
  ASSERT_TRUE(Perform(zip_, {{"path", "src/o.zip"}, {"sourcePath", "src"}}).ok());
  EXPECT_EQ(context_.outputs["files"], 1);
}

TEST_F(ArchiveActionTest, AFileThatGrowsOrShrinksIsNoArchive) {
  for (const int64_t bytes : {3, 8}) {
    for (const bool zip : {true, false}) {
      TextBytes out;
      const Step step = [](int64_t) { return absl::OkStatus(); };
      const auto writer = zip ? NewZipWriter(out, step) : NewTarWriter(out, false, step);
      const TextBytes content("12345");
      const absl::Status status = writer->Add({"a", EntryKind::kFile, false, "", bytes}, &content);
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << bytes << zip;
      EXPECT_THAT(status.message(), HasSubstr("was changed"));
    }
  }
}

TEST_F(ArchiveActionTest, AFullDiskLeavesNothing) {
  Put("src/a", Noise(1 << 20));
  // What a write beyond the limit gives is the same to us as a full disk.
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 100'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status packed = Perform(tar_, {{"path", "o.tgz"}, {"sourcePath", "src"}});
  setrlimit(RLIMIT_FSIZE, &old);
  ASSERT_TRUE(Perform(tar_, {{"path", "o.tgz"}, {"sourcePath", "src"}}).ok());
  setrlimit(RLIMIT_FSIZE, &small);
  const absl::Status unpacked = Perform(untar_, {{"path", "o.tgz"}, {"targetPath", "out"}});
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(packed.ok());
  EXPECT_FALSE(unpacked.ok());
  EXPECT_THAT(Files(), ElementsAre("o.tgz", "src/", "src/a"));
}

// An archive of zeros is unpacked at some GB/s, one of noise packed at some ten MB/s: both end
// soon.
TEST_F(ArchiveActionTest, AStopInTheMiddleOfAFileLeavesNothing) {
  Put("src/noise", Noise(8 << 20));
  Put("a.tar", Tar({File("a", Noise(8 << 20))}));
  const std::vector<std::string> before = Files();
  const struct {
    action::Action* action;
    json input;
  } kCases[] = {{&zip_, {{"path", "o.zip"}, {"sourcePath", "src"}}},
                {&tar_, {{"path", "o.tgz"}, {"sourcePath", "src"}}},
                {&untar_, {{"path", "a.tar"}, {"targetPath", "out"}}}};
  for (const auto& one : kCases) {
    // A quick machine is done before the stop comes: then it comes sooner.
    absl::Status status;
    for (int micros = 2'000; status.ok(); micros /= 2) {
      for (const char* made : {"o.zip", "o.tgz", "out"}) {
        std::filesystem::remove_all(absl::StrCat(context_.folder, "/", made));
      }
      context_.source = {};
      if (micros == 0) context_.source.request_stop();
      std::jthread stopper([this, micros] {
        std::this_thread::sleep_for(std::chrono::microseconds(micros));
        context_.source.request_stop();
      });
      status = Perform(*one.action, one.input);
      ASSERT_FALSE(status.ok() && micros == 0);
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(Files(), before);
  }
}

TEST_F(ArchiveActionTest, StopWhenAsked) {
  Put("a.zip", Zip({File("a")}));
  context_.source.request_stop();
  EXPECT_EQ(Perform(unzip_, {{"path", "a.zip"}}).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Perform(zip_, {{"path", "b.zip"}}).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(Files(), ElementsAre("a.zip"));
}

}  // namespace
}  // namespace purser::actions
