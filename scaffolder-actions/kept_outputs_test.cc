#include "scaffolder-actions/kept_outputs.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "scaffolder-actions/fake_context.h"
#include "scaffolder-actions/file_support.h"

namespace purser::actions {
namespace {

// A portal that keeps the first outputs it is given.
class Memory final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions&) override {
    EXPECT_EQ(request.url, kKeepOutputsUrl);
    ++calls;
    if (!kept.has_value()) kept = request.body;
    http::Response answer;
    answer.status = status;
    answer.body = *kept;
    return answer;
  }

  std::optional<std::string> kept;
  int status = 200;
  int calls = 0;
};

class KeptOutputsTest : public FileActionTest {
 protected:
  // One edit that makes "a" say `text`.
  nlohmann::json Write(const std::string& text, bool dry_run = false) {
    FakeContext context(&memory_);
    context.folder = context_.folder;
    context.dry = dry_run;
    WorkspaceFiles files = *WorkspaceFiles::Open(context);
    EXPECT_TRUE(files.Put("a", text).ok());
    EXPECT_TRUE(files.Commit(context, "edit", {{"more", 1}}).ok());
    return context.outputs;
  }

  Memory memory_;
};

TEST_F(KeptOutputsTest, ARepeatSaysWhatTheFirstRunWasAboutToSay) {
  const nlohmann::json first = Write("new");
  EXPECT_EQ(first["changed"], true);
  EXPECT_EQ(first["paths"], nlohmann::json::array({"a"}));
  EXPECT_EQ(first["more"], 1);
  EXPECT_EQ(Write("new"), first);
  EXPECT_EQ(memory_.calls, 2);
}

TEST_F(KeptOutputsTest, WithoutAMemoryEachRunSpeaksForItself) {
  memory_.status = 404;
  EXPECT_EQ(Write("new")["changed"], true);
  EXPECT_EQ(Write("new")["changed"], false);
  memory_.status = 200;
  memory_.kept = "no JSON";
  EXPECT_EQ(Write("newer")["changed"], true);
}

TEST_F(KeptOutputsTest, ADryRunKeepsNothing) {
  EXPECT_EQ(Write("new", true)["changed"], true);
  EXPECT_EQ(memory_.calls, 0);
}

TEST_F(KeptOutputsTest, AStopWhileTheyAreKeptWritesNothing) {
  FakeContext context(&memory_);
  context.folder = context_.folder;
  context.source.request_stop();
  WorkspaceFiles files = *WorkspaceFiles::Open(context);
  ASSERT_TRUE(files.Put("a", "new").ok());
  EXPECT_EQ(files.Commit(context, "edit").code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Get("a"), "");
}

}  // namespace
}  // namespace purser::actions
