#include "git/remote.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "git/process.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Answers by URL and remembers what was asked.
class ScriptedTransport final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions&) override {
    requests.push_back(request);
    const auto found = answers.find(request.url);
    if (found == answers.end()) return absl::UnavailableError("no route");
    return found->second;
  }
  std::map<std::string, http::Response> answers;
  std::vector<http::Request> requests;
};

http::Response Answer(int status, http::Headers headers = {}, std::string body = "") {
  http::Response response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = std::move(body);
  return response;
}

const http::Headers kUploadHeaders = {
    {"Content-Type", "application/x-git-upload-pack-advertisement"}};
constexpr char kQuery[] = "/info/refs?service=git-upload-pack";

TEST(UrlTest, OnlyPlainRepositoryUrls) {
  for (const char* good : {"https://git.example.com/a/b.git", "http://localhost:3000/x",
                           "file:///srv/git/a.git", "/srv/git/a.git", "https://h/a%20b"}) {
    EXPECT_TRUE(CheckUrl(good).ok()) << good << CheckUrl(good);
  }
  for (const char* bad : {"",
                          "git@github.com:a/b.git",
                          "ssh://h/a",
                          "https://",
                          "https:///a",
                          "https://h/a?x=1",
                          "https://h/a#f",
                          "https://h/a b",
                          "https://h/../etc",
                          "https://h/%2e%2e/x",
                          "https://h/a%2Fb",
                          "file://host/x",
                          "file://x",
                          "file:///a/../b",
                          "file:///a/%2e%2e/b",
                          "file:///a%00",
                          "file:///a%4",
                          "/a/../b",
                          "https://h/a\nb",
                          "https://good\\@evil/x",
                          "ext::sh -c x"}) {
    EXPECT_EQ(CheckUrl(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  const absl::Status secret = CheckUrl("https://user:hunter2@h/a");
  EXPECT_THAT(secret.message(), HasSubstr("user name or password"));
  EXPECT_THAT(secret.message(), Not(HasSubstr("hunter2")));
}

TEST(UrlTest, LocalOnesNeedLeave) {
  ScriptedTransport transport;
  const auto refused = OpenRemote("file:///srv/git/a.git", transport, {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  RemoteOptions options;
  options.allow_local = true;
  EXPECT_TRUE(OpenRemote("file:///srv/git/a.git", transport, options).ok());
  options.authorization = "Basic x\r\nEvil: y";
  EXPECT_EQ(OpenRemote("https://h/a", transport, options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

class HttpRemoteTest : public testing::Test {
 protected:
  HttpRemoteTest() {
    RemoteOptions options;
    options.authorization = "Basic c2VjcmV0";
    remote_ = *OpenRemote("https://h/a", transport_, options);
  }
  ScriptedTransport transport_;
  std::unique_ptr<Remote> remote_;
};

TEST_F(HttpRemoteTest, RedirectsStayOnTheirOriginAndAreRemembered) {
  transport_.answers[absl::StrCat("https://h/a", kQuery)] =
      Answer(301, {{"Location", absl::StrCat("https://h/a.git", kQuery)}});
  transport_.answers[absl::StrCat("https://h/a.git", kQuery)] = Answer(200, kUploadHeaders, "refs");
  transport_.answers["https://h/a.git/git-upload-pack"] = Answer(200, {}, "pack");
  EXPECT_EQ(*remote_->Advertise(Service::kUploadPack, {}), "refs");
  EXPECT_EQ(*remote_->Exchange(Service::kUploadPack, "want", {}), "pack");
  EXPECT_EQ(http::FindHeader(transport_.requests.back().headers, "authorization"),
            "Basic c2VjcmV0");
}

TEST_F(HttpRemoteTest, RedirectsElsewhereAreNotFollowed) {
  for (const char* target : {"https://evil/a.git", "http://h/a.git", "https://h:444/a.git",
                             "/login", "https://h@evil/a"}) {
    transport_.requests.clear();
    transport_.answers[absl::StrCat("https://h/a", kQuery)] =
        Answer(302, {{"Location", absl::StrCat(target, target[0] == '/' ? "" : kQuery)}});
    const auto answer = remote_->Advertise(Service::kUploadPack, {});
    EXPECT_EQ(answer.status().code(), absl::StatusCode::kFailedPrecondition) << target;
    EXPECT_EQ(transport_.requests.size(), 1u) << target;
  }
  transport_.answers[absl::StrCat("https://h/a", kQuery)] =
      Answer(302, {{"Location", absl::StrCat("/a", kQuery)}});
  EXPECT_EQ(remote_->Advertise(Service::kUploadPack, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);  // a loop
}

TEST_F(HttpRemoteTest, StatusesSayWhatToDo) {
  const auto code = [this](int status, http::Headers headers = {}) {
    transport_.answers[absl::StrCat("https://h/a", kQuery)] = Answer(status, std::move(headers));
    return remote_->Advertise(Service::kUploadPack, {}).status();
  };
  EXPECT_EQ(code(401).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(code(401).message(), Not(HasSubstr("c2VjcmV0")));
  EXPECT_EQ(code(403).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(404).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(500).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(400).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(code(411).message(), HasSubstr("chunks"));
  EXPECT_EQ(base::RetryAfterMillis(code(429, {{"Retry-After", "7"}})), 7000);
  EXPECT_THAT(code(200, {{"Content-Type", "text/html"}}).message(),
              HasSubstr("not a git server with the smart protocol"));
}

TEST_F(HttpRemoteTest, AGatewaysErrorLeavesAPushUnknown) {
  transport_.answers["https://h/a/git-receive-pack"] = Answer(502);
  EXPECT_TRUE(base::IsOutcomeUnknown(remote_->Exchange(Service::kReceivePack, "x", {}).status()));
  transport_.answers["https://h/a/git-receive-pack"] = Answer(403);
  EXPECT_FALSE(base::IsOutcomeUnknown(remote_->Exchange(Service::kReceivePack, "x", {}).status()));
}

TEST(LocalRemoteTest, AMissingProgramOrFolderIsNamed) {
  ScriptedTransport transport;
  RemoteOptions options;
  options.allow_local = true;
  auto remote = *OpenRemote("file:///nowhere/a.git", transport, options);
  const absl::Status missing = remote->Advertise(Service::kReceivePack, {}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(missing.message(), HasSubstr("file:///nowhere/a.git"));
  EXPECT_THAT(missing.message(), HasSubstr("not appear to be a git repository"));
  options.git_program = "/nowhere/git";
  remote = *OpenRemote("file:///nowhere/a.git", transport, options);
  const absl::Status no_git = remote->Advertise(Service::kReceivePack, {}).status();
  EXPECT_EQ(no_git.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(no_git.message(), HasSubstr("\"/nowhere/git\" is not installed"));
}

ProcessRequest Shell(const std::string& script) {
  ProcessRequest request;
  request.arguments = {"sh", "-c", script};
  return request;
}

TEST(ProcessTest, LargeInputAndOutputAtOnce) {
  const std::string input(8 << 20, 'x');
  ProcessRequest request;
  request.arguments = {"cat"};
  request.input = input;
  const auto result = RunProcess(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, input);
  EXPECT_EQ(result->exit_code, 0);
}

TEST(ProcessTest, ExitCodesErrorsAndAClosedInput) {
  const std::string input(1 << 20, 'x');
  ProcessRequest request = Shell("exec 0<&-; echo oops >&2; exit 3");
  request.input = input;
  const auto result = RunProcess(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->errors, "oops\n");
  EXPECT_EQ(RunProcess(Shell("kill -9 $$"))->exit_code, 128 + 9);
  request.arguments = {"/nowhere/program"};
  EXPECT_EQ(RunProcess(request).status().code(), absl::StatusCode::kNotFound);
}

TEST(ProcessTest, LimitsDeadlineAndStopEndTheWholeGroup) {
  ProcessRequest loud = Shell("yes");
  loud.max_output_bytes = 1000;
  EXPECT_EQ(RunProcess(loud).status().code(), absl::StatusCode::kResourceExhausted);
  ProcessRequest chatty = Shell("yes | head -c 10000000 >&2");
  EXPECT_EQ(RunProcess(chatty)->errors.size(), kMaxErrorOutputBytes);
  ProcessRequest slow = Shell("sleep 600");
  slow.timeout = absl::Milliseconds(50);
  EXPECT_EQ(RunProcess(slow).status().code(), absl::StatusCode::kDeadlineExceeded);

  TempFolder folder;
  std::stop_source stop;
  const std::string mark = absl::StrCat(folder.path(), "/pid");
  // The grandchild tells its number; it must be gone as well.
  ProcessRequest stopped =
      Shell(absl::StrCat("sh -c 'echo $$ >", mark, "; exec sleep 600' & wait"));
  stopped.stop = stop.get_token();
  std::jthread stopper([&] {
    while (!std::filesystem::exists(mark) || std::filesystem::file_size(mark) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    stop.request_stop();
  });
  EXPECT_EQ(RunProcess(stopped).status().code(), absl::StatusCode::kCancelled);
  // Killed is enough: whoever is init here may be slow to reap.
  const std::string gone =
      absl::StrCat("p=$(cat ", mark, "); while [ -e /proc/$p ]; do ",
                   "grep -q 'State:.*Z' /proc/$p/status && exit 0; sleep 0.1; done");
  EXPECT_EQ(RunProcess(Shell(gone))->exit_code, 0);
}

TEST(ProcessTest, NothingOfOursReachesTheProgram) {
  setenv("PURSER_TEST_SECRET", "hunter2", 1);
  const int leaked = dup(0);  // without O_CLOEXEC
  const auto result = RunProcess(Shell("env; ls /proc/self/fd"));
  close(leaked);
  unsetenv("PURSER_TEST_SECRET");
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->output, Not(HasSubstr("hunter2")));
  EXPECT_THAT(result->output, HasSubstr("LC_ALL=C"));
  // 0, 1, 2 and the folder that ls itself holds open.
  EXPECT_THAT(result->output, Not(HasSubstr("\n4\n")));
}

}  // namespace
}  // namespace purser::git
