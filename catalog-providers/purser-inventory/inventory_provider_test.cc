#include "catalog-providers/purser-inventory/inventory_provider.h"

#include <memory>
#include <stop_token>

#include "absl/strings/str_cat.h"
#include "catalog-providers/purser-inventory/products_provider.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/inventory.h"
#include "provider/fake_context.h"
#include "provider/source_host.h"
#include "store/store.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InventoryProviderTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = *store::OpenSqlite({":memory:"});
    inventory_ = *inventory::Inventory::Open(*database_, clock_);
    ASSERT_TRUE(registry_.Add(std::make_unique<InventoryProvider>()).ok());
    provider::SourceServices services;
    services.log = &inventory_->log();
    services.transport = &transport_;
    services.clock = &base::Clock::System();
    services.rng = &base::Rng::System();
    host_ = std::make_unique<provider::SourceHost>(registry_, services);
  }
  void Put(int from, int to) {
    ASSERT_TRUE(database_
                    ->Transact([&](store::Connection& connection) {
                      absl::Status status;
                      for (int i = from; i < to && status.ok(); ++i) {
                        status = inventory_->PutEntity(
                            connection,
                            {{"apiVersion", "backstage.io/v1alpha1"},
                             {"kind", "Resource"},
                             {"metadata", {{"name", absl::StrCat("e", i)}}},
                             {"spec", {{"type", "bucket"}, {"owner", "group:default/a"}}}});
                      }
                      return status;
                    })
                    .ok());
    inventory_->Committed();
  }
  // Everything behind `position`, which moves on.
  std::vector<provider::LogPage> Read(std::string& position) {
    provider::FollowRequest request;
    request.id = "purser-inventory";
    request.instance = "default";
    request.position = position;
    request.follow = false;
    std::vector<provider::LogPage> pages;
    provider::FollowSink sink;
    sink.on_page = [&](const provider::LogPage& page) {
      pages.push_back(page);
      position = page.position;
      return absl::OkStatus();
    };
    sink.on_log = [](action::LogLevel, absl::string_view) { return absl::OkStatus(); };
    EXPECT_TRUE(host_->Follow(request, {}, sink).ok());
    return pages;
  }

  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<inventory::Inventory> inventory_;
  provider::NoTransport transport_;
  provider::Registry registry_;
  std::unique_ptr<provider::SourceHost> host_;
};

TEST_F(InventoryProviderTest, GivesEverythingInChunksThenChangesOnly) {
  Put(0, 1500);
  std::string position;
  std::vector<provider::LogPage> pages = Read(position);
  ASSERT_EQ(pages.size(), 6u);
  for (size_t i = 0; i < pages.size(); ++i) {
    EXPECT_EQ(pages[i].upserts.size(), 250u);
    EXPECT_EQ(pages[i].full_end, i == 5);
  }
  EXPECT_TRUE(Read(position).empty());
  Put(1499, 1502);
  pages = Read(position);
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_FALSE(pages[0].full);
  EXPECT_EQ(pages[0].upserts.size(), 2u) << "what is unchanged is no change";
}

TEST_F(InventoryProviderTest, IsASourceLikeTheOthers) {
  Put(0, 30);
  const provider::SourceStatus status = *host_->Get("purser-inventory/default");
  EXPECT_EQ(status.record.entities, 30);
  EXPECT_TRUE(status.active);
  EXPECT_EQ(host_->Pause("purser-inventory/default").code(), absl::StatusCode::kFailedPrecondition);
  // What a portal holds beyond it goes, if it is little.
  std::string position;
  Read(position);
  ASSERT_TRUE(host_->Adopt("purser-inventory/default", {"resource:default/old"}, true).ok());
  EXPECT_THAT(Read(position)[0].removed, ElementsAre("resource:default/old"));
  std::vector<std::string> many;
  for (int i = 0; i < 20; ++i) many.push_back(absl::StrCat("resource:default/old", i));
  ASSERT_TRUE(host_->Adopt("purser-inventory/default", many, true).ok());
  EXPECT_EQ(host_->Get("purser-inventory/default")->record.held, 20);
  EXPECT_EQ(*host_->Confirm("purser-inventory/default"), 20);
  EXPECT_EQ(Read(position)[0].removed.size(), 20u);
}

provisioning::BlueprintInfo Blueprint() {
  provisioning::BlueprintInfo blueprint;
  blueprint.name = "bucket";
  blueprint.title = "Bucket";
  blueprint.parameters_schema = json::parse(
      R"({"type":"object","required":["name"],"properties":{"name":{"type":"string","pattern":"^a"},)"
      R"("size-gb":{"type":"integer","default":10}}})");
  return blueprint;
}

TEST(TemplateOf, MakesAFormOfTheParameters) {
  const json made = TemplateOf(Blueprint(), "group:default/platform");
  EXPECT_TRUE(catalog::Validate(made).empty());
  EXPECT_EQ(made["metadata"]["name"], "product-bucket");
  const json& page = made["spec"]["parameters"][0];
  EXPECT_EQ(page["properties"]["name"]["pattern"], "^a");
  EXPECT_EQ(page["properties"]["owner"]["ui:field"], "OwnerPicker");
  EXPECT_EQ(page["required"], json({"name", "owner"}));
  const json& input = made["spec"]["steps"][0]["input"];
  EXPECT_EQ(input["blueprint"], "bucket");
  // The blueprint does not know an owner; the request does.
  EXPECT_EQ(input["parameters"], json({{"name", "${{ parameters['name'] }}"},
                                       {"size-gb", "${{ parameters['size-gb'] }}"}}));
  EXPECT_EQ(input["owner"], "${{ parameters.owner }}");
}

TEST(ApiOf, SaysHowAProgramAsksForTheProduct) {
  const json made = ApiOf(Blueprint(), "group:default/platform");
  EXPECT_TRUE(catalog::Validate(made).empty());
  EXPECT_EQ(made["metadata"]["name"], "product-bucket");
  EXPECT_EQ(made["spec"]["type"], "openapi");
  const json definition = json::parse(made["spec"]["definition"].get<std::string>());
  EXPECT_EQ(definition["info"]["title"], "Bucket");
  EXPECT_EQ(definition["servers"][0]["url"], "/api/purser");
  const json& schema = definition["paths"]["/v1/requests"]["post"]["requestBody"]["content"]
                                 ["application/json"]["schema"];
  EXPECT_EQ(schema["properties"]["blueprint"]["const"], "bucket");
  EXPECT_EQ(schema["properties"]["parameters"], Blueprint().parameters_schema);
}

TEST(EmitProducts, GivesTemplatesAndWhatIsConfigured) {
  std::vector<provisioning::BlueprintInfo> blueprints = {Blueprint(), Blueprint()};
  blueprints[1].name = "workspace";
  const auto refs = [&](json config) {
    provider::FakeContext context(std::move(config));
    EXPECT_TRUE(EmitProducts(blueprints, context).ok());
    std::vector<std::string> found;
    for (const auto& [ref, entity] : context.entities) found.push_back(ref);
    return found;
  };
  const json owner = "group:default/platform";
  EXPECT_THAT(refs({{"owner", owner}, {"exclude", {"workspace"}}, {"apis", false}}),
              ElementsAre("template:default/product-bucket"));
  EXPECT_THAT(refs({{"owner", owner}, {"exclude", {"workspace"}}, {"apis", true}}),
              ElementsAre("api:default/product-bucket", "api:default/product-workspace",
                          "template:default/product-bucket"));
}

TEST(EmitProducts, LeavesOutWhatWouldNotBeValid) {
  std::vector<provisioning::BlueprintInfo> blueprints = {Blueprint(), Blueprint()};
  blueprints[0].name = "";
  provider::FakeContext context(
      {{"owner", "group:default/platform"}, {"exclude", json::array()}, {"apis", false}});
  ASSERT_TRUE(EmitProducts(blueprints, context).ok());
  EXPECT_EQ(context.entities.size() + context.log.size(), 2u);
}

}  // namespace
}  // namespace purser::catalog_providers
