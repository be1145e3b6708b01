// Remotes that hang, lie, break off or are no git servers: an error in bounded time, and a
// repository that is as it was.
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "git/commit.h"
#include "git/pkt_line.h"
#include "git/publish.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kLargeBytes = 3 << 20;  // beyond one body of known length

std::string Noise(size_t bytes) {
  base::SeededRng rng(3);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(rng.Next());
  return out;
}

// Where the lines of git's protocol end, also those inside the side band.
std::vector<size_t> Boundaries(absl::string_view bytes) {
  std::vector<size_t> out = {0};
  PktReader reader(bytes);
  while (true) {
    const auto pkt = reader.Next();
    if (!pkt.ok() || pkt->kind == PktReader::Kind::kEnd) return out;
    out.push_back(reader.offset());
  }
}

class HostileRemoteTest : public testing::TestWithParam<bool> {
 protected:
  HostileRemoteTest()
      : transport_(folder_.path()), repository_(MakeBareRepository(folder_.path())) {
    RemoteOptions options;
    options.allow_local = true;
    options.authorization = "Basic c2VjcmV0";
    const std::string url =
        GetParam() ? std::string("http://git.test/repo.git") : absl::StrCat("file://", repository_);
    remote_ = *OpenRemote(url, transport_, options);
  }
  Call NewCall(absl::Duration timeout = absl::Seconds(60)) { return {clock_, {}, timeout, {}}; }
  static CommitInfo Info() { return {{"Ada", "ada@example.org"}, "Change", "", nullptr}; }
  absl::StatusOr<CommitResult> Commit(Remote& remote, std::map<std::string, File> files,
                                      const Call& call) {
    const MapSource source(std::move(files));
    TreeChange change;
    change.files = &source;
    return CommitTree(remote, "main", change, Info(), call);
  }
  std::string Tip() { return Git({"-C", repository_, "for-each-ref", "--format=%(objectname)"}); }
  void ExpectSound() {
    EXPECT_EQ(Git({"-C", repository_, "fsck", "--strict", "--full", "--no-dangling"}), "");
  }

  TempFolder folder_;
  CgiTransport transport_;
  std::string repository_;
  std::unique_ptr<Remote> remote_;
  base::FakeClock clock_;
};

INSTANTIATE_TEST_SUITE_P(Remotes, HostileRemoteTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Http" : "Local"; });

// Cuts the answers of one exchange at one of its lines.
class CuttingRemote final : public Remote {
 public:
  CuttingRemote(Remote& inner, int exchange) : inner_(inner), exchange_(exchange) {}
  const std::string& url() const override { return inner_.url(); }
  absl::StatusOr<std::string> Advertise(Service service, const ExchangeOptions& options) override {
    return Cut(inner_.Advertise(service, options));
  }
  absl::StatusOr<std::string> Exchange(Service service, std::string request,
                                       const ExchangeOptions& options) override {
    return Cut(inner_.Exchange(service, std::move(request), options));
  }
  absl::StatusOr<std::string> Push(http::BodySource& request,
                                   const ExchangeOptions& options) override {
    return Cut(inner_.Push(request, options));
  }
  size_t line = 0;              // where to cut
  size_t lines = 0;             // of the answer that was cut
  bool behind_the_end = false;  // nothing was left to cut

 private:
  absl::StatusOr<std::string> Cut(absl::StatusOr<std::string> answer) {
    if (!answer.ok() || done_++ != exchange_) return answer;
    const std::vector<size_t> boundaries = Boundaries(*answer);
    lines = boundaries.size();
    behind_the_end = line + 1 >= boundaries.size();
    if (!behind_the_end) answer->resize(boundaries[line]);
    return answer;
  }
  Remote& inner_;
  const int exchange_;
  int done_ = 0;
};

TEST_P(HostileRemoteTest, AnswersThatEndAtAnyLine) {
  ASSERT_TRUE(
      Commit(*remote_, {{"a/b", {kModeFile, "1"}}, {"c", {kModeFile, "2"}}}, NewCall()).ok());
  // The receiver's refs, the sender's refs, the fetch; and the push, of which the answer is lost.
  for (int exchange = 0; exchange < 4; ++exchange) {
    for (size_t line = 0;; ++line) {
      const std::string before = Tip();
      CuttingRemote remote(*remote_, exchange);
      remote.line = line;
      const auto result =
          Commit(remote, {{"a/b", {kModeFile, absl::StrCat(exchange, ".", line)}}}, NewCall());
      ASSERT_LT(line, 50u);
      if (remote.behind_the_end) break;
      if (exchange == 3) {
        // The answer is lost, but the branch tells that it landed.
        EXPECT_TRUE(result.ok()) << result.status();
        continue;
      }
      // A fetched pack that is whole by its own checksum needs no last line.
      if (exchange == 2 && line + 2 == remote.lines) continue;
      ASSERT_FALSE(result.ok()) << "exchange " << exchange << ", line " << line;
      EXPECT_THAT(result.status().message(), HasSubstr(remote_->url()));
      EXPECT_EQ(Tip(), before);
    }
  }
  ExpectSound();
}

// Ends a request of its own accord after some bytes, as a connection that breaks.
class BreakingTransport final : public http::Transport {
 public:
  explicit BreakingTransport(CgiTransport& inner) : inner_(inner) {}
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions& options) override {
    if (request.method != "POST" || !broken) return inner_.Send(request, options);
    http::Request half = request;
    half.body.resize(half.body.size() * 2 / 3);
    return inner_.Send(half, options);
  }
  bool broken = false;

 private:
  CgiTransport& inner_;
};

TEST_P(HostileRemoteTest, APushThatBreaksOffChangesNothing) {
  if (!GetParam()) return;
  BreakingTransport transport(transport_);
  const auto remote = *OpenRemote("http://git.test/repo.git", transport, {});
  ASSERT_TRUE(Commit(*remote, {{"a", {kModeFile, "1"}}}, NewCall()).ok());
  const std::string before = Tip();
  transport.broken = true;
  for (const size_t size : {size_t{1000}, kLargeBytes}) {
    const auto result = PublishTree(*remote, "other", MapSource({{"b", {kModeFile, Noise(size)}}}),
                                    Info(), ExistingBranch::kFail, NewCall());
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(Tip(), before);
  }
  ExpectSound();
}

// The connection breaks after the push has landed, or hangs before it has.
class LosingRemote final : public Remote {
 public:
  LosingRemote(Remote& inner, bool lands) : inner_(inner), lands_(lands) {}
  const std::string& url() const override { return inner_.url(); }
  absl::StatusOr<std::string> Advertise(Service service, const ExchangeOptions& options) override {
    return inner_.Advertise(service, options);
  }
  absl::StatusOr<std::string> Exchange(Service service, std::string request,
                                       const ExchangeOptions& options) override {
    if (service == Service::kUploadPack) {
      return inner_.Exchange(service, std::move(request), options);
    }
    if (lands_) inner_.Exchange(service, std::move(request), options).IgnoreError();
    absl::Status lost = absl::UnavailableError("connection reset");
    base::SetOutcomeUnknown(lost);
    return lost;
  }
  absl::StatusOr<std::string> Push(http::BodySource& request,
                                   const ExchangeOptions& options) override {
    return inner_.Push(request, options);
  }

 private:
  Remote& inner_;
  const bool lands_;
};

TEST_P(HostileRemoteTest, AfterALostAnswerTheBranchTellsWhetherThePushLanded) {
  LosingRemote landing(*remote_, true);
  const auto landed = Commit(landing, {{"a", {kModeFile, "1"}}}, NewCall());
  ASSERT_TRUE(landed.ok()) << landed.status();
  EXPECT_TRUE(landed->pushed);
  EXPECT_EQ(Tip(), landed->commit.ToHex());
  LosingRemote losing(*remote_, false);
  const auto lost = Commit(losing, {{"a", {kModeFile, "2"}}}, NewCall());
  EXPECT_TRUE(base::IsOutcomeUnknown(lost.status())) << lost.status();
  EXPECT_EQ(Tip(), landed->commit.ToHex());
}

// Gives something else when it is read again.
class ChangingSource final : public FileSource {
 public:
  absl::Status ForEach(const Visit& visit) const override {
    Content content(Noise(kMaxKept));
    return visit("large", kModeFile, content);
  }
  absl::StatusOr<Content> Open(absl::string_view, uint32_t) const override {
    return Content(Noise(kMaxKept) + "more");
  }
  static constexpr size_t kMaxKept = 9 << 20;
};

TEST_P(HostileRemoteTest, AFileThatChangesWhileItIsPushedIsNamed) {
  const auto result =
      PublishTree(*remote_, "main", ChangingSource(), Info(), ExistingBranch::kFail, NewCall());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(result.status().message(), HasSubstr("file \"large\" was changed while"));
  EXPECT_EQ(Tip(), "");
}

TEST_P(HostileRemoteTest, LargePushesAreSentAsTheyAreMade) {
  std::map<std::string, File> files;
  for (int i = 0; i < 5; ++i)
    files[absl::StrCat(i)] = {kModeFile, absl::StrCat(i, Noise(kLargeBytes))};
  const auto result =
      PublishTree(*remote_, "main", MapSource(files), Info(), ExistingBranch::kFail, NewCall());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->pack_bytes, 5 * static_cast<int64_t>(kLargeBytes));
  ExpectSound();
  // A hook that declines is heard also when it does not read the pack to its end.
  WriteHook(repository_, "pre-receive", "echo 'no large files here' >&2; exit 1");
  const auto refused =
      PublishTree(*remote_, "more", MapSource(files), Info(), ExistingBranch::kFail, NewCall());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied) << refused.status();
  EXPECT_THAT(refused.status().message(), HasSubstr("no large files here"));
}

TEST_P(HostileRemoteTest, AServerThatHangsMeetsTheDeadline) {
  WriteHook(repository_, "pre-receive", "exec sleep 600");
  const auto result = Commit(*remote_, {{"a", {kModeFile, "1"}}}, NewCall(absl::Milliseconds(700)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_EQ(Tip(), "");
}

TEST_P(HostileRemoteTest, ARepositoryThatIsNotThere) {
  RemoteOptions options;
  options.allow_local = true;
  const auto remote = *OpenRemote(GetParam() ? std::string("http://git.test/none.git")
                                             : absl::StrCat("file://", folder_.path(), "/none.git"),
                                  transport_, options);
  const auto result = Commit(*remote, {{"a", {kModeFile, "1"}}}, NewCall());
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("none.git"));
  EXPECT_TRUE(!GetParam() || absl::IsNotFound(result.status())) << result.status();
}

// Answers with files, as a web server before smart HTTP; counts what it is asked.
class FileTransport final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions&) override {
    urls.push_back(request.url);
    authorizations.emplace_back(http::FindHeader(request.headers, "authorization"));
    return answer(request);
  }
  std::function<http::Response(const http::Request&)> answer;
  std::vector<std::string> urls;
  std::vector<std::string> authorizations;
};

TEST(FileServerTest, IsNoGitServer) {
  FileTransport transport;
  transport.answer = [](const http::Request&) {
    return http::Response{
        200, {{"Content-Type", "text/plain"}}, std::string(40, 'a') + "\trefs/heads/main\n"};
  };
  const auto remote = *OpenRemote("https://git.test/r.git", transport, {});
  base::FakeClock clock;
  const auto result = PublishTree(*remote, "main", MapSource({{"a", {kModeFile, "1"}}}),
                                  {{"Ada", "a@b"}, "m", "", nullptr}, ExistingBranch::kFail,
                                  {clock, {}, absl::Seconds(5), {}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(result.status().message(), HasSubstr("smart protocol"));
}

TEST(FileServerTest, ARedirectedPushIsNotFollowed) {
  TempFolder folder;
  MakeBareRepository(folder.path());
  CgiTransport real(folder.path());
  FileTransport transport;
  transport.answer = [&real](const http::Request& request) -> http::Response {
    if (request.method == "POST") {
      return {307, {{"Location", "https://evil.test/repo.git/git-receive-pack"}}, ""};
    }
    return *real.Send(request, {});
  };
  RemoteOptions options;
  options.authorization = "Basic c2VjcmV0";
  const auto remote = *OpenRemote("https://git.test/repo.git", transport, options);
  base::FakeClock clock;
  for (const size_t size : {size_t{10}, kLargeBytes}) {
    const auto result = PublishTree(*remote, "main", MapSource({{"a", {kModeFile, Noise(size)}}}),
                                    {{"Ada", "a@b"}, "m", "", nullptr}, ExistingBranch::kFail,
                                    {clock, {}, absl::Seconds(5), {}});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition) << result.status();
    EXPECT_THAT(result.status().message(), HasSubstr("307"));
    EXPECT_THAT(result.status().message(), Not(HasSubstr("c2VjcmV0")));
  }
  for (const std::string& url : transport.urls) EXPECT_THAT(url, HasSubstr("https://git.test/"));
}

}  // namespace
}  // namespace purser::git
