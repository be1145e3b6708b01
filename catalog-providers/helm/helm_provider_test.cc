#include "catalog-providers/helm/helm_provider.h"

#include <zlib.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "catalog-providers/cluster_testing.h"
#include "catalog-providers/helm/helm_release.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Encoded(const std::string& text, bool gzip = true) {
  return absl::Base64Escape(absl::Base64Escape(gzip ? Gzip(text) : text));
}

Json Release(int revision, const char* status) {
  return {{"name", "db"},
          {"namespace", "data"},
          {"version", revision},
          {"info",
           {{"status", status},
            {"last_deployed", "2026-11-01T10:00:00Z"},
            {"notes", "the password is hidden"}}},
          {"chart",
           {{"metadata",
             {{"name", "postgresql"},
              {"version", absl::StrCat("1.", revision)},
              {"appVersion", "15"},
              {"description", "A database"},
              {"home", "https://charts.example.org"}}},
            {"values", {{"password", "hidden"}}}}},
          {"config", {{"password", "hidden"}}},
          {"manifest", "kind: Secret\nhidden"}};
}

Json Secret(int revision, const char* status) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"type", "helm.sh/release.v1"},
          {"metadata",
           {{"name", absl::StrCat("sh.helm.release.v1.db.v", revision)},
            {"namespace", "data"},
            {"labels", {{"owner", "helm"}, {"status", status}, {"name", "db"}, {"team", "pay"}}}}},
          {"data", {{"release", Encoded(Release(revision, status).dump())}}}};
}

TEST(HelmReleaseTest, NothingSecretIsKept) {
  const auto release = DecodeHelmRelease(Encoded(Release(3, "deployed").dump()));
  ASSERT_TRUE(release.ok()) << release.status();
  EXPECT_EQ((*release)["chart"]["metadata"]["name"], "postgresql");
  EXPECT_THAT(release->dump(), Not(HasSubstr("hidden")));
  EXPECT_TRUE(DecodeHelmRelease(Encoded(Release(3, "deployed").dump(), false)).ok());
}

TEST(HelmReleaseTest, DamageIsToldWithoutContents) {
  const std::string packed = Gzip(R"({"name":"hidden","info":{"status":"x"}})");
  const auto twice = [](const std::string& bytes) {
    return absl::Base64Escape(absl::Base64Escape(bytes));
  };
  for (const std::string& data :
       {std::string(), std::string("%%%"), absl::Base64Escape("%%%"), twice(packed.substr(0, 30)),
        twice(packed.substr(0, 12) + "xxxx" + packed.substr(16)), twice("hidden"),
        twice("{\"name\":\"hidden"), Encoded("[1]"), Encoded("{\"name\":\"\\q hidden\"}")}) {
    const auto release = DecodeHelmRelease(data);
    EXPECT_EQ(release.status().code(), absl::StatusCode::kInvalidArgument) << data;
    EXPECT_THAT(std::string(release.status().message()), Not(HasSubstr("hidden")));
  }
  // A bomb: a few kilobytes that unpack to more than any release has.
  const auto bomb = DecodeHelmRelease(Encoded(std::string(kMaxReleaseBytes + (1 << 20), ' ')));
  EXPECT_EQ(bomb.status().code(), absl::StatusCode::kResourceExhausted) << bomb.status();
}

TEST(HelmProviderTest, TheNewestRevisionCounts) {
  connectors::FakeApiServer server;
  server.Put({{"apiVersion", "v1"},
              {"kind", "Secret"},
              {"type", "Opaque"},
              {"metadata", {{"name", "mine"}, {"namespace", "data"}}},
              {"data", {{"password", "hidden"}}}});
  server.Put(Secret(1, "superseded"));
  server.Put(Secret(2, "deployed"));
  HelmProvider provider;
  ClusterRun run(provider, server,
                 {{"rules",
                   {{{"entity",
                      {{"owner", "group:${{ labels.team }}"},
                       {"annotations", {{"x.org/v", "${{ object.data.release }}"}}}}}}}}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const std::string ref = "resource:default/db.release.data.c1";
  Json entity = run.Entity(ref);
  ASSERT_FALSE(entity.is_discarded());
  const auto revision_is = [&](const char* revision, const char* health) {
    return run.WaitFor([&](provider::FakeContext& told) {
      const auto found = told.entities.find(ref);
      if (found == told.entities.end()) return false;
      const Json& annotations = found->second["metadata"]["annotations"];
      return annotations["purser.dev/helm-revision"] == revision &&
             annotations["purser.dev/health"] == health;
    });
  };
  EXPECT_TRUE(revision_is("2", "ready"));
  EXPECT_EQ(entity["metadata"]["annotations"]["purser.dev/helm-chart-version"], "1.2");
  EXPECT_EQ(entity["metadata"]["annotations"]["purser.dev/deployed-at"], "2026-11-01T10:00:00Z");
  EXPECT_EQ(entity["spec"]["owner"], "group:pay");
  EXPECT_FALSE(entity["metadata"]["annotations"].contains("x.org/v"));
  // An upgrade that fails: the old one stays deployed, the newest says what happened.
  server.Put(Secret(3, "pending-upgrade"));
  EXPECT_TRUE(revision_is("3", "progressing"));
  server.Put(Secret(3, "failed"));
  EXPECT_TRUE(revision_is("3", "failed"));
  // Rolled back and cleaned up.
  server.Delete(Secret(3, "failed"));
  EXPECT_TRUE(revision_is("2", "ready"));
  server.Put(Secret(2, "superseded"));
  server.Put(Secret(4, "deployed"));
  EXPECT_TRUE(revision_is("4", "ready"));
  // One that is damaged does not take away what is known.
  Json damaged = Secret(4, "deployed");
  damaged["data"]["release"] = "AAAA";
  server.Put(damaged);
  ASSERT_TRUE(run.WaitFor([](provider::FakeContext& told) { return told.dropped == 1; }));
  EXPECT_TRUE(revision_is("4", "ready"));
  server.Delete(Secret(4, "deployed"));
  EXPECT_TRUE(run.WaitForRemoval(ref));
  base::MutexLock lock(run.context->mutex);
  for (const std::string& line : run.context->log) EXPECT_THAT(line, Not(HasSubstr("hidden")));
  EXPECT_EQ(server.Requests("/api/v1/secrets?labelSelector=owner%3Dhelm"), 2);  // list and watch
  EXPECT_EQ(server.Requests("/api/v1/secrets"), 2);
}

}  // namespace
}  // namespace purser::catalog_providers
