#include "sidecar/config.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::sidecar {
namespace {

using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/purser-config-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  absl::StatusOr<Config> Load(const std::string& text) {
    std::ofstream(folder_ + "/purserd.yaml") << text;
    return LoadConfig(folder_ + "/purserd.yaml");
  }
  std::string ErrorOf(const std::string& text) {
    const absl::StatusOr<Config> config = Load(text);
    return config.ok() ? "" : std::string(config.status().message());
  }
  std::string folder_;
};

TEST_F(ConfigTest, PathsAreRelativeToTheFile) {
  const absl::StatusOr<Config> config = Load(R"(
state: ./state
listen:
  unix: {path: run/purserd.sock, allowedUids: [1000]}
blueprints: [blueprints, /etc/purser/blueprints]
connectors:
  files: {root: gitops}
  cluster-a: {type: kubernetes, concurrency: 3}
portal: {url: 'https://portal.example.com', forms: {change: 'change-{blueprint}'}}
costs: {folders: [billing], allocation: rules.yaml}
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->state_folder, folder_ + "/state");
  EXPECT_EQ(config->unix_socket->path, folder_ + "/run/purserd.sock");
  EXPECT_THAT(config->unix_socket->allowed_uids, testing::ElementsAre(1000u));
  EXPECT_THAT(config->blueprint_folders,
              testing::ElementsAre(folder_ + "/blueprints", "/etc/purser/blueprints"));
  EXPECT_EQ(config->connectors.at("cluster-a").type, "kubernetes");
  // What is purserd's own does not reach the connector.
  EXPECT_TRUE(config->connectors.at("cluster-a").config.empty());
  EXPECT_EQ(config->connector_concurrency, (std::map<std::string, int>{{"cluster-a", 3}}));
  EXPECT_EQ(config->portal_forms.templates.at("change"), "change-{blueprint}");
  EXPECT_EQ(config->http_address, "127.0.0.1:9464");
  EXPECT_EQ(config->workers, 4);
}

TEST_F(ConfigTest, AllProblemsAtOnceWithLineAndField) {
  const std::string error = ErrorOf(
      "state: 7\n"
      "listen:\n"
      "  unix: {}\n"
      "workers: 0\n"
      "colour: red\n");
  EXPECT_THAT(error, HasSubstr("purserd.yaml:1:8: /state: "));
  EXPECT_THAT(error, HasSubstr("purserd.yaml:3:9: /listen/unix"));
  EXPECT_THAT(error, HasSubstr("path"));
  EXPECT_THAT(error, HasSubstr("purserd.yaml:4:10: /workers: "));
  EXPECT_THAT(error, HasSubstr("colour"));
}

TEST_F(ConfigTest, MetricsStayOnLoopback) {
  EXPECT_THAT(
      ErrorOf("state: s\nlisten: {unix: {path: r/s}}\nhttp:\n  address: 0.0.0.0:9464\n"),
      HasSubstr("purserd.yaml:4:12: /http/address: 0.0.0.0:9464 is not a loopback address"));
}

TEST_F(ConfigTest, TcpNeedsMutualTls) {
  EXPECT_THAT(ErrorOf("state: s\nlisten:\n  tcp: {address: \"127.0.0.1:7443\"}\n"),
              HasSubstr("clientCa"));
}

TEST_F(ConfigTest, WhereCostsAreKept) {
  const std::string rest = "state: s\nlisten: {unix: {path: r/s}}\n";
  const absl::StatusOr<Config> embedded = Load(rest + "costs: {folders: [billing]}\n");
  ASSERT_TRUE(embedded.ok()) << embedded.status();
  EXPECT_TRUE(embedded->cost_engine.is_null()) << "the store itself";
  EXPECT_EQ(embedded->cost_duckdb_library, "") << "none is looked for";
  const absl::StatusOr<Config> config = Load(rest + R"(
costs:
  folders: [billing]
  engine:
    type: clickhouse
    servers: ["http://ch-1:8123", "http://ch-2:8123"]
    cluster: purser
    database: costs
    user: purser
    password: env:PURSER_CLICKHOUSE_PASSWORD
  parquet: {duckdb: lib/libduckdb.so}
  keepDeliveries: 3
  keepMonths: 25
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cost_engine["cluster"], "purser");
  EXPECT_EQ(config->cost_engine["servers"].size(), 2u);
  EXPECT_EQ(config->cost_duckdb_library, folder_ + "/lib/libduckdb.so");
  EXPECT_EQ(config->cost_keep_deliveries, 3);
  EXPECT_EQ(config->cost_keep_months, 25);
}

TEST_F(ConfigTest, AnEngineIsNamedAsTheDocumentationSays) {
  const std::string rest = "state: s\nlisten: {unix: {path: r/s}}\n";
  EXPECT_THAT(ErrorOf(rest + "costs: {engine: {type: trino, servers: [x]}}\n"),
              HasSubstr("/costs/engine/type"));
  EXPECT_THAT(ErrorOf(rest + "costs: {engine: {type: clickhouse}}\n"), HasSubstr("servers"));
  EXPECT_THAT(ErrorOf(rest + "costs: {engine: {type: clickhouse, servers: [x], colour: red}}\n"),
              HasSubstr("colour"));
  EXPECT_THAT(
      ErrorOf(rest + "costs: {engine: {type: clickhouse, servers: [x], password: secret}}\n"),
      HasSubstr("/costs/engine/password"))
      << "a reference, not the secret itself";
  EXPECT_THAT(ErrorOf(rest + "costs: {parquet: {library: x}}\n"), HasSubstr("library"));
  EXPECT_THAT(ErrorOf(rest + "costs: {keepMonths: -1}\n"), HasSubstr("/costs/keepMonths"));
}

TEST_F(ConfigTest, BrokenYamlAndMissingFile) {
  EXPECT_THAT(ErrorOf("state: [1\nlisten: x\n"), HasSubstr("purserd.yaml:2:"));
  EXPECT_EQ(LoadConfig(folder_ + "/none.yaml").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace purser::sidecar
