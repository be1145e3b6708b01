#include "scaffolder-actions/request/request_action.h"

#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "provisioning/testing/unimplemented_service.h"
#include "scaffolder-actions/registry.h"
#include "scaffolder-actions/request-await/request_await_action.h"

namespace purser::actions {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class NoTransport final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request&, const http::CallOptions&) override {
    return absl::UnavailableError("no network here");
  }
};

// One request whose life the test writes.
class FakeService final : public provisioning::UnimplementedService {
 public:
  absl::StatusOr<provisioning::Request> Create(
      const provisioning::CreateOptions& options) override {
    created.push_back(options);
    provisioning::Request request;
    request.id = "req_1";
    request.state = provisioning::RequestState::kRunning;
    request.steps.resize(1);
    request.steps[0].id = "one";
    request.steps[0].uses = "core/noop";
    return request;
  }
  absl::StatusOr<provisioning::Request> Get(absl::string_view id) override {
    provisioning::Request request;
    request.id = std::string(id);
    request.state = end;
    request.message = "because";
    request.entity_ref = "resource:default/x";
    request.outputs = {{"url", "https://x.example"}};
    return request;
  }
  absl::StatusOr<provisioning::Request> Cancel(absl::string_view id,
                                               const provisioning::Actor& actor) override {
    cancelled_by.push_back(actor.ref);
    return Get(id);
  }
  absl::Status Watch(
      absl::string_view, int64_t, bool, std::stop_token stop,
      const std::function<absl::Status(const provisioning::Event&)>& on_event) override {
    for (size_t i = 0; i < events.size(); ++i) {
      provisioning::Event event;
      event.sequence = static_cast<int64_t>(i) + 1;
      event.type = events[i];
      const absl::Status status = on_event(event);
      if (!status.ok()) return status;
    }
    if (!hangs) return absl::OkStatus();
    is_watched = true;
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return absl::CancelledError("stopped");
  }

  provisioning::RequestState end = provisioning::RequestState::kSucceeded;
  std::vector<std::string> events = {"request.created", "step.started", "request.succeeded"};
  std::atomic<bool> hangs{false};
  std::atomic<bool> is_watched{false};
  std::vector<provisioning::CreateOptions> created;
  std::vector<std::string> cancelled_by;
};

class FakeContext final : public action::Context {
 public:
  explicit FakeContext(nlohmann::json input) : input_(std::move(input)) {}
  const nlohmann::json& input() const override { return input_; }
  const std::string& workspace() const override { return empty_; }
  const std::map<std::string, std::string>& secrets() const override { return secrets_; }
  const std::string& idempotency_key() const override { return key_; }
  const std::string& user() const override { return user_; }
  bool dry_run() const override { return is_dry_run; }
  std::stop_token stop() const override { return stopper.get_token(); }
  bool cancelled_by_user() const override { return by_user; }
  http::Transport& transport() override { return transport_; }
  void Log(action::LogLevel, absl::string_view line) override { lines.emplace_back(line); }
  void Output(absl::string_view name, nlohmann::json value) override {
    outputs[std::string(name)] = std::move(value);
  }

  bool is_dry_run = false;
  bool by_user = false;
  std::stop_source stopper;
  std::vector<std::string> lines;
  std::map<std::string, nlohmann::json> outputs;

 private:
  const nlohmann::json input_;
  const std::string empty_;
  const std::string key_ = "task/step/1";
  const std::string user_ = "user:default/ada";
  const std::map<std::string, std::string> secrets_;
  NoTransport transport_;
};

TEST(RequestActionTest, WaitsAndGivesOutputs) {
  FakeService service;
  RequestAction action(&service);
  FakeContext context(
      nlohmann::json::object({{"blueprint", "b"}, {"parameters", {{"name", "x"}}}}));
  EXPECT_TRUE(action.Run(context).ok());
  ASSERT_EQ(service.created.size(), 1u);
  EXPECT_EQ(service.created[0].idempotency_key, "task/step/1");
  EXPECT_EQ(service.created[0].requester, "user:default/ada");
  EXPECT_EQ(context.outputs["state"], "succeeded");
  EXPECT_EQ(context.outputs["outputs"]["url"], "https://x.example");
  EXPECT_THAT(context.lines, Contains(HasSubstr("step.started")));
}

TEST(RequestActionTest, WithoutWaitEndsAtOnce) {
  FakeService service;
  service.hangs = true;
  RequestAction action(&service);
  FakeContext context(nlohmann::json::object({{"blueprint", "b"}, {"wait", false}}));
  EXPECT_TRUE(action.Run(context).ok());
  EXPECT_EQ(context.outputs["requestId"], "req_1");
  EXPECT_EQ(context.outputs["state"], "running");
}

TEST(RequestActionTest, FailureSaysWhy) {
  FakeService service;
  service.end = provisioning::RequestState::kFailed;
  RequestAction action(&service);
  FakeContext context(nlohmann::json::object({{"blueprint", "b"}}));
  const absl::Status status = action.Run(context);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("req_1 failed: because"));
}

TEST(RequestActionTest, AParkedRequestEndsTheTask) {
  FakeService service;
  service.end = provisioning::RequestState::kNeedsOperator;
  service.events = {"request.created", "request.needs-operator"};
  service.hangs = true;
  RequestAction action(&service);
  FakeContext context(nlohmann::json::object({{"blueprint", "b"}}));
  EXPECT_EQ(action.Run(context).code(), absl::StatusCode::kAborted);
}

TEST(RequestActionTest, OnlyAPersonsCancellationCancelsTheRequest) {
  for (const bool by_user : {true, false}) {
    FakeService service;
    service.end = provisioning::RequestState::kRunning;
    service.hangs = true;
    RequestAction action(&service);
    FakeContext context(nlohmann::json::object({{"blueprint", "b"}}));
    context.by_user = by_user;
    std::jthread stopper([&] {
      EXPECT_TRUE(base::Eventually([&] { return service.is_watched.load(); }));
      context.stopper.request_stop();
    });
    EXPECT_EQ(action.Run(context).code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(service.cancelled_by.size(), by_user ? 1u : 0u);
  }
}

TEST(RequestActionTest, DryRunPlansAndStoresNothing) {
  FakeService service;
  RequestAction action(&service);
  FakeContext context(nlohmann::json::object({{"blueprint", "b"}}));
  context.is_dry_run = true;
  EXPECT_TRUE(action.Run(context).ok());
  ASSERT_EQ(service.created.size(), 1u);
  EXPECT_TRUE(service.created[0].dry_run);
  EXPECT_THAT(context.lines, Contains(HasSubstr("one (core/noop)")));
}

TEST(RequestAwaitActionTest, GivesTheOutputsOfAnEarlierRequest) {
  FakeService service;
  RequestAwaitAction action(&service);
  FakeContext context(nlohmann::json::object({{"requestId", "req_7"}}));
  EXPECT_TRUE(action.Run(context).ok());
  EXPECT_EQ(context.outputs["requestId"], "req_7");
  EXPECT_EQ(context.outputs["entityRef"], "resource:default/x");
}

TEST(SidecarRegistryTest, EveryDescriptionIsWhole) {
  action::Registry registry;
  ASSERT_TRUE(AddSidecarActions(registry, nullptr, nullptr).ok());
  for (const action::Description* description : registry.List()) {
    EXPECT_EQ(description->host, action::Host::kSidecar);
    EXPECT_GE(description->examples.size(), 3u) << description->id;
    EXPECT_TRUE(json::Schema::Compile(description->input_schema).ok()) << description->id;
    EXPECT_TRUE(json::Schema::Compile(description->output_schema).ok()) << description->id;
  }
}

}  // namespace
}  // namespace purser::actions
