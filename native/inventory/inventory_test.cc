#include "inventory/inventory.h"

#include <atomic>
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
  // Another source that tells of the same entity waits; the inventory shows its own in any case.
  const int64_t other = inventory_->log().Register("kubernetes/a")->id;
  provider::LogWrite write;
  write.ref = "resource:default/b";
  write.body = "{}";
  write.hash = "h";
  ASSERT_TRUE(inventory_->log().Append(other, "", {write}).ok());
  ASSERT_TRUE(Put(Entity("b")).ok());
  EXPECT_EQ(inventory_->log().Find(kLogName).value()->entities, 2);
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
