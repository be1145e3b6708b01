// Actions and providers that do what a test asks for.
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "addon/registries.h"
#include "base/clock.h"
#include "base/status.h"

namespace purser::addon {
namespace {

using nlohmann::json;

// An action made of a function.
class TestAction final : public action::Action {
 public:
  using Body = absl::Status (*)(action::Context&);
  TestAction(std::string id, json schema, Body body) : body_(body) {
    description_.id = std::move(id);
    description_.description = "For tests.";
    description_.host = action::Host::kPortal;
    description_.input_schema = std::move(schema);
    description_.output_schema = {{"type", "object"}};
    description_.examples = {{"one", "steps: []"}, {"two", "steps: []"}, {"three", "steps: []"}};
    description_.supports_dry_run = true;
  }
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override { return body_(context); }

 private:
  action::Description description_;
  Body body_;
};

json Object(json properties) { return {{"type", "object"}, {"properties", std::move(properties)}}; }

absl::Status Sleep(action::Context& context) {
  const absl::Duration time = absl::Milliseconds(context.input().value("ms", 0));
  if (!base::Clock::System().SleepFor(time, context.stop())) return absl::CancelledError("slept");
  return absl::OkStatus();
}

// A task that never looks at its stop token.
absl::Status Deaf(action::Context& context) {
  std::this_thread::sleep_for(std::chrono::milliseconds(context.input().value("ms", 0)));
  context.Log(action::LogLevel::kInfo, "still here");
  context.Output("late", true);
  return absl::OkStatus();
}

absl::Status Echo(action::Context& context) {
  context.Output("input", context.input());
  context.Output("workspace", context.workspace());
  context.Output("user", context.user());
  context.Output("key", context.idempotency_key());
  context.Output("dryRun", context.dry_run());
  return absl::OkStatus();
}

absl::Status Flood(action::Context& context) {
  const int lines = context.input().value("lines", 0);
  const std::string text = context.input().value("text", "line");
  const bool mixed = context.input().value("mixed", false);
  for (int i = 0; i < lines; ++i) {
    const auto level = mixed && i % 2 == 1 ? action::LogLevel::kWarning : action::LogLevel::kInfo;
    context.Log(level, absl::StrCat(text, " ", i));
  }
  if (context.input().value("fail", false))
    return absl::AbortedError(absl::StrCat("failed: ", text));
  return absl::OkStatus();
}

absl::Status Throw(action::Context& context) {
  if (context.input().value("standard", true)) throw std::runtime_error("thrown by the action");
  throw 42;
}

absl::Status Fail(action::Context& context) {
  absl::Status status(static_cast<absl::StatusCode>(context.input().value("code", 13)),
                      context.input().value("message", "failed"));
  if (context.input().contains("retryAfterMs")) {
    base::SetRetryAfterMillis(status, context.input()["retryAfterMs"].get<int64_t>());
  }
  if (context.input().value("outcomeUnknown", false)) base::SetOutcomeUnknown(status);
  return status;
}

absl::Status Leak(action::Context& context) {
  const std::string& secret = context.secrets().at("token");
  context.Log(action::LogLevel::kInfo, absl::StrCat("token is ", secret));
  context.Output("token", json{{"header", absl::StrCat("Bearer ", secret)}});
  return absl::InternalError(absl::StrCat("refused ", secret));
}

absl::Status Fetch(action::Context& context) {
  http::Request request;
  request.method = context.input().value("method", "GET");
  request.url = context.input().value("url", "https://example.test/a?b=c");
  request.body = context.input().value("body", "");
  request.headers = {{"x-one", "1"}};
  http::CallOptions options;
  options.timeout = absl::Milliseconds(context.input().value("timeoutMs", 5000));
  options.max_response_bytes = context.input().value("maxBytes", 1 << 20);
  options.stop = context.stop();
  PURSER_ASSIGN_OR_RETURN(http::Response response, context.transport().Send(request, options));
  context.Output("status", response.status);
  context.Output("body", response.body);
  context.Output("type", std::string(http::FindHeader(response.headers, "Content-Type")));
  return absl::OkStatus();
}

// Gives config.count entities named from config.first on; config.fail makes it fail behind them.
class TestProvider final : public provider::Provider {
 public:
  TestProvider() {
    description_.id = "test";
    description_.description = "For tests.";
    description_.host = action::Host::kPortal;
    description_.config_schema = Object({{"count", {{"type", "integer"}, {"default", 0}}},
                                         {"first", {{"type", "integer"}, {"default", 0}}},
                                         {"fail", {{"type", "boolean"}, {"default", false}}}});
  }
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override {
    const json& config = context.config();
    const int first = config["first"].get<int>();
    for (int i = first; i < first + config["count"].get<int>(); ++i) {
      const json entity = {
          {"apiVersion", "backstage.io/v1alpha1"},
          {"kind", "Component"},
          {"metadata", {{"name", absl::StrCat("c-", i)}}},
          {"spec",
           {{"type", "service"}, {"lifecycle", "production"}, {"owner", "group:default/a"}}}};
      PURSER_RETURN_IF_ERROR(context.Emit(entity));
    }
    context.Log(action::LogLevel::kInfo, "snapshot taken");
    if (config["fail"].get<bool>()) return absl::UnavailableError("the source is gone");
    return absl::OkStatus();
  }

 private:
  provider::Description description_;
};

}  // namespace

absl::Status AddActions(action::Registry& registry) {
  const json milliseconds = Object({{"ms", {{"type", "integer"}, {"minimum", 0}}}});
  const std::pair<const char*, std::pair<json, TestAction::Body>> actions[] = {
      {"test:sleep", {milliseconds, Sleep}},
      {"test:deaf", {milliseconds, Deaf}},
      {"test:echo",
       {Object({{"size", {{"type", "integer"}, {"default", 7}}}, {"name", {{"type", "string"}}}}),
        Echo}},
      {"test:flood", {Object(json::object()), Flood}},
      {"test:throw", {Object(json::object()), Throw}},
      {"test:fail", {Object(json::object()), Fail}},
      {"test:leak", {Object(json::object()), Leak}},
      {"test:fetch", {Object(json::object()), Fetch}},
  };
  for (const auto& [id, parts] : actions) {
    PURSER_RETURN_IF_ERROR(
        registry.Add(std::make_unique<TestAction>(id, parts.first, parts.second)));
  }
  return absl::OkStatus();
}

absl::Status AddProviders(provider::Registry& registry) {
  return registry.Add(std::make_unique<TestProvider>());
}

}  // namespace purser::addon
