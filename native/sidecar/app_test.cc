#include "sidecar/app.h"

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "purser/v1/costs.grpc.pb.h"
#include "purser/v1/provisioning.grpc.pb.h"
#include "sidecar/config.h"

namespace purser::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  return ntohs(address.sin_port);
}

class AppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/purser-app-XXXXXX";
    folder_ = mkdtemp(pattern);
    port_ = FreePort();
    std::filesystem::create_directories(folder_ + "/blueprints");
    std::filesystem::create_directories(folder_ + "/billing");
    std::ofstream(folder_ + "/blueprints/one.yaml") << R"(
apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: one}
spec:
  parameters: {type: object, properties: {name: {type: string}}, required: [name]}
  owner: group:default/team
  steps:
    - {id: manifest, uses: files/write, with: {folder: "${{ parameters.name }}", files: {a.txt: hello}}}
  entity:
    metadata: {name: "${{ parameters.name }}"}
    spec: {type: test}
)";
    WriteConfig("");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void WriteConfig(const std::string& more) {
    std::ofstream(folder_ + "/purserd.yaml")
        << "state: state\nlisten: {unix: {path: run/s.sock}}\nhttp: {address: \"127.0.0.1:" << port_
        << "\"}\nlog: {level: error}\nblueprints: [blueprints]\n"
        << "connectors: {core: {}, files: {root: " << folder_ << "/out}}\n"
        << "costs: {folders: [billing]}\n"
        << more;
  }
  absl::StatusOr<std::unique_ptr<App>> Start() {
    absl::StatusOr<Config> config = LoadConfig(folder_ + "/purserd.yaml");
    if (!config.ok()) return config.status();
    return App::Start(*std::move(config));
  }
  std::string Get(const std::string& path) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port_));
    std::string answer;
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      const std::string request =
          absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      if (write(fd, request.data(), request.size()) > 0) {
        char buffer[4096];
        ssize_t got = 0;
        while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
          answer.append(buffer, static_cast<size_t>(got));
        }
      }
    }
    close(fd);
    return answer;
  }
  std::shared_ptr<grpc::Channel> Channel() {
    return grpc::CreateChannel("unix:" + folder_ + "/run/s.sock",
                               grpc::InsecureChannelCredentials());
  }

  std::string folder_;
  int port_ = 0;
};

TEST_F(AppTest, ServesRequestsCostsAndHealthAndStops) {
  absl::StatusOr<std::unique_ptr<App>> app = Start();
  ASSERT_TRUE(app.ok()) << app.status();
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/nothing"), StartsWith("HTTP/1.1 404"));

  const auto stub = purser::v1::ProvisioningService::NewStub(Channel());
  purser::v1::CreateRequestRequest create;
  create.set_blueprint("one");
  create.set_parameters_json(R"({"name":"x"})");
  create.set_requester("user:default/ada");
  create.set_idempotency_key("k1");
  purser::v1::CreateRequestResponse created;
  grpc::ClientContext create_context;
  const grpc::Status accepted = stub->CreateRequest(&create_context, create, &created);
  ASSERT_TRUE(accepted.ok()) << accepted.error_message();
  purser::v1::WatchRequestRequest watch;
  watch.set_id(created.request().id());
  watch.set_follow(true);
  grpc::ClientContext watch_context;
  const auto events = stub->WatchRequest(&watch_context, watch);
  purser::v1::WatchRequestResponse event;
  std::string last;
  while (events->Read(&event)) last = event.event().type();
  EXPECT_TRUE(events->Finish().ok());
  EXPECT_EQ(last, "request.succeeded");
  std::ifstream written(folder_ + "/out/x/a.txt");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(written), {}), "hello");
  EXPECT_THAT(Get("/metrics"),
              HasSubstr("purser_rpc_calls_total{method=\"CreateRequest\",code=\"OK\"} 1"));

  // Bills are read only below the open folders.
  std::ofstream(folder_ + "/outside.csv") << "x";
  std::filesystem::create_symlink(folder_ + "/outside.csv", folder_ + "/billing/link.csv");
  const auto costs = purser::v1::CostService::NewStub(Channel());
  for (const std::string& path : {folder_ + "/outside.csv", folder_ + "/billing/../outside.csv",
                                  folder_ + "/billing/link.csv"}) {
    purser::v1::IngestCostsRequest ingest;
    ingest.set_source("s");
    ingest.set_path(path);
    purser::v1::IngestCostsResponse response;
    grpc::ClientContext context;
    EXPECT_EQ(costs->IngestCosts(&context, ingest, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED)
        << path;
  }

  (*app)->Stop(absl::Seconds(5));
  EXPECT_EQ(Get("/healthz"), "");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/run/s.sock"));
}

TEST_F(AppTest, ASecondPurserdOnTheSameStateIsRefused) {
  absl::StatusOr<std::unique_ptr<App>> first = Start();
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::StatusOr<std::unique_ptr<App>> second = Start();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AppTest, CheckNamesBlueprintAndConnectorFaults) {
  std::ofstream(folder_ + "/blueprints/two.yaml") << R"(
apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: two}
spec:
  steps:
    - {id: a, uses: files/write, needs: [b], with: {folder: x, files: {a: b}}}
    - {id: b, uses: ftp/put, needs: [a], with: {}}
)";
  const absl::StatusOr<Config> config = LoadConfig(folder_ + "/purserd.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  const std::string problems(App::Check(*config).message());
  EXPECT_THAT(problems, HasSubstr("two.yaml:8:"));
  EXPECT_THAT(problems, HasSubstr("ftp"));
  EXPECT_THAT(problems, HasSubstr("in a circle: a → b → a"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/state"));
}

TEST_F(AppTest, AnOpenStateFolderIsRefused) {
  std::filesystem::create_directory(folder_ + "/state");
  std::filesystem::permissions(folder_ + "/state", std::filesystem::perms(0755));
  EXPECT_THAT(std::string(Start().status().message()), HasSubstr("chmod 700"));
}

}  // namespace
}  // namespace purser::sidecar
