#include "costs/service.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHeader[] =
    "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,"
    "ServiceName,ResourceId,SubAccountId,Tags\n";

constexpr char kRules[] = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: teams, tag: team, entity: "group:default/{value}" }
)";

class FixedIndex final : public ResourceIndex {
 public:
  absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view resource_id) override {
    base::MutexLock lock(mutex_);
    const auto found = entities_.find(std::string(resource_id));
    if (found == entities_.end()) return std::nullopt;
    return found->second;
  }
  void Put(const std::string& id, const std::string& entity) {
    base::MutexLock lock(mutex_);
    entities_[id] = entity;
  }

 private:
  base::Mutex mutex_;
  std::map<std::string, std::string> entities_ ABSL_GUARDED_BY(mutex_);
};

class CostServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "costs-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    Start(kRules);
  }
  void TearDown() override {
    service_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Start(absl::string_view rules) {
    service_.reset();
    if (database_ == nullptr) {
      absl::StatusOr<std::unique_ptr<store::Database>> database =
          store::OpenSqlite({.path = folder_ + "/state.db"});
      ASSERT_TRUE(database.ok()) << database.status();
      database_ = *std::move(database);
    }
    absl::StatusOr<std::shared_ptr<const Allocation>> allocation =
        Allocation::Parse(rules, "rules.yaml");
    ASSERT_TRUE(allocation.ok()) << allocation.status();
    absl::StatusOr<std::unique_ptr<CostService>> service =
        CostService::Open({.database = database_.get(),
                           .resources = &index_,
                           .clock = &clock_,
                           .allocation = *allocation,
                           .quarantine_folder = folder_ + "/quarantine"});
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
  }

  std::string Write(const std::string& name, absl::string_view text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  absl::StatusOr<IngestReport> Ingest(const std::string& path, BadRows bad_rows = BadRows::kRefuse,
                                      const std::string& source = "cloud") {
    return service_->Ingest({.source = source, .paths = {path}, .bad_rows = bad_rows});
  }

  // "keys currency billed effective charges" per row.
  std::vector<std::string> Query(std::vector<Dimension> by, std::vector<Filter> filters = {},
                                 absl::CivilDay from = absl::CivilDay(2000, 1, 1),
                                 absl::CivilDay to = absl::CivilDay(2100, 1, 1)) {
    absl::StatusOr<QueryPage> page = service_->Query(
        {.from = from, .to = to, .group_by = std::move(by), .filters = std::move(filters)});
    if (!page.ok()) return {page.status().ToString()};
    std::vector<std::string> rows;
    for (const CostRow& row : page->rows) {
      std::string text;
      for (const std::string& key : row.keys) absl::StrAppend(&text, key, " ");
      rows.push_back(absl::StrCat(text, row.currency, " ", row.billed.ToString(), " ",
                                  row.effective.ToString(), " ", row.charges));
    }
    return rows;
  }

  std::string folder_;
  FixedIndex index_;
  // Behind all charges.
  base::FakeClock clock_{absl::FromCivil(absl::CivilDay(2028, 1, 1), absl::UTCTimeZone())};
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<CostService> service_;
};

std::string Row(absl::string_view billed, absl::string_view period, absl::string_view day,
                absl::string_view resource = "", absl::string_view team = "",
                absl::string_view currency = "USD") {
  return absl::StrCat(billed, ",", billed, ",", currency, ",", period, ",", day,
                      "T05:00:00Z,Usage,", "S3,", resource, ",42,",
                      team.empty() ? "" : absl::StrCat("\"{\"\"team\"\":\"\"", team, "\"\"}\""),
                      "\n");
}

TEST_F(CostServiceTest, ChargesArriveAtTheirEntities) {
  index_.Put("urn:1", "resource:default/workspace-a");
  const std::string path =
      Write("b.csv", absl::StrCat(kHeader, Row("0.1", "2026-11-01", "2026-11-02", "urn:1", "data"),
                                  Row("0.2", "2026-11-01", "2026-11-02", "urn:1"),
                                  Row("1E-18", "2026-11-01", "2026-11-03", "urn:2", "Data"),
                                  Row("-5", "2026-11-01", "2026-11-03"),
                                  Row("7", "2026-11-01", "2026-11-03", "urn:1", "", "EUR")));
  const absl::StatusOr<IngestReport> report = Ingest(path);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->unchanged);
  EXPECT_EQ(report->rows_read, 5);
  EXPECT_EQ(report->rows_stored, 5);
  ASSERT_EQ(report->totals.size(), 2u);
  EXPECT_EQ(report->totals[0].currency, "EUR");
  EXPECT_EQ(report->totals[1].billed.ToString(), "-4.699999999999999999");
  EXPECT_EQ(report->totals[1].allocated_billed.ToString(), "0.300000000000000001");
  EXPECT_THAT(Query({Dimension::kEntity}),
              ElementsAre("group:default/data USD 0.000000000000000001 0.000000000000000001 1",
                          "resource:default/workspace-a EUR 7 7 1",
                          "resource:default/workspace-a USD 0.3 0.3 2", "unallocated USD -5 -5 1"));
  EXPECT_THAT(Query({Dimension::kMonth, Dimension::kSource, Dimension::kChargeCategory},
                    {{Dimension::kEntity, {"Resource:default/Workspace-A"}},
                     {Dimension::kDay, {"2026-11-02", "2026-11-04"}}}),
              ElementsAre("2026-11 cloud Usage USD 0.3 0.3 2"));
  EXPECT_THAT(Query({}, {}, absl::CivilDay(2026, 11, 3), absl::CivilDay(2026, 11, 3)),
              ElementsAre("EUR 7 7 1", "USD -4.999999999999999999 -4.999999999999999999 2"));
}

TEST_F(CostServiceTest, TheSameContentIsStoredOnce) {
  const std::string text = absl::StrCat(kHeader, Row("1", "2026-11-01", "2026-11-02"),
                                        Row("1", "2026-11-01", "2026-11-02"));
  ASSERT_TRUE(Ingest(Write("a.csv", text)).ok());
  const absl::StatusOr<IngestReport> again = Ingest(Write("b.csv", text));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->unchanged);
  EXPECT_EQ(again->rows_read, 2);
  EXPECT_THAT(Query({}), ElementsAre("USD 2 2 2"));
  // Another source may deliver the same.
  ASSERT_FALSE(Ingest(Write("b.csv", text), BadRows::kRefuse, "other")->unchanged);
  EXPECT_THAT(Query({Dimension::kSource}), ElementsAre("cloud USD 2 2 2", "other USD 2 2 2"));
}

TEST_F(CostServiceTest, APeriodIsReplacedWholeAndOthersStay) {
  ASSERT_TRUE(Ingest(Write("10.csv", absl::StrCat(kHeader, Row("1", "2026-10-01", "2026-10-02"),
                                                  Row("2", "2026-10-01", "2026-10-03"))))
                  .ok());
  // The next month corrects a day of the one before: it adds to it, and goes with its own period.
  ASSERT_TRUE(Ingest(Write("11.csv", absl::StrCat(kHeader, Row("10", "2026-11-01", "2026-11-02"),
                                                  Row("-0.5", "2026-11-01", "2026-10-02"))))
                  .ok());
  EXPECT_THAT(
      Query({Dimension::kDay}),
      ElementsAre("2026-10-02 USD 0.5 0.5 2", "2026-10-03 USD 2 2 1", "2026-11-02 USD 10 10 1"));
  ASSERT_TRUE(
      Ingest(Write("11.csv", absl::StrCat(kHeader, Row("11", "2026-11-01", "2026-11-03")))).ok());
  EXPECT_THAT(Query({Dimension::kBillingPeriod, Dimension::kDay}),
              ElementsAre("2026-10-01 2026-10-02 USD 1 1 1", "2026-10-01 2026-10-03 USD 2 2 1",
                          "2026-11-01 2026-11-03 USD 11 11 1"));
  // Nothing delivered is not an empty month.
  const absl::StatusOr<IngestReport> empty = Ingest(Write("11.csv", kHeader));
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_THAT(empty->totals, IsEmpty());
  EXPECT_EQ(Query({}), std::vector<std::string>{"USD 14 14 3"});
}

TEST_F(CostServiceTest, ABadRowRefusesTheDelivery) {
  const std::string path =
      Write("b.csv", absl::StrCat(kHeader, Row("1", "2026-11-01", "2026-11-02"),
                                  Row("oops", "2026-11-01", "2026-11-02")));
  const absl::Status status = Ingest(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("b.csv:3: column BilledCost: value \"oops\""));
  EXPECT_THAT(status.message(), HasSubstr("nothing was stored"));
  EXPECT_THAT(Query({}), IsEmpty());
  // A cut file is refused whatever the policy: nobody knows what is missing.
  EXPECT_FALSE(
      Ingest(Write("c.csv", absl::StrCat(kHeader, "1,1,USD,\"2026-")), BadRows::kQuarantine).ok());
}

TEST_F(CostServiceTest, BadRowsAreSetAsideWithTheirMoney) {
  const std::string bad_tags =
      "4,4,USD,2026-11-01,2026-11-02,Usage,S3,,42,\"{\"\"team\"\": {}}\"\n";
  const std::string path =
      Write("b.csv", absl::StrCat(kHeader, Row("1", "2026-11-01", "2026-11-02"),
                                  Row("oops", "2026-11-01", "2026-11-02"),
                                  Row("2.5", "2026-11-01", "2026-99-02"), bad_tags, "1,2\n"));
  const absl::StatusOr<IngestReport> report = Ingest(path, BadRows::kQuarantine);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rows_read, 5);
  EXPECT_EQ(report->rows_stored, 1);
  EXPECT_EQ(report->rows_quarantined, 4);
  EXPECT_EQ(report->quarantined_without_money, 2);
  ASSERT_EQ(report->quarantined_money.size(), 1u);
  EXPECT_EQ(report->quarantined_money[0].billed.ToString(), "6.5");
  ASSERT_EQ(report->problems.size(), 4u);
  EXPECT_THAT(report->problems[2], HasSubstr("b.csv:5: column Tags: value \"{\"team\": {}}\""));
  std::ifstream file(report->quarantine_path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("purser_file,purser_line"));
  EXPECT_THAT(text.str(), HasSubstr(",6,5,"));
  EXPECT_THAT(text.str(), HasSubstr("\"1,2\"\n"));
  EXPECT_THAT(Query({}), ElementsAre("USD 1 1 1"));
  // No second side file for the same delivery.
  const absl::StatusOr<IngestReport> again = Ingest(path, BadRows::kQuarantine);
  EXPECT_TRUE(again->unchanged);
  EXPECT_EQ(again->rows_quarantined, 4);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/quarantine")) {
    EXPECT_THAT(entry.path().string(), HasSubstr("/quarantine/cloud-"));
    ++files;
  }
  EXPECT_EQ(files, 1);
}

TEST_F(CostServiceTest, WhatADeadProcessSetAsideGoes) {
  namespace fs = std::filesystem;
  const fs::path folder = folder_ + "/quarantine";
  fs::create_directories(folder);
  for (const char* const name : {".old-1.csv.new", ".young-1.csv.new", "kept-1.csv"}) {
    std::ofstream(folder / name) << "row";
    if (std::string(name) == ".young-1.csv.new") continue;
    fs::last_write_time(folder / name, fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  ASSERT_TRUE(Ingest(Write("b.csv", absl::StrCat(kHeader, "1,2\n")), BadRows::kQuarantine).ok());
  EXPECT_FALSE(fs::exists(folder / ".old-1.csv.new"));
  EXPECT_TRUE(fs::exists(folder / ".young-1.csv.new")) << "somebody may be writing it";
  EXPECT_TRUE(fs::exists(folder / "kept-1.csv"));
}

TEST_F(CostServiceTest, HistoryFollowsNewResourcesAndRules) {
  ASSERT_TRUE(
      Ingest(Write("b.csv", absl::StrCat(kHeader, Row("1", "2026-11-01", "2026-11-02", "urn:1"),
                                         Row("2", "2026-11-01", "2026-11-02", "urn:2", "a"))))
          .ok());
  EXPECT_THAT(Query({Dimension::kEntity}),
              ElementsAre("group:default/a USD 2 2 1", "unallocated USD 1 1 1"));
  index_.Put("urn:1", "resource:default/x");
  EXPECT_EQ(*service_->Reallocate(), 1);
  EXPECT_EQ(*service_->Reallocate(), 0);
  EXPECT_THAT(Query({Dimension::kEntity}),
              ElementsAre("group:default/a USD 2 2 1", "resource:default/x USD 1 1 1"));
  Start(absl::StrReplaceAll(kRules, {{"group:default", "group:other"}}));
  EXPECT_THAT(Query({Dimension::kEntity}),
              ElementsAre("group:other/a USD 2 2 1", "resource:default/x USD 1 1 1"));
}

TEST_F(CostServiceTest, ADeliveryMovesWhatOtherMonthsHoldOfItsResources) {
  const auto bill = [&](const std::string& month) {
    return Write(month + ".csv",
                 absl::StrCat(kHeader, Row("1", month + "-01", month + "-05", "urn:1")));
  };
  ASSERT_TRUE(Ingest(bill("2026-10")).ok());
  // Recorded, and delivered again before anybody asked to allocate anew.
  index_.Put("urn:1", "resource:default/x");
  ASSERT_TRUE(Ingest(bill("2026-11")).ok());
  EXPECT_THAT(
      Query({Dimension::kMonth, Dimension::kEntity}),
      ElementsAre("2026-10 resource:default/x USD 1 1 1", "2026-11 resource:default/x USD 1 1 1"));
  EXPECT_EQ(*service_->Reallocate(), 0);
}

TEST_F(CostServiceTest, SummariesCountBackFromTheDataUnlessToldOtherwise) {
  index_.Put("urn:1", "resource:default/x");
  std::string text = kHeader;
  for (int day = 1; day <= 31; ++day) {
    absl::StrAppend(&text,
                    Row("1", "2026-10-01", absl::StrCat("2026-10-", day < 10 ? "0" : "", day),
                        day < 31 ? "urn:1" : "urn:2"));
  }
  ASSERT_TRUE(Ingest(Write("10.csv", text)).ok());
  ASSERT_TRUE(Ingest(Write("x.csv", absl::StrCat(kHeader, Row("9", "2026-11-01", "2026-11-09"))),
                     BadRows::kRefuse, "not-charging-x")
                  .ok());
  absl::StatusOr<EntityCostSummary> summary = service_->EntitySummary({.entity_ref = "Resource:X"});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->entity_ref, "resource:default/x");
  EXPECT_TRUE(summary->to_is_last_day_with_data);
  EXPECT_EQ(*summary->to, absl::CivilDay(2026, 10, 31));
  EXPECT_EQ(*summary->from, absl::CivilDay(2026, 10, 2));
  ASSERT_EQ(summary->sources.size(), 1u);
  EXPECT_EQ(summary->sources[0].source, "cloud");
  ASSERT_EQ(summary->costs.size(), 1u);
  EXPECT_EQ(summary->costs[0].currency, "USD");
  EXPECT_EQ(summary->costs[0].billed.ToString(), "29");
  EXPECT_EQ(summary->costs[0].by_day.size(), 29u);
  EXPECT_EQ(summary->costs[0].by_day[0].keys[0], "2026-10-02");
  EXPECT_EQ(summary->costs[0].by_service.size(), 1u);

  summary = service_->EntitySummary(
      {.entity_ref = "resource:x", .days = 7, .as_of = absl::CivilDay(2026, 10, 7)});
  EXPECT_FALSE(summary->to_is_last_day_with_data);
  EXPECT_EQ(summary->costs[0].billed.ToString(), "7");
  summary = service_->EntitySummary({.entity_ref = "resource:unknown"});
  EXPECT_EQ(*summary->to, absl::CivilDay(2026, 11, 9));
  EXPECT_THAT(summary->costs, IsEmpty());
  EXPECT_EQ(service_->EntitySummary({.entity_ref = ""}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(service_->EntitySummary({.entity_ref = "resource:x", .days = 401}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(CostServiceTest, PagesGoOnWhereTheLastEnded) {
  std::string text = kHeader;
  for (int i = 10; i < 40; ++i) {
    absl::StrAppend(&text, Row("1", "2026-11-01", "2026-11-02", "", absl::StrCat("t", i)));
  }
  ASSERT_TRUE(Ingest(Write("b.csv", text)).ok());
  QueryRequest request{.from = absl::CivilDay(2026, 11, 1),
                       .to = absl::CivilDay(2026, 11, 30),
                       .group_by = {Dimension::kEntity},
                       .page_size = 7};
  std::vector<std::string> seen;
  do {
    const absl::StatusOr<QueryPage> page = service_->Query(request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const CostRow& row : page->rows) seen.push_back(row.keys[0]);
    request.page_token = page->next_page_token;
    ASSERT_LE(seen.size(), 30u);
  } while (!request.page_token.empty());
  EXPECT_EQ(seen.size(), 30u);
  EXPECT_EQ(seen[29], "group:default/t39");

  for (const char* token : {"x", "e30", "!!"}) {
    request.page_token = token;
    EXPECT_EQ(service_->Query(request).status().code(), absl::StatusCode::kInvalidArgument);
  }
  request.page_token = "";
  const std::string first = service_->Query(request)->next_page_token;
  request.to = absl::CivilDay(2026, 11, 29);
  request.page_token = first;
  EXPECT_EQ(service_->Query(request).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseDimension("colour").status().message(),
            "unknown dimension \"colour\"; known are day, month, entity, service, source, "
            "charge_category, billing_period, owner, group, system, domain, product, "
            "environment, region, sku, kind, account, invoice, pool");
}

TEST_F(CostServiceTest, AnswersAreOldOrNewWhileAPeriodIsReplaced) {
  const auto text = [](int version) {
    std::string rows = kHeader;
    for (int i = 0; i < 200; ++i) {
      absl::StrAppend(&rows,
                      Row(absl::StrCat(version), "2026-11-01", "2026-11-02", absl::StrCat("r", i)));
    }
    return rows;
  };
  const std::string one = Write("1.csv", text(1));
  const std::string two = Write("2.csv", text(2));
  ASSERT_TRUE(Ingest(one).ok());
  std::thread writer([&] {
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(Ingest(i % 2 == 0 ? two : one).ok());
  });
  for (int i = 0; i < 40; ++i) {
    const std::vector<std::string> rows = Query({});
    EXPECT_TRUE(rows == std::vector<std::string>{"USD 200 200 200"} ||
                rows == std::vector<std::string>{"USD 400 400 200"})
        << rows[0];
  }
  writer.join();
}

// Killed at any moment of an ingest, the store holds the old period or the new one.
TEST_F(CostServiceTest, AKillLeavesTheOldOrTheNewPeriod) {
  std::string large = kHeader;
  for (int i = 0; i < 3000; ++i) {
    absl::StrAppend(&large, Row("2", "2026-11-01", "2026-11-02", absl::StrCat("r", i)));
  }
  const std::string old_path =
      Write("old.csv", absl::StrCat(kHeader, Row("1", "2026-11-01", "2026-11-02")));
  const std::string new_path = Write("new.csv", large);
  ASSERT_TRUE(Ingest(old_path).ok());
  for (int round = 0; round < 8; ++round) {
    service_.reset();
    database_.reset();
    const pid_t child = fork();
    if (child == 0) {
      Start(kRules);
      _exit(Ingest(new_path).ok() && Ingest(old_path).ok() ? 0 : 1);
    }
    usleep(10'000 * round);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    Start(kRules);
    const std::vector<std::string> rows = Query({});
    EXPECT_TRUE(rows == std::vector<std::string>{"USD 1 1 1"} ||
                rows == std::vector<std::string>{"USD 6000 6000 3000"})
        << rows[0];
  }
}

TEST_F(CostServiceTest, RequestsAreChecked) {
  const std::string path = Write("b.csv", kHeader);
  for (const char* source : {"", "Cloud", "a b", "../x"}) {
    EXPECT_EQ(Ingest(path, BadRows::kRefuse, source).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(Ingest(folder_ + "/missing.csv").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(service_->Ingest({.source = "a"}).status().code(), absl::StatusCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  const std::string full =
      Write("f.csv", absl::StrCat(kHeader, Row("1", "2026-11-01", "2026-11-02")));
  EXPECT_EQ(
      service_->Ingest({.source = "a", .paths = {full}, .stop = stop.get_token()}).status().code(),
      absl::StatusCode::kCancelled);
  EXPECT_THAT(Query({}), IsEmpty());
  EXPECT_THAT(Query({}, {{Dimension::kDay, {}}})[0], HasSubstr("has no values"));
  EXPECT_THAT(Query({Dimension::kDay, Dimension::kDay})[0], HasSubstr("twice"));
  EXPECT_THAT(Query({}, {}, absl::CivilDay(2026, 2, 2), absl::CivilDay(2026, 2, 1))[0],
              HasSubstr("before the first"));
}

// Our own file with what clouds do to theirs, plain and packed; sums counted by hand.
TEST_F(CostServiceTest, TheOddFixture) {
  const std::string path = PURSER_SOURCE_DIR "/native/costs/testdata/oddities.csv";
  const absl::StatusOr<IngestReport> report = Ingest(path);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rows_read, 6);
  EXPECT_EQ(report->rounded_numbers, 1);
  EXPECT_THAT(Query({Dimension::kEntity, Dimension::kBillingPeriod}),
              ElementsAre("group:default/data 2026-10-01 EUR 3.5 3.25 1",
                          "group:default/data 2026-10-01 USD 1.00000000000612345 0.5 2",
                          "unallocated 2026-10-01 USD -0.75 -0.75 1",
                          "unallocated 2026-11-01 USD 12.000000097379661922 0 2"));
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  const std::string packed = folder_ + "/oddities.csv.gz";
  gzFile out = gzopen(packed.c_str(), "wb");
  ASSERT_GT(gzwrite(out, text.str().data(), static_cast<unsigned>(text.str().size())), 0);
  gzclose(out);
  const absl::StatusOr<IngestReport> again = Ingest(packed, BadRows::kRefuse, "packed");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Query({}, {{Dimension::kSource, {"packed"}}}),
            Query({}, {{Dimension::kSource, {"cloud"}}}));
}

// The published sample of real bills; totals computed apart from this program.
TEST_F(CostServiceTest, ThePublishedSample) {
  const char* shared = getenv("PURSER_SHARED");
  const std::string path = absl::StrCat(shared != nullptr ? shared : PURSER_SOURCE_DIR "/../shared",
                                        "/data/focus/focus_sample.csv");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "SKIP " << path << " is not there";
  Start(absl::StrReplaceAll(kRules, {{"tag: team", "tag: business_unit"}}));
  const absl::StatusOr<IngestReport> report = Ingest(path);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->rows_read, 1000);
  ASSERT_EQ(report->totals.size(), 2u);
  EXPECT_EQ(report->totals[0].billed.ToString(), "20.28022672899");
  EXPECT_EQ(report->totals[0].effective.ToString(), "14.97651418586");
  EXPECT_EQ(report->totals[0].charges, 999);
  EXPECT_EQ(report->totals[1].billed.ToString(), "0.24");
  EXPECT_EQ(report->totals[1].effective.ToString(), "0");
  EXPECT_EQ(Query({Dimension::kService}).size(), 33u);
  EXPECT_EQ(Query({Dimension::kDay}).size(), 30u);
  EXPECT_THAT(Query({}, {{Dimension::kService, {"Amazon Elastic Compute Cloud"}}})[0],
              HasSubstr("USD 16.0416930505 "));
  EXPECT_THAT(Query({}, {{Dimension::kDay, {"2024-09-18"}}})[0], HasSubstr("USD 2.2879143997 "));
  EXPECT_THAT(Query({}, {{Dimension::kEntity, {"group:default/peoriadata"}}})[0],
              ::testing::AllOf(HasSubstr("USD 15.9580993182 "), HasSubstr(" 176")));
}

}  // namespace
}  // namespace purser::costs
