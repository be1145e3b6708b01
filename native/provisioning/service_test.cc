#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/temporary_folder.h"
#include "base/testing/eventually.h"
#include "connectors/core/core_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "provisioning/engine.h"

namespace purser::provisioning {
namespace {

using connectors::CallContext;
using connectors::CallResult;
using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// "cloud/make" makes a bucket and tells its id; "cloud/drop" takes it away;
// "cloud/fail" refuses.
class CloudConnector final : public connectors::Connector {
 public:
  CloudConnector() {
    const auto add = [this](const char* name, const char* undo) {
      connectors::Operation operation;
      operation.name = name;
      operation.call_class = connectors::CallClass::kPut;
      operation.input_schema = {{"type", "object"}};
      operation.output_schema = {{"type", "object"}};
      operation.compensation = undo;
      operations_.push_back(operation);
    };
    add("make", "drop");
    add("drop", "");
    add("fail", "");
  }
  const std::string& name() const override { return name_; }
  const std::vector<connectors::Operation>& operations() const override { return operations_; }
  absl::StatusOr<CallResult> Call(absl::string_view operation, const json& input,
                                  CallContext& context) override {
    if (operation == "fail") return absl::InvalidArgumentError("quota is used up");
    CallResult result;
    if (operation == "drop") return result;
    context.Log(action::LogLevel::kInfo, "making");
    if (input.contains("secret")) {
      const auto secret = context.ResolveSecret(input.at("secret").get<std::string>());
      if (!secret.ok()) return secret.status();
    }
    const std::string id = absl::StrCat("urn:cloud:", input.at("name").get<std::string>());
    result.outputs = {{"id", id}, {"url", absl::StrCat("https://cloud.example/", id)}};
    result.resources.push_back({id, "bucket", input.at("name"), {{"region", "eu"}}});
    return result;
  }

 private:
  std::string name_ = "cloud";
  std::vector<connectors::Operation> operations_;
};

constexpr char kBucket[] = R"(apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: bucket, title: Bucket, description: For tests}
spec:
  parameters:
    type: object
    required: [name]
    additionalProperties: false
    properties:
      name: {type: string, pattern: '^[a-z]+$'}
      size: {type: integer, minimum: 1, default: 5}
      owner: {type: string, default: group:default/testers}
      fail: {type: boolean, default: false}
  owner: ${{ parameters.owner }}
  steps:
    - id: make
      uses: cloud/make
      with: {name: '${{ parameters.name }}', secret: 'test:ok'}
      resources:
        - {id: 'urn:bill:${{ steps.make.outputs.id }}', type: invoice-line}
    - {id: check, uses: core/noop, needs: [make], with: {size: '${{ parameters.size }}'}}
    - {id: fail, uses: cloud/fail, needs: [check], if: '${{ parameters.fail }}'}
  outputs:
    id: ${{ steps.make.outputs.id }}
    links: [{title: Console, url: '${{ steps.make.outputs.url }}'}]
  entity:
    metadata:
      name: bucket-${{ parameters.name }}
      annotations: {example.com/size: '${{ parameters.size }} GB'}
      links: [{title: Bucket, url: 'https://x.example/${{ steps.make.outputs.id }}'}]
    spec: {type: bucket}
)";

constexpr char kHeld[] = R"(apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: held}
spec:
  owner: group:default/testers
  approval: {required: true}
  steps: [{id: one, uses: core/noop}]
)";

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    Write("bucket.yaml", kBucket);
    Write("held.yaml", kHeld);
    connectors_.emplace("cloud", std::make_unique<CloudConnector>());
    connectors_.emplace("core",
                        std::make_unique<connectors::CoreConnector>("core", base::Clock::System()));
    database_ = *store::OpenSqlite({":memory:"});
    inventory_ = *inventory::Inventory::Open(*database_, base::Clock::System());
    Open();
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  void Open() {
    service_.reset();
    Options options;
    options.database = database_.get();
    options.inventory = inventory_.get();
    options.connectors = &connectors_;
    options.clock = &base::Clock::System();
    options.rng = &base::Rng::System();
    options.blueprint_folders = {folder_};
    options.resolve_secret = [](absl::string_view reference) -> absl::StatusOr<std::string> {
      if (reference == "test:ok") return std::string("s3cr3t");
      return absl::NotFoundError("no such secret");
    };
    auto service = OpenService(options);
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
    ASSERT_TRUE(service_->Start().ok());
  }

  static CreateOptions Bucket(const std::string& name, const std::string& key = "") {
    CreateOptions options;
    options.blueprint = "bucket";
    options.requester = "user:default/guest";
    options.parameters = {{"name", name}};
    options.idempotency_key = key;
    return options;
  }

  Request Settle(const std::string& id) {
    absl::StatusOr<Request> request = service_->Get(id);
    EXPECT_TRUE(base::Eventually([&] {
      request = service_->Get(id);
      return !request.ok() || IsFinal(request->state) ||
             request->state == RequestState::kNeedsOperator;
    }));
    EXPECT_TRUE(request.ok()) << request.status();
    return *request;
  }

  json Entity(const std::string& ref_name) {
    const inventory::EntityChanges changes = *inventory_->Changes("", 1000);
    for (const std::string& text : changes.upserts) {
      const json entity = json::parse(text);
      if (entity["metadata"]["name"] == ref_name) return entity;
    }
    return json();
  }

  const std::unique_ptr<base::TemporaryFolder> temporary_ =
      *base::TemporaryFolder::Create("a test");
  const std::string& folder_ = temporary_->path();
  connectors::Connectors connectors_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<inventory::Inventory> inventory_;
  std::unique_ptr<ProvisioningService> service_;
};

TEST_F(ServiceTest, ARequestBecomesResourcesAndAnEntity) {
  const auto created = service_->Create(Bucket("lab", "k1"));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->entity_ref, "resource:default/bucket-lab");
  EXPECT_EQ(created->parameters["size"], 5);
  EXPECT_EQ(created->owner, "group:default/testers");
  const Request request = Settle(created->id);
  ASSERT_EQ(request.state, RequestState::kSucceeded) << request.message;
  EXPECT_EQ(request.outputs["id"], "urn:cloud:lab");
  ASSERT_EQ(request.steps.size(), 3u);
  EXPECT_EQ(request.steps[0].uses, "cloud/make");
  EXPECT_EQ(request.steps[1].outputs, json({{"size", 5}}));
  EXPECT_EQ(request.steps[2].state, StepState::kSkipped);
  EXPECT_GT(request.sequence, 0);

  const json entity = Entity("bucket-lab");
  EXPECT_EQ(entity["kind"], "Resource");
  EXPECT_EQ(entity["spec"]["owner"], "group:default/testers");
  const json& annotations = entity["metadata"]["annotations"];
  EXPECT_EQ(annotations["purser.dev/state"], "succeeded");
  EXPECT_EQ(annotations["purser.dev/request-id"], created->id);
  EXPECT_EQ(annotations["purser.dev/blueprint"], "bucket");
  EXPECT_EQ(annotations["example.com/size"], "5 GB");
  EXPECT_EQ(annotations["backstage.io/managed-by-location"], "purser:request/" + created->id);
  EXPECT_EQ(json::parse(annotations["purser.dev/resource-ids"].get<std::string>()),
            json({"urn:bill:urn:cloud:lab", "urn:cloud:lab"}));
  EXPECT_EQ(entity["metadata"]["links"].size(), 2u);

  const auto bill = inventory_->FindResource("urn:bill:urn:cloud:lab");
  ASSERT_TRUE(bill->has_value());
  EXPECT_EQ((*bill)->entity_ref, "resource:default/bucket-lab");
  EXPECT_EQ((*bill)->step_id, "make");
}

TEST_F(ServiceTest, TheEntityIsThereWhileTheRequestWaits) {
  std::string held = kBucket;
  held.replace(held.find("name: bucket"), 12, "name: slow-bucket");
  held.replace(held.find("  steps:"), 8, "  approval: {required: true}\n  steps:");
  Write("slow.yaml", held);
  Open();
  CreateOptions options = Bucket("early");
  options.blueprint = "slow-bucket";
  const auto created = service_->Create(options);
  ASSERT_TRUE(created.ok()) << created.status();
  const json entity = Entity("bucket-early");
  EXPECT_EQ(entity["metadata"]["annotations"]["purser.dev/state"], "waiting-approval");
  // What is not known yet is left out, whole.
  EXPECT_FALSE(entity["metadata"].contains("links"));
  const std::string seen = inventory_->Changes("", 10)->position;
  ASSERT_TRUE(service_->Cancel(created->id, {"user:default/guest", ""}).ok());
  EXPECT_EQ(Settle(created->id).state, RequestState::kCancelled);
  EXPECT_TRUE(Entity("bucket-early").is_null());
  EXPECT_THAT(inventory_->Changes(seen, 10)->removed, ElementsAre("resource:default/bucket-early"));
}

TEST_F(ServiceTest, TheSameKeyIsTheSameRequest) {
  std::vector<std::thread> threads;
  std::vector<std::string> ids(20);
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([this, i, &ids] { ids[i] = service_->Create(Bucket("same", "key"))->id; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  const auto other = service_->Create(Bucket("other", "key"));
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr(ids[0]));
}

TEST_F(ServiceTest, BadParametersAreToldAllAtOnce) {
  CreateOptions options = Bucket("UPPER");
  options.parameters["size"] = 0;
  options.parameters["colour"] = "red";
  const absl::Status status = service_->Create(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("/name"), HasSubstr("/size"), HasSubstr("colour")));
  options = Bucket("x");
  options.blueprint = "nothing";
  const absl::Status unknown = service_->Create(options).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("there are: bucket, held"));
  options = Bucket("x");
  options.owner = "not a ref";
  EXPECT_EQ(service_->Create(options).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(service_->List({})->requests.empty());
}

TEST_F(ServiceTest, ADryRunStoresNothing) {
  CreateOptions options = Bucket("dry");
  options.dry_run = true;
  const auto planned = service_->Create(options);
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->id, "");
  EXPECT_EQ(planned->entity_ref, "resource:default/bucket-dry");
  EXPECT_EQ(planned->steps.size(), 3u);
  EXPECT_TRUE(service_->List({})->requests.empty());
  EXPECT_TRUE(Entity("bucket-dry").is_null());
}

TEST_F(ServiceTest, AFailedRequestStaysVisibleAndItsResourcesAreGone) {
  CreateOptions options = Bucket("bad");
  options.parameters["fail"] = true;
  const auto created = service_->Create(options);
  ASSERT_TRUE(created.ok()) << created.status();
  const Request request = Settle(created->id);
  EXPECT_EQ(request.state, RequestState::kFailed);
  EXPECT_EQ(request.message, "step fail: INVALID_ARGUMENT: quota is used up");
  EXPECT_EQ(request.steps[0].state, StepState::kCompensated);
  EXPECT_EQ(Entity("bucket-bad")["metadata"]["annotations"]["purser.dev/state"], "failed");
  EXPECT_EQ((*inventory_->FindResource("urn:cloud:bad"))->state, "deleted");
}

TEST_F(ServiceTest, OneRequestAtATimeWorksOnAnEntityAndItsOwnerKeepsIt) {
  const auto first = service_->Create(Bucket("mine"));
  ASSERT_TRUE(first.ok());
  Settle(first->id);
  CreateOptions taken = Bucket("mine");
  taken.owner = "group:default/others";
  const absl::Status refused = service_->Create(taken).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("belongs to group:default/testers"));
  EXPECT_TRUE(service_->Create(Bucket("mine")).ok());
}

TEST_F(ServiceTest, ApprovalStartsAHeldRequest) {
  CreateOptions options;
  options.blueprint = "held";
  const auto created = service_->Create(options);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->state, RequestState::kWaitingApproval);
  EXPECT_EQ(created->message, "waits for approval");
  ASSERT_TRUE(service_->Approve(created->id, "", "", {"user:default/boss", "fine"}).ok());
  EXPECT_EQ(Settle(created->id).state, RequestState::kSucceeded);
  EXPECT_EQ(service_->Approve(created->id, "", "", {"user:default/boss", ""}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(service_->Approve("req_none", "", "", {"user:default/boss", ""}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(service_->Retry(created->id, {"user:default/boss", ""}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ServiceTest, WatchFollowsToTheEndAndResumes) {
  const auto created = service_->Create(Bucket("seen"));
  ASSERT_TRUE(created.ok());
  std::vector<Event> events;
  const auto take = [&](const Event& event) {
    events.push_back(event);
    return absl::OkStatus();
  };
  ASSERT_TRUE(service_->Watch(created->id, 0, true, {}, take).ok());
  EXPECT_EQ(events.front().type, "request.created");
  EXPECT_EQ(events.back().type, "request.succeeded");
  for (size_t i = 1; i < events.size(); ++i) {
    EXPECT_GT(events[i].sequence, events[i - 1].sequence);
  }
  const size_t all = events.size();
  const int64_t middle = events[2].sequence;
  events.clear();
  ASSERT_TRUE(service_->Watch(created->id, middle, true, {}, take).ok());
  EXPECT_EQ(events.size(), all - 3);
  EXPECT_EQ(service_->Watch("req_none", 0, false, {}, take).code(), absl::StatusCode::kNotFound);
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(service_->Watch("", 1'000'000, true, stop.get_token(), take).code(),
            absl::StatusCode::kCancelled);
  stopper.join();
}

TEST_F(ServiceTest, ListsFilterAndPage) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Settle(service_->Create(Bucket(name))->id);
  ListOptions options;
  options.page_size = 2;
  options.requester = "user:default/guest";
  options.states = {RequestState::kSucceeded};
  std::vector<std::string> names;
  do {
    const RequestPage page = *service_->List(options);
    for (const Request& request : page.requests) names.push_back(request.parameters["name"]);
    options.page_token = page.next_page_token;
  } while (!options.page_token.empty());
  EXPECT_EQ(names.size(), 5u);
  options = {};
  options.entity_ref = "resource:default/bucket-c";
  options.with_steps = true;
  const RequestPage page = *service_->List(options);
  ASSERT_EQ(page.requests.size(), 1u);
  EXPECT_EQ(page.requests[0].steps.size(), 3u);
  options.page_size = 501;
  EXPECT_EQ(service_->List(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ServiceTest, AProductIsWhatAllItsBlueprintsMake) {
  std::string second = kBucket;
  second.replace(second.find("name: bucket"), 12, "name: vault");
  second.replace(second.find("spec:"), 5, "spec:\n  product: bucket");
  Write("vault.yaml", second);
  Open();
  CreateOptions vault = Bucket("x");
  vault.blueprint = "vault";
  for (const CreateOptions& one : {Bucket("a"), vault}) {
    const auto created = service_->Create(one);
    ASSERT_TRUE(created.ok()) << created.status();
    Settle(created->id);
  }
  ListOptions requests;
  requests.blueprint = "bucket";
  EXPECT_EQ(service_->List(requests)->requests.size(), 2u);
  requests.blueprint = "vault";
  EXPECT_EQ(service_->List(requests)->requests.size(), 1u);
  requests.blueprint = "none";
  EXPECT_EQ(service_->List(requests)->requests.size(), 0u);
  ListHoldingsOptions holdings;
  holdings.blueprint = "bucket";
  EXPECT_EQ(service_->ListHoldings(holdings)->holdings.size(), 2u);
}

TEST_F(ServiceTest, AChangedFileDoesNotChangeARequestUnderWay) {
  CreateOptions options;
  options.blueprint = "held";
  const auto created = service_->Create(options);
  ASSERT_TRUE(created.ok());
  std::string changed = kHeld;
  changed.replace(changed.find("id: one"), 7, "id: two");
  Write("held.yaml", changed);
  Open();
  ASSERT_TRUE(service_->Approve(created->id, "", "", {"user:default/boss", ""}).ok());
  const Request request = Settle(created->id);
  EXPECT_EQ(request.state, RequestState::kSucceeded);
  EXPECT_EQ(request.steps[0].id, "one");
  EXPECT_NE(service_->ListBlueprints()[1].hash, request.blueprint_hash);
}

TEST_F(ServiceTest, SecretsReachTheCallAndNothingElse) {
  const auto created = service_->Create(Bucket("quiet"));
  ASSERT_TRUE(created.ok());
  Settle(created->id);
  ASSERT_TRUE(service_
                  ->Watch(created->id, 0, false, {},
                          [](const Event& event) {
                            EXPECT_THAT(event.message + event.data.dump(),
                                        testing::Not(HasSubstr("s3cr3t")));
                            return absl::OkStatus();
                          })
                  .ok());
}

TEST_F(ServiceTest, AFullDiskStopsProgressNotTruth) {
  service_.reset();
  inventory_.reset();
  store::SqliteOptions sqlite;
  sqlite.path = folder_ + "/small.db";
  sqlite.max_bytes = 512 << 10;
  database_ = *store::OpenSqlite(sqlite);
  inventory_ = *inventory::Inventory::Open(*database_, base::Clock::System());
  Open();
  std::vector<std::string> accepted;
  absl::Status refused;
  for (int i = 0; i < 500 && refused.ok(); ++i) {
    CreateOptions options;
    options.blueprint = "held";
    options.parameters = {{"filler", std::string(2000, 'x')}};
    const auto created = service_->Create(options);
    if (created.ok()) {
      accepted.push_back(created->id);
    } else {
      refused = created.status();
    }
  }
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  ASSERT_FALSE(accepted.empty());
  service_.reset();
  inventory_.reset();
  database_.reset();
  sqlite.max_bytes = 0;
  database_ = *store::OpenSqlite(sqlite);
  inventory_ = *inventory::Inventory::Open(*database_, base::Clock::System());
  Open();
  for (const std::string& id : accepted) EXPECT_TRUE(service_->Get(id).ok()) << id;
  ASSERT_TRUE(service_->Approve(accepted[0], "", "", {"user:default/boss", ""}).ok());
  EXPECT_EQ(Settle(accepted[0]).state, RequestState::kSucceeded);
}

TEST_F(ServiceTest, HundredRequestsOfFiveSteps) {
  std::string five =
      "apiVersion: purser.dev/v1\nkind: Blueprint\nmetadata: "
      "{name: five}\nspec:\n"
      "  owner: group:default/testers\n  steps:\n";
  for (int i = 1; i <= 5; ++i) {
    absl::StrAppend(&five, "    - {id: s", i, ", uses: core/noop",
                    i > 1 ? absl::StrCat(", needs: [s", i - 1, "]") : "", "}\n");
  }
  Write("five.yaml", five);
  service_.reset();
  inventory_.reset();
  database_ = *store::OpenSqlite({folder_ + "/bench.db"});
  inventory_ = *inventory::Inventory::Open(*database_, base::Clock::System());
  Open();
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    CreateOptions options;
    options.blueprint = "five";
    ids.push_back(service_->Create(options)->id);
  }
  for (const std::string& id : ids) EXPECT_EQ(Settle(id).state, RequestState::kSucceeded);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::cout << "100 requests of 5 steps: " << seconds << " s, " << 500 / seconds << " steps/s"
            << std::endl;
}

}  // namespace
}  // namespace purser::provisioning
