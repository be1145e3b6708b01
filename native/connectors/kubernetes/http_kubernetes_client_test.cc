// The client against a server of ours that keeps objects and speaks as the real one does where we
// rely on it. tests/peers has the same against a real API server.
#include "connectors/kubernetes/http_kubernetes_client.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "connectors/kubernetes/fake_kubernetes_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "http/server.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

http::ServerResponse Reply(int status, const Json& body) {
  return {status, {{"Content-Type", "application/json"}}, json::Dump(body)};
}

http::ServerResponse Failure(int status, const char* reason, const std::string& message,
                             Json causes = Json::array()) {
  return Reply(status, {{"kind", "Status"},
                        {"apiVersion", "v1"},
                        {"status", "Failure"},
                        {"reason", reason},
                        {"message", message},
                        {"details", {{"causes", std::move(causes)}}},
                        {"code", status}});
}

class ApiServer {
 public:
  ApiServer() {
    auto server = http::Server::Start(
        {}, [this](const http::ServerRequest& request) { return Handle(request); });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", server_->port()); }
  FakeKubernetesClient& store() { return store_; }
  std::atomic<int> discoveries{0};
  std::atomic<bool> serves_widgets{false};

 private:
  http::ServerResponse Handle(const http::ServerRequest& request) {
    if (http::FindHeader(request.headers, "Authorization") != "Bearer t0ken") {
      return Failure(401, "Unauthorized", "Unauthorized");
    }
    std::vector<std::string> parts = absl::StrSplit(request.path.substr(1), '/');
    ObjectRef ref;
    size_t at = 2;
    if (parts[0] == "api") {
      ref.api_version = parts[1];
    } else {
      ref.api_version = absl::StrCat(parts[1], "/", parts[2]);
      at = 3;
    }
    if (parts.size() == at) return Discover(ref.api_version);
    if (parts[at] == "namespaces" && parts.size() > at + 2) {
      ref.namespace_name = parts[at + 1];
      at += 2;
    }
    ref.kind = parts[at] == "configmaps"   ? "ConfigMap"
               : parts[at] == "namespaces" ? "Namespace"
               : parts[at] == "widgets"    ? "Widget"
                                           : "Deployment";
    ref.name = parts[at + 1];
    if (ref.name == "html") return {502, {}, "<html>proxy says s0rry</html>"};
    if (request.method == "GET") return Object(store_.Get(ref, {}));
    if (request.method == "DELETE") return Delete(ref, request);
    return Patch(ref, request);
  }

  http::ServerResponse Discover(const std::string& version) {
    ++discoveries;
    Json resources = Json::array();
    if (version == "v1") {
      resources = {{{"name", "configmaps"}, {"namespaced", true}, {"kind", "ConfigMap"}},
                   {{"name", "namespaces"}, {"namespaced", false}, {"kind", "Namespace"}},
                   {{"name", "namespaces/status"}, {"namespaced", false}, {"kind", "Namespace"}}};
    } else if (version == "apps/v1") {
      resources = {{{"name", "deployments"}, {"namespaced", true}, {"kind", "Deployment"}},
                   {{"name", "deployments/scale"}, {"namespaced", true}, {"kind", "Scale"}}};
    } else if (version == "test.io/v1" && serves_widgets) {
      store_.AddKind("test.io/v1", "Widget", true);
      resources = {{{"name", "widgets"}, {"namespaced", true}, {"kind", "Widget"}}};
    } else {
      return {404, {}, "404 page not found"};
    }
    return Reply(200, {{"kind", "APIResourceList"}, {"resources", resources}});
  }

  http::ServerResponse Object(const absl::StatusOr<Json>& object) {
    if (object.ok()) return Reply(200, *object);
    return Failure(404, "NotFound", std::string(object.status().message()) + " not found");
  }

  http::ServerResponse Delete(const ObjectRef& ref, const http::ServerRequest& request) {
    const Json body = *json::Parse(request.body);
    const std::string uid =
        body.contains("preconditions") ? body["preconditions"]["uid"].get<std::string>() : "";
    const absl::Status status = store_.Delete(ref, uid, {});
    if (status.ok()) return Reply(200, {{"kind", "Status"}, {"status", "Success"}});
    if (absl::IsNotFound(status)) return Failure(404, "NotFound", "not found");
    return Failure(409, "Conflict", "Precondition failed: UID in precondition differs");
  }

  http::ServerResponse Patch(const ObjectRef& ref, const http::ServerRequest& request) {
    EXPECT_EQ(http::FindHeader(request.headers, "Content-Type"), "application/apply-patch+yaml");
    const Json object = *json::Parse(request.body);
    if (object.contains("spec") && object["spec"].value("replicas", 0) < 0) {
      return Failure(422, "Invalid", "Deployment is invalid: spec.replicas: must be at least 0");
    }
    if (ref.namespace_name == "forbidden") return Failure(403, "Forbidden", "no rights here");
    ApplyOptions options;
    options.field_manager = request.query.substr(strlen("fieldManager="),
                                                 request.query.find('&') - strlen("fieldManager="));
    options.force = request.query.find("force=true") != std::string::npos;
    const auto applied = store_.Apply(ref, object, options, {});
    if (applied.ok()) return Reply(200, *applied);
    Json causes = Json::array();
    for (const auto& [field, owner] : store_.conflicts()) {
      causes.push_back({{"reason", "FieldManagerConflict"},
                        {"field", field},
                        {"message", absl::StrCat("conflict with \"", owner, "\"")}});
    }
    return Failure(409, "Conflict", "Apply failed with conflicts", causes);
  }

  FakeKubernetesClient store_;
  std::unique_ptr<http::Server> server_;
};

class HttpKubernetesClientTest : public ::testing::Test {
 protected:
  HttpKubernetesClientTest() {
    ClusterAccess access;
    access.server = server_.url();
    access.tls = std::make_shared<http::TlsOptions>();
    access.token = []() -> absl::StatusOr<std::string> { return "t0ken"; };
    client_ = std::make_unique<HttpKubernetesClient>("local", access, *transport_, clock_);
  }
  static Json ConfigMap(const char* value) {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", "a"}, {"namespace", "default"}}},
            {"data", {{"k", value}}}};
  }

  ApiServer server_;
  std::unique_ptr<http::Transport> transport_ =
      *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
  base::FakeClock clock_;
  std::unique_ptr<HttpKubernetesClient> client_;
  const ObjectRef ref_{"v1", "ConfigMap", "default", "a"};
};

TEST_F(HttpKubernetesClientTest, AppliesReadsAndDeletes) {
  const auto applied = client_->Apply(ref_, ConfigMap("1"), {}, {});
  ASSERT_TRUE(applied.ok()) << applied.status();
  const auto got = client_->Get(ref_, {});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ((*got)["data"]["k"], "1");
  EXPECT_EQ(client_->Delete(ref_, "other", {}).code(), absl::StatusCode::kFailedPrecondition);
  const std::string uid = (*got)["metadata"]["uid"].get<std::string>();
  EXPECT_TRUE(client_->Delete(ref_, uid, {}).ok());
  EXPECT_EQ(client_->Delete(ref_, uid, {}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->Get(ref_, {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(HttpKubernetesClientTest, ConflictsNameFieldsAndOwners) {
  ASSERT_TRUE(client_->Apply(ref_, ConfigMap("1"), {.field_manager = "kubectl"}, {}).ok());
  const auto conflict = client_->Apply(ref_, ConfigMap("2"), {}, {});
  EXPECT_EQ(conflict.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr("/data/k"));
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr("kubectl"));
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr("force: true"));
  EXPECT_TRUE(client_->Apply(ref_, ConfigMap("2"), {.force = true}, {}).ok());
}

TEST_F(HttpKubernetesClientTest, DiscoveryIsKeptAndLooksAgainForNewKinds) {
  EXPECT_TRUE(*client_->IsNamespaced("v1", "ConfigMap", {}));
  EXPECT_FALSE(*client_->IsNamespaced("v1", "Namespace", {}));
  EXPECT_TRUE(*client_->IsNamespaced("apps/v1", "Deployment", {}));
  EXPECT_EQ(server_.discoveries, 2);
  const auto missing = client_->IsNamespaced("test.io/v1", "Widget", {});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("CustomResourceDefinition"));
  EXPECT_FALSE(client_->IsNamespaced("test.io/v1", "Widget", {}).ok());
  EXPECT_EQ(server_.discoveries, 3);  // not asked again within the refresh time
  server_.serves_widgets = true;
  clock_.Advance(kDiscoveryRefresh + absl::Seconds(1));
  EXPECT_TRUE(client_->IsNamespaced("test.io/v1", "Widget", {}).ok());
  EXPECT_FALSE(client_->IsNamespaced("v1", "Nothing", {}).ok());
  // A subresource's kind is none of its own.
  EXPECT_FALSE(client_->IsNamespaced("apps/v1", "Scale", {}).ok());
}

TEST_F(HttpKubernetesClientTest, ErrorsSayWhatTheServerSaid) {
  const ObjectRef deployment{"apps/v1", "Deployment", "default", "d"};
  const auto invalid = client_->Apply(deployment, {{"spec", {{"replicas", -1}}}}, {}, {});
  EXPECT_EQ(invalid.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(invalid.status().message()), HasSubstr("must be at least 0"));
  EXPECT_EQ(
      client_->Apply({"v1", "ConfigMap", "forbidden", "a"}, ConfigMap("1"), {}, {}).status().code(),
      absl::StatusCode::kPermissionDenied);
  const auto proxy = client_->Get({"v1", "ConfigMap", "default", "html"}, {});
  EXPECT_EQ(proxy.status().code(), absl::StatusCode::kUnavailable);
  ClusterAccess wrong;
  wrong.server = server_.url();
  wrong.token = []() -> absl::StatusOr<std::string> { return "wr0ng"; };
  HttpKubernetesClient stranger("local", wrong, *transport_, clock_);
  const auto refused = stranger.Get(ref_, {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("the cluster's credential is wrong or has expired"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("cluster local"));
  EXPECT_THAT(std::string(refused.status().message()), Not(HasSubstr("wr0ng")));
}

TEST_F(HttpKubernetesClientTest, NamesCannotLeaveTheirPlace) {
  const ObjectRef odd{"v1", "ConfigMap", "default/configmaps/b?x=", "../../secrets/c"};
  EXPECT_EQ(client_->Get(odd, {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(HttpKubernetesClientTest, StopEndsACall) {
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(client_->Get(ref_, {.stop = source.get_token()}).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace purser::connectors
