// Deliveries of buckets, folders and URLs: what is complete and changed is read, once.
#include "costs/sources/fetching_source.h"

#include <filesystem>
#include <fstream>

#include "base/rng.h"
#include "costs/engine.h"
#include "costs/sources/aws_signature.h"
#include "costs/testing/cost_fixture.h"
#include "costs/testing/fake_bucket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "http/retry.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPartition[] = "exports/focus/data/BILLING_PERIOD=2026-11/";
constexpr char kManifest[] = "exports/focus/metadata/BILLING_PERIOD=2026-11/focus-Manifest.json";

// Published by AWS in its examples of signed requests to S3.
TEST(AwsSignatureTest, SignsAsPublished) {
  const AwsCredentials credentials{"AKIAIOSFODNN7EXAMPLE",
                                   "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
  const absl::Time at = absl::FromCivil(absl::CivilSecond(2013, 5, 24), absl::UTCTimeZone());
  http::Request get{.url = "https://examplebucket.s3.amazonaws.com/test.txt",
                    .headers = {{"Range", "bytes=0-9"}}};
  ASSERT_TRUE(SignAws(credentials, "us-east-1", "s3", at, get).ok());
  EXPECT_EQ(http::FindHeader(get.headers, "Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  http::Request list{.url = "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J"};
  ASSERT_TRUE(SignAws(credentials, "us-east-1", "s3", at, list).ok());
  EXPECT_THAT(
      std::string(http::FindHeader(list.headers, "Authorization")),
      HasSubstr("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(DeliveryFinderTest, TellsDeliveriesByNames) {
  const absl::Time early = absl::FromUnixSeconds(100), late = absl::FromUnixSeconds(200);
  const std::vector<ObjectInfo> objects = {
      {"e/20261001-20261031/202610100000/a/manifest.json", 1, "1", early},
      {"e/20261001-20261031/202610110000/b/manifest.json", 1, "2", late},
      {"e/20261101-20261130/202611010000/c/manifest.json", 1, "3", early},
      {"e/data/BILLING_PERIOD=2026-11/x.csv.gz", 1, "4", early},
      {"e/metadata/BILLING_PERIOD=2026-11/x-Manifest.json", 1, "5", late}};
  std::vector<std::string> found;
  for (const FoundDelivery& delivery : FindDeliveries(objects, {.prefix = "e/"})) {
    found.push_back(delivery.name + " " + delivery.manifest->etag);
  }
  EXPECT_THAT(found, ElementsAre("20261001-20261031 2", "20261101-20261130 3",
                                 "metadata/BILLING_PERIOD=2026-11 5"));
  // OCI: files by year, month and day; a month is one delivery.
  const std::vector<ObjectInfo> daily = {{"F/2026/11/01/a.csv.gz", 1, "1", early},
                                         {"F/2026/11/02/b.csv.gz", 1, "2", early},
                                         {"F/2026/12/01/c.csv.gz", 1, "3", early},
                                         {"F/readme.txt", 1, "4", early}};
  found.clear();
  for (const FoundDelivery& delivery :
       FindDeliveries(daily, {.prefix = "F/", .manifests = false, .depth = 2})) {
    found.push_back(absl::StrCat(delivery.name, " ", delivery.files.size()));
  }
  EXPECT_THAT(found, ElementsAre("2026/11 2", "2026/12 1"));
}

TEST(DeliveryFinderTest, ExportsBesideEachOtherHaveScopesOfTheirOwn) {
  const absl::Time early = absl::FromUnixSeconds(100), late = absl::FromUnixSeconds(200);
  const auto scopes = [](const std::vector<ObjectInfo>& objects, const FinderOptions& options) {
    std::vector<std::string> found;
    for (const FoundDelivery& delivery : FindDeliveries(objects, options)) {
      found.push_back(delivery.name + " > " + delivery.scope);
    }
    return found;
  };
  EXPECT_THAT(scopes({{"payer-1/metadata/BILLING_PERIOD=2026-11/x-Manifest.json", 1, "1", early},
                      {"payer-2/metadata/BILLING_PERIOD=2026-11/x-Manifest.json", 1, "2", early},
                      // Executions of one export are no scopes; exports behind a period are.
                      {"20261101-20261130/shop/202611100000/0b1c-77/manifest.json", 1, "3", early},
                      {"20261101-20261130/shop/202611110000/77aa-01/manifest.json", 1, "4", late},
                      {"20261101-20261130/lake/202611110000/19ff-02/manifest.json", 1, "5", late}},
                     {}),
              ElementsAre("20261101-20261130/lake > lake", "20261101-20261130/shop > shop",
                          "payer-1/metadata/BILLING_PERIOD=2026-11 > payer-1",
                          "payer-2/metadata/BILLING_PERIOD=2026-11 > payer-2"));
  EXPECT_THAT(scopes({{"2026/11/a.csv", 1, "1", early}, {"acme/2026-11/a.csv", 1, "2", early}},
                     {.manifests = false, .depth = 2}),
              ElementsAre("2026/11 > ", "acme/2026-11 > acme"));
}

class FetchingTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    testing::CostsOnDatabaseTest::SetUp();
    if (IsSkipped()) return;
    transport_ = std::make_unique<http::RetryingTransport>(
        *direct_, base::Clock::System(), base::Rng::System(),
        http::RetryOptions{.base_delay = absl::Milliseconds(1)});
    Open();
  }
  void Open(FinderOptions finder = {.prefix = "exports/"}, BadRows bad_rows = BadRows::kRefuse) {
    const auto log = FetchLog::Open(*database_);
    ASSERT_TRUE(log.ok()) << log.status();
    source_ =
        std::make_unique<FetchingSource>(FetchingOptions{.name = "aws",
                                                         .finder = std::move(finder),
                                                         .bad_rows = bad_rows,
                                                         .spool_folder = Spool()},
                                         OpenS3({.url = bucket_.url(),
                                                 .region = "eu-central-1",
                                                 .prefix = "exports/",
                                                 .credentials = {"AKIDTEST", "secret", "token"}},
                                                *transport_, clock_),
                                         *service_, *log, clock_);
  }
  std::string Spool() const { return folder_ + "/spool"; }
  // Data first, then the manifest, as exports are written.
  void PutExport(const std::vector<std::string>& bills) {
    std::string names;
    for (size_t i = 0; i < bills.size(); ++i) {
      const std::string key = absl::StrCat(kPartition, "focus-0000", i, ".csv");
      bucket_.Put(key, bills[i], clock_.Now());
      absl::StrAppend(&names, names.empty() ? "" : ",", "\"s3://bills/", key, "\"");
    }
    bucket_.Put(kManifest, absl::StrCat("{\"dataFiles\":[", names, "]}"), clock_.Now());
    clock_.Advance(absl::Hours(2));
  }
  // "name result detail" of a round.
  std::vector<std::string> Round(bool force = false) {
    const auto fetched = source_->Round(force, {});
    if (!fetched.ok()) return {fetched.status().ToString()};
    std::vector<std::string> rows;
    for (const FetchedDelivery& delivery : *fetched) {
      rows.push_back(absl::StrCat(delivery.name, " ", FetchResultName(delivery.result), " ",
                                  delivery.rows, delivery.detail.empty() ? "" : " ",
                                  delivery.detail));
    }
    EXPECT_TRUE(std::filesystem::is_empty(Spool())) << "nothing is left between rounds";
    return rows;
  }

  testing::FakeBucket bucket_;
  std::unique_ptr<http::Transport> direct_ =
      *http::NewBeastTransport({.policy = http::AddressPolicy::AllowAll()});
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<FetchingSource> source_;
};
INSTANTIATE_TEST_SUITE_P(Databases, FetchingTest, ::testing::Values("sqlite"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(FetchingTest, ReadsWhatChangedAndOnlyThat) {
  PutExport({testing::BillOf({{.billed = "1"}}), testing::BillOf({{.billed = "2"}})});
  EXPECT_THAT(Round(), ElementsAre("focus/metadata/BILLING_PERIOD=2026-11 stored 2"));
  EXPECT_THAT(Query({}), ElementsAre("USD 3 3 2"));
  EXPECT_GT(bucket_.lists(), 1) << "the list has pages";
  const int gets = bucket_.gets(kManifest);
  EXPECT_THAT(Round(), ElementsAre("focus/metadata/BILLING_PERIOD=2026-11 unchanged 2"));
  // Neither does a restart read it again.
  Start();
  Open();
  EXPECT_THAT(Round(), ElementsAre("focus/metadata/BILLING_PERIOD=2026-11 unchanged 2"));
  EXPECT_EQ(bucket_.gets(kManifest), gets);
  PutExport({testing::BillOf({{.billed = "5"}})});
  EXPECT_THAT(Round(), ElementsAre("focus/metadata/BILLING_PERIOD=2026-11 stored 1"));
  EXPECT_THAT(Query({}), ElementsAre("USD 5 5 1"));
  // Other periods are theirs.
  bucket_.Put("exports/focus/metadata/BILLING_PERIOD=2026-12/focus-Manifest.json",
              "{\"dataFiles\":[\"a.csv\"]}", clock_.Now());
  EXPECT_THAT(Round(),
              ElementsAre("focus/metadata/BILLING_PERIOD=2026-11 unchanged 1",
                          HasSubstr("BILLING_PERIOD=2026-12 waiting 0 not delivered yet")));
  EXPECT_THAT(Query({}), ElementsAre("USD 5 5 1"));
}

TEST_P(FetchingTest, TwoExportsOfOnePeriodDoNotReplaceEachOther) {
  const auto put = [&](const std::string& name, const std::string& billed) {
    const std::string data = "exports/" + name + "/data/BILLING_PERIOD=2026-11/a.csv";
    bucket_.Put(data, testing::BillOf({{.billed = billed}}), clock_.Now());
    bucket_.Put("exports/" + name + "/metadata/BILLING_PERIOD=2026-11/a-Manifest.json",
                absl::StrCat("{\"dataFiles\":[\"s3://bills/", data, "\"]}"), clock_.Now());
    clock_.Advance(absl::Hours(2));
  };
  put("payer-1", "1");
  put("payer-2", "20");
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1"), HasSubstr("stored 1")));
  EXPECT_THAT(Query({Dimension::kSource}), ElementsAre("aws USD 21 21 2"));
  put("payer-2", "30");
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("unchanged 1"), HasSubstr("stored 1")));
  EXPECT_THAT(Query({Dimension::kSource}), ElementsAre("aws USD 31 31 2"));
  const auto deliveries = service_->Deliveries("aws", 10);
  ASSERT_TRUE(deliveries.ok()) << deliveries.status();
  ASSERT_EQ(deliveries->size(), 3u);
  EXPECT_EQ((*deliveries)[0].source, "aws/payer-2");
  const auto diff =
      service_->Diff({.source = "aws/payer-2", .billing_period = absl::CivilDay(2026, 11, 1)});
  ASSERT_TRUE(diff.ok()) << diff.status();
  ASSERT_EQ(diff->rows.size(), 1u);
  EXPECT_EQ(diff->rows[0].billed.ToString(), "10");
}

TEST_P(FetchingTest, WaitsForWhatIsNotComplete) {
  bucket_.Put(absl::StrCat(kPartition, "focus-00000.csv"), testing::BillOf({{.billed = "1"}}),
              clock_.Now());
  EXPECT_THAT(source_->Round(false, {}).value(), IsEmpty()) << "without a manifest nothing is said";
  PutExport({testing::BillOf({{.billed = "1"}}), testing::BillOf({{.billed = "2"}})});
  bucket_.Remove(absl::StrCat(kPartition, "focus-00001.csv"));
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("waiting 0 not delivered yet")));
  EXPECT_THAT(Query({}), IsEmpty());
  // The next delivery's data is there, its manifest is not.
  PutExport({testing::BillOf({{.billed = "1"}})});
  bucket_.Put(absl::StrCat(kPartition, "focus-00000.csv"), testing::BillOf({{.billed = "9"}}),
              clock_.Now());
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("waiting 0 being delivered")));
  EXPECT_THAT(Query({}), IsEmpty());
  // A bucket that was copied has its own order; after a while that is no delivery under way.
  clock_.Advance(absl::Hours(2));
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1")));
}

TEST_P(FetchingTest, FaultsOfTheStoreAreOvercomeOrChangeNothing) {
  const std::string key = absl::StrCat(kPartition, "focus-00000.csv");
  PutExport({testing::BillOf({{.billed = "1"}})});
  bucket_.Break(key, 2, [](http::ServerResponse& response) {
    response = {.status = 503, .body = "<Error><Code>SlowDown</Code></Error>"};
  });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1")));
  PutExport({testing::BillOf({{.billed = "2"}})});
  bucket_.Break(key, 2, [](http::ServerResponse& response) {
    response.body.resize(response.body.size() / 2);  // cut off
  });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1")));
  EXPECT_THAT(Query({}), ElementsAre("USD 2 2 1"));
  PutExport({testing::BillOf({{.billed = "3"}})});
  bucket_.Break(key, 100, [](http::ServerResponse& response) { response.body.pop_back(); });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("failed 0")));
  bucket_.Break(key, 1, [](http::ServerResponse& response) {
    response.headers[1].second = "bytes 7-9/10";  // another part than was asked for
  });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1")));
  // It changes between the list and the read.
  PutExport({testing::BillOf({{.billed = "4"}})});
  bucket_.Before(key, [&] { bucket_.Put(key, "other", clock_.Now()); });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("waiting 0 exports/focus/data")));
  EXPECT_THAT(Query({}), ElementsAre("USD 3 3 1"));
}

// Keys with what lists, URLs and XML each write in a way of their own.
TEST_P(FetchingTest, KeysAreReadAsTheStoreListsThem) {
  const auto put = [&](const std::string& folder) {
    const std::string data = folder + "data/BILLING_PERIOD=2026-11/a b+c%20&d.csv";
    bucket_.Put(data, testing::BillOf({{.billed = "1"}}), clock_.Now());
    bucket_.Put(folder + "metadata/BILLING_PERIOD=2026-11/a-Manifest.json",
                absl::StrCat("{\"dataFiles\":[\"s3://bills/", data, "\"]}"), clock_.Now());
    clock_.Advance(absl::Hours(2));
  };
  put("exports/one/");
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1")));
  bucket_.ListPlainKeys();
  put("exports/two/");
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("unchanged 1"), HasSubstr("stored 1")));
}

// More than a page of a real store has, and more than any cloud's export has of one month.
TEST_P(FetchingTest, ManyKeysAreListedToTheLast) {
  std::vector<std::string> bills;
  for (int i = 0; i < 1'100; ++i) bills.push_back(testing::BillOf({{.billed = "0.01"}}));
  PutExport(bills);
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1100")));
  EXPECT_GT(bucket_.lists(), 500);
  EXPECT_THAT(Query({}), ElementsAre("USD 11 11 1100"));
}

TEST_P(FetchingTest, LargeFilesComeInPartsAtOnce) {
  std::vector<testing::Charge> charges(1);
  charges[0].billed = "1";
  std::string bill = testing::BillOf(charges);
  const std::string row = bill.substr(bill.find('\n') + 1);
  int64_t rows = 1;
  while (static_cast<int64_t>(bill.size()) < 2 * kRangeBytes + 1'000) {
    bill += row;
    ++rows;
  }
  PutExport({bill});
  EXPECT_THAT(Round(), ElementsAre(HasSubstr(absl::StrCat("stored ", rows))));
  EXPECT_EQ(bucket_.gets(absl::StrCat(kPartition, "focus-00000.csv")), 3);
}

TEST_P(FetchingTest, WhatIsRefusedIsNotReadAgainUntilItChanges) {
  PutExport({"no,bill\n1,2\n"});
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("refused 0")));
  const int gets = bucket_.gets(kManifest);
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("refused 0")));
  EXPECT_EQ(bucket_.gets(kManifest), gets);
  EXPECT_THAT(Round(true), ElementsAre(HasSubstr("refused 0")));
  EXPECT_EQ(bucket_.gets(kManifest), gets + 1);
  PutExport({testing::BillOf({{.billed = "1"}})});
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1")));
}

TEST_P(FetchingTest, WhatIsBeyondALimitIsRefusedLikeOtherContent) {
  PutExport({testing::BillOf({{.billed = "1", .resource = std::string(9 << 20, 'x')}})});
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("refused 0")));
  const int gets = bucket_.gets(kManifest);
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("refused 0")));
  EXPECT_EQ(bucket_.gets(kManifest), gets);
}

// An engine whose servers have no room.
class FullEngine final : public Engine {
 public:
  absl::string_view name() const override { return "full"; }
  absl::Status Read(const EntityGraph&,
                    const std::function<absl::Status(const CostReader&)>&) override {
    return absl::OkStatus();
  }
  absl::Status Store(const EntityGraph&, const ReadDelivery&) override {
    return absl::ResourceExhaustedError("the disk is full");
  }
  absl::StatusOr<int64_t> Reallocate(const EntityGraph&) override { return 0; }
  absl::Status AllocateMonths(const EntityGraph&) override { return absl::OkStatus(); }
};

TEST_P(FetchingTest, WhatFoundNoRoomIsReadAgain) {
  options_.engine = [](const Options&) -> absl::StatusOr<std::unique_ptr<Engine>> {
    return std::make_unique<FullEngine>();
  };
  Start();
  Open();
  PutExport({testing::BillOf({{.billed = "1"}})});
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("failed 0")));
  const int gets = bucket_.gets(kManifest);
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("the disk is full")));
  EXPECT_EQ(bucket_.gets(kManifest), gets + 1);
}

TEST_P(FetchingTest, WhatIsSetAsideIsTold) {
  Open({.prefix = "exports/"}, BadRows::kQuarantine);
  PutExport({testing::BillOf({{.billed = "1"}, {.billed = "one"}})});
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("stored 1 1 of 2 rows were set aside: ")));
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("unchanged 1 1 of 2 rows were set aside: ")));
  EXPECT_THAT(Query({}), ElementsAre("USD 1 1 1"));
}

TEST_P(FetchingTest, ReadsFoldersToo) {
  const std::string folder = folder_ + "/bills/2026-11";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/a.csv") << testing::BillOf({{.billed = "1"}});
  std::ofstream(folder + "/b.csv") << testing::BillOf({{.billed = "2", .day = 3}});
  const auto log = FetchLog::Open(*database_);
  FetchingSource source(
      {.name = "local", .finder = {.manifests = false, .depth = 1}, .spool_folder = Spool()},
      OpenFolder(folder_ + "/bills"), *service_, *log, clock_);
  auto fetched = source.Round(false, {});
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  ASSERT_EQ(fetched->size(), 1u);
  EXPECT_EQ((*fetched)[0].name, "2026-11");
  EXPECT_EQ((*fetched)[0].rows, 2) << (*fetched)[0].detail;
  EXPECT_EQ(source.Round(false, {})->at(0).result, FetchResult::kUnchanged);
  std::ofstream(folder + "/b.csv") << testing::BillOf({{.billed = "25", .day = 3}});
  EXPECT_EQ(source.Round(false, {})->at(0).result, FetchResult::kStored);
  EXPECT_THAT(Query({}), ElementsAre("USD 26 26 2"));
}

}  // namespace
}  // namespace purser::costs
