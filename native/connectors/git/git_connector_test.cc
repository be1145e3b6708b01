#include "connectors/git/git_connector.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "connectors/git/remote_list.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Context final : public CallContext {
 public:
  const std::string& effect_key() const override { return key; }
  std::stop_token stop() const override { return source.get_token(); }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void Log(action::LogLevel, absl::string_view line) override { absl::StrAppend(&log, line, "\n"); }
  absl::StatusOr<std::string> ResolveSecret(absl::string_view reference) override {
    const auto found = secrets.find(std::string(reference));
    if (found == secrets.end()) return absl::NotFoundError(absl::StrCat("no secret ", reference));
    return found->second;
  }
  std::string key = "run-1/manifests/1";
  std::stop_source source;
  std::map<std::string, std::string> secrets;
  std::string log;
};

class GitConnectorTest : public testing::Test {
 protected:
  GitConnectorTest()
      : transport_(folder_.path()),
        repository_(git::MakeBareRepository(folder_.path())),
        url_(absl::StrCat("file://", repository_)) {}

  absl::StatusOr<std::unique_ptr<Connector>> Make(const nlohmann::json& config) {
    return GitConnector::FromConfig("git", config, {transport_, clock_, rng_, {}});
  }
  std::unique_ptr<Connector> Local() {
    return *Make({{"remotes", {{{"url", absl::StrCat("file://", folder_.path())}}}},
                  {"author", {{"name", "Ops"}, {"email", "ops@example.org"}}}});
  }
  std::string RepositoryGit(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-C", repository_});
    return git::Git(arguments);
  }
  nlohmann::json Input() {
    return {{"repository", url_},
            {"path", "workspaces/x"},
            {"files", {{"notebook.yaml", "kind: Notebook\n"}, {"bucket/b.yaml", "kind: Bucket\n"}}},
            {"message", "Add workspace x"}};
  }
  static void ExpectFits(const nlohmann::json& schema, const nlohmann::json& value) {
    const auto compiled = json::Schema::Compile(schema);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    EXPECT_TRUE(json::ToStatus(compiled->Validate(value), "value").ok())
        << json::ToStatus(compiled->Validate(value), "value");
  }

  git::TempFolder folder_;
  git::CgiTransport transport_;
  std::string repository_;
  std::string url_;
  base::FakeClock clock_;
  base::SeededRng rng_{1};
  Context context_;
};

TEST_F(GitConnectorTest, CommitsAndItsCompensationRemoves) {
  auto connector = Local();
  const std::vector<Operation>& operations = connector->operations();
  ASSERT_EQ(operations.size(), 2u);
  ExpectFits(operations[0].input_schema, Input());
  const auto done = connector->Call("commit", Input(), context_);
  ASSERT_TRUE(done.ok()) << done.status();
  ExpectFits(operations[0].output_schema, done->outputs);
  EXPECT_EQ(done->outputs["commit"], RepositoryGit({"rev-parse", "main"}));
  EXPECT_EQ(done->outputs["changed"], true);
  EXPECT_FALSE(done->outputs.contains("url"));
  EXPECT_EQ(RepositoryGit({"show", "main:workspaces/x/bucket/b.yaml"}), "kind: Bucket");
  EXPECT_EQ(RepositoryGit({"log", "--format=%an %s", "main"}), "Ops Add workspace x");
  ASSERT_EQ(done->resources.size(), 1u);
  EXPECT_EQ(done->resources[0].id, absl::StrCat(url_, "#main:workspaces/x"));

  EXPECT_EQ(operations[0].compensation, "remove");
  ExpectFits(operations[1].input_schema, done->outputs);
  const auto undone = connector->Call("remove", done->outputs, context_);
  ASSERT_TRUE(undone.ok()) << undone.status();
  ExpectFits(operations[1].output_schema, undone->outputs);
  EXPECT_EQ(RepositoryGit({"ls-tree", "-r", "--name-only", "main"}), "");
  EXPECT_EQ(RepositoryGit({"rev-list", "--count", "main"}), "2");
}

TEST_F(GitConnectorTest, ProbeTellsWhetherACallArrived) {
  auto connector = Local();
  EXPECT_EQ(connector->operations()[0].call_class, CallClass::kProbe);
  auto before = connector->Probe("commit", Input(), context_);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_FALSE(before->has_value());
  const auto done = connector->Call("commit", Input(), context_);
  ASSERT_TRUE(done.ok());
  const auto after = connector->Probe("commit", Input(), context_);
  ASSERT_TRUE(after.ok() && after->has_value());
  EXPECT_EQ((*after)->outputs, done->outputs);
  EXPECT_EQ((*after)->resources[0].id, done->resources[0].id);
  // The step's commit is not taken for that of its compensation.
  EXPECT_FALSE(connector->Probe("remove", done->outputs, context_)->has_value());
  ASSERT_TRUE(connector->Call("remove", done->outputs, context_).ok());
  EXPECT_TRUE(connector->Probe("remove", done->outputs, context_)->has_value());
  context_.key = "run-1/manifests/2";
  EXPECT_FALSE(connector->Probe("commit", Input(), context_)->has_value());
}

TEST_F(GitConnectorTest, TheSameFilesAgainAreNoCommit) {
  auto connector = Local();
  const auto first = connector->Call("commit", Input(), context_);
  context_.key = "run-2/manifests/1";
  const auto second = connector->Call("commit", Input(), context_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->outputs["changed"], false);
  EXPECT_EQ(second->outputs["commit"], first->outputs["commit"]);
}

TEST_F(GitConnectorTest, DriftOfTheBranchIsSeen) {
  using State = Comparison::State;
  auto connector = Local();
  const auto done = connector->Call("commit", Input(), context_);
  ASSERT_TRUE(done.ok()) << done.status();
  const auto compare = [&](const nlohmann::json& input) {
    const auto found = connector->Compare("commit", input, *done, context_);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or(Comparison{});
  };
  EXPECT_EQ(compare(Input()).state, State::kSame);
  // Somebody else's commit: one file is other, and later all are gone.
  nlohmann::json other = Input();
  other["files"] = {{"notebook.yaml", "kind: Other\n"}, {"more.yaml", "kind: More\n"}};
  context_.key = "run-2/manifests/1";
  ASSERT_TRUE(connector->Call("commit", other, context_).ok());
  EXPECT_EQ(compare(Input()).state, State::kDiffers);
  EXPECT_EQ(compare(Input()).detail,
            "what was committed to branch main differs at workspaces/x/notebook.yaml");
  ASSERT_TRUE(connector->Call("remove", done->outputs, context_).ok());
  EXPECT_EQ(compare(Input()).state, State::kGone);
  nlohmann::json nowhere = Input();
  nowhere["branch"] = "never";
  EXPECT_EQ(compare(nowhere).state, State::kGone);
}

TEST_F(GitConnectorTest, OnlyListedRepositories) {
  auto connector = *Make({{"remotes", {{{"url", absl::StrCat(url_, "/")}}}}});
  EXPECT_TRUE(connector->Call("commit", Input(), context_).ok());
  for (const std::string& url :
       {absl::StrCat("file://", folder_.path(), "/other.git"), absl::StrCat(url_, "x"),
        std::string("file:///etc"), std::string("https://git.example.com/a")}) {
    nlohmann::json input = Input();
    input["repository"] = url;
    const auto refused = connector->Call("commit", input, context_);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied) << url;
    EXPECT_THAT(refused.status().message(), HasSubstr("connectors.git.remotes"));
  }
  nlohmann::json input = Input();
  input["repository"] = absl::StrCat(url_, "/../other.git");
  EXPECT_EQ(connector->Call("commit", input, context_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(connector->Call("drop", Input(), context_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(GitConnectorTest, CredentialsAreReferences) {
  transport_.required_authorization = "Basic Ym90OmgxZGRlbg==";  // bot:h1dden
  auto connector =
      *Make({{"remotes",
              {{{"url", "https://git.test"},
                {"hosting", "gitlab"},
                {"credential", {{"secret", "env:GIT_TOKEN"}, {"username", "bot"}}}}}}});
  nlohmann::json input = Input();
  input["repository"] = "https://git.test/repo.git";
  EXPECT_EQ(connector->Call("commit", input, context_).status().message(),
            "no secret env:GIT_TOKEN");
  context_.secrets["env:GIT_TOKEN"] = "wrong";
  const auto refused = connector->Call("commit", input, context_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnauthenticated);
  context_.secrets["env:GIT_TOKEN"] = "h1dden\n";
  const auto done = connector->Call("commit", input, context_);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->outputs["url"], absl::StrCat("https://git.test/repo/-/commit/",
                                               done->outputs["commit"].get<std::string>()));
  EXPECT_THAT(absl::StrCat(context_.log, done->outputs.dump(), refused.status().ToString()),
              Not(HasSubstr("h1dden")));
  EXPECT_THAT(RepositoryGit({"cat-file", "-p", "main"}), Not(HasSubstr("h1dden")));
}

TEST_F(GitConnectorTest, ConfigFaultsComeAllAtOnce) {
  const auto none = Make(nlohmann::json::object());
  EXPECT_THAT(none.status().message(), HasSubstr("connector git: "));
  EXPECT_THAT(none.status().message(), HasSubstr("/remotes"));
  const auto many = Make({{"remotes",
                           {{{"url", "https://u:secret@h/a"}},
                            {{"url", "http://h/a"}, {"credential", {{"secret", "env:A"}}}},
                            {{"url", "file:///a"}, {"credential", {{"secret", "env:A"}}}},
                            {{"url", "http://localhost:3000/a"},
                             {"credential", {{"secret", "env:A"}, {"username", "a:b"}}}}}},
                          {"author", {{"name", "a\nb"}, {"email", "x"}}}});
  EXPECT_EQ(many.status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* part : {"/remotes/0/url", "/remotes/1/credential", "https://",
                           "/remotes/2/credential", "/remotes/3/credential/username", "/author"}) {
    EXPECT_THAT(many.status().message(), HasSubstr(part));
  }
  EXPECT_THAT(many.status().message(), Not(HasSubstr("u:secret")));
  EXPECT_THAT(many.status().message(), Not(HasSubstr("/remotes/3/credential:")));
  const auto typed = Make({{"remotes", {{{"url", 7}, {"extra", 1}}}}});
  EXPECT_THAT(typed.status().message(), HasSubstr("/remotes/0/url"));
  EXPECT_THAT(typed.status().message(), HasSubstr("/remotes/0/extra"));
}

TEST(RemoteListTest, TheLongestEntryWins) {
  std::vector<AllowedRemote> remotes(3);
  remotes[0].url = "https://Git.Example.com/";
  remotes[0].credential = "all";
  remotes[1].url = "https://git.example.com/team/repo.git";
  remotes[1].credential = "one";
  remotes[2].url = "/srv/git";
  const auto credential = [&](absl::string_view url) {
    const AllowedRemote* found = FindRemote(remotes, url);
    return found == nullptr ? "none" : found->credential;
  };
  EXPECT_EQ(credential("https://git.example.com/team/repo"), "one");
  EXPECT_EQ(credential("https://git.example.com/team/repo.git/"), "one");
  EXPECT_EQ(credential("HTTPS://GIT.example.COM/team/repository"), "all");
  EXPECT_EQ(credential("https://git.example.com.evil.org/team/repo"), "none");
  EXPECT_EQ(credential("http://git.example.com/team/repo"), "none");
  EXPECT_EQ(credential("file:///srv/git/a.git"), "");
  EXPECT_EQ(credential("/srv/gitx"), "none");
  AllowedRemote bearer;
  bearer.bearer = true;
  EXPECT_EQ(*AuthorizationOf(bearer, "abc"), "Bearer abc");
  EXPECT_FALSE(AuthorizationOf(bearer, "").ok());
  EXPECT_THAT(std::string(AuthorizationOf(bearer, "ab\ncd").status().message()),
              Not(HasSubstr("ab\ncd")));
}

}  // namespace
}  // namespace purser::connectors
