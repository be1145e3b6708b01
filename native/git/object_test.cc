#include "git/object.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "git/message.h"
#include "git/publish.h"
#include "git/test_repository.h"
#include "git/tree_builder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;

ObjectId Id(char digit) { return *ObjectId::FromHex(std::string(40, digit)); }

TEST(ObjectIdTest, HexadecimalBothWays) {
  const std::string hex = "a9993e364706816aba3e25717850c26c9cd0d89d";
  EXPECT_EQ(ObjectId::FromHex(hex)->ToHex(), hex);
  EXPECT_EQ(ObjectId::FromHex("A9993E364706816ABA3E25717850C26C9CD0D89D")->ToHex(), hex);
  EXPECT_FALSE(ObjectId::FromHex(hex.substr(1)).has_value());
  EXPECT_FALSE(ObjectId::FromHex("g9993e364706816aba3e25717850c26c9cd0d89d").has_value());
  EXPECT_FALSE(ObjectId::FromRaw("short").has_value());
  EXPECT_TRUE(ObjectId().IsZero());
}

TEST(ObjectTest, NamesAreThoseOfGit) {
  TempFolder folder;
  const std::string repository = MakeBareRepository(folder.path());
  for (const std::string content : {"", "hello\n", "\xff\x00z"}) {
    EXPECT_EQ(HashObject(ObjectType::kBlob, content).ToHex(),
              Git({"-C", repository, "hash-object", "--stdin"}, content));
  }
}

TEST(ObjectTest, TreesSortAsGitSortsThem) {
  TempFolder folder;
  const std::string repository = MakeBareRepository(folder.path());
  const std::string blob = Git({"-C", repository, "hash-object", "-w", "--stdin"}, "x");
  const std::string empty =
      Git({"-C", repository, "hash-object", "-w", "-t", "tree", "--stdin"}, "");
  // "a" as a folder sorts behind "a-b" and "a.txt", before "a0".
  const std::string input =
      absl::StrCat("040000 tree ", empty, "\ta\n", "100644 blob ", blob, "\ta-b\n", "100755 blob ",
                   blob, "\ta.txt\n", "120000 blob ", blob, "\ta0\n");
  const std::string expected = Git({"-C", repository, "mktree"}, input);
  std::vector<TreeEntry> entries = {{kModeSymlink, "a0", *ObjectId::FromHex(blob)},
                                    {kModeTree, "a", *ObjectId::FromHex(empty)},
                                    {kModeExecutable, "a.txt", *ObjectId::FromHex(blob)},
                                    {kModeFile, "a-b", *ObjectId::FromHex(blob)}};
  const std::string content = EncodeTree(entries);
  EXPECT_EQ(HashObject(ObjectType::kTree, content).ToHex(), expected);
  const auto parsed = ParseTree(content);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(EncodeTree(*parsed), content);
}

TEST(ObjectTest, BrokenTreesAreRefused) {
  const std::string good = EncodeTree({{kModeFile, "a", Id('1')}});
  for (size_t cut = 1; cut < good.size(); ++cut) {
    EXPECT_FALSE(ParseTree(good.substr(0, cut)).ok()) << cut;
  }
  EXPECT_FALSE(
      ParseTree(absl::StrCat("100644 a/b", absl::string_view("\0", 1), std::string(20, 'x'))).ok());
  EXPECT_FALSE(ParseTree("999 x").ok());
}

TEST(ObjectTest, CommitsParseBack) {
  Commit commit;
  commit.tree = Id('1');
  commit.parents = {Id('2'), Id('3')};
  commit.author = commit.committer = {"Ada", "ada@example.org"};
  commit.time = absl::FromUnixSeconds(1'700'000'000);
  commit.message = "Subject\n\nBody\n";
  const std::string text = EncodeCommit(commit);
  EXPECT_THAT(text, HasSubstr("author Ada <ada@example.org> 1700000000 +0000\n"));
  const auto parsed = ParseCommit(text);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->tree, commit.tree);
  EXPECT_EQ(parsed->parents, commit.parents);
  EXPECT_EQ(parsed->message, commit.message);
  EXPECT_FALSE(ParseCommit("tree abc\n\nx").ok());
  EXPECT_FALSE(ParseCommit("parent").ok());
  EXPECT_FALSE(ParseCommit("author x\n\nmessage").ok());
}

TEST(ObjectTest, PersonsThatWouldGarbleACommit) {
  EXPECT_TRUE(CheckPerson({"Ada Lovelace", ""}, "author").ok());
  EXPECT_FALSE(CheckPerson({" ", "a@b"}, "author").ok());
  EXPECT_FALSE(CheckPerson({"Ada\ncommitter Eve", "a@b"}, "author").ok());
  EXPECT_FALSE(CheckPerson({"Ada", "a@b> 0 +0000"}, "author").ok());
}

TEST(ObjectTest, PathsThatCouldHurtACheckout) {
  for (const char* good :
       {"a", "a/b.c", ".gitignore", ".github/workflows/x.yml", "git~2", "ü/日本"}) {
    EXPECT_TRUE(CheckPath(good).ok()) << good;
  }
  for (const char* bad : {"", "/a", "a//b", "a/", "../a", "a/./b", ".git", "a/.GIT/config", ".git ",
                          ".git.", "git~1/x", ".git::$INDEX_ALLOCATION", ".g\xE2\x80\x8Cit/x",
                          "\xEF\xBB\xBF.git", ".git\\config"}) {
    EXPECT_EQ(CheckPath(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(CheckPath(absl::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(CheckPath(std::string(5000, 'a')).ok());
  std::string deep = "a";
  for (int i = 0; i < 256; ++i) deep += "/a";
  EXPECT_THAT(CheckPath(deep).message(), HasSubstr("deeper than 256"));
}

TEST(ObjectTest, BranchNamesAsGitJudgesThem) {
  for (const char* good : {"main", "feature/x", "a.b", "v1.0", "ü", "a@b", "x-"}) {
    EXPECT_TRUE(CheckBranch(good).ok()) << good;
    EXPECT_EQ(Git({"check-ref-format", "--branch", good}), good);
  }
  for (const char* bad : {"",
                          "@",
                          "HEAD",
                          "-x",
                          "a..b",
                          "a b",
                          "a~1",
                          "a^",
                          "a:b",
                          "a?",
                          "a*",
                          "a[b",
                          "a\\b",
                          "/a",
                          "a/",
                          "a//b",
                          ".a",
                          "a/.b",
                          "a.lock",
                          "a.lock/b",
                          "a.",
                          "a@{b",
                          "refs/heads/main",
                          "a\x7f"}) {
    EXPECT_EQ(CheckBranch(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(MessageTest, TrailerJoinsOrOpensTheLastParagraph) {
  EXPECT_EQ(*ComposeMessage("Add x  \r\n\n\n", ""), "Add x\n");
  EXPECT_EQ(*ComposeMessage("Add x", "run/step/1"), "Add x\n\nPurser-Effect: run/step/1\n");
  EXPECT_EQ(*ComposeMessage("Add x\n\nSigned-off-by: Ada <a@b>", "k"),
            "Add x\n\nSigned-off-by: Ada <a@b>\nPurser-Effect: k\n");
  // A subject that looks like a trailer is none.
  EXPECT_EQ(*ComposeMessage("fix: x", "k"), "fix: x\n\nPurser-Effect: k\n");
  EXPECT_EQ(EffectOf(*ComposeMessage("Add x\n\nBody", "run/a b/1")), "run/a b/1");
  EXPECT_EQ(EffectOf("Purser-Effect: k\n"), "");
  EXPECT_EQ(EffectOf("Say\n\nPurser-Effect: k\n\nmore text\n"), "");
}

TEST(MessageTest, RefusesWhatGitWouldGarble) {
  EXPECT_FALSE(ComposeMessage(" \n ", "").ok());
  EXPECT_FALSE(ComposeMessage("\xff", "").ok());
  EXPECT_FALSE(ComposeMessage(absl::string_view("a\0b", 3), "").ok());
  EXPECT_FALSE(ComposeMessage(std::string(kMaxMessageBytes + 1, 'a'), "").ok());
  EXPECT_FALSE(ComposeMessage("x", "a\nb").ok());
  EXPECT_FALSE(ComposeMessage("x", std::string(600, 'k')).ok());
}

class TreeBuilderTest : public testing::Test {
 protected:
  absl::StatusOr<ObjectId> Write(TreeBuilder& tree) {
    written_ = 0;
    return tree.Write([this](absl::string_view content) {
      const ObjectId id = HashObject(ObjectType::kTree, content);
      trees_[id.ToHex()] = std::string(content);
      ++written_;
      return absl::StatusOr<ObjectId>(id);
    });
  }
  TreeBuilder From(const ObjectId& root) {
    return TreeBuilder(root, [this](const ObjectId& id) -> absl::StatusOr<std::string> {
      ++loaded_;
      const auto found = trees_.find(id.ToHex());
      if (found == trees_.end()) return absl::NotFoundError("no such tree");
      return found->second;
    });
  }
  std::map<std::string, std::string> trees_;
  int written_ = 0;
  int loaded_ = 0;
};

TEST_F(TreeBuilderTest, WritesOnlyWhatChangedAndLoadsOnlyWhatIsOnTheWay) {
  TreeBuilder first;
  for (const char* path : {"a/b/one", "a/c/two", "d/e/three", "four"}) {
    ASSERT_TRUE(first.Put(path, kModeFile, Id('1')).ok());
  }
  const ObjectId root = *Write(first);
  EXPECT_EQ(written_, 6);

  TreeBuilder second = From(root);
  ASSERT_TRUE(second.Put("a/b/one", kModeFile, Id('1')).ok());
  EXPECT_EQ(*Write(second), root);
  EXPECT_EQ(written_, 0);
  ASSERT_TRUE(second.Put("a/b/one", kModeFile, Id('2')).ok());
  EXPECT_NE(*Write(second), root);
  EXPECT_EQ(written_, 3);  // a/b, a and the root
  EXPECT_EQ(loaded_, 3);
}

TEST_F(TreeBuilderTest, RemovingTheLastFileRemovesItsFolders) {
  TreeBuilder first;
  ASSERT_TRUE(first.Put("keep", kModeFile, Id('1')).ok());
  const ObjectId small = *Write(first);
  ASSERT_TRUE(first.Put("a/b/c", kModeFile, Id('1')).ok());
  const ObjectId large = *Write(first);
  TreeBuilder second = From(large);
  ASSERT_TRUE(second.Remove("a/b/c").ok());
  ASSERT_TRUE(second.Remove("a/b/c").ok());
  ASSERT_TRUE(second.Remove("nowhere/x").ok());
  EXPECT_EQ(*Write(second), small);
}

TEST_F(TreeBuilderTest, FilesAndFoldersDoNotReplaceEachOtherSilently) {
  TreeBuilder tree;
  ASSERT_TRUE(tree.Put("a/b", kModeExecutable, Id('1')).ok());
  EXPECT_EQ(tree.Put("a", kModeFile, Id('1')).code(), absl::StatusCode::kFailedPrecondition);
  const absl::Status status = tree.Put("a/b/c", kModeFile, Id('1'));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "path \"a/b/c\": \"a/b\" is a file, not a folder");
  EXPECT_EQ(tree.Remove("a").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((*tree.Find("a/b"))->mode, kModeExecutable);
  EXPECT_FALSE((*tree.Find("a")).has_value());
  EXPECT_FALSE((*tree.Find("x/y")).has_value());
}

TEST_F(TreeBuilderTest, AMissingTreeIsNamed) {
  TreeBuilder tree = From(Id('7'));
  const absl::Status status = tree.Put("a", kModeFile, Id('1'));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace purser::git
