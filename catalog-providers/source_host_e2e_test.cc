// Providers of Terraform and of people inside purserd's host of sources: what a portal sees of a
// source through its failures and purserd's restarts.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/testing/eventually.h"
#include "catalog-providers/keycloak/keycloak_provider.h"
#include "catalog-providers/terraform/terraform_provider.h"
#include "catalog/entity.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "http/server.h"
#include "provider/source_host.h"
#include "store/store.h"

namespace purser::catalog_providers {
namespace {

using base::Eventually;
using Json = nlohmann::json;

// A portal that follows one instance and keeps what it was told.
class Portal {
 public:
  Portal(provider::SourceHost& host, provider::FollowRequest request)
      : thread_([this, &host, request = std::move(request)](std::stop_token stop) {
          provider::FollowSink sink;
          sink.on_page = [this](const provider::LogPage& page) {
            base::MutexLock lock(mutex_);
            for (const std::string& text : page.upserts) {
              const Json entity = Json::parse(text);
              entities_[catalog::RefOf(entity).ToString()] = entity;
              ++upserts_;
            }
            for (const std::string& ref : page.removed) entities_.erase(ref);
            return absl::OkStatus();
          };
          sink.on_log = [](action::LogLevel, absl::string_view) { return absl::OkStatus(); };
          host.Follow(request, stop, sink).IgnoreError();
        }) {}

  size_t size() {
    base::MutexLock lock(mutex_);
    return entities_.size();
  }
  int upserts() {
    base::MutexLock lock(mutex_);
    return upserts_;
  }
  Json Entity(const std::string& ref) {
    base::MutexLock lock(mutex_);
    const auto found = entities_.find(ref);
    return found == entities_.end() ? Json() : found->second;
  }

 private:
  base::Mutex mutex_;
  std::map<std::string, Json> entities_;
  int upserts_ = 0;
  std::jthread thread_;  // ends first
};

class SourcesInHostTest : public ::testing::Test {
 protected:
  SourcesInHostTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "purser-host-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    EXPECT_TRUE(registry_.Add(std::make_unique<KeycloakProvider>()).ok());
    EXPECT_TRUE(
        registry_.Add(std::make_unique<TerraformProvider>(std::vector<std::string>{folder_})).ok());
    transport_ = *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    log_ = *provider::SourceLog::Open(*database_, base::Clock::System(), base::Rng::System());
    Start();
  }
  ~SourcesInHostTest() override {
    host_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    host_.reset();
    provider::SourceServices services;
    services.log = log_.get();
    services.transport = transport_.get();
    services.clock = &base::Clock::System();
    services.rng = &base::Rng::System();
    services.resolve_secret = [](absl::string_view reference) -> absl::StatusOr<std::string> {
      if (reference == "env:PURSER_SECRET_KEYCLOAK") return std::string("s3cret");
      return absl::NotFoundError("no such secret");
    };
    host_ = std::make_unique<provider::SourceHost>(registry_, services);
  }
  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(folder_) / path;
    std::filesystem::create_directories(file.parent_path());
    // Whole at once: the provider may read at any time.
    std::ofstream(file.string() + "~") << text;
    std::filesystem::rename(file.string() + "~", file);
  }
  bool Fails(const std::string& name) {
    return Eventually([&] {
      const auto now = host_->Get(name);
      return now.ok() && !now->record.error.empty();
    });
  }

  std::string folder_;
  provider::Registry registry_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<store::Database> database_ = *store::OpenSqlite({":memory:"});
  std::unique_ptr<provider::SourceLog> log_;
  std::unique_ptr<provider::SourceHost> host_;
};

// A realm over real HTTP whose answers a test changes.
class Realm {
 public:
  Realm() {
    for (int i = 0; i < 60; ++i) {
      const std::string id = absl::StrCat("u", i);
      users_.push_back({{"id", id}, {"username", id}, {"enabled", true}});
    }
    auto server = http::Server::Start(
        {}, [this](const http::ServerRequest& request) { return Answer(request); });
    EXPECT_TRUE(server.ok());
    server_ = *std::move(server);
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", server_->port()); }
  void Change(const std::function<void(std::vector<Json>& users)>& change) {
    base::MutexLock lock(mutex_);
    change(users_);
  }
  // What is answered instead; nullopt leaves it to the realm.
  using Spoil = std::function<std::optional<http::ServerResponse>(const http::ServerRequest&)>;
  void SetSpoil(Spoil spoil) {
    base::MutexLock lock(mutex_);
    spoil_ = std::move(spoil);
  }
  std::atomic<bool> breaks_members{false};

 private:
  http::ServerResponse Answer(const http::ServerRequest& request) {
    const auto json = [](const Json& value) { return http::ServerResponse{200, {}, value.dump()}; };
    base::MutexLock lock(mutex_);
    if (spoil_) {
      if (std::optional<http::ServerResponse> spoiled = spoil_(request)) return *std::move(spoiled);
    }
    if (absl::EndsWith(request.path, "/token")) {
      return json({{"access_token", "t"}, {"expires_in", 60}});
    }
    if (absl::EndsWith(request.path, "/users/count")) return json(users_.size());
    if (absl::EndsWith(request.path, "/members")) {
      if (breaks_members) return {400, {}, "{}"};
      return json(users_);
    }
    if (absl::EndsWith(request.path, "/users")) return json(users_);
    return json(Json::array({{{"id", "g1"}, {"name", "eng"}}}));
  }

  base::Mutex mutex_;
  std::vector<Json> users_;
  Spoil spoil_;
  std::unique_ptr<http::Server> server_;
};

// An answer of a gigabyte; `most` is what was taken of one.
http::ServerResponse Gigabyte(const std::shared_ptr<std::atomic<int64_t>>& most) {
  http::ServerResponse response;
  response.stream = [most](const std::function<bool(absl::string_view)>& write) {
    const std::string piece(1 << 20, 'x');
    if (!write("[{\"id\":\"")) return;
    int64_t taken = 0;
    while (taken < int64_t{1} << 30 && write(piece)) taken += static_cast<int64_t>(piece.size());
    *most = std::max<int64_t>(*most, taken);
  };
  return response;
}

TEST_F(SourcesInHostTest, PeopleSurviveTheFailuresOfTheirDirectory) {
  Realm realm;
  provider::FollowRequest request;
  request.id = "keycloak";
  request.instance = "acme";
  request.config = {{"url", realm.url()},
                    {"realm", "acme"},
                    {"clientId", "purser"},
                    {"clientSecret", "env:PURSER_SECRET_KEYCLOAK"}};
  request.options = {{"refreshEvery", 1}};
  auto portal = std::make_unique<Portal>(*host_, request);
  ASSERT_TRUE(Eventually([&] { return portal->size() == 61; }));
  EXPECT_EQ(portal->Entity("user:default/u7")["spec"]["memberOf"], Json({"eng"}));
  const int before = portal->upserts();

  // Broken in the middle: the users were listed, their groups were not.
  realm.breaks_members = true;
  realm.Change([](std::vector<Json>& users) { users.resize(30); });
  ASSERT_TRUE(Fails("keycloak/acme"));
  EXPECT_EQ(portal->size(), 61u);

  // Half of them gone at once is held until somebody confirms it.
  realm.breaks_members = false;
  ASSERT_TRUE(Eventually([&] { return host_->Get("keycloak/acme")->record.held == 30; }));
  EXPECT_EQ(portal->size(), 61u);
  EXPECT_EQ(portal->upserts(), before);
  ASSERT_EQ(*host_->Confirm("keycloak/acme"), 30);
  ASSERT_TRUE(Eventually([&] { return portal->size() == 31; }));

  // One is disabled: gone by a delta, with nothing else sent.
  realm.Change([](std::vector<Json>& users) { users[0]["enabled"] = false; });
  ASSERT_TRUE(Eventually([&] { return portal->size() == 30; }));
  EXPECT_EQ(portal->upserts(), before);

  // An empty realm removes nobody.
  realm.Change([](std::vector<Json>& users) { users.clear(); });
  ASSERT_TRUE(Eventually([&] { return host_->Get("keycloak/acme")->record.held > 0; }));
  EXPECT_EQ(portal->size(), 30u);

  // purserd restarts while nothing is there: a portal that begins anew gets all that is known.
  portal.reset();
  Start();
  portal = std::make_unique<Portal>(*host_, request);
  EXPECT_TRUE(Eventually([&] { return portal->size() == 30; }));
}

// What may come instead of a page in the middle: each time the entities are kept and the source is
// marked, and a good answer makes it well again.
TEST_F(SourcesInHostTest, BadAnswersKeepTheEntitiesAndMarkTheSource) {
  Realm realm;
  provider::FollowRequest request;
  request.id = "keycloak";
  request.instance = "acme";
  request.config = {{"url", realm.url()},
                    {"realm", "acme"},
                    {"clientId", "purser"},
                    {"clientSecret", "env:PURSER_SECRET_KEYCLOAK"}};
  request.options = {{"refreshEvery", 1}};
  Portal portal(*host_, request);
  ASSERT_TRUE(Eventually([&] { return portal.size() == 61; }));
  const int before = portal.upserts();
  const auto most = std::make_shared<std::atomic<int64_t>>(0);

  struct Case {
    const char* name;
    const char* path;  // whose answer is spoiled, by its end
    std::function<http::ServerResponse()> answer;
    const char* error;
  };
  const std::vector<Case> cases = {
      {"unauthorized", "/members", [] { return http::ServerResponse{401, {}, "{}"}; }, "401"},
      {"forbidden", "/members", [] { return http::ServerResponse{403, {}, "{}"}; }, "403"},
      {"too many requests", "/members",
       [] { return http::ServerResponse{429, {{"Retry-After", "0"}}, "{}"}; }, "429"},
      {"unavailable", "/members", [] { return http::ServerResponse{503, {}, "{}"}; }, "503"},
      {"cut off", "/users", [] { return http::ServerResponse{200, {}, R"([{"id":"u3","usern)"}; },
       "cut off"},
      {"nested without end", "/users",
       [] { return http::ServerResponse{200, {}, std::string(1 << 20, '[')}; }, "no JSON"},
      {"a gigabyte", "/users", [&most] { return Gigabyte(most); }, "max_response_bytes"},
  };
  for (const Case& item : cases) {
    SCOPED_TRACE(item.name);
    realm.SetSpoil([&item](const http::ServerRequest& asked) {
      return absl::EndsWith(asked.path, item.path) ? std::optional(item.answer()) : std::nullopt;
    });
    EXPECT_TRUE(Eventually([&] {
      return absl::StrContains(host_->Get("keycloak/acme")->record.error, item.error);
    })) << host_->Get("keycloak/acme")->record.error;
    EXPECT_EQ(portal.size(), 61u);
    realm.SetSpoil(nullptr);
    EXPECT_TRUE(Eventually([&] { return host_->Get("keycloak/acme")->record.error.empty(); }));
  }
  EXPECT_EQ(portal.upserts(), before) << "nothing was new";
  EXPECT_LT(*most, int64_t{100} << 20) << "the rest of the gigabyte was not even taken";

  // A server that gives the same page for ever, and more users than are allowed.
  realm.SetSpoil([](const http::ServerRequest& asked) -> std::optional<http::ServerResponse> {
    if (!absl::EndsWith(asked.path, "/users")) return std::nullopt;
    Json page = Json::array();
    for (int i = 0; i < 500; ++i) {
      page.push_back({{"id", absl::StrCat("u", i)}, {"username", absl::StrCat("u", i)}});
    }
    return http::ServerResponse{200, {}, page.dump()};
  });
  EXPECT_TRUE(Eventually([&] {
    return absl::StrContains(host_->Get("keycloak/acme")->record.error, "same page");
  })) << host_->Get("keycloak/acme")->record.error;
  EXPECT_EQ(portal.size(), 61u);
}

TEST_F(SourcesInHostTest, AMistakeInTerraformKeepsItsFolder) {
  for (int i = 0; i < 12; ++i) {
    Put(absl::StrCat("tree/environments/prod/c", i, "/infra/main.tf"), "resource \"a\" \"b\" {}\n");
  }
  provider::FollowRequest request;
  request.id = "terraform";
  request.instance = "platform";
  request.config = {{"folder", folder_ + "/tree"}, {"owner", "group:default/platform"}};
  request.options = {{"refreshEvery", 1}};
  Portal portal(*host_, request);
  // The environment, and a system and a root for each customer.
  ASSERT_TRUE(Eventually([&] { return portal.size() == 25; }));

  Put("tree/environments/prod/c3/infra/main.tf", "resource {{{\n");
  Put("tree/environments/prod/c4/infra/more.tf", "terraform {\n  required_version = \"> 1\"\n}\n");
  ASSERT_TRUE(Eventually([&] {
    return portal.Entity("resource:default/environments.prod.c4.infra")
               .dump()
               .find("terraform-version") != std::string::npos;
  }));
  EXPECT_EQ(portal.size(), 25u);
  ASSERT_TRUE(
      Eventually([&] { return !host_->Get("terraform/platform")->stats.degraded.empty(); }));
  EXPECT_NE(host_->Get("terraform/platform")->stats.degraded.begin()->second.find("main.tf:1:"),
            std::string::npos);

  std::filesystem::remove_all(folder_ + "/tree/environments/prod/c5");
  ASSERT_TRUE(Eventually([&] { return portal.size() == 23; }));
  Put("tree/environments/prod/c3/infra/main.tf", "");
  ASSERT_TRUE(Eventually([&] { return host_->Get("terraform/platform")->stats.degraded.empty(); }));
  EXPECT_EQ(portal.size(), 23u);
}

}  // namespace
}  // namespace purser::catalog_providers
