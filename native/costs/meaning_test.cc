// Splits, facts, rankings, allocation of months against a slow exact reference.
#include <algorithm>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "costs/currencies.h"
#include "costs/decisions.h"
#include "costs/entity_graph.h"
#include "costs/facts.h"
#include "costs/metrics.h"
#include "costs/month_allocator.h"
#include "costs/split.h"
#include "costs/testing/no_resources.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

base::Decimal D(absl::string_view text) { return *base::Decimal::Parse(text); }

std::vector<std::string> Texts(const std::vector<base::Decimal>& amounts) {
  std::vector<std::string> texts;
  for (const base::Decimal amount : amounts) texts.push_back(amount.ToString());
  return texts;
}

TEST(SplitTest, PartsAddUpByLargestRemainder) {
  EXPECT_THAT(Texts(SplitExactly(D("1"), {D("1"), D("1"), D("1")})),
              ElementsAre("0.333333333333333334", "0.333333333333333333", "0.333333333333333333"));
  EXPECT_THAT(
      Texts(SplitExactly(D("-1"), {D("1"), D("1"), D("1")})),
      ElementsAre("-0.333333333333333334", "-0.333333333333333333", "-0.333333333333333333"));
  EXPECT_THAT(Texts(SplitExactly(D("0.000000000000000005"), {D("3"), D("0"), D("-4"), D("1")})),
              ElementsAre("0.000000000000000004", "0", "0", "0.000000000000000001"));
  EXPECT_THAT(SplitExactly(D("1"), {D("0"), D("-1")}), IsEmpty());
  EXPECT_THAT(SplitExactly(D("1"), {}), IsEmpty());
  // Neither the largest amounts nor the largest weights overflow.
  const base::Decimal large = D("170141183460469231731");
  EXPECT_THAT(Texts(SplitExactly(large, {large, large})),
              ElementsAre("85070591730234615865.5", "85070591730234615865.5"));
}

TEST(SplitTest, RandomPartsAddUp) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 10'000; ++round) {
    std::vector<base::Decimal> weights(1 + random() % 20);
    for (base::Decimal& weight : weights) {
      weight = base::Decimal::FromUnits(static_cast<__int128>(random()) * (random() % 3));
    }
    const __int128 units = static_cast<__int128>(random()) * static_cast<int64_t>(random() >> 40);
    const base::Decimal amount = base::Decimal::FromUnits(random() % 2 == 0 ? units : -units);
    const std::vector<base::Decimal> parts = SplitExactly(amount, weights);
    __int128 sum = 0, weight_sum = 0;
    for (const base::Decimal weight : weights) weight_sum += weight.units();
    if (weight_sum == 0) {
      ASSERT_THAT(parts, IsEmpty());
      continue;
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      sum += parts[i].units();
      ASSERT_TRUE(!weights[i].IsZero() || parts[i].IsZero());
      ASSERT_TRUE(parts[i].IsZero() || parts[i].IsNegative() == amount.IsNegative());
    }
    ASSERT_TRUE(sum == amount.units()) << round;
  }
}

TEST(SplitTest, QuotientsAndPercents) {
  base::Decimal out;
  ASSERT_TRUE(Divide(D("1"), D("3"), &out));
  EXPECT_EQ(out.ToString(), "0.333333333333333333");
  ASSERT_TRUE(Divide(D("-2"), D("3"), &out));
  EXPECT_EQ(out.ToString(), "-0.666666666666666667");
  ASSERT_TRUE(Divide(D("170141183460469231731"), D("170141183460469231731"), &out));
  EXPECT_EQ(out.ToString(), "1");
  EXPECT_FALSE(Divide(D("1"), D("0"), &out));
  EXPECT_FALSE(Divide(D("170141183460469231731"), D("0.5"), &out));
  EXPECT_EQ(Percent(D("1"), D("3")).ToString(), "33.33");
  EXPECT_EQ(Percent(D("0"), D("0")).ToString(), "100");
  EXPECT_EQ(Percent(D("1"), D("0")).ToString(), "0");
}

TEST(FactsTest, ComeBackAsTheyWere) {
  std::mt19937_64 random(2);
  std::vector<Fact> facts;
  for (int i = 0; i < 1'000; ++i) {
    const auto amount = [&] {
      switch (random() % 4) {
        case 0:
          return base::Decimal();
        case 1:
          return base::Decimal::FromUnits(-static_cast<__int128>(random()));
        case 2:
          return base::Decimal::FromUnits(static_cast<__int128>(random()) << (random() % 60));
        default:
          return D("1.5");
      }
    };
    Fact fact{static_cast<uint32_t>(random() % 300),
              static_cast<uint32_t>(random() % 300),
              static_cast<int>(1 + random() % 31),
              {amount(), amount(), amount(), amount(), static_cast<int64_t>(random() % 1000)}};
    if (random() % 2 == 0) fact.sums.effective = fact.sums.billed;
    facts.push_back(fact);
  }
  ASSERT_TRUE(Normalise(facts).ok());
  const std::string bytes = EncodeFacts(facts);
  std::vector<Fact> back;
  ASSERT_TRUE(DecodeFacts(bytes, [&](const Fact& fact) { back.push_back(fact); }).ok());
  ASSERT_EQ(back.size(), facts.size());
  for (size_t i = 0; i < facts.size(); ++i) {
    EXPECT_EQ(back[i].key(), facts[i].key());
    EXPECT_EQ(back[i].sums, facts[i].sums);
  }
  // A cut text is noticed or ends between two facts; it never reads beyond its end.
  for (size_t size = 0; size < bytes.size(); size += 7) {
    size_t count = 0;
    const absl::Status status =
        DecodeFacts(absl::string_view(bytes).substr(0, size), [&](const Fact&) { ++count; });
    EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kDataLoss);
    EXPECT_LE(count, facts.size());
  }
  EXPECT_EQ(NextMonth(202612), 202701);
  EXPECT_EQ(DayOf(202602, 28), absl::CivilDay(2026, 2, 28));
}

TEST(FactsTest, KindsAreFocus) {
  EXPECT_EQ(KindOf("Usage", "", "Used", false), "commitment-used");
  EXPECT_EQ(KindOf("Usage", "", "Unused", false), "commitment-unused");
  EXPECT_EQ(KindOf("Usage", "Correction", "", true), "refund");
  EXPECT_EQ(KindOf("Tax", "Correction", "", false), "correction");
  EXPECT_EQ(KindOf("Tax", "", "", false), "tax");
  EXPECT_EQ(KindOf("Credit", "", "", true), "credit");
  EXPECT_EQ(KindOf("Purchase", "", "", false), "purchase");
  EXPECT_EQ(KindOf("Adjustment", "", "", false), "adjustment");
  EXPECT_EQ(KindOf("Usage", "", "", true), "usage");
}

TEST(EntityGraphTest, CostsClimbToParents) {
  const auto graph = EntityGraph::Parse(R"(
entities:
  - { ref: Component:default/Shop, owner: group:web, system: system:store, environment: prod }
  - { ref: component:default/cart, system: system:default/store }
  - { ref: system:default/store, owner: group:default/web, domain: domain:default/sales, product: shop }
  - { ref: domain:default/sales, domain: domain:default/business }
  - { ref: group:default/web, parent: group:default/engineering }
  - { ref: group:default/engineering, parent: group:default/web }
)",
                                        "graph.yaml");
  ASSERT_TRUE(graph.ok()) << graph.status();
  const Ancestry shop = (*graph)->Of("component:default/shop");
  EXPECT_EQ(shop.owner, "group:default/web");
  // A circle of groups ends.
  EXPECT_THAT(shop.groups, ElementsAre("group:default/web", "group:default/engineering"));
  EXPECT_THAT(shop.domains, ElementsAre("domain:default/sales", "domain:default/business"));
  EXPECT_EQ(shop.product, "shop");
  EXPECT_EQ(shop.environment, "prod");
  // What an entity does not say, its system says.
  EXPECT_EQ((*graph)->Of("component:default/cart").owner, "group:default/web");
  EXPECT_EQ((*graph)->Of("group:default/web").owner, "group:default/web");
  EXPECT_THAT((*graph)->Of("component:default/unknown").groups, IsEmpty());
  EXPECT_THAT(EntityGraph::Parse("entities: [{ref: x}]", "g.yaml").status().message(),
              HasSubstr("g.yaml"));
}

TEST(RatesTest, ConvertAtTheDaysRate) {
  const auto rates = Rates::Parse(
      "day,from,to,rate\n2026-11-02,EUR,USD,1.25\n2026-11-06,EUR,USD,1.5\n2026-11-02,EUR,GBP,0.8\n",
      "rates.csv");
  ASSERT_TRUE(rates.ok()) << rates.status();
  const auto convert = [&](const char* amount, const char* from, const char* to, int day) {
    const auto converted = (*rates)->Convert(D(amount), from, to, absl::CivilDay(2026, 11, day));
    return converted.ok() ? converted->ToString() : std::string(converted.status().message());
  };
  EXPECT_EQ(convert("10", "EUR", "USD", 5), "12.5");  // the last one known
  EXPECT_EQ(convert("10", "EUR", "USD", 6), "15");
  EXPECT_EQ(convert("10", "USD", "EUR", 3), "8");    // the inverse
  EXPECT_EQ(convert("10", "USD", "GBP", 3), "6.4");  // over EUR
  EXPECT_EQ(convert("10", "USD", "USD", 1), "10");
  EXPECT_THAT(convert("10", "EUR", "USD", 1), HasSubstr("no rate from EUR to USD for 2026-11-01"));
  EXPECT_THAT(convert("10", "EUR", "USD", 17), HasSubstr("10 days before"));  // too old
  EXPECT_THAT(Rates::Parse("day,from,to,rate\n2026-11-02,EUR,USD,0\n", "r.csv").status().message(),
              HasSubstr("r.csv:2: rate: must be above 0"));
}

// --- Random months: whatever the rules, what is given out is what came in. -----------------------

constexpr char kRules[] = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: t, tag: team, entity: "group:default/{value}" }
  pools:
    - { name: even, split: even }
    - { name: prop, split: proportional, measure: billed }
    - { name: kinds, split: proportional, among: { kinds: [group] } }
    - { name: fixed, split: fixed, shares: { "component:default/c1": 33.3, "component:default/x": 10 } }
    - { name: usage, split: metric, metric: cpu, capacity: capacity }
    - { name: nobody, split: even, among: { kinds: [api] } }
)";

absl::Status Finish(MonthAllocator& allocator, const MonthAllocator::OnNode& on_node) {
  const absl::Status split = allocator.Split();
  return split.ok() ? allocator.RollUp(on_node) : split;
}

TEST(MonthAllocatorTest, RandomHistoriesAddUpExactly) {
  const auto rules = Allocation::Parse(kRules, "rules.yaml");
  ASSERT_TRUE(rules.ok()) << rules.status();
  const auto graph = EntityGraph::Create(
      {{.ref = "component:default/c0", .owner = "group:default/a", .system = "system:default/s"},
       {.ref = "group:default/a", .parent = "group:default/b"},
       {.ref = "system:default/s", .domain = "domain:default/d"}});
  ASSERT_TRUE(graph.ok());
  const std::vector<std::string> refs = {
      "component:default/c0", "component:default/c1", "component:default/c2", "group:default/g",
      "unallocated",          "shared:even",          "shared:prop",          "shared:kinds",
      "shared:fixed",         "shared:usage",         "shared:nobody"};
  std::mt19937_64 random(3);
  for (int round = 0; round < 10'000; ++round) {
    MetricSums metrics;
    metrics["cpu"]["component:default/c0"] = base::Decimal::FromInteger(random() % 5);
    metrics["cpu"]["component:default/c2"] = base::Decimal::FromInteger(random() % 5);
    metrics["capacity"]["shared:usage"] = base::Decimal::FromInteger(random() % 12);
    Numbers numbers;
    MonthAllocator allocator(**rules, **graph, metrics, numbers);
    Measures all;
    const int facts = 1 + static_cast<int>(random() % 12);
    for (int i = 0; i < facts; ++i) {
      Fact fact;
      fact.item = numbers.items.NumberOf({random() % 2 == 0 ? "compute" : "network", "r", "s",
                                          "Usage", "usage", random() % 3 == 0 ? "EUR" : "USD", ""});
      fact.bill = numbers.bills.NumberOf(
          {"cloud", absl::CivilDay(2026, 11, 1), "1", random() % 2 == 0 ? "inv-1" : "inv-2"});
      fact.day = static_cast<int>(1 + random() % 30);
      const __int128 units = static_cast<__int128>(random() % 1'000'000'007) *
                             static_cast<__int128>(1 + random() % 1'000'003);
      fact.sums.billed = base::Decimal::FromUnits(random() % 5 == 0 ? -units : units);
      fact.sums.effective = random() % 2 == 0 ? fact.sums.billed : base::Decimal();
      fact.sums.charges = static_cast<int64_t>(random() % 7);
      ASSERT_TRUE(all.Add(fact.sums).ok());
      allocator.Add(allocator.PlaceOf(refs[random() % refs.size()]), fact);
    }
    Measures total, entities, owners, systems;
    const absl::Status status =
        Finish(allocator, [&](uint32_t node, const std::vector<Fact>& of_node) -> absl::Status {
          const Node& what = numbers.nodes[node];
          for (const Fact& fact : of_node) {
            Measures* sum = what.kind == NodeKind::kTotal    ? &total
                            : what.kind == NodeKind::kEntity ? &entities
                            : what.kind == NodeKind::kOwner  ? &owners
                            : what.kind == NodeKind::kSystem ? &systems
                                                             : nullptr;
            if (sum != nullptr && !sum->Add(fact.sums).ok()) return absl::InternalError("sum");
            // Nothing idle is below what was billed for it, nor above.
            if (what.name == "idle:usage" && fact.sums.billed.IsNegative() &&
                !all.billed.IsNegative() && facts == 1) {
              return absl::InternalError("idle below zero");
            }
          }
          return absl::OkStatus();
        });
    ASSERT_TRUE(status.ok()) << status << " in round " << round;
    ASSERT_EQ(entities, all) << round;
    ASSERT_EQ(total, all) << round;
    ASSERT_EQ(owners, all) << round;
    ASSERT_EQ(systems, all) << round;
  }
}

TEST(MonthAllocatorTest, ARuleThatMakesEntitiesOfEverythingIsTold) {
  const auto allocation = Allocation::Default();
  const auto graph = EntityGraph::Empty();
  const MetricSums metrics;
  Numbers numbers;
  MonthAllocator allocator(*allocation, *graph, metrics, numbers);
  for (size_t i = 0; i <= kMaxMonthEntities; ++i) {
    allocator.PlaceOf(absl::StrCat("component:default/request-", i));
  }
  const absl::Status status = allocator.Split();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("like component:default/request-1000000: does a rule"));
}

TEST(DecisionsTest, OfSubjectsWithManyItemsStandOnce) {
  const auto allocation = Allocation::Parse(R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: db, match: { ServiceName: RDS }, entity: component:default/db }
    - { name: all, column: SubAccountId, entity: "component:default/{value}" }
)",
                                            "rules.yaml");
  ASSERT_TRUE(allocation.ok()) << allocation.status();
  costs::testing::NoResources resources;
  Numbering<ChargeItem> items;
  for (const char* service : {"EC2", "S3", "RDS"}) {
    items.NumberOf({service, "", "", "Usage", "usage", "USD", ""});
  }
  const Tags tags;
  DecidedSubjects decided;
  const std::set<uint32_t> item_sets[] = {{0}, {0, 1}, {0, 1, 2}, {2}};
  for (const std::set<uint32_t>& of : item_sets) {
    ASSERT_TRUE(
        decided.Add(*Decisions::Make(**allocation, resources, {"", "a", &tags}, of, items)).ok());
  }
  for (uint32_t subject = 0; subject < 4; ++subject) {
    const auto made =
        Decisions::Make(**allocation, resources, {"", "a", &tags}, item_sets[subject], items);
    EXPECT_EQ(decided.Of(subject, item_sets[subject])->ToText(), made->ToText()) << subject;
  }
  EXPECT_EQ(decided.Of(2, item_sets[2])->Of(2).entity_ref, "component:default/db");
  EXPECT_EQ(decided.Of(2, item_sets[2])->Of(1).entity_ref, "component:default/a");
}

TEST(MonthAllocatorTest, SplitsGiveWhatTheySay) {
  const auto rules = Allocation::Parse(kRules, "rules.yaml");
  ASSERT_TRUE(rules.ok());
  const auto split = [&](const std::string& pool, const char* amount, MetricSums metrics) {
    Numbers numbers;
    const std::shared_ptr<const EntityGraph> nobody = EntityGraph::Empty();
    MonthAllocator allocator(**rules, *nobody, metrics, numbers);
    const auto add = [&](const std::string& ref, const char* billed) {
      Fact fact;
      fact.item = numbers.items.NumberOf({"s", "", "", "Usage", "usage", "USD", ""});
      fact.day = 1;
      fact.sums.billed = D(billed);
      fact.sums.effective = D(billed);
      fact.sums.charges = 1;
      allocator.Add(allocator.PlaceOf(ref), fact);
    };
    add("component:default/c0", "30");
    add("component:default/c1", "10");
    add("group:default/g", "-5");
    add("shared:" + pool, amount);
    std::vector<std::string> got;
    const absl::Status status =
        Finish(allocator, [&](uint32_t node, const std::vector<Fact>& facts) -> absl::Status {
          if (numbers.nodes[node].kind != NodeKind::kEntity) return absl::OkStatus();
          for (const Fact& fact : facts) {
            if (numbers.items[fact.item].pool != pool) continue;
            got.push_back(absl::StrCat(numbers.nodes[node].name, " ", fact.sums.billed.ToString()));
          }
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    std::sort(got.begin(), got.end());
    return got;
  };
  EXPECT_THAT(split("even", "9", {}),
              ElementsAre("component:default/c0 3", "component:default/c1 3", "group:default/g 3"));
  // What somebody gets back does not make a negative weight.
  EXPECT_THAT(split("prop", "8", {}),
              ElementsAre("component:default/c0 6", "component:default/c1 2"));
  EXPECT_THAT(split("fixed", "10", {}), ElementsAre("component:default/c1 3.33",
                                                    "component:default/x 1", "shared:fixed 5.67"));
  EXPECT_THAT(split("nobody", "10", {}), ElementsAre("shared:nobody 10"));
  const MetricSums some = {
      {"cpu", {{"component:default/c0", D("2")}, {"component:default/c2", D("1")}}},
      {"capacity", {{"shared:usage", D("10")}}}};
  EXPECT_THAT(split("usage", "10", some),
              ElementsAre("component:default/c0 2", "component:default/c2 1", "idle:usage 7"));
  // Used beyond what there was: nothing is idle, never less.
  const MetricSums much = {
      {"cpu", {{"component:default/c0", D("15")}, {"component:default/c2", D("5")}}},
      {"capacity", {{"shared:usage", D("10")}}}};
  EXPECT_THAT(split("usage", "10", much),
              ElementsAre("component:default/c0 7.5", "component:default/c2 2.5"));
}

}  // namespace
}  // namespace purser::costs
