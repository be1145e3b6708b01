#include "catalog-providers/cluster_ledger.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

MappedEntity Entity(const char* name, const char* title, int64_t rank = 0, bool shared = false) {
  return {{{"kind", "Resource"}, {"metadata", {{"name", name}, {"title", title}}}}, rank, shared};
}

// Calls a ledger and writes down what it says.
class LedgerTest : public ::testing::Test {
 protected:
  std::vector<std::string> Put(const char* partition, const char* key,
                               std::vector<MappedEntity> entities) {
    std::vector<ClusterLedger::Change> changes;
    ledger_.Put(partition, key, 1, std::move(entities), &changes);
    return Words(changes);
  }
  std::vector<std::string> Delete(const char* key) {
    std::vector<ClusterLedger::Change> changes;
    ledger_.Delete(key, &changes);
    return Words(changes);
  }
  static std::vector<std::string> Words(const std::vector<ClusterLedger::Change>& changes) {
    std::vector<std::string> words;
    for (const ClusterLedger::Change& change : changes) {
      const std::string title =
          change.entity == nullptr
              ? ""
              : absl::StrCat("=", (*change.entity)["metadata"]["title"].get<std::string>());
      words.push_back(absl::StrCat(change.action == ClusterLedger::Action::kEmit     ? "emit "
                                   : change.action == ClusterLedger::Action::kRemove ? "remove "
                                                                                     : "move ",
                                   change.ref.substr(change.ref.find('/') + 1), title, "@",
                                   change.partition));
    }
    return words;
  }
  ClusterLedger ledger_;
};

TEST_F(LedgerTest, AnObjectStandsForWhatItLastSaid) {
  EXPECT_THAT(Put("p", "k", {Entity("a", "1"), Entity("b", "1"), Entity("a", "again")}),
              ElementsAre("emit a=1@p", "emit b=1@p"));
  EXPECT_THAT(Put("p", "k", {Entity("b", "2"), Entity("c", "2")}),
              ElementsAre("emit b=2@p", "emit c=2@p", "remove a@p"));
  EXPECT_THAT(Put("p", "k", {}), ElementsAre("remove b@p", "remove c@p"));
  EXPECT_THAT(Delete("k"), IsEmpty());
  EXPECT_THAT(Delete("unknown"), IsEmpty());
}

TEST_F(LedgerTest, TheHighestRankThenTheFirstKeyIsShown) {
  EXPECT_THAT(Put("p", "k2", {Entity("a", "two", 2, true)}), ElementsAre("emit a=two@p"));
  EXPECT_THAT(Put("p", "k1", {Entity("a", "one", 1, true)}), IsEmpty());
  EXPECT_THAT(Put("p", "k3", {Entity("a", "three", 3, true)}), ElementsAre("emit a=three@p"));
  EXPECT_THAT(Put("p", "k3", {Entity("a", "fallen", 0, true)}), ElementsAre("emit a=two@p"));
  EXPECT_THAT(Delete("k2"), ElementsAre("emit a=one@p"));
  EXPECT_THAT(Delete("k3"), IsEmpty());
  EXPECT_THAT(Put("p", "k0", {Entity("a", "zero", 1, true)}), ElementsAre("emit a=zero@p"));
  EXPECT_THAT(Delete("k0"), ElementsAre("emit a=one@p"));
  EXPECT_THAT(Delete("k1"), ElementsAre("remove a@p"));
}

TEST_F(LedgerTest, ARefThatChangesItsPartitionIsMoved) {
  EXPECT_THAT(Put("p", "k2", {Entity("a", "p", 0, true)}), ElementsAre("emit a=p@p"));
  EXPECT_THAT(Put("q", "k1", {Entity("a", "q", 0, true)}), ElementsAre("move a@p", "emit a=q@q"));
  EXPECT_THAT(Delete("k1"), ElementsAre("move a@q", "emit a=p@p"));
}

TEST_F(LedgerTest, OneThatWasAloneIsNotKeptInMemory) {
  EXPECT_THAT(Put("p", "k2", {Entity("a", "old")}), ElementsAre("emit a=old@p"));
  EXPECT_THAT(Put("p", "k1", {Entity("a", "new")}), ElementsAre("emit a=new@p"));
  // What the first said is not known any more; it comes back with its next change or list.
  EXPECT_THAT(Delete("k1"), ElementsAre("remove a@p"));
  EXPECT_THAT(Put("p", "k2", {Entity("a", "said again")}), ElementsAre("emit a=said again@p"));
}

TEST_F(LedgerTest, ListsShowWhatIsMissing) {
  Put("p", "k1", {Entity("a", "1")});
  Put("p", "k2", {Entity("b", "1")});
  Put("q", "k3", {Entity("c", "1")});
  ledger_.Touch("k1", 2);
  ledger_.Touch("unknown", 2);
  EXPECT_THAT(ledger_.Missing("p", 2), ElementsAre("k2"));
  EXPECT_THAT(ledger_.Missing("q", 1), IsEmpty());
}

}  // namespace
}  // namespace purser::catalog_providers
