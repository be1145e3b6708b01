#include "git/web_url.h"

#include "gtest/gtest.h"

namespace purser::git {
namespace {

TEST(WebUrlTest, PagesOfTheHostings) {
  const ObjectId id = *ObjectId::FromHex("a9993e364706816aba3e25717850c26c9cd0d89d");
  const std::string hex = id.ToHex();
  const auto commit = [&](absl::string_view url) { return CommitUrl(HostingOf(url), url, id); };
  const auto contents = [](absl::string_view url, absl::string_view branch) {
    return ContentsUrl(HostingOf(url), url, branch);
  };
  EXPECT_EQ(commit("https://github.com/o/r.git"), "https://github.com/o/r/commit/" + hex);
  EXPECT_EQ(commit("https://gitlab.com/g/s/r"), "https://gitlab.com/g/s/r/-/commit/" + hex);
  EXPECT_EQ(commit("https://bitbucket.org/w/r/"), "https://bitbucket.org/w/r/commits/" + hex);
  EXPECT_EQ(commit("https://git.example.com/r.git"), "");
  EXPECT_EQ(commit("file:///srv/git/r.git"), "");
  EXPECT_EQ(contents("https://github.com/o/r", "main"), "https://github.com/o/r/blob/main");
  EXPECT_EQ(contents("https://codeberg.org/o/r", "a#b/c"),
            "https://codeberg.org/o/r/src/branch/a%23b/c");
  EXPECT_EQ(contents("https://dev.azure.com/o/p/_git/r", "main"),
            "https://dev.azure.com/o/p/_git/r?version=GBmain");
  EXPECT_EQ(ContentsUrl(*ParseHosting("gitlab"), "https://git.example.com/g/r.git", "main"),
            "https://git.example.com/g/r/-/blob/main");
  EXPECT_EQ(CommitUrl(Hosting::kGitlab, "file:///srv/r.git", id), "");
  EXPECT_FALSE(ParseHosting("svn").has_value());
}

}  // namespace
}  // namespace purser::git
