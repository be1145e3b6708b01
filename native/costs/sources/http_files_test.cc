// Bills at known URLs, from a real server to the answers of queries.
#include <filesystem>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "costs/sources/bill_sources.h"
#include "costs/sources/object_store.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "http/server.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A file server that knows HEAD, ranges and If-Match, and errs as told.
class FileServer {
 public:
  FileServer() {
    auto server = http::Server::Start({}, [this](const auto& request) { return Answer(request); });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string url(absl::string_view path) const {
    return absl::StrCat("http://127.0.0.1:", server_->port(), path);
  }
  void Put(std::string content) {
    base::MutexLock lock(mutex_);
    content_ = std::move(content);
  }
  // Changes the answers to requests of this method.
  using Fault = std::function<void(http::ServerResponse&)>;
  void Break(const std::string& method, Fault fault) {
    base::MutexLock lock(mutex_);
    faults_[method] = std::move(fault);
  }
  // Its ETags are weak from now on.
  void Weaken() {
    base::MutexLock lock(mutex_);
    weak_ = true;
  }
  int count(const std::string& what) {
    base::MutexLock lock(mutex_);
    return counts_[what];
  }

 private:
  http::ServerResponse Answer(const http::ServerRequest& request) {
    base::MutexLock lock(mutex_);
    ++counts_[absl::StrCat(request.method, " ", request.path)];
    if (http::FindHeader(request.headers, "Authorization") != "Bearer key") return {.status = 401};
    const std::string etag =
        absl::StrCat(weak_ ? "W/" : "", "\"", base::Sha256Hex(content_).substr(0, 16), "\"");
    http::ServerResponse response;
    response.headers = {{"ETag", etag}, {"Last-Modified", "Sat, 21 Nov 2026 08:00:00 GMT"}};
    response.body = content_;
    if (request.method == "GET") {
      const absl::string_view match = http::FindHeader(request.headers, "If-Match");
      if (!match.empty() && (match != etag || weak_)) return {.status = 412};
      const std::vector<std::string> range =
          absl::StrSplit(http::FindHeader(request.headers, "Range").substr(6), '-');
      size_t begin = 0, end = 0;
      EXPECT_TRUE(absl::SimpleAtoi(range[0], &begin) && absl::SimpleAtoi(range[1], &end));
      response.status = 206;
      response.headers.emplace_back("Content-Range",
                                    absl::StrCat("bytes ", begin, "-", end, "/", content_.size()));
      response.body = content_.substr(begin, end - begin + 1);
    }
    if (const auto fault = faults_.find(request.method); fault != faults_.end() && fault->second) {
      fault->second(response);
    }
    return response;
  }

  base::Mutex mutex_;
  bool weak_ ABSL_GUARDED_BY(mutex_) = false;
  std::string content_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Fault> faults_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> counts_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<http::Server> server_;
};

class HttpFilesTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    testing::CostsOnDatabaseTest::SetUp();
    Open(http::AddressPolicy::AllowAll());
  }
  void Open(http::AddressPolicy policy) {
    sources_.reset();
    transport_ = *http::NewBeastTransport({.policy = std::move(policy)});
    SourceDeps deps;
    deps.costs = service_.get();
    deps.database = database_.get();
    deps.transport = transport_.get();
    deps.clock = &clock_;
    deps.resolve_secret = [](absl::string_view) -> absl::StatusOr<std::string> {
      return std::string("Bearer key");
    };
    deps.spool_folder = folder_ + "/spool";
    deps.on_stored = [] {};
    auto sources =
        BillSources::Open({{"partner",
                            {{"type", "http"},
                             {"urls", {server_.url("/bills/2026-11/bill.csv?v=1")}},
                             {"secretHeaders", {{"Authorization", "env:PURSER_SECRET_PARTNER"}}}}}},
                          std::move(deps));
    ASSERT_TRUE(sources.ok()) << sources.status();
    sources_ = *std::move(sources);
  }
  // "result rows detail" of each delivery of a round.
  std::vector<std::string> Round() {
    const auto state = sources_->Fetch("partner", false, {});
    if (!state.ok()) return {state.status().ToString()};
    std::vector<std::string> rows;
    for (const FetchedDelivery& delivery : state->deliveries) {
      rows.push_back(
          absl::StrCat(FetchResultName(delivery.result), " ", delivery.rows, " ", delivery.detail));
    }
    return rows;
  }
  int gets() { return server_.count("GET /bills/2026-11/bill.csv"); }

  FileServer server_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<BillSources> sources_;
};
INSTANTIATE_TEST_SUITE_P(Databases, HttpFilesTest, ::testing::Values("sqlite"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(HttpFilesTest, AFileIsReadWhenItsETagIsAnother) {
  server_.Put(testing::BillOf({{.billed = "1"}, {.billed = "2", .day = 3}}));
  EXPECT_THAT(Round(), ElementsAre("stored 2 "));
  EXPECT_THAT(Query({}), ElementsAre("USD 3 3 2"));
  EXPECT_EQ(gets(), 1);
  EXPECT_THAT(Round(), ElementsAre("unchanged 2 "));
  EXPECT_EQ(gets(), 1) << "what did not change is not fetched";
  EXPECT_EQ(server_.count("HEAD /bills/2026-11/bill.csv"), 2);
  server_.Put(testing::BillOf({{.billed = "5"}}));
  EXPECT_THAT(Round(), ElementsAre("stored 1 "));
  EXPECT_THAT(Query({}), ElementsAre("USD 5 5 1"));
  EXPECT_EQ(gets(), 2);
}

// Servers that pack what they send have ETags that no condition matches.
TEST_P(HttpFilesTest, AWeakETagTellsAChangeToo) {
  server_.Weaken();
  server_.Put(testing::BillOf({{.billed = "1"}}));
  EXPECT_THAT(Round(), ElementsAre("stored 1 "));
  EXPECT_THAT(Round(), ElementsAre("unchanged 1 "));
  server_.Put(testing::BillOf({{.billed = "2"}}));
  EXPECT_THAT(Round(), ElementsAre("stored 1 "));
  EXPECT_THAT(Query({}), ElementsAre("USD 2 2 1"));
}

TEST_P(HttpFilesTest, WhatGoesWrongLeavesWhatIsStored) {
  server_.Put(testing::BillOf({{.billed = "1"}}));
  EXPECT_THAT(Round(), ElementsAre("stored 1 "));
  const std::string bill = testing::BillOf({{.billed = "9"}});
  server_.Put(bill);
  // Cut off, each time.
  server_.Break("GET", [](auto& response) { response.body.resize(response.body.size() / 2); });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("failed 0 bills/2026-11/bill.csv")));
  EXPECT_EQ(gets(), 1 + kRangeAttempts);
  // Another file by the time it is read.
  server_.Break("GET", [](auto& response) { response = {.status = 412}; });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("waiting 0 bills/2026-11/bill.csv changed")));
  // A cache between that answers a question nobody asked.
  server_.Break("GET", [](auto& response) { response = {.status = 304}; });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("failed 0 bills/2026-11/bill.csv")));
  server_.Break("GET", nullptr);
  server_.Break("HEAD", [](auto& response) { response = {.status = 304}; });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("bills/2026-11/bill.csv: the store answered 304")));
  // Nothing to tell a change by.
  server_.Break("HEAD", [](auto& response) { response.headers.clear(); });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("a change would go unnoticed")));
  server_.Break("HEAD", [](auto& response) { response = {.status = 404}; });
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("NOT_FOUND")));
  EXPECT_THAT(Query({}), ElementsAre("USD 1 1 1"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/spool")) << "nothing is left of any of it";
  server_.Break("HEAD", nullptr);
  EXPECT_THAT(Round(), ElementsAre("stored 1 "));
  EXPECT_THAT(Query({}), ElementsAre("USD 9 9 1"));
}

TEST_P(HttpFilesTest, NobodyIsSentElsewhere) {
  server_.Put(testing::BillOf({{.billed = "1"}}));
  for (const char* const method : {"HEAD", "GET"}) {
    server_.Break(method, [&](auto& response) {
      response = {.status = 302, .headers = {{"Location", server_.url("/internal.csv")}}};
    });
    EXPECT_THAT(Round(), ElementsAre(HasSubstr("302"))) << method;
    server_.Break(method, nullptr);
  }
  EXPECT_EQ(server_.count("HEAD /internal.csv") + server_.count("GET /internal.csv"), 0);
  EXPECT_THAT(Query({}), IsEmpty());
  // Nor to an address of this network that no operator allowed.
  Open(http::AddressPolicy());
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("PERMISSION_DENIED")));
  EXPECT_THAT(Query({}), IsEmpty());
}

}  // namespace
}  // namespace purser::costs
