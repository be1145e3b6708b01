#include "inventory/inventory.h"

#include <atomic>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::inventory {
namespace {

using nlohmann::json;
using store::Connection;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

json Entity(const std::string& name, const std::string& title = "t") {
  return {{"apiVersion", "backstage.io/v1alpha1"},
          {"kind", "Resource"},
          {"metadata", {{"name", name}, {"title", title}}},
          {"spec", {{"type", "bucket"}, {"owner", "group:default/a"}}}};
}

class InventoryTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = *store::OpenSqlite({":memory:"});
    Reopen();
  }
  void Reopen() {
    auto inventory = Inventory::Open(*database_, clock_);
    ASSERT_TRUE(inventory.ok()) << inventory.status();
    inventory_ = *std::move(inventory);
  }
  absl::Status Put(const json& entity) {
    const absl::Status status = database_->Transact(
        [&](Connection& connection) { return inventory_->PutEntity(connection, entity); });
    inventory_->Committed();
    return status;
  }
  void Remove(const std::string& ref) {
    ASSERT_TRUE(database_
                    ->Transact([&](Connection& connection) {
                      return inventory_->RemoveEntity(connection, ref);
                    })
                    .ok());
    inventory_->Committed();
  }

  // An entity that owns resources, in `environment` ("" = none).
  static json Workspace(const std::string& name, const std::string& environment,
                        const std::string& owner = "group:default/a") {
    json entity = Entity(name);
    entity["spec"]["type"] = "workspace";
    entity["spec"]["owner"] = owner;
    if (!environment.empty()) {
      entity["metadata"]["annotations"]["purser.dev/environment"] = environment;
    }
    return entity;
  }
  void PutResource(const std::string& id, const std::string& of, const std::string& step,
                   std::vector<std::string> needs = {}) {
    Resource resource;
    resource.id = id;
    resource.connector = "files";
    resource.type = "bucket";
    resource.name = step;
    resource.entity_ref = "resource:default/" + of;
    resource.request_id = "req_" + of;
    resource.step_id = step;
    resource.needs = std::move(needs);
    ASSERT_TRUE(database_
                    ->Transact([&](Connection& connection) {
                      return inventory_->PutResource(connection, resource);
                    })
                    .ok());
  }
  void Delete(const std::string& id) {
    ASSERT_TRUE(database_
                    ->Transact([&](Connection& connection) {
                      return inventory_->MarkDeleted(connection, id);
                    })
                    .ok());
  }
  // All entities as followers see them, by name.
  std::map<std::string, json> Shown() {
    std::map<std::string, json> shown;
    const EntityChanges changes = *inventory_->Changes("", 1000);
    for (const std::string& text : changes.upserts) {
      json entity = json::parse(text);
      const std::string name = entity["metadata"]["name"];
      shown.emplace(name, std::move(entity));
    }
    return shown;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& [name, entity] : Shown()) names.push_back(name);
    return names;
  }

  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Inventory> inventory_;
};

TEST_F(InventoryTest, ChangesComeOnceAndUnchangedContentIsNone) {
  ASSERT_TRUE(Put(Entity("a")).ok());
  ASSERT_TRUE(Put(Entity("b")).ok());
  const EntityChanges first = *inventory_->Changes("", 1000);
  EXPECT_EQ(first.upserts.size(), 2u);
  EXPECT_FALSE(first.more);
  ASSERT_TRUE(Put(Entity("a")).ok());
  EXPECT_THAT(inventory_->Changes(first.position, 1000)->upserts, IsEmpty());
  ASSERT_TRUE(Put(Entity("a", "new")).ok());
  const EntityChanges second = *inventory_->Changes(first.position, 1000);
  ASSERT_EQ(second.upserts.size(), 1u);
  EXPECT_THAT(second.upserts[0], HasSubstr("new"));
}

TEST_F(InventoryTest, RemovedEntitiesLeaveTombstones) {
  ASSERT_TRUE(Put(Entity("a")).ok());
  const std::string position = inventory_->Changes("", 1000)->position;
  Remove("resource:default/a");
  Remove("resource:default/never-there");
  EXPECT_THAT(inventory_->Changes(position, 1000)->removed, ElementsAre("resource:default/a"));
  EXPECT_THAT(inventory_->Changes("", 1000)->removed, IsEmpty()) << "a new reader holds nothing";
  ASSERT_TRUE(Put(Entity("a")).ok());
  EXPECT_EQ(inventory_->Changes(position, 1000)->upserts.size(), 1u);
}

TEST_F(InventoryTest, IsSeenByReadersOfAllSources) {
  ASSERT_TRUE(Put(Entity("a")).ok());
  const provider::SourceRecord record = *inventory_->log().Find(kLogName).value();
  EXPECT_EQ(record.entities, 1);
  EXPECT_TRUE(record.complete);
  // Another source that tells of the same entity waits. What that shows already waits for the other
  // to let go of it: a catalog takes an entity from one source at a time.
  const int64_t other = inventory_->log().Register("kubernetes/a")->id;
  provider::LogWrite write;
  write.ref = "resource:default/b";
  write.body = "{}";
  write.hash = "h";
  ASSERT_TRUE(inventory_->log().Append(other, "", {write}).ok());
  ASSERT_TRUE(Put(Entity("b")).ok());
  const provider::SourceRecord both = *inventory_->log().Find(kLogName).value();
  EXPECT_EQ(both.entities + both.waiting, 2);
  write.ref = "resource:default/a";
  ASSERT_TRUE(inventory_->log().Append(other, "", {write}).ok());
  EXPECT_EQ(inventory_->log().Find("kubernetes/a").value()->waiting, 1);
}

TEST_F(InventoryTest, PagesAndKeepsPositionsOverARestart) {
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(Put(Entity(absl::StrCat("e", i))).ok());
  std::string position;
  int pages = 0;
  size_t seen = 0;
  while (true) {
    const EntityChanges page = *inventory_->Changes(position, 10);
    position = page.position;
    seen += page.upserts.size();
    ++pages;
    if (!page.more) break;
  }
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(seen, 25u);
  Reopen();
  EXPECT_THAT(inventory_->Changes(position, 10)->upserts, IsEmpty());
}

TEST_F(InventoryTest, PositionsOfAnotherStoreStartAnew) {
  ASSERT_TRUE(Put(Entity("a")).ok());
  EXPECT_EQ(inventory_->Changes("another/500", 10)->upserts.size(), 1u);
  EXPECT_EQ(inventory_->Changes("nonsense", 10)->upserts.size(), 1u);
}

TEST_F(InventoryTest, RefusesInvalidEntitiesWithAllProblems) {
  json entity = Entity("-bad-");
  entity["spec"].erase("owner");
  const absl::Status status = Put(entity);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/metadata/name"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/spec/owner"));
}

TEST_F(InventoryTest, ResourcesAreFoundByIdAndEntity) {
  Resource resource;
  resource.id = "urn:purser:demo:x:bucket";
  resource.connector = "files";
  resource.type = "bucket";
  resource.entity_ref = "resource:default/x";
  resource.owner = "group:default/a";
  resource.attributes = {{"region", "eu"}};
  ASSERT_TRUE(database_
                  ->Transact([&](Connection& connection) -> absl::Status {
                    PURSER_RETURN_IF_ERROR(inventory_->PutResource(connection, resource));
                    return inventory_->PutResource(connection, resource);
                  })
                  .ok());
  const auto found = *inventory_->FindResource(resource.id);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->state, "active");
  EXPECT_EQ(found->created_at, clock_.Now());
  EXPECT_EQ(found->attributes["region"], "eu");
  EXPECT_EQ(inventory_->ResourcesOf("resource:default/x")->size(), 1u);
  ASSERT_TRUE(database_
                  ->Transact([&](Connection& connection) {
                    return inventory_->MarkDeleted(connection, resource.id);
                  })
                  .ok());
  EXPECT_EQ((*inventory_->FindResource(resource.id))->state, "deleted");
  EXPECT_FALSE((*inventory_->FindResource("other")).has_value());
}

TEST_F(InventoryTest, OverlaysOutliveTheEntitysOwnChanges) {
  ASSERT_TRUE(Put(Entity("a")).ok());
  const auto overlay = [&](const json& text) {
    return database_->Transact([&](Connection& connection) {
      return inventory_->PutOverlay(connection, "resource:default/a", "costs", text);
    });
  };
  ASSERT_TRUE(overlay({{"annotations", {{"purser.dev/cost-30d", "[]"}}}}).ok());
  ASSERT_TRUE(Put(Entity("a", "new")).ok());
  const EntityChanges changes = *inventory_->Changes("", 10);
  ASSERT_EQ(changes.upserts.size(), 1u);
  EXPECT_THAT(changes.upserts[0], HasSubstr("cost-30d"));
  EXPECT_THAT(changes.upserts[0], HasSubstr("new"));
  ASSERT_TRUE(overlay(json::object()).ok());
  EXPECT_THAT(inventory_->Changes("", 10)->upserts[0], testing::Not(HasSubstr("cost-30d")));
}

TEST_F(InventoryTest, ResourcesAreEntitiesAsLongAsTheyLive) {
  ASSERT_TRUE(Put(Workspace("w", "")).ok());
  PutResource("urn:net", "w", "net");
  PutResource("urn:data", "w", "data", {"net", "no-such-step"});
  std::map<std::string, json> shown = Shown();
  ASSERT_THAT(Names(), ElementsAre("w", "w-bucket-data", "w-bucket-net"));
  EXPECT_EQ(shown["w-bucket-data"]["spec"]["dependsOn"], json({"resource:default/w-bucket-net"}));
  EXPECT_EQ(shown["w-bucket-data"]["spec"]["dependencyOf"], json({"resource:default/w"}));
  const std::string position = inventory_->Changes("", 10)->position;
  PutResource("urn:data", "w", "data", {"net"});
  EXPECT_THAT(inventory_->Changes(position, 10)->upserts, IsEmpty()) << "nothing is new";
  Delete("urn:data");
  EXPECT_THAT(inventory_->Changes(position, 10)->removed,
              ElementsAre("resource:default/w-bucket-data"));
  EXPECT_EQ((*inventory_->FindResource("urn:data"))->needs, std::vector<std::string>{"net"});
}

TEST_F(InventoryTest, EntitiesOfResourcesComeAndGoWithTheOneOfTheirRequest) {
  PutResource("urn:early", "w", "early");
  EXPECT_THAT(Names(), IsEmpty()) << "nothing in the catalog owns it";
  ASSERT_TRUE(Put(Workspace("w", "")).ok());
  EXPECT_THAT(Names(), ElementsAre("w", "w-bucket-early"));
  ASSERT_TRUE(Put(Workspace("w", "", "group:default/b")).ok());
  EXPECT_EQ(Shown()["w-bucket-early"]["spec"]["owner"], "group:default/b");
  // A change that resources have no part in does not touch them.
  const std::string position = inventory_->Changes("", 10)->position;
  json renamed = Workspace("w", "", "group:default/b");
  renamed["metadata"]["title"] = "new";
  ASSERT_TRUE(Put(renamed).ok());
  EXPECT_EQ(inventory_->Changes(position, 10)->upserts.size(), 1u);
  Remove("resource:default/w");
  EXPECT_THAT(Names(), IsEmpty());
  ASSERT_TRUE(Put(Workspace("w", "")).ok());
  EXPECT_THAT(Names(), ElementsAre("w", "w-bucket-early")) << "it is still there";
}

TEST_F(InventoryTest, NamesOfResourcesMeetNothing) {
  ASSERT_TRUE(Put(Workspace("w", "")).ok());
  ASSERT_TRUE(Put(Entity("w-bucket-s")).ok());
  PutResource("urn:1", "w", "s");
  ASSERT_EQ(Names().size(), 3u);
  EXPECT_EQ(Shown()["w-bucket-s"]["spec"]["type"], "bucket");
  EXPECT_EQ(Shown()["w-bucket-s"]["metadata"]["title"], "t") << "who was there first keeps it";
  // The name stays when the other goes: an address in the portal is not to change.
  const std::vector<std::string> before = Names();
  Remove("resource:default/w-bucket-s");
  PutResource("urn:1", "w", "s");
  EXPECT_THAT(Names(), ElementsAre("w", before[2]));
  // Two of one name.
  PutResource("urn:2", "w", "s");
  EXPECT_EQ(Names().size(), 3u);
  // The entity of a request goes before that of a resource, which gets another name.
  ASSERT_TRUE(Put(Entity("w-bucket-s", "mine")).ok());
  EXPECT_EQ(Shown()["w-bucket-s"]["metadata"]["title"], "mine");
  EXPECT_EQ(Names().size(), 4u);
}

TEST_F(InventoryTest, EnvironmentsAreThereWhileSomethingIsInThem) {
  ASSERT_TRUE(Put(Workspace("a", "production")).ok());
  ASSERT_TRUE(Put(Workspace("b", "production", "group:default/b")).ok());
  PutResource("urn:1", "a", "s");
  std::map<std::string, json> shown = Shown();
  ASSERT_THAT(Names(), ElementsAre("a", "a-bucket-s", "b", "environment-production"));
  EXPECT_EQ(shown["environment-production"]["spec"]["owner"], "group:default/a");
  const json in_it = {"resource:default/environment-production"};
  EXPECT_EQ(shown["a"]["spec"]["dependsOn"], in_it);
  EXPECT_EQ(shown["a-bucket-s"]["spec"]["dependsOn"], in_it);
  ASSERT_TRUE(Put(Workspace("a", "staging")).ok());
  EXPECT_THAT(Names(),
              ElementsAre("a", "a-bucket-s", "b", "environment-production", "environment-staging"));
  EXPECT_EQ(Shown()["a-bucket-s"]["spec"]["dependsOn"],
            json({"resource:default/environment-staging"}));
  Remove("resource:default/b");
  ASSERT_TRUE(Put(Workspace("a", "domain:default/prod")).ok());
  EXPECT_THAT(Names(), ElementsAre("a", "a-bucket-s"));
  EXPECT_EQ(Shown()["a"]["spec"]["dependsOn"], json({"domain:default/prod"}));
}

TEST_F(InventoryTest, WaitersWakeOnCommitStopAndTimeout) {
  const std::string position = inventory_->Changes("", 10)->position;
  std::atomic<bool> woken{false};
  std::thread follower([&] {
    inventory_->WaitForChanges(position, absl::InfiniteDuration(), {});
    woken = true;
  });
  ASSERT_TRUE(Put(Entity("a")).ok());
  follower.join();
  EXPECT_TRUE(woken);

  const std::string now = inventory_->Changes("", 10)->position;
  std::stop_source stop;
  std::thread stopped([&] { inventory_->WaitForChanges(now, absl::Hours(1), stop.get_token()); });
  stop.request_stop();
  stopped.join();
  inventory_->WaitForChanges(now, absl::Milliseconds(1), {});
}

}  // namespace
}  // namespace purser::inventory
