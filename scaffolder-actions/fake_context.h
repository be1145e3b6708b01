// A context for tests: a workspace in a temporary folder, what was logged and given out, and a run
// as hosts do it (defaults filled in, then judged by the schema).
#ifndef PURSER_SCAFFOLDER_ACTIONS_FAKE_CONTEXT_H_
#define PURSER_SCAFFOLDER_ACTIONS_FAKE_CONTEXT_H_

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "action/action.h"
#include "base/mutex.h"
#include "gtest/gtest.h"
#include "http/transport.h"
#include "json/json.h"

namespace purser::actions {

// What an action is given. Thread-safe where actions are: Log.
class FakeContext final : public action::Context {
 public:
  // Without a network the action must not use one. `network` must outlive this.
  explicit FakeContext(http::Transport* network = nullptr)
      : network_(network != nullptr ? *network : no_network_) {}

  const nlohmann::json& input() const override { return given; }
  const std::string& workspace() const override { return folder; }
  const std::map<std::string, std::string>& secrets() const override { return hidden; }
  const std::string& idempotency_key() const override { return key; }
  const std::string& user() const override { return requester; }
  bool dry_run() const override { return dry; }
  std::stop_token stop() const override { return source.get_token(); }
  http::Transport& transport() override { return network_; }
  // Keeps what users see: no debug lines.
  void Log(action::LogLevel level, absl::string_view line) override {
    if (level == action::LogLevel::kDebug) return;
    base::MutexLock lock(mutex);
    absl::StrAppend(&log, line, "\n");
  }
  void Output(absl::string_view name, nlohmann::json value) override {
    outputs[std::string(name)] = std::move(value);
  }

  nlohmann::json given;
  std::string folder, log;
  std::string key = "task-1/step/abc";
  std::string requester = "user:default/guest";
  std::map<std::string, std::string> hidden;
  bool dry = false;
  std::stop_source source;
  nlohmann::json outputs = nlohmann::json::object();
  base::Mutex mutex;

 private:
  class NoNetwork final : public http::Transport {
   public:
    absl::StatusOr<http::Response> Send(const http::Request&, const http::CallOptions&) override {
      return absl::InternalError("the action must not use the network");
    }
  };
  NoNetwork no_network_;
  http::Transport& network_;
};

// Runs `action` as hosts do: defaults filled in, then judged by the schema; and the outputs of a
// run that went well as its schema says.
inline absl::Status RunAsHost(action::Action& action, FakeContext& context, nlohmann::json input) {
  const auto schema = json::Schema::Compile(action.description().input_schema);
  if (!schema.ok()) return schema.status();
  input = schema->WithDefaults(std::move(input));
  if (absl::Status valid = json::ToStatus(schema->Validate(input), "input"); !valid.ok()) {
    return valid;
  }
  context.given = std::move(input);
  context.log.clear();
  context.outputs = nlohmann::json::object();
  if (absl::Status status = action.Run(context); !status.ok()) return status;
  const auto outputs = json::Schema::Compile(action.description().output_schema);
  return outputs.ok() ? json::ToStatus(outputs->Validate(context.outputs), "output")
                      : outputs.status();
}

class FileActionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "purser-files-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    std::filesystem::create_directories(root_ + "/workspace");
    context_.folder = root_ + "/workspace";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  // Paths are below the workspace.
  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(context_.folder) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  std::string Get(const std::string& path) {
    std::ifstream file(std::filesystem::path(context_.folder) / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Paths of all that is in the workspace, folders with a slash behind.
  std::vector<std::string> Files() {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(context_.folder)) {
      const std::string path = entry.path().lexically_relative(context_.folder).string();
      paths.push_back(entry.is_directory() && !entry.is_symlink() ? path + "/" : path);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  absl::Status Perform(action::Action& action, nlohmann::json input) {
    return RunAsHost(action, context_, std::move(input));
  }

  std::string root_;
  FakeContext context_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_FAKE_CONTEXT_H_
