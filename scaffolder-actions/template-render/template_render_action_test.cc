#include "scaffolder-actions/template-render/template_render_action.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "scaffolder-actions/progress.h"
#include "scaffolder-actions/render_fixture.h"
#include "scaffolder-actions/render_support.h"
#include "template/tree.h"
#include "template/tree_copy.h"

namespace purser::actions {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TemplateRenderActionTest : public RenderFixture {
 protected:
  absl::Status Run(nlohmann::json input) { return RunAction(action_, std::move(input)); }
  TemplateRenderAction action_;
};

TEST_F(TemplateRenderActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<TemplateRenderAction>()).ok());
  EXPECT_TRUE(json::Schema::Compile(action_.description().output_schema).ok());
}

TEST_F(TemplateRenderActionTest, RendersNamesAndContents) {
  Put("source/${{ values.name }}/README.md", "# ${{ values.name | upper }}\n");
  Put("source/{% if values.docs %}docs{% endif %}/index.md", "dropped");
  Put("source/logo.png", std::string("\x89PNG\0\1\2", 7));
  const absl::Status status = Run({{"values", {{"name", "orders"}}}, {"targetPath", "./out"}});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Tree(), ElementsAre("out", "out/logo.png", "out/orders", "out/orders/README.md"));
  EXPECT_EQ(Get("out/orders/README.md"), "# ORDERS\n");
  EXPECT_EQ(Get("out/logo.png").size(), 7u);
  EXPECT_EQ(context_.outputs["files"], 2);
  EXPECT_EQ(context_.outputs["rendered"], 1);
  EXPECT_EQ(context_.outputs["copied"], 1);
  EXPECT_EQ(context_.outputs["paths"], (nlohmann::json{"logo.png", "orders/README.md"}));
  // One summary line, whatever the number of files.
  EXPECT_EQ(std::count(context_.log.begin(), context_.log.end(), '\n'), 1);
  EXPECT_THAT(context_.log, HasSubstr("wrote 2 files"));
}

TEST_F(TemplateRenderActionTest, AnErrorLeavesTheWorkspaceAsItWas) {
  Put("source/a.txt", "fine");
  Put("source/b.txt", "line\n  ${{ values.name | nope }}");
  Put("workspace/a.txt", "old");
  const absl::Status status = Run({{"values", {{"name", "x"}}}, {"replace", true}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("b.txt:2:21: unknown filter"));
  EXPECT_THAT(Tree(), ElementsAre("a.txt"));
  EXPECT_EQ(Get("a.txt"), "old");
}

TEST_F(TemplateRenderActionTest, NothingLeadsOut) {
  Put("source/a/${{ values.up }}/f", "x");
  EXPECT_EQ(Run({{"values", {{"up", "../../evil"}}}}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Tree(), ElementsAre());
  EXPECT_EQ(Run({{"targetPath", "../out"}}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Run({{"targetPath", "/tmp/out"}}).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(TemplateRenderActionTest, BadInputNamesTheField) {
  EXPECT_THAT(Run({{"copyWithoutTemplating", "a"}}).message(), HasSubstr("copyWithoutTemplating"));
  EXPECT_THAT(Run({{"templateFileExtension", true}, {"cookiecutterCompat", true}}).message(),
              HasSubstr("/templateFileExtension"));
  EXPECT_THAT(Run({{"unknown", 1}}).message(), HasSubstr("unknown"));
  context_.given = {{"url", "./x"}};
  EXPECT_EQ(action_.Run(context_).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TemplateRenderActionTest, ExistingFilesStayUnlessReplaced) {
  Put("source/a.txt", "new");
  Put("workspace/a.txt", "old");
  ASSERT_TRUE(Run({}).ok());
  EXPECT_EQ(Get("a.txt"), "old");
  EXPECT_EQ(context_.outputs["skipped"], 1);
  ASSERT_TRUE(Run({{"replace", true}}).ok());
  EXPECT_EQ(Get("a.txt"), "new");
  EXPECT_THAT(Tree(), ElementsAre("a.txt"));
}

TEST_F(TemplateRenderActionTest, ADryRunFillsItsOwnWorkspace) {
  Put("source/a.txt", "${{ values.name }}");
  context_.dry = true;
  ASSERT_TRUE(Run({{"values", {{"name", "x"}}}}).ok());
  // Backstage made the workspace for the dry run, and shows what is in it.
  EXPECT_THAT(Tree(), ElementsAre("a.txt"));
  EXPECT_EQ(context_.outputs["files"], 1);
  Put("source/b.txt", "${{ broken");
  EXPECT_EQ(Run({}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TemplateRenderActionTest, StopsWhenAsked) {
  Put("source/a.txt", "x");
  context_.source.request_stop();
  EXPECT_EQ(Run({}).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(Tree(), ElementsAre());
}

TEST_F(TemplateRenderActionTest, ARestOfAKilledRunGoes) {
  Put("source/a.txt", "x");
  Put("workspace/.purser-stage/0", "half");
  ASSERT_TRUE(Run({}).ok());
  EXPECT_THAT(Tree(), ElementsAre("a.txt"));
}

TEST_F(TemplateRenderActionTest, ValuesKeepTheOrderOfTheirMembers) {
  Put("source/a.txt",
      "{% for k, v in values.m %}${{ k }}=${{ v }} {% endfor %}${{ values | dump }}");
  ASSERT_TRUE(Run({{"valuesText", R"({"m":{"z":1,"a":2,"k":3}})"}}).ok());
  EXPECT_EQ(Get("a.txt"), R"(z=1 a=2 k=3 {"m":{"z":1,"a":2,"k":3}})");
}

TEST_F(TemplateRenderActionTest, WithoutValuesThereIsNothing) {
  Put("source/a.txt", "[${{ values }}][${{ values.x }}]");
  ASSERT_TRUE(Run({}).ok());
  EXPECT_EQ(Get("a.txt"), "[][]");
  EXPECT_THAT(Tree(), ElementsAre("a.txt"));
}

TEST_F(TemplateRenderActionTest, CopyWithoutRenderHasNoEffectAndSaysSo) {
  Put("source/a.txt", "${{ 1 + 1 }}");
  ASSERT_TRUE(Run({{"copyWithoutRender", {"a.txt"}}}).ok());
  EXPECT_EQ(Get("a.txt"), "2");
  EXPECT_THAT(context_.log, HasSubstr("copyWithoutRender has no effect"));
}

TEST_F(TemplateRenderActionTest, AnEmptyTreeMakesNoTarget) {
  Put("source/{% if false %}x{% endif %}", "dropped");
  ASSERT_TRUE(Run({{"targetPath", "out"}}).ok());
  EXPECT_THAT(Tree(), ElementsAre());
  EXPECT_EQ(context_.outputs["skipped"], 1);
}

TEST_F(TemplateRenderActionTest, ModesAreThoseOfBackstage) {
  const mode_t old = umask(027);
  Put("source/run.sh", "#!/bin/sh\n", 0777);
  Put("source/logo.png", std::string("\x89PNG\0\1\2", 7), 0666);
  Put("source/kept.txt", "new", 0755);
  Put("workspace/kept.txt", "old", 0600);
  const absl::Status status = Run({{"replace", true}});
  umask(old);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Mode("run.sh"), 0750u);    // text: less the umask
  EXPECT_EQ(Mode("logo.png"), 0666u);  // a copy: exactly
  EXPECT_EQ(Mode("kept.txt"), 0600u);  // overwritten text: as it was
}

TEST_F(TemplateRenderActionTest, LinksStayLinksUnlessTheyLeadOut) {
  Put("source/a.txt", "x");
  Link("source/inside", "a.txt");
  Link("source/nothing", "not/there");
  Link("source/sub/up", "../a.txt");
  Link("source/out", "../../etc/passwd");
  Link("source/absolute", "/etc/passwd");
  Link("source/through", "sub/../out");
  ASSERT_TRUE(Run({}).ok());
  EXPECT_THAT(Tree(), ElementsAre("a.txt", "inside", "nothing", "sub", "sub/up"));
  EXPECT_EQ(context_.outputs["skipped"], 3);
  Link("source/circle", "circle");
  EXPECT_THAT(Run({}).message(), HasSubstr("circle: the link leads in a circle"));
  fs::remove(root_ + "/source/circle");
  Link("source/back", "../source/a.txt");
  EXPECT_EQ(Run({}).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(TemplateRenderActionTest, TextGoesThroughALinkThatIsThere) {
  Put("source/a.txt", "new");
  Put("workspace/real.txt", "old", 0640);
  Link("workspace/a.txt", "real.txt");
  ASSERT_TRUE(Run({{"replace", true}}).ok());
  EXPECT_EQ(Get("real.txt"), "new");
  EXPECT_EQ(Mode("real.txt"), 0640u);
  EXPECT_TRUE(fs::is_symlink(root_ + "/workspace/a.txt"));
}

TEST_F(TemplateRenderActionTest, NoLinkOfTheWorkspaceLeadsOut) {
  fs::create_directories(root_ + "/elsewhere");
  Put("elsewhere/a.txt", "safe");
  Put("source/out/a.txt", "evil");
  Link("workspace/out", "../elsewhere");
  EXPECT_EQ(Run({{"replace", true}}).code(), absl::StatusCode::kPermissionDenied);
  fs::remove(root_ + "/workspace/out");
  fs::create_directories(root_ + "/workspace/out");
  Link("workspace/out/a.txt", "../../elsewhere/a.txt");
  EXPECT_EQ(Run({{"replace", true}}).code(), absl::StatusCode::kPermissionDenied);
  std::ifstream file(root_ + "/elsewhere/a.txt");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "safe");
  Link("workspace/.purser-stage", "../elsewhere");
  EXPECT_FALSE(Run({{"replace", true}}).ok());
  EXPECT_TRUE(fs::exists(root_ + "/elsewhere/a.txt"));
}

// A folder of the workspace that becomes a link while the files are rendered.
TEST_F(TemplateRenderActionTest, ALinkPlantedMeanwhileIsRefused) {
  fs::create_directories(root_ + "/elsewhere");
  fs::create_directories(root_ + "/workspace/out");
  Put("source/a.txt", "first");
  Put("source/out/a.txt", "${{ values.x }}");
  Put("source/out/b.txt", "${{ now() }}");
  portal_.answer = [&](const http::Request&) {
    fs::remove(root_ + "/workspace/out");
    fs::create_symlink("../elsewhere", root_ + "/workspace/out");
    return http::Response{200, {}, "now"};
  };
  const absl::Status status = Run({{"portalNames", {"now"}}});
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_TRUE(fs::is_empty(root_ + "/elsewhere"));
  EXPECT_THAT(Tree(), ElementsAre("out"));
}

TEST_F(TemplateRenderActionTest, AFileThatVanishesEndsItWithNothingWritten) {
  Put("source/a.txt", "${{ now() }}");
  for (int i = 0; i < 8; ++i) Put(absl::StrCat("source/z", i), "x");
  portal_.answer = [&](const http::Request&) {
    fs::remove(root_ + "/source/z7");
    return http::Response{200, {}, "now"};
  };
  const absl::Status status = Run({{"portalNames", {"now"}}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_THAT(status.message(), HasSubstr("z7"));
  EXPECT_THAT(Tree(), ElementsAre());
}

TEST_F(TemplateRenderActionTest, AReadOnlyTargetEndsItWithNothingWritten) {
  Put("source/a.txt", "x");
  Put("source/out/b.txt", "x");
  fs::create_directories(root_ + "/workspace/out");
  ASSERT_EQ(chmod(root_.c_str(), 0755), 0);
  ASSERT_EQ(chmod((root_ + "/workspace").c_str(), 0777), 0);
  ASSERT_EQ(chmod((root_ + "/workspace/out").c_str(), 0555), 0);
  const uid_t root = geteuid();
  if (root == 0) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const absl::Status status = Run({});
  if (root == 0) {
    ASSERT_EQ(seteuid(0), 0);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_THAT(Tree(), ElementsAre("out"));
}

TEST_F(TemplateRenderActionTest, AFullDiskEndsItWithNothingWritten) {
  Put("source/a.txt", "x");
  Put("source/big.txt", "{% for i in range(0, 4096) %}" + std::string(64, 'b') + "{% endfor %}");
  // A file may not grow: what a full disk is to the writer.
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small = old;
  small.rlim_cur = 64 << 10;
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = Run({});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Tree(), ElementsAre());
}

TEST_F(TemplateRenderActionTest, NamesMayLeaveTheTargetOnlyToComeBack) {
  Put("source/${{ values.a }}", "x");
  ASSERT_TRUE(Run({{"targetPath", "out"}, {"values", {{"a", "../out/x"}}}}).ok());
  EXPECT_THAT(Tree(), ElementsAre("out", "out/x"));
  for (const char* name : {"../x", "../outer", "a/../../../x", "..x"}) {
    EXPECT_EQ(Run({{"targetPath", "out"}, {"values", {{"a", name}}}}).code(),
              absl::StatusCode::kPermissionDenied)
        << name;
  }
  EXPECT_THAT(Tree(), ElementsAre("out", "out/x"));
}

TEST_F(TemplateRenderActionTest, OfTwoNamesThatBecomeOneBackstagesOrderDecides) {
  Put("source/a/x.txt", "deep");
  Put("source/${{ values.b }}", "shallow");
  ASSERT_TRUE(Run({{"values", {{"b", "a/x.txt"}}}}).ok());
  EXPECT_EQ(Get("a/x.txt"), "shallow");
  ASSERT_TRUE(Run({{"values", {{"b", "a/x.txt"}}}, {"replace", true}}).ok());
  EXPECT_EQ(Get("a/x.txt"), "deep");
}

TEST_F(TemplateRenderActionTest, CopiedTextIsUtf8AsBackstageReadsIt) {
  Put("source/a.txt", "caf\xe9 ${{ x }}");
  ASSERT_TRUE(Run({{"copyWithoutTemplating", {"a.txt"}}}).ok());
  EXPECT_EQ(Get("a.txt"), "caf\xef\xbf\xbd ${{ x }}");
}

TEST_F(TemplateRenderActionTest, ThePortalRendersWhatOnlyItCan) {
  Put("source/${{ values.name | shout }}.txt", "plain ${{ values.name }}");
  Put("source/used.txt", "${{ values.name | shout }}");
  Put("source/prose.txt", "we shout: ${{ values.name }}");
  base::Mutex mutex;
  std::vector<std::string> asked;
  portal_.answer = [&](const http::Request& request) {
    EXPECT_EQ(request.url, kPortalRenderUrl);
    base::MutexLock lock(mutex);
    asked.push_back(nlohmann::json::parse(request.body)["source"]);
    return http::Response{200, {}, asked.back() == "${{ values.name | shout }}" ? "A!" : "A!.txt"};
  };
  ASSERT_TRUE(Run({{"values", {{"name", "a"}}}, {"portalNames", {"shout"}}}).ok());
  EXPECT_THAT(Tree(), ElementsAre("A!.txt", "prose.txt", "used.txt"));
  EXPECT_EQ(Get("A!.txt"), "plain a");
  EXPECT_EQ(Get("used.txt"), "A!");
  EXPECT_EQ(Get("prose.txt"), "we shout: a");
  EXPECT_EQ(asked.size(), 2u);
  EXPECT_THAT(context_.log, HasSubstr("; 1 rendered by the portal's own engine"));

  portal_.answer = [&](const http::Request&) { return http::Response{422, {}, "shout is hoarse"}; };
  const absl::Status status = Run({{"values", {{"name", "a"}}}, {"portalNames", {"shout"}}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("shout is hoarse"));
}

// The measure is work, not time: after the abort each thread ends the file it is at, and no more.
TEST_F(TemplateRenderActionTest, LittleIsDoneAfterAnAbort) {
  for (int i = 0; i < 400; ++i) Put(absl::StrCat("source/f", i), "${{ now() }}");
  std::atomic<int> asked = 0, after = 0;
  portal_.answer = [&](const http::Request&) {
    if (context_.source.stop_requested()) ++after;
    if (++asked == 100) context_.source.request_stop();
    return http::Response{200, {}, "now"};
  };
  EXPECT_EQ(Run({{"portalNames", {"now"}}}).code(), absl::StatusCode::kCancelled);
  EXPECT_LE(after.load(), tmpl::TreeLimits().max_threads);
  EXPECT_THAT(Tree(), ElementsAre());
}

TEST_F(TemplateRenderActionTest, ProgressIsToldOnceASecond) {
  base::FakeClock clock;
  Progress progress(context_, clock);
  for (int i = 1; i <= 10; ++i) {
    progress(i);
    clock.Advance(absl::Milliseconds(300));
  }
  EXPECT_EQ(context_.log, "5 files so far\n9 files so far\n");
}

TEST_F(TemplateRenderActionTest, AnEndlessTemplateStopsWhenAsked) {
  Put("source/a", "${{ now() }}");
  Put("source/b",
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
  for (int i = 0; i < 32; ++i) Put(absl::StrCat("source/c", i), "");
  portal_.answer = [&](const http::Request&) {
    context_.source.request_stop();
    return http::Response{200, {}, "now"};
  };
  const absl::Status status = Run({{"portalNames", {"now"}}});
  EXPECT_TRUE(absl::IsCancelled(status) || absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(Tree(), ElementsAre());
}

TEST_F(TemplateRenderActionTest, ARecoveredStepSaysWhatItWasAboutToSay) {
  Put("source/a.txt", "${{ values.a }}");
  portal_.keeps_outputs = true;
  ASSERT_TRUE(Run({{"values", {{"a", 1}}}}).ok());
  const nlohmann::json first = context_.outputs;
  EXPECT_EQ(first["files"], 1);
  ASSERT_TRUE(Run({{"values", {{"a", 1}}}}).ok());
  EXPECT_EQ(context_.outputs, first);
  EXPECT_THAT(context_.log, HasSubstr("1 skipped"));
}

TEST_F(TemplateRenderActionTest, LargeBinaryFilesAreCopiedInPieces) {
  const std::string image = std::string(1, '\0') + std::string(3 * tmpl::kCopyPieceBytes * 2, 'x');
  Put("source/image", image, 0751);
  const std::string text(2 << 20, 't');
  Put("source/text", text + "${{ values.a }}");
  ASSERT_TRUE(Run({{"values", {{"a", 1}}}}).ok());
  EXPECT_TRUE(Get("image") == image);
  EXPECT_EQ(Mode("image"), 0751u);
  EXPECT_TRUE(Get("text") == text + "1");
}

TEST_F(TemplateRenderActionTest, TheNameOfTheStageIsTaken) {
  Put("source/${{ values.a }}/b", "x");
  EXPECT_THAT(Run({{"values", {{"a", ".purser-stage"}}}}).message(), HasSubstr("choose another"));
  EXPECT_THAT(Tree(), ElementsAre());
}

TEST_F(TemplateRenderActionTest, TwoThousandFiles) {
  std::string text = "name: ${{ values.name }}\n{% for t in values.tags %}- ${{ t }}\n{% endfor %}";
  text += std::string(4096 - text.size(), '#');
  for (int i = 0; i < 2000; ++i) {
    Put(absl::StrCat("source/d", i % 40, "/f", i, ".yaml"), text);
  }
  ASSERT_TRUE(Run({{"values", {{"name", "orders"}, {"tags", {"a", "b"}}}}}).ok());
  EXPECT_EQ(context_.outputs["files"], 2000);
  EXPECT_EQ(context_.outputs["rendered"], 2000);
  EXPECT_EQ(context_.outputs["paths"].size(), kMaxListedPaths);
  EXPECT_EQ(Tree().size(), 2040u);
  EXPECT_THAT(Get("d39/f1999.yaml"), testing::StartsWith("name: orders\n- a\n- b\n#"));
}

}  // namespace
}  // namespace purser::actions
