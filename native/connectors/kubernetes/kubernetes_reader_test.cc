// Lists and watches against an API server in memory that can be made to fail.
#include "connectors/kubernetes/kubernetes_reader.h"

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/sanitizer.h"
#include "base/status.h"
#include "connectors/kubernetes/fake_api_server.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Sink final : public ListSink, public WatchSink {
 public:
  absl::Status OnObject(Json object) override {
    names.push_back(object["metadata"]["name"]);
    last = std::move(object);
    return result;
  }
  void OnRestart() override {
    names.clear();
    ++restarts;
  }
  absl::Status OnEvent(WatchEventType type, Json object) override {
    static constexpr const char* kNames[] = {"added", "modified", "deleted", "bookmark"};
    events.push_back(
        absl::StrCat(kNames[static_cast<int>(type)], " ", object["metadata"].value("name", "")));
    last = std::move(object);
    if (events.size() >= wanted) return absl::AbortedError("enough");
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  std::vector<std::string> events;
  size_t wanted = 1000;
  Json last;
  int restarts = 0;
  absl::Status result;
};

Json Config(int number) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata",
           {{"name", absl::StrCat("c", number)},
            {"namespace", number % 2 == 0 ? "even" : "odd"},
            {"labels", {{"n", absl::StrCat(number)}}}}},
          {"data", {{"big", std::string(2000, 'x')}}}};
}

class KubernetesReaderTest : public ::testing::Test {
 protected:
  KubernetesReaderTest() {
    fields_.Add({"metadata", "name"});
    fields_.Add({"metadata", "labels"});
    transport_ = *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    ClusterAccess access;
    access.server = server_.url();
    access.token = [this]() -> absl::StatusOr<std::string> { return token_; };
    client_ = std::make_unique<HttpKubernetesClient>("test", std::move(access), *transport_,
                                                     base::Clock::System());
    for (int i = 0; i < 10; ++i) server_.Put(Config(i));
  }
  absl::StatusOr<ListResult> List(KindQuery query, int64_t most = 1000) {
    return client_->List(query, fields_, sink_, {.max_objects = most});
  }
  std::string Failure(const char* why) {
    const auto result = List(query_);
    EXPECT_FALSE(result.ok()) << why;
    return std::string(result.status().message());
  }

  FakeApiServer server_;
  std::string token_ = "first";
  FieldSelection fields_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<HttpKubernetesClient> client_;
  Sink sink_;
  KindQuery query_{.api_version = "v1", .kind = "ConfigMap"};
};

TEST_F(KubernetesReaderTest, ReadsPagesAndOnlyTheFieldsAskedFor) {
  server_.SetPageSize(3);
  const auto result = List(query_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->objects, 10);
  EXPECT_EQ(result->resource_version, "110");
  EXPECT_EQ(sink_.names.size(), 10u);
  EXPECT_EQ(
      sink_.last,
      Json({{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", "c9"}, {"labels", {{"n", "9"}}}, {"resourceVersion", "110"}}}}));
  EXPECT_EQ(server_.Requests("/api/v1/configmaps?limit="), 4);
  sink_.names.clear();
  query_.namespace_name = "odd";
  query_.label_selector = "n!=3";
  ASSERT_TRUE(List(query_).ok());
  EXPECT_THAT(sink_.names, ElementsAre("c1", "c5", "c7", "c9"));
}

TEST_F(KubernetesReaderTest, ReadsTheTokenEachTime) {
  server_.RequireToken("second");
  EXPECT_EQ(List(query_).status().code(), absl::StatusCode::kUnauthenticated);
  token_ = "second";
  EXPECT_TRUE(List(query_).ok());
}

TEST_F(KubernetesReaderTest, BeginsAnewWhenAPageExpired) {
  server_.SetPageSize(4);
  server_.ExpireContinue(2);
  const auto result = List(query_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->restarts, 2);
  EXPECT_EQ(sink_.restarts, 2);
  EXPECT_EQ(sink_.names.size(), 10u);
  server_.ExpireContinue(1000);
  EXPECT_THAT(Failure("expires always"), HasSubstr("kMaxListRestarts"));
}

TEST_F(KubernetesReaderTest, PagesThatDoNotEndAreNoticed) {
  server_.SetPageSize(4);
  server_.LoopContinue(true);
  EXPECT_THAT(Failure("a loop"), HasSubstr("a continue token again"));
  server_.LoopContinue(false);
  server_.EndlessPages(true);
  EXPECT_THAT(Failure("empty pages"), HasSubstr("gives empty pages"));
  server_.EndlessPages(false);
  const auto many = List(query_, 7);
  EXPECT_EQ(many.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(many.status().message()), HasSubstr("more than 7 objects"));
}

TEST_F(KubernetesReaderTest, FailuresInTheMiddleOfPaging) {
  server_.SetPageSize(4);
  const struct {
    int status;
    absl::StatusCode code;
  } kCases[] = {{401, absl::StatusCode::kUnauthenticated},
                {403, absl::StatusCode::kPermissionDenied},
                {429, absl::StatusCode::kUnavailable},
                {500, absl::StatusCode::kUnavailable},
                {503, absl::StatusCode::kUnavailable}};
  for (const auto& [status, code] : kCases) {
    server_.FailNext("/api/v1/configmaps?limit=500&continue=",
                     {.status = status,
                      .headers = {{"Retry-After", "7"}},
                      .body = R"({"kind":"Status","message":"not now","reason":"Why"})"});
    const auto result = List(query_);
    EXPECT_EQ(result.status().code(), code) << result.status();
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("not now")) << status;
    if (status == 429 || status == 503) {
      EXPECT_EQ(base::RetryAfterMillis(result.status()), 7000) << result.status();
    }
  }
}

TEST_F(KubernetesReaderTest, DamagedAnswersAreNoLists) {
  const auto answer = [this](const char* body) {
    server_.FailNext("/api/v1/configmaps", {.status = 200, .body = body});
    const auto result = List(query_);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable) << body;
  };
  answer("");
  answer("<html>maintenance</html>");
  answer(R"({"kind":"ConfigMapList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"na)");
  answer(R"({"kind":"Status","status":"Success"})");
  answer(R"({"metadata":{},"items":[]})");
  answer(R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":tru}}]})");
}

TEST_F(KubernetesReaderTest, AGigabyteIsNotTaken) {
  // One object that never ends, then items beyond a page's limit.
  for (const bool one : {true, false}) {
    const auto sent = std::make_shared<std::atomic<int64_t>>(0);
    server_.FailNext("/api/v1/configmaps",
                     {.stream = [sent, one](const std::function<bool(absl::string_view)>& write) {
                       const std::string piece =
                           one ? std::string(1 << 20, 'x')
                               : absl::StrCat("{\"metadata\":{\"name\":\"a\"},\"x\":\"",
                                              std::string(1 << 20, 'y'), "\"},");
                       if (!write(one ? "{\"items\":[{\"a\":\"" : "{\"items\":[")) return;
                       for (int i = 0; i < 1024 && write(piece); ++i) *sent += piece.size();
                     }});
    EXPECT_EQ(List(query_).status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_LT(*sent, int64_t{1} << 30);
  }
}

int64_t ResidentKilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atoll(line.c_str() + 6);
  }
  return 0;
}

TEST_F(KubernetesReaderTest, AMillionObjectsInBoundedMemory) {
  class Counter final : public ListSink {
   public:
    absl::Status OnObject(Json) override {
      ++count;
      return absl::OkStatus();
    }
    void OnRestart() override {}
    int64_t count = 0;
  };
  const int64_t before = ResidentKilobytes();
  for (const int64_t most : {int64_t{1'000'000}, int64_t{300'000}}) {
    server_.FailNext(
        "/api/v1/configmaps", {.stream = [](const std::function<bool(absl::string_view)>& write) {
          if (!write("{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[")) return;
          std::string thousand;
          for (int i = 0; i < 1000; ++i) {
            absl::StrAppend(&thousand,
                            "{\"metadata\":{\"name\":\"n\"},\"data\":{\"k\":\"some text\"}},");
          }
          for (int i = 0; i < 999 && write(thousand); ++i) continue;
          thousand.pop_back();
          write(absl::StrCat(thousand, "]}"));
        }});
    Counter counter;
    const auto result = client_->List(query_, fields_, counter, {.max_objects = most});
    EXPECT_EQ(counter.count, most);
    EXPECT_EQ(result.status().code(),
              most == 1'000'000 ? absl::StatusCode::kOk : absl::StatusCode::kResourceExhausted)
        << result.status();
  }
  // That sanitizer keeps what is freed for a while.
  if (!base::kAddressSanitizer) {
    EXPECT_LT(ResidentKilobytes() - before, 64 << 10);
  }
}

TEST_F(KubernetesReaderTest, SecretsAreNotRead) {
  const KindQuery secrets{.api_version = "v1", .kind = "Secret"};
  EXPECT_EQ(List(secrets).status().code(), absl::StatusCode::kPermissionDenied);
  std::string version = "1";
  EXPECT_EQ(client_->Watch(secrets, fields_, &version, sink_, {}).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(server_.Requests("/api/v1/secrets"), 0);
  KindQuery helm = secrets;
  helm.field_selector = kHelmSecretSelector;
  EXPECT_TRUE(List(helm).ok());
  helm.field_selector = "type!=Opaque";
  EXPECT_EQ(List(helm).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(KubernetesReaderTest, KindsOfAGroup) {
  const auto kinds = client_->Kinds("apps", {});
  ASSERT_TRUE(kinds.ok()) << kinds.status();
  ASSERT_EQ(kinds->size(), 3u);
  EXPECT_EQ(kinds->at(1).kind, "Deployment");
  EXPECT_EQ(kinds->at(1).api_version, "apps/v1");
  EXPECT_TRUE(kinds->at(1).namespaced);
  EXPECT_TRUE(client_->Kinds("none.example.org", {})->empty());
  EXPECT_THAT(*client_->Groups({}), ElementsAre("apps", "batch", "networking.k8s.io"));
  // The most preferred version that has the kind.
  server_.AddKind("q.io/v2", "New", "news", true);
  server_.AddKind("q.io/v1", "Old", "olds", true);
  server_.Put({{"apiVersion", "q.io/v1"},
               {"kind", "Old"},
               {"metadata", {{"name", "o"}, {"namespace", "a"}}}});
  ASSERT_TRUE(List({.api_version = "q.io/*", .kind = "Old"}).ok());
  EXPECT_EQ(sink_.last["apiVersion"], "q.io/v1");
  EXPECT_EQ(List({.api_version = "q.io/*", .kind = "None"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(List({.api_version = "none.io/*", .kind = "X"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(List({.api_version = "none.io/v1", .kind = "X"}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(KubernetesReaderTest, WatchesFromWhereTheListStood) {
  std::string version = List(query_)->resource_version;
  server_.Put(Config(3));
  server_.Put(Config(99));
  server_.Delete(Config(4));
  sink_.wanted = 3;
  EXPECT_EQ(client_->Watch(query_, fields_, &version, sink_, {}).code(),
            absl::StatusCode::kAborted);
  EXPECT_THAT(sink_.events, ElementsAre("modified c3", "added c99", "deleted c4"));
  EXPECT_EQ(version, "112");  // the event that was refused comes again
  // A bookmark moves on without any change.
  server_.BreakWatches();
  ASSERT_TRUE(
      server_.WaitFor([](const FakeApiServer& server) { return server.open_watches() == 0; }));
  sink_.wanted = 5;
  std::thread bookmark([this] {
    server_.WaitFor([](const FakeApiServer& server) { return server.open_watches() == 1; });
    server_.Bookmark();
  });
  EXPECT_EQ(client_->Watch(query_, fields_, &version, sink_, {}).code(),
            absl::StatusCode::kAborted);
  bookmark.join();
  EXPECT_EQ(sink_.events.back(), "bookmark ");
  EXPECT_EQ(server_.Requests("/api/v1/configmaps?watch=1&allowWatchBookmarks=true&"), 2);
}

TEST_F(KubernetesReaderTest, ALostPlaceIsTold) {
  std::string version = "1";
  server_.ForgetHistory();
  EXPECT_EQ(client_->Watch(query_, fields_, &version, sink_, {}).code(),
            absl::StatusCode::kOutOfRange);
  server_.FailNext("/api/v1/configmaps?watch", {.status = 410, .body = "{}"});
  EXPECT_EQ(client_->Watch(query_, fields_, &version, sink_, {}).code(),
            absl::StatusCode::kOutOfRange);
  for (const char* body :
       {"{\"type\":\"ODD\",\"object\":{\"metadata\":{\"resourceVersion\":\"5\"}}}",
        "{\"type\":\"ADDED\",\"object\":{}}", "no", "[]"}) {
    server_.FailNext("/api/v1/configmaps?watch", {.status = 200, .body = body});
    EXPECT_EQ(client_->Watch(query_, fields_, &version, sink_, {}).code(),
              absl::StatusCode::kUnavailable)
        << body;
  }
  EXPECT_EQ(version, "1");
  // One that ends in good order, and one in the middle of an event.
  server_.FailNext("/api/v1/configmaps?watch", {.status = 200, .body = "{\"type\":\"ADD"});
  EXPECT_TRUE(client_->Watch(query_, fields_, &version, sink_, {}).ok());
  std::stop_source stop;
  std::thread stopper([&] {
    server_.WaitFor([](const FakeApiServer& server) { return server.open_watches() == 1; });
    stop.request_stop();
  });
  version = "111";
  EXPECT_EQ(client_->Watch(query_, fields_, &version, sink_, {.stop = stop.get_token()}).code(),
            absl::StatusCode::kCancelled);
  stopper.join();
}

}  // namespace
}  // namespace purser::connectors
