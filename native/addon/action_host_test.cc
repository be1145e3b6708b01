#include "addon/action_host.h"

#include <functional>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "addon/fake_caller.h"
#include "addon/request.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::addon {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class FunctionAction final : public action::Action {
 public:
  explicit FunctionAction(std::function<absl::Status(action::Context&)> body, bool dry_run)
      : body_(std::move(body)) {
    description_.id = "test:run";
    description_.description = "A test.";
    description_.host = action::Host::kPortal;
    description_.input_schema = json::parse(R"({"type":"object","additionalProperties":false,
        "required":["name"],"properties":{"name":{"type":"string"},
        "size":{"type":"integer","default":3,"minimum":1}}})");
    description_.output_schema = json::object();
    description_.examples = {{"a", "x"}, {"b", "x"}, {"c", "x"}};
    description_.supports_dry_run = dry_run;
  }
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override { return body_(context); }

 private:
  std::function<absl::Status(action::Context&)> body_;
  action::Description description_;
};

class ActionHostTest : public testing::Test {
 protected:
  ActionHost& Host(std::function<absl::Status(action::Context&)> body, bool dry_run = true) {
    auto registry = std::make_unique<action::Registry>();
    EXPECT_TRUE(registry->Add(std::make_unique<FunctionAction>(std::move(body), dry_run)).ok());
    host_ = std::make_unique<ActionHost>(std::move(registry));
    return *host_;
  }
  std::unique_ptr<ActionHost> host_;
  FakeCaller caller_;
};

TEST_F(ActionHostTest, GivesTheActionItsContext) {
  ActionHost& host = Host([](action::Context& context) {
    EXPECT_EQ(context.input(), json::parse(R"({"name":"n","size":3})")) << "with defaults";
    EXPECT_EQ(context.workspace(), "/tmp/w");
    EXPECT_EQ(context.user(), "user:default/guest");
    EXPECT_EQ(context.idempotency_key(), "task/step/hash");
    EXPECT_EQ(context.secrets().at("token"), "hidden-value");
    EXPECT_TRUE(context.dry_run());
    context.Log(action::LogLevel::kInfo, "token hidden-value");
    context.Output("result", json{{"a", "hidden-value"}});
    return absl::OkStatus();
  });
  const absl::Status status = host.Run("test:run", R"({"input":{"name":"n"},"workspace":"/tmp/w",
      "user":"user:default/guest","idempotencyKey":"task/step/hash","dryRun":true,
      "secrets":{"token":"hidden-value"}})",
                                       caller_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(caller_.Logged(), "token ***\n");
  ASSERT_EQ(caller_.outputs.size(), 1U);
  EXPECT_EQ(caller_.outputs[0].second, R"({"a":"***"})");
  EXPECT_EQ(json::parse(host.List())[0]["id"], "test:run");
}

TEST_F(ActionHostTest, SaysEverythingThatIsWrongWithTheInput) {
  ActionHost& host = Host([](action::Context&) { return absl::OkStatus(); });
  const absl::Status status =
      host.Run("test:run", R"({"input":{"size":0,"colour":"red"}})", caller_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/size"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("name"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("colour"));
}

TEST_F(ActionHostTest, RefusesMalformedRequests) {
  ActionHost& host = Host([](action::Context&) { return absl::OkStatus(); });
  for (const char* request :
       {"", "{", "[]", "null", R"({"input":[]})", R"({"input":{"name":"n"},"workspace":"rel"})",
        R"({"input":{"name":"n"},"secrets":{"a":1}})", R"({"input":{"name":"n"},"dryRun":"yes"})",
        R"({"input":{"name":"n"},"inputt":{}})"}) {
    EXPECT_EQ(host.Run("test:run", request, caller_).code(), absl::StatusCode::kInvalidArgument)
        << request;
  }
  EXPECT_EQ(host.Run("test:none", R"({"input":{}})", caller_).code(), absl::StatusCode::kNotFound);
}

TEST_F(ActionHostTest, AnExceptionOfAnActionIsAnError) {
  const absl::Status status =
      Host([](action::Context&) -> absl::Status {
        throw std::runtime_error("it broke on hidden-value");
      }).Run("test:run", R"({"input":{"name":"n"},"secrets":{"t":"hidden-value"}})", caller_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("it broke on ***"));
  EXPECT_EQ(Host([](action::Context&) -> absl::Status { throw 1; })
                .Run("test:run", R"({"input":{"name":"n"}})", caller_)
                .code(),
            absl::StatusCode::kInternal);
}

TEST_F(ActionHostTest, CancellationHasOneNameWhateverTheActionSaid) {
  ActionHost& host = Host([this](action::Context&) {
    caller_.source.request_stop();
    return absl::UnavailableError("connection lost");
  });
  EXPECT_EQ(host.Run("test:run", R"({"input":{"name":"n"}})", caller_).code(),
            absl::StatusCode::kCancelled);
}

TEST_F(ActionHostTest, CancelledBeforeItBeganDoesNotRun) {
  bool ran = false;
  ActionHost& host = Host([&](action::Context&) {
    ran = true;
    return absl::OkStatus();
  });
  caller_.source.request_stop();
  EXPECT_EQ(host.Run("test:run", R"({"input":{"name":"n"}})", caller_).code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE(ran);
}

TEST_F(ActionHostTest, ADryRunNeedsAnActionThatHasOne) {
  ActionHost& host = Host([](action::Context&) { return absl::OkStatus(); }, /*dry_run=*/false);
  EXPECT_EQ(host.Run("test:run", R"({"input":{"name":"n"},"dryRun":true})", caller_).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ActionHostTest, OutputsAreLimited) {
  ActionHost& host = Host([](action::Context& context) {
    for (size_t i = 0; i <= kMaxOutputs; ++i) context.Output(absl::StrCat("o", i), 1);
    return absl::OkStatus();
  });
  const absl::Status status = host.Run("test:run", R"({"input":{"name":"n"}})", caller_);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(caller_.outputs.size(), kMaxOutputs);
}

}  // namespace
}  // namespace purser::addon
