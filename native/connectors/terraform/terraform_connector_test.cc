// Against a program of our own that speaks terraform's documented output and fails in its ways, and
// against the real one where it is installed.
#include "connectors/terraform/terraform_connector.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/testing/eventually.h"
#include "connectors/fake_call_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

// Its state is a number in the folder; a plan is good for the state it was made from.
constexpr char kProgram[] = R"sh(#!/bin/bash
echo "$* secret=$TF_VAR_password env=$(env | cut -d= -f1 | sort | tr '\n' ' ')" >> "$HOME/calls"
say() { printf '%s\n' "$1"; }
serial=$(cat state 2> /dev/null || echo 0)
fault=$(cat "$HOME/fault" 2> /dev/null)
case $1 in
init)
  [ "$fault" = init ] && { echo 'Error: no provider, tried with '"$TF_VAR_password" >&2; exit 1; }
  exit 0 ;;
plan)
  for word in "$@"; do case $word in -out=*) out=${word#-out=} ;; esac; done
  say '{"@message":"Terraform 1.11.4","type":"version"}'
  if [ "$fault" = lock ]; then
    say '{"@level":"error","@message":"Error: Error acquiring the state lock","type":"diagnostic","diagnostic":{"severity":"error","summary":"Error acquiring the state lock","detail":"Lock Info:\n  ID:        4711-abc\n  Who:       ada@host\n"}}'
    exit 1
  fi
  if [ "$fault" = fault ]; then
    say '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Unsupported argument","detail":"An argument named \"siez\" is not expected here: '"$TF_VAR_password"'","address":"terraform_data.a","range":{"filename":"main.tf","start":{"line":3}}}}'
    exit 1
  fi
  echo "$serial ${*: -1}" > "$out"
  [ "$serial" = 0 ] || [ "$fault" = moved ] || [ "${*: -1}" = -destroy ] || { say '{"type":"change_summary","changes":{"add":0,"change":0,"remove":0,"operation":"plan"}}'; exit 0; }
  say '{"@message":"terraform_data.a: Plan to create","type":"planned_change","change":{"resource":{"addr":"terraform_data.a"},"action":"create"}}'
  say '{"@message":"Plan: 1 to add","type":"change_summary","changes":{"add":1,"change":0,"remove":0,"operation":"plan"}}'
  exit 2 ;;
apply)
  plan=${*: -1}
  read -r made flag < "$plan"
  if [ "$made" != "$serial" ]; then
    say '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Saved plan is stale","detail":"created from an older state"}}'
    exit 1
  fi
  if [ "$fault" = slow ]; then
    trap 'echo interrupted > "$HOME/interrupted"; say "{\"type\":\"diagnostic\",\"diagnostic\":{\"severity\":\"error\",\"summary\":\"execution halted\"}}"; exit 1' INT
    # No program in the foreground: bash may lose the signal that comes as one ends.
    mkfifo "$HOME/hold"
    : > "$HOME/running"
    for i in {1..600}; do read -r -t 0.1 <> "$HOME/hold"; done
  fi
  echo $((serial + 1)) > state
  [ "$flag" = -destroy ] && rm state
  say '{"@message":"terraform_data.a: Creation complete","type":"apply_complete"}'
  say '{"type":"outputs","outputs":{"host":{"sensitive":false,"type":"string","value":"db-1"},"password":{"sensitive":true,"type":"string"}}}'
  exit 0 ;;
output)
  say '{"host":{"sensitive":false,"type":"string","value":"db-1"},"password":{"sensitive":true,"type":"string","value":"s3cr3t-word"}}'
  exit 0 ;;
esac
)sh";

class TerraformConnectorTest : public ::testing::Test {
 protected:
  TerraformConnectorTest() {
    std::string pattern = testing::TempDir() + "terraform-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    fs::create_directories(Root());
    fs::create_directories(folder_ / "roots/environments/prod/infra");
    std::ofstream(folder_ / "terraform") << kProgram;
    chmod((folder_ / "terraform").c_str(), 0755);
    context_.secrets["env:P"] = "s3cr3t-word";
    context_.end = base::Clock::System().Now() + absl::Minutes(5);
  }
  ~TerraformConnectorTest() override { fs::remove_all(folder_); }

  fs::path Root() const { return folder_ / "roots/environments/prod/acme"; }
  void Make(const std::string& program) {
    const ConnectorDependencies dependencies{transport_, base::Clock::System(), rng_, {}};
    auto connector =
        TerraformConnector::FromConfig("terraform",
                                       {{"program", program},
                                        {"folder", (folder_ / "roots").string()},
                                        {"plans", (folder_ / "plans").string()},
                                        {"roots", {"environments/*"}},
                                        {"environment", {{"HOME", folder_.string()}}},
                                        {"secretEnvironment", {{"ARM_CLIENT_SECRET", "env:P"}}},
                                        {"graceSeconds", 20}},
                                       dependencies);
    ASSERT_TRUE(connector.ok()) << connector.status();
    connector_ = *std::move(connector);
  }
  void MakeOwn() { Make((folder_ / "terraform").string()); }
  void Fault(const std::string& fault) { std::ofstream(folder_ / "fault") << fault; }
  std::string Read(const fs::path& path) const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  absl::StatusOr<CallResult> Call(const char* operation, Json input = Json::object()) {
    input["root"] = "environments/prod/acme";
    return connector_->Call(operation, input, context_);
  }
  absl::StatusOr<CallResult> Apply(const CallResult& plan) {
    return Call("apply", {{"planHash", plan.outputs["planHash"]},
                          {"secretVariables", {{"password", "env:P"}}}});
  }

  fs::path folder_;
  base::SeededRng rng_{1};
  http::FakeTransport transport_;
  FakeCallContext context_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(TerraformConnectorTest, PlansAppliesAndDestroys) {
  MakeOwn();
  const auto plan = Call("plan", {{"variables", {{"size", "small"}}}});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->outputs["changed"], true);
  EXPECT_EQ(plan->outputs["summary"]["add"], 1);
  EXPECT_EQ(plan->outputs["changes"][0]["address"], "terraform_data.a");
  const auto applied = Apply(*plan);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->outputs["outputs"]["host"], "db-1");
  EXPECT_EQ(applied->outputs["outputs"]["password"], "terraform:environments/prod/acme#password");
  EXPECT_EQ(applied->resources[0].id, "terraform:environments/prod/acme");
  EXPECT_FALSE(Call("plan")->outputs["changed"]);
  const auto destroyed = connector_->Call("destroy", applied->outputs, context_);
  ASSERT_TRUE(destroyed.ok()) << destroyed.status();
  EXPECT_FALSE(fs::exists(Root() / "state"));
}

TEST_F(TerraformConnectorTest, DriftIsToldByAPlanThatIsNotKept) {
  MakeOwn();
  const auto plan = Call("plan");
  ASSERT_TRUE(plan.ok()) << plan.status();
  const Json input = {{"root", "environments/prod/acme"},
                      {"planHash", plan->outputs["planHash"]},
                      {"secretVariables", {{"password", "env:P"}}}};
  const auto applied = connector_->Call("apply", input, context_);
  ASSERT_TRUE(applied.ok()) << applied.status();
  const auto files = [&] {
    return std::distance(fs::directory_iterator(folder_ / "plans"), fs::directory_iterator());
  };
  const auto before = files();
  auto same = connector_->Compare("apply", input, *applied, context_);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->state, Comparison::State::kSame) << same->detail;
  Fault("moved");
  const auto differs = connector_->Compare("apply", input, *applied, context_);
  ASSERT_TRUE(differs.ok()) << differs.status();
  EXPECT_EQ(differs->state, Comparison::State::kDiffers);
  EXPECT_THAT(differs->detail, HasSubstr("terraform_data.a (create)"));
  EXPECT_EQ(files(), before);
}

TEST_F(TerraformConnectorTest, OnlyTheApprovedPlanIsApplied) {
  MakeOwn();
  const auto plan = Call("plan");
  ASSERT_TRUE(plan.ok()) << plan.status();
  const std::string hash = plan->outputs["planHash"];
  // For another root it is none.
  auto refused = connector_->Call(
      "apply", {{"root", "environments/prod/infra"}, {"planHash", hash}}, context_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  std::ofstream(folder_ / "plans" / (hash + ".tfplan"), std::ios::app) << "more";
  refused = Apply(*plan);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("not the one that has the hash"));
  EXPECT_THAT(std::string(Call("apply", {{"planHash", std::string(64, 'a')}}).status().message()),
              HasSubstr("there is no stored plan"));
  EXPECT_THAT(Read(folder_ / "calls"), Not(HasSubstr("apply")));
}

TEST_F(TerraformConnectorTest, AnApplyIsNeverDoneTwice) {
  MakeOwn();
  const auto plan = Call("plan");
  ASSERT_TRUE(plan.ok()) << plan.status();
  const Json input = {{"root", "environments/prod/acme"}, {"planHash", plan->outputs["planHash"]}};
  EXPECT_FALSE(connector_->Probe("apply", input, context_)->has_value());
  ASSERT_TRUE(Apply(*plan).ok());
  // The answer was lost: the probe has it.
  const auto found = connector_->Probe("apply", input, context_);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->outputs["outputs"]["host"], "db-1");
  // Killed before that could be written: terraform refuses the plan as stale, and what it wanted is
  // there already.
  for (const auto& entry : fs::directory_iterator(folder_ / "plans")) {
    if (entry.path().extension() == ".done") fs::remove(entry.path());
  }
  EXPECT_FALSE(connector_->Probe("apply", input, context_)->has_value());
  const auto again = Apply(*plan);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->outputs["outputs"], (*found)->outputs["outputs"]);
  EXPECT_THAT(json::Dump(again->outputs), Not(HasSubstr("s3cr3t")));
  EXPECT_EQ(Read(Root() / "state"), "1\n");
  // Half of it, or somebody else's change: that is for a new plan.
  Fault("moved");
  const auto moved = Apply(*plan);
  EXPECT_EQ(moved.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(moved.status().message()), HasSubstr("make and approve a new plan"));
  EXPECT_EQ(Read(Root() / "state"), "1\n");
}

TEST_F(TerraformConnectorTest, ALockedStateIsTriedAgain) {
  MakeOwn();
  Fault("lock");
  const auto locked = Call("plan");
  EXPECT_EQ(locked.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(locked.status().message()), HasSubstr("locked by ada@host"));
  EXPECT_THAT(std::string(locked.status().message()), HasSubstr("force-unlock 4711-abc"));
}

TEST_F(TerraformConnectorTest, FaultsAreShownWithoutSecrets) {
  MakeOwn();
  Fault("fault");
  const Json secret = {{"secretVariables", {{"password", "env:P"}}}};
  auto failed = Call("plan", secret);
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("Unsupported argument"));
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("(terraform_data.a) at main.tf:3"));
  EXPECT_THAT(std::string(failed.status().message()), Not(HasSubstr("s3cr3t")));
  EXPECT_THAT(context_.lines(), Not(Contains(HasSubstr("s3cr3t"))));
  Fault("init");
  failed = Call("plan", secret);
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("no provider"));
  EXPECT_THAT(std::string(failed.status().message()), Not(HasSubstr("s3cr3t")));
  // It had the secret, in its environment and not among its arguments, and nothing else of ours.
  const std::string calls = Read(folder_ / "calls");
  EXPECT_THAT(calls, HasSubstr("secret=s3cr3t-word"));
  EXPECT_THAT(calls.substr(0, calls.find(" secret=")), Not(HasSubstr("s3cr3t")));
  EXPECT_THAT(calls, HasSubstr("ARM_CLIENT_SECRET"));
}

TEST_F(TerraformConnectorTest, AStopInterruptsInGoodOrder) {
  MakeOwn();
  const auto plan = Call("plan");
  ASSERT_TRUE(plan.ok()) << plan.status();
  Fault("slow");
  std::thread stopper([this] {
    EXPECT_TRUE(base::Eventually([&] { return fs::exists(folder_ / "running"); }));
    context_.stopper.request_stop();
  });
  const auto stopped = Apply(*plan);
  stopper.join();
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled) << stopped.status();
  EXPECT_THAT(std::string(stopped.status().message()), HasSubstr("execution halted"));
  EXPECT_TRUE(fs::exists(folder_ / "interrupted"));
}

TEST_F(TerraformConnectorTest, RootsAreLimited) {
  MakeOwn();
  for (const char* root : {"modules/aks", "environments/../modules", "/etc", "environments/none"}) {
    EXPECT_FALSE(connector_->Call("plan", {{"root", root}}, context_).ok()) << root;
  }
  fs::create_directory_symlink("/tmp", folder_ / "roots/environments/out");
  EXPECT_FALSE(connector_->Call("plan", {{"root", "environments/out"}}, context_).ok());
  EXPECT_FALSE(fs::exists(folder_ / "calls"));
}

TEST_F(TerraformConnectorTest, ThereIsNoSuchProgram) {
  Make("/nonexistent/terraform");
  EXPECT_EQ(Call("plan").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TerraformConnectorTest, TheRealOne) {
  if (std::system("TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1 terraform version "
                  "> /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "SKIP no terraform program";
  }
  std::ofstream(Root() / "main.tf") << R"(
variable "size" { type = number }
variable "password" {
  type      = string
  sensitive = true
  default   = "none"
}
resource "terraform_data" "a" { input = var.size }
output "size" { value = terraform_data.a.output }
output "password" {
  value     = var.password
  sensitive = true
}
)";
  Make("terraform");
  const auto plan = Call("plan", {{"variables", {{"size", 3}}}});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->outputs["changed"], true);
  EXPECT_EQ(plan->outputs["changes"],
            *json::Parse(R"([{"address":"terraform_data.a","action":"create"}])"));
  const Json apply = {{"planHash", plan->outputs["planHash"]}, {"variables", {{"size", 3}}}};
  const auto applied = Call("apply", apply);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->outputs["outputs"]["size"], 3);
  EXPECT_THAT(applied->outputs["outputs"]["password"].get<std::string>(), HasSubstr("#password"));
  // The plan is used up: nothing is done again, and what it made is found.
  const auto again = Call("apply", apply);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->outputs["outputs"], applied->outputs["outputs"]);
  // With other wishes it is not what the plan was made for.
  const auto other =
      Call("apply", {{"planHash", plan->outputs["planHash"]}, {"variables", {{"size", 4}}}});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("new plan"));
  std::ofstream(Root() / "wrong.tf") << "resource \"terraform_data\" \"b\" { inputt = 1 }\n";
  const auto wrong = Call("plan", {{"variables", {{"size", 3}}}});
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("Unsupported argument"));
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("wrong.tf:1"));
  fs::remove(Root() / "wrong.tf");
  const auto destroyed = connector_->Call("destroy", applied->outputs, context_);
  ASSERT_TRUE(destroyed.ok()) << destroyed.status();
  EXPECT_FALSE(Call("plan", {{"destroy", true}, {"variables", {{"size", 3}}}})->outputs["changed"]);
}

}  // namespace
}  // namespace purser::connectors
