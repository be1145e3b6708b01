// A workspace, a source and a portal for tests of actions that write into a workspace.
#ifndef PURSER_SCAFFOLDER_ACTIONS_RENDER_FIXTURE_H_
#define PURSER_SCAFFOLDER_ACTIONS_RENDER_FIXTURE_H_

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "action/action.h"
#include "gtest/gtest.h"
#include "http/transport.h"
#include "scaffolder-actions/fake_context.h"
#include "scaffolder-actions/kept_outputs.h"

namespace purser::actions {

// Answers what the test says, and keeps outputs when it shall; nothing else is there.
class TestPortal final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions&) override {
    if (request.url == kKeepOutputsUrl) {
      http::Response answered;
      answered.status = keeps_outputs ? 200 : 404;
      if (kept_outputs.empty()) kept_outputs = request.body;
      answered.body = kept_outputs;
      return answered;
    }
    if (!answer) return absl::InternalError("the action must not use the network");
    return answer(request);
  }
  std::function<absl::StatusOr<http::Response>(const http::Request&)> answer;
  bool keeps_outputs = false;
  std::string kept_outputs;
};

class RenderFixture : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "purser-render-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    std::filesystem::create_directories(root_ + "/source");
    std::filesystem::create_directories(root_ + "/workspace");
    context_.folder = root_ + "/workspace";
    context_.key = "task-1/render/abc";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Put(const std::string& path, const std::string& text, mode_t mode = 0644) {
    const std::filesystem::path file = std::filesystem::path(root_) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    ASSERT_EQ(chmod(file.c_str(), mode), 0);
  }
  void Link(const std::string& path, const std::string& target) {
    std::filesystem::create_directories((std::filesystem::path(root_) / path).parent_path());
    std::filesystem::create_symlink(target, std::filesystem::path(root_) / path);
  }
  std::string Get(const std::string& path) {
    std::ifstream file(std::filesystem::path(root_) / "workspace" / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  mode_t Mode(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(lstat((root_ + "/workspace/" + path).c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }
  // Paths of all that is in the workspace.
  std::vector<std::string> Tree() {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ + "/workspace")) {
      paths.push_back(std::filesystem::relative(entry.path().parent_path(), root_ + "/workspace") /
                      entry.path().filename());
      if (paths.back().starts_with("./")) paths.back().erase(0, 2);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  // `source` is below the test's folder.
  absl::Status RunAction(action::Action& action, nlohmann::json input,
                         const std::string& source = "source") {
    input["url"] = "./skeleton";
    input["sourcePath"] = absl::StrCat(root_, "/", source);
    return RunAsHost(action, context_, std::move(input));
  }

  std::string root_;
  TestPortal portal_;
  FakeContext context_{&portal_};
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_RENDER_FIXTURE_H_
