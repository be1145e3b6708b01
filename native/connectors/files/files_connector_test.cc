#include "connectors/files/files_connector.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class Context final : public CallContext {
 public:
  const std::string& effect_key() const override { return key_; }
  std::stop_token stop() const override { return source.get_token(); }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void Log(action::LogLevel, absl::string_view) override {}
  absl::StatusOr<std::string> ResolveSecret(absl::string_view) override { return ""; }
  std::stop_source source;

 private:
  const std::string key_ = "run/step/1";
};

class NoTransport final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request&, const http::CallOptions&) override {
    return absl::UnavailableError("no network in this test");
  }
};

class FilesConnectorTest : public testing::Test {
 protected:
  FilesConnectorTest() {
    std::string pattern = absl::StrCat(testing::TempDir(), "/purser-files-XXXXXX");
    folder_ = mkdtemp(pattern.data());
    root_ = absl::StrCat(folder_, "/checkout");
    connector_ = *Make({{"root", root_}});
  }
  ~FilesConnectorTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  absl::StatusOr<std::unique_ptr<Connector>> Make(const nlohmann::json& config) {
    return FilesConnector::FromConfig("files", config, {transport_, clock_, rng_, {}});
  }
  absl::StatusOr<CallResult> Write(const std::string& folder, const nlohmann::json& files,
                                   bool prune = false) {
    return connector_->Call("write", {{"folder", folder}, {"files", files}, {"prune", prune}},
                            context_);
  }
  std::string Read(const std::string& path) {
    std::ifstream in(absl::StrCat(root_, "/", path), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> Files() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      out.push_back(std::filesystem::relative(entry.path(), root_).string());
    }
    return out;
  }
  static void ExpectFits(const nlohmann::json& schema, const nlohmann::json& value) {
    const auto compiled = json::Schema::Compile(schema);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    EXPECT_TRUE(json::ToStatus(compiled->Validate(value), "value").ok())
        << json::ToStatus(compiled->Validate(value), "value");
  }

  NoTransport transport_;
  base::FakeClock clock_;
  base::SeededRng rng_{1};
  std::string folder_;
  std::string root_;
  std::unique_ptr<Connector> connector_;
  Context context_;
};

TEST_F(FilesConnectorTest, WritesAndSaysWhatItDid) {
  const auto first = Write("ws/x", {{"a.yaml", "1"}, {"sub/b.yaml", "2"}});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->outputs, (nlohmann::json{{"folder", "ws/x"},
                                            {"files", {"a.yaml", "sub/b.yaml"}},
                                            {"written", 2},
                                            {"unchanged", 0},
                                            {"pruned", 0}}));
  ExpectFits(connector_->operations()[0].output_schema, first->outputs);
  EXPECT_EQ(Read("ws/x/sub/b.yaml"), "2");
  ASSERT_EQ(first->resources.size(), 1u);
  EXPECT_EQ(first->resources[0].id, "files:ws/x");

  const auto again = Write("ws/x", {{"a.yaml", "1"}, {"sub/b.yaml", "3"}});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->outputs["written"], 1);
  EXPECT_EQ(again->outputs["unchanged"], 1);
  EXPECT_EQ(Read("ws/x/sub/b.yaml"), "3");
  EXPECT_EQ(connector_->operations()[0].call_class, CallClass::kPut);
}

TEST_F(FilesConnectorTest, DriftIsTold) {
  const nlohmann::json input = {
      {"folder", "ws/x"}, {"files", {{"a.yaml", "1"}, {"sub/b.yaml", "2"}}}, {"prune", false}};
  const auto compare = [&] {
    const auto compared = connector_->Compare("write", input, {}, context_);
    EXPECT_TRUE(compared.ok()) << compared.status();
    return compared.ok() ? *compared : Comparison();
  };
  EXPECT_EQ(compare().state, Comparison::State::kGone);
  ASSERT_TRUE(connector_->Call("write", input, context_).ok());
  EXPECT_EQ(compare().state, Comparison::State::kSame);
  std::ofstream(absl::StrCat(root_, "/ws/x/sub/b.yaml")) << "by hand";
  EXPECT_EQ(compare().state, Comparison::State::kDiffers);
  EXPECT_EQ(compare().detail, "folder ws/x differs at sub/b.yaml");
}

TEST_F(FilesConnectorTest, PruneDeletesOnlyWhatIsInTheFolder) {
  ASSERT_TRUE(Write("ws/x", {{"a", "1"}, {"old/deep/b", "2"}}).ok());
  ASSERT_TRUE(Write("ws/y", {{"c", "3"}}).ok());
  std::filesystem::create_directories(absl::StrCat(root_, "/ws/x/.git"));
  std::ofstream(absl::StrCat(root_, "/ws/x/.git/config")) << "x";
  const auto pruned = Write("ws/x", {{"a", "1"}}, true);
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  EXPECT_EQ(pruned->outputs["pruned"], 1);
  EXPECT_THAT(Files(), UnorderedElementsAre("ws", "ws/x", "ws/x/a", "ws/x/.git", "ws/x/.git/config",
                                            "ws/y", "ws/y/c"));
}

TEST_F(FilesConnectorTest, RemoveUndoesAWrite) {
  std::filesystem::create_directories(absl::StrCat(root_, "/ws/x"));
  std::ofstream(absl::StrCat(root_, "/ws/x/mine")) << "x";
  const auto written = Write("ws/x", {{"a", "1"}, {"sub/b", "2"}});
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(connector_->operations()[0].compensation, "remove");
  ExpectFits(connector_->operations()[1].input_schema, written->outputs);
  for (int i = 0; i < 2; ++i) {  // a repeat does no harm
    const auto removed = connector_->Call("remove", written->outputs, context_);
    ASSERT_TRUE(removed.ok()) << removed.status();
    EXPECT_THAT(Files(), UnorderedElementsAre("ws", "ws/x", "ws/x/mine"));
  }
  ASSERT_TRUE(connector_->Call("remove", {{"folder", "ws/x"}}, context_).ok());
  EXPECT_THAT(Files(), ElementsAre("ws"));
}

TEST_F(FilesConnectorTest, NothingLeadsOutside) {
  for (const char* folder : {"..", "../x", "/etc", "", ".", "a/../b", "a//b", ".git", "x/.GIT/y"}) {
    EXPECT_EQ(Write(folder, {{"a", "1"}}).status().code(), absl::StatusCode::kInvalidArgument)
        << folder;
    EXPECT_EQ(connector_->Call("remove", {{"folder", folder}}, context_).status().code(),
              absl::StatusCode::kInvalidArgument)
        << folder;
  }
  for (const char* file : {"../a", "/a", "b/..", ".git/hooks/post-commit"}) {
    EXPECT_EQ(Write("ws", {{"good", "1"}, {file, "1"}}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << file;
  }
  EXPECT_TRUE(Files().empty());  // refused before the first write
  std::filesystem::create_directory_symlink(folder_, absl::StrCat(root_, "/out"));
  EXPECT_FALSE(Write("out", {{"planted", "1"}}).ok());
  EXPECT_FALSE(std::filesystem::exists(absl::StrCat(folder_, "/planted")));
  EXPECT_EQ(connector_->Call("drop", {{"folder", "ws"}}, context_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(FilesConnectorTest, LimitsAndStops) {
  const auto big = Write("ws", {{"a", std::string(kMaxWrittenFileBytes + 1, 'x')}});
  EXPECT_EQ(big.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(big.status().message(), HasSubstr("kMaxWrittenFileBytes"));
  context_.source.request_stop();
  EXPECT_EQ(Write("ws", {{"a", "1"}}).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(FilesConnectorTest, ConcurrentWritersLeaveWholeFiles) {
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 4; ++writer) {
      writers.emplace_back([this, writer] {
        for (int i = 0; i < 5; ++i) {
          EXPECT_TRUE(Write("ws", {{"shared", std::string(5000, static_cast<char>('a' + writer))},
                                   {absl::StrCat("own", writer), absl::StrCat(i)}})
                          .ok());
        }
      });
    }
  }
  const std::string shared = Read("ws/shared");
  EXPECT_EQ(shared, std::string(5000, shared.empty() ? '?' : shared[0]));
  EXPECT_EQ(Files().size(), 6u);  // ws, shared, own0..own3; no temporary files
}

TEST_F(FilesConnectorTest, ConfigFaultsNameTheirPlace) {
  EXPECT_THAT(Make({{"root", "relative"}}).status().message(), HasSubstr("/root"));
  EXPECT_THAT(Make({{"rot", "/x"}}).status().message(), HasSubstr("/rot"));
  std::ofstream(absl::StrCat(folder_, "/file")) << "x";
  const auto file = Make({{"root", absl::StrCat(folder_, "/file")}});
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(file.status().message(), HasSubstr("/root"));
}

}  // namespace
}  // namespace purser::connectors
