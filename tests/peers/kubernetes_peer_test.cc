// The kubernetes connector against a real API server.
//
// Runs where a kube-apiserver is at hand: its program in $PURSER_PEERS/kubernetes/bin (default
// ~/.cache/purser-peers) and, in ../shared/peers or $PURSER_SHARED/peers, the script that starts
// it. Says what it skips otherwise. Free ports, a fresh folder, stopped at the end.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/rng.h"
#include "connectors/fake_call_context.h"
#include "connectors/kubernetes/kubeconfig.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "document/yaml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string Environment(const char* name, const std::string& otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Definitions of today for a server of 1.20: it knows no CEL rules, no selectable fields, reads an
// empty default as none, and wants the keys of list maps to be required or to have a default.
void FitForOldServers(Json& value) {
  if (value.is_array()) {
    for (Json& item : value) FitForOldServers(item);
  }
  if (!value.is_object()) return;
  value.erase("x-kubernetes-validations");
  value.erase("selectableFields");
  if (value.contains("default") && value["default"] == "") value.erase("default");
  for (auto& [key, member] : value.items()) FitForOldServers(member);
  if (value.value("x-kubernetes-list-type", Json()) == "map") {
    value["x-kubernetes-list-type"] = "atomic";
    value.erase("x-kubernetes-list-map-keys");
  }
}

class KubernetesPeerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const fs::path source = PURSER_SOURCE_DIR;
    shared_ = Environment("PURSER_SHARED", (source / ".." / "shared").string());
    const fs::path peers =
        Environment("PURSER_PEERS", Environment("HOME", "/nonexistent") + "/.cache/purser-peers");
    const fs::path script = shared_ / "peers" / "kube-apiserver-up.sh";
    if (access((peers / "kubernetes/bin/kube-apiserver").c_str(), X_OK) != 0) {
      why_not_ = "SKIP no kube-apiserver in " + peers.string();
      return;
    }
    if (!fs::exists(script)) {
      why_not_ = "SKIP no script " + script.string();
      return;
    }
    std::string pattern = testing::TempDir() + "kube-peer-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    const std::string command = absl::StrCat(
        "PURSER_PEERS='", peers.string(), "' ETCD_PORT=", FreePort(), " PEER_PORT=", FreePort(),
        " API_PORT=", FreePort(), " bash '", script.string(), "' '", folder_.string(), "' >'",
        folder_.string(), "/up.log' 2>&1");
    if (std::system(command.c_str()) != 0) {
      why_not_ = "SKIP the API server did not start: " + ReadAll(folder_ / "up.log");
    }
  }

  static void TearDownTestSuite() {
    if (folder_.empty()) return;
    for (const char* name : {"apiserver.pid", "etcd.pid"}) {
      const int pid = std::atoi(ReadAll(folder_ / name).c_str());
      if (pid > 1) kill(pid, SIGTERM);
      for (int i = 0; pid > 1 && i < 100 && kill(pid, 0) == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
    fs::remove_all(folder_);
  }

  void SetUp() override {
    if (!why_not_.empty()) GTEST_SKIP() << why_not_;
    auto transport =
        http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    ASSERT_TRUE(transport.ok()) << transport.status();
    transport_ = *std::move(transport);
    const ConnectorDependencies dependencies{
        *transport_, base::Clock::System(), base::Rng::System(), {}};
    auto connector = KubernetesConnector::FromConfig(
        "kubernetes",
        {{"clusters", {{"local", {{"kubeconfig", (folder_ / "kubeconfig").string()}}}}}},
        dependencies);
    ASSERT_TRUE(connector.ok()) << connector.status();
    connector_ = *std::move(connector);
  }

  // Calls and observes until ready or an error, at most a minute.
  absl::StatusOr<CallResult> Run(const char* operation, const Json& input) {
    absl::StatusOr<CallResult> result = connector_->Call(operation, input, context_);
    for (int i = 0; i < 300 && result.ok() && !result->ready; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      result = connector_->Observe(operation, input, *result, context_);
    }
    return result;
  }

  // What a controller or another client would send.
  int Send(const char* method, const std::string& path, const char* type, const Json& body) {
    const auto access = ReadKubeconfig((folder_ / "kubeconfig").string(), "");
    http::CallOptions options;
    options.tls = access->tls;
    const auto response = transport_->Send(
        {.method = method,
         .url = access->server + path,
         .headers = {{"Content-Type", type}, {"Authorization", "Bearer " + *access->token()}},
         .body = json::Dump(body)},
        options);
    return response.ok() ? response->status : -1;
  }

  static inline fs::path shared_;
  static inline fs::path folder_;
  static inline std::string why_not_;
  FakeCallContext context_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<Connector> connector_;
};

Json ConfigMap(const char* name, const char* value) {
  return {{"object",
           {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}, {"namespace", "default"}}},
            {"data", {{"k", value}}}}},
          {"outputs", {{"value", "/data/k"}}}};
}

TEST_F(KubernetesPeerTest, AppliesRepeatsAndDeletes) {
  const auto applied = Run("apply", ConfigMap("plain", "1"));
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->outputs["value"], "1");
  EXPECT_EQ(applied->outputs["created"], true);
  EXPECT_EQ(applied->resources.at(0).id, "local/core/ConfigMap/default/plain");
  const auto again = Run("apply", ConfigMap("plain", "2"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->outputs["value"], "2");
  EXPECT_EQ(again->outputs["created"], true);
  EXPECT_EQ(again->outputs["uid"], applied->outputs["uid"]);
  const auto deleted = Run("delete", again->outputs);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_TRUE(deleted->ready);
  EXPECT_TRUE(Run("delete", again->outputs).ok());
}

TEST_F(KubernetesPeerTest, ConflictsAreExplained) {
  const Json object = ConfigMap("shared", "theirs")["object"];
  ASSERT_EQ(Send("PATCH", "/api/v1/namespaces/default/configmaps/shared?fieldManager=gitops",
                 "application/apply-patch+yaml", object),
            201);
  const auto conflict = Run("apply", ConfigMap("shared", "ours"));
  EXPECT_EQ(conflict.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr(".data.k"));
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr("gitops"));
  Json forced = ConfigMap("shared", "ours");
  forced["force"] = true;
  const auto applied = Run("apply", forced);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->outputs["created"], false);
  // The compensation leaves what it did not make.
  ASSERT_TRUE(Run("delete", applied->outputs).ok());
  EXPECT_EQ(Send("GET", "/api/v1/namespaces/default/configmaps/shared", "application/json", {}),
            200);
}

TEST_F(KubernetesPeerTest, FaultsComeFromTheServersSchema) {
  Json service = {{"object",
                   {{"apiVersion", "v1"},
                    {"kind", "Service"},
                    {"metadata", {{"name", "bad"}, {"namespace", "default"}}},
                    {"spec", {{"ports", Json::array({{{"port", 99999}, {"protocol", "TCP"}}})}}}}}};
  const auto invalid = Run("apply", service);
  EXPECT_EQ(invalid.status().code(), absl::StatusCode::kInvalidArgument) << invalid.status();
  EXPECT_THAT(std::string(invalid.status().message()), HasSubstr("99999"));
  service["object"]["spec"]["ports"] = "none";
  const auto untyped = Run("apply", service);
  EXPECT_EQ(untyped.status().code(), absl::StatusCode::kInvalidArgument) << untyped.status();
  EXPECT_THAT(std::string(untyped.status().message()), HasSubstr(".spec.ports"));
  const auto nowhere = Run("apply", {{"object",
                                      {{"apiVersion", "v1"},
                                       {"kind", "ConfigMap"},
                                       {"metadata", {{"name", "a"}, {"namespace", "absent"}}}}}});
  EXPECT_EQ(nowhere.status().code(), absl::StatusCode::kNotFound) << nowhere.status();
  const auto unknown =
      Run("apply",
          {{"object",
            {{"apiVersion", "none.io/v1"}, {"kind", "Nothing"}, {"metadata", {{"name", "a"}}}}}});
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kFailedPrecondition) << unknown.status();
}

TEST_F(KubernetesPeerTest, ADefinitionAndAnObjectOfIt) {
  fs::path file;
  std::error_code error;
  for (const auto& entry :
       fs::directory_iterator(shared_ / "data/crds/certmanager/deploy/crds", error)) {
    if (absl::EndsWith(entry.path().string(), "_certificates.yaml")) file = entry.path();
  }
  if (file.empty()) GTEST_SKIP() << "SKIP no cert-manager definitions in " << shared_;
  auto document = document::ParseYamlDocument(ReadAll(file), file.string());
  ASSERT_TRUE(document.ok()) << document.status();
  FitForOldServers(document->value);
  const auto defined = Run("apply", {{"object", document->value}});
  ASSERT_TRUE(defined.ok()) << defined.status();
  EXPECT_TRUE(defined->ready);
  EXPECT_EQ(defined->resources.at(0).id,
            "local/apiextensions.k8s.io/CustomResourceDefinition/-/certificates.cert-manager.io");

  const Json input = {{"object",
                       {{"apiVersion", "cert-manager.io/v1"},
                        {"kind", "Certificate"},
                        {"metadata", {{"name", "site"}, {"namespace", "default"}}},
                        {"spec",
                         {{"secretName", "site-tls"},
                          {"dnsNames", {"site.example.org"}},
                          {"issuerRef", {{"name", "ca"}}}}}}},
                      {"outputs", {{"until", "/status/notAfter"}}}};
  auto result = connector_->Call("apply", input, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  EXPECT_THAT(result->progress, HasSubstr("Certificate default/site"));
  const Json ready = {{"status",
                       {{"notAfter", "2027-01-01T00:00:00Z"},
                        {"conditions", Json::array({{{"type", "Ready"},
                                                     {"status", "True"},
                                                     {"reason", "Issued"},
                                                     {"observedGeneration", 1}}})}}}};
  ASSERT_EQ(Send("PATCH", "/apis/cert-manager.io/v1/namespaces/default/certificates/site/status",
                 "application/merge-patch+json", ready),
            200);
  result = connector_->Observe("apply", input, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["until"], "2027-01-01T00:00:00Z");
  const auto deleted = Run("delete", result->outputs);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
}

}  // namespace
}  // namespace purser::connectors
