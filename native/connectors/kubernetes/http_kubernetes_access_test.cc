// What the client sends for patches, definitions, rights and members of sets, and how it reads the
// answers. tests/peers has the same against a real API server.
#include "absl/strings/str_cat.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr char kServer[] = "https://cluster.example";

class HttpKubernetesAccessTest : public ::testing::Test {
 protected:
  HttpKubernetesAccessTest() : client_("local", Access(), transport_, clock_) {
    transport_.Reply(
        "GET", absl::StrCat(kServer, "/apis/db.io/v1"),
        Answer({{"kind", "APIResourceList"},
                {"resources",
                 Json::array(
                     {{{"name", "databases"}, {"kind", "Database"}, {"namespaced", true}}})}}));
  }
  static ClusterAccess Access() {
    ClusterAccess access;
    access.server = kServer;
    return access;
  }
  static http::Response Answer(const Json& body, int status = 200) {
    return {.status = status, .body = json::Dump(body)};
  }
  http::Request Last() { return transport_.requests().back(); }

  http::FakeTransport transport_;
  base::FakeClock clock_;
  HttpKubernetesClient client_;
  const ObjectRef ref_{"db.io/v1", "Database", "team", "d"};
};

TEST_F(HttpKubernetesAccessTest, MergesNeverMake) {
  const std::string url = absl::StrCat(
      kServer, "/apis/db.io/v1/namespaces/team/databases/d/status?fieldManager=purser&dryRun=All",
      "&fieldValidation=Strict");
  transport_.Reply("PATCH", url, Answer({{"kind", "Database"}}));
  transport_.Reply("PATCH", url,
                   Answer({{"kind", "Status"}, {"reason", "NotFound"}, {"message", "gone"}}, 404));
  const Json patch = {{"status", {{"phase", "Up"}}}};
  const ApplyOptions trial{.dry_run = true};
  EXPECT_TRUE(client_.Merge(ref_, patch, "status", trial, {}).ok());
  EXPECT_EQ(http::FindHeader(Last().headers, "Content-Type"), "application/merge-patch+json");
  EXPECT_EQ(*json::Parse(Last().body), patch);
  EXPECT_EQ(client_.Merge(ref_, patch, "status", trial, {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(HttpKubernetesAccessTest, DefinitionsAreFoundByPlural) {
  transport_.Reply("GET", absl::StrCat(kServer, "/apis/apiextensions.k8s.io/v1"),
                   Answer({{"resources", Json::array({{{"name", "customresourcedefinitions"},
                                                       {"kind", "CustomResourceDefinition"},
                                                       {"namespaced", false}}})}}));
  transport_.Reply("GET",
                   absl::StrCat(kServer, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/",
                                "databases.db.io"),
                   Answer({{"kind", "CustomResourceDefinition"}}));
  const auto definition = client_.Definition("db.io/v1", "Database", {});
  ASSERT_TRUE(definition.ok()) << definition.status();
  EXPECT_EQ((*definition)["kind"], "CustomResourceDefinition");
}

TEST_F(HttpKubernetesAccessTest, AsksForRights) {
  const std::string url =
      absl::StrCat(kServer, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
  transport_.Reply("POST", url, Answer({{"status", {{"allowed", true}}}}, 201));
  transport_.Reply("POST", url,
                   Answer({{"status", {{"allowed", false}, {"reason", "no policy"}}}}, 201));
  transport_.Reply("POST", url, Answer(Json::object(), 201));
  EXPECT_TRUE(client_.MayI("patch", ref_, {})->allowed);
  EXPECT_EQ((*json::Parse(Last().body))["spec"]["resourceAttributes"],
            Json({{"verb", "patch"},
                  {"group", "db.io"},
                  {"resource", "databases"},
                  {"namespace", "team"}}));
  const auto denied = client_.MayI("patch", ref_, {});
  EXPECT_FALSE(denied->allowed);
  EXPECT_EQ(denied->reason, "no policy");
  EXPECT_EQ(client_.MayI("patch", ref_, {}).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HttpKubernetesAccessTest, FindsMembersPageByPageWithoutTheirContents) {
  const std::string url = absl::StrCat(
      kServer, "/apis/db.io/v1/namespaces/team/databases?labelSelector=part-of%3Dx&limit=500");
  const auto page = [](const char* name, const char* next) {
    return Answer(
        {{"metadata", {{"continue", next}}},
         {"items",
          Json::array(
              {{{"metadata",
                 {{"name", name}, {"namespace", "team"}, {"uid", std::string("u-") + name}}}}})}});
  };
  transport_.Reply("GET", url, page("a", "more"));
  transport_.Reply("GET", url + "&continue=more", page("b", ""));
  const auto found = client_.Find("db.io/v1", "Database", "team", "part-of=x", {});
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 2);
  EXPECT_EQ((*found)[1].ref.name, "b");
  EXPECT_EQ((*found)[1].uid, "u-b");
  EXPECT_THAT(std::string(http::FindHeader(Last().headers, "Accept")),
              HasSubstr("PartialObjectMetadataList"));
}

TEST_F(HttpKubernetesAccessTest, NoMembersAreNoError) {
  transport_.Reply("GET",
                   absl::StrCat(kServer, "/apis/db.io/v1/databases?labelSelector=a%3Db&limit=500"),
                   Answer({{"kind", "PartialObjectMetadataList"},
                           {"metadata", Json::object()},
                           {"items", nullptr}}));
  const auto found = client_.Find("db.io/v1", "Database", "", "a=b", {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->empty());
}

TEST_F(HttpKubernetesAccessTest, PagesThatDoNotEndAreAnError) {
  transport_.Otherwise(
      [](const http::Request& request, const http::CallOptions&) -> absl::StatusOr<http::Response> {
        if (request.url.find("labelSelector") == std::string::npos) {
          return absl::NotFoundError(request.url);
        }
        return Answer({{"metadata", {{"continue", "again"}}}, {"items", Json::array()}});
      });
  EXPECT_EQ(client_.Find("db.io/v1", "Database", "", "a=b", {}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::connectors
