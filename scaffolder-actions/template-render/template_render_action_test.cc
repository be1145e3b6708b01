#include "scaffolder-actions/template-render/template_render_action.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::actions {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NoNetwork final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request&, const http::CallOptions&) override {
    return absl::InternalError("the action must not use the network");
  }
};

class Context final : public action::Context {
 public:
  const nlohmann::json& input() const override { return given; }
  const std::string& workspace() const override { return folder; }
  const std::map<std::string, std::string>& secrets() const override { return hidden; }
  const std::string& idempotency_key() const override { return key; }
  const std::string& user() const override { return key; }
  bool dry_run() const override { return dry; }
  std::stop_token stop() const override { return source.get_token(); }
  http::Transport& transport() override { return network; }
  void Log(action::LogLevel, absl::string_view line) override { absl::StrAppend(&log, line, "\n"); }
  void Output(absl::string_view name, nlohmann::json value) override {
    outputs[std::string(name)] = std::move(value);
  }

  nlohmann::json given;
  std::string folder, log;
  std::string key = "task-1/render/abc";
  std::map<std::string, std::string> hidden;
  bool dry = false;
  std::stop_source source;
  NoNetwork network;
  nlohmann::json outputs = nlohmann::json::object();
};

class TemplateRenderActionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "purser-render-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ + "/source");
    fs::create_directories(root_ + "/workspace");
    context_.folder = root_ + "/workspace";
  }
  void TearDown() override { fs::remove_all(root_); }

  void Put(const std::string& path, const std::string& text) {
    const fs::path file = fs::path(root_) / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  std::string Get(const std::string& path) {
    std::ifstream file(fs::path(root_) / "workspace" / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Paths of all that is in the workspace.
  std::vector<std::string> Tree() {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(root_ + "/workspace")) {
      paths.push_back(fs::relative(entry.path(), root_ + "/workspace").string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  // As the host does: defaults filled in, then judged.
  absl::Status Run(nlohmann::json input) {
    input["url"] = "./skeleton";
    input["sourcePath"] = root_ + "/source";
    const auto schema = json::Schema::Compile(action_.description().input_schema);
    if (!schema.ok()) return schema.status();
    input = schema->WithDefaults(std::move(input));
    if (absl::Status valid = json::ToStatus(schema->Validate(input), "input"); !valid.ok()) {
      return valid;
    }
    context_.given = std::move(input);
    context_.log.clear();
    context_.outputs = nlohmann::json::object();
    return action_.Run(context_);
  }

  std::string root_;
  TemplateRenderAction action_;
  Context context_;
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

TEST_F(TemplateRenderActionTest, ADryRunRendersAndWritesNothing) {
  Put("source/a.txt", "${{ values.name }}");
  context_.dry = true;
  ASSERT_TRUE(Run({{"values", {{"name", "x"}}}}).ok());
  EXPECT_THAT(Tree(), ElementsAre());
  EXPECT_EQ(context_.outputs["files"], 1);
  EXPECT_EQ(context_.outputs["paths"], nlohmann::json{"a.txt"});
  EXPECT_THAT(context_.log, HasSubstr("dry run"));
  Put("source/a.txt", "${{ broken");
  EXPECT_EQ(Run({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Tree(), ElementsAre());
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
