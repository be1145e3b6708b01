// A real API server for tests: started where its programs are at hand, on free ports, with its
// state in a fresh folder, and stopped at the end.
#ifndef PURSER_TESTS_PEERS_KUBERNETES_PEER_H_
#define PURSER_TESTS_PEERS_KUBERNETES_PEER_H_

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/testing/free_ports.h"
#include "connectors/kubernetes/kubeconfig.h"
#include "document/yaml.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "json/json.h"

namespace purser::peers {

inline std::string Environment(const char* name, const std::string& otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

inline std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Definitions of today for a server of 1.20: it knows no CEL rules, no selectable fields, reads an
// empty default as none, and wants the keys of list maps to be required or to have a default.
inline void FitForOldServers(nlohmann::json& value) {
  if (value.is_array()) {
    for (nlohmann::json& item : value) FitForOldServers(item);
  }
  if (!value.is_object()) return;
  value.erase("x-kubernetes-validations");
  value.erase("selectableFields");
  if (value.contains("default") && value["default"] == "") value.erase("default");
  for (auto& [key, member] : value.items()) FitForOldServers(member);
  if (value.value("x-kubernetes-list-type", nlohmann::json()) == "map") {
    value["x-kubernetes-list-type"] = "atomic";
    value.erase("x-kubernetes-list-map-keys");
  }
}

class KubernetesPeer {
 public:
  // `source` is the root of the sources; `flags` are further ones of the server.
  explicit KubernetesPeer(const std::filesystem::path& source, const std::string& flags = "") {
    const std::filesystem::path programs =
        Environment("PURSER_PEERS", Environment("HOME", "/nonexistent") + "/.cache/purser-peers");
    if (access((programs / "kubernetes/bin/kube-apiserver").c_str(), X_OK) != 0) {
      why_not_ = "SKIP no kube-apiserver in " + programs.string() +
                 "; tests/peers/kube-apiserver.sh build makes it";
      return;
    }
    std::string pattern = testing::TempDir() + "kube-peer-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    const auto ports = base::FreePorts(3);
    if (!ports.ok()) {
      why_not_ = absl::StrCat("SKIP ", ports.status().message());
      return;
    }
    const std::string command = absl::StrCat(
        "ETCD_PORT=", (*ports)[0], " PEER_PORT=", (*ports)[1], " API_PORT=", (*ports)[2],
        " API_FLAGS='", flags, "' bash '", (source / "tests/peers/kube-apiserver.sh").string(),
        "' up '", folder_.string(), "' >'", folder_.string(), "/up.log' 2>&1");
    if (std::system(command.c_str()) != 0) {
      why_not_ = "SKIP the API server did not start: " + ReadAll(folder_ / "up.log");
    }
  }

  ~KubernetesPeer() {
    if (folder_.empty()) return;
    for (const char* name : {"apiserver.pid", "etcd.pid"}) {
      const int pid = std::atoi(ReadAll(folder_ / name).c_str());
      if (pid > 1) kill(pid, SIGTERM);
      for (int i = 0; pid > 1 && i < 100 && kill(pid, 0) == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
    std::filesystem::remove_all(folder_);
  }

  // Why there is none; empty when there is one.
  const std::string& why_not() const { return why_not_; }
  std::string kubeconfig() const { return (folder_ / "kubeconfig").string(); }

  static std::unique_ptr<http::Transport> Transport() {
    auto transport =
        http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    return transport.ok() ? *std::move(transport) : nullptr;
  }

  // What a controller or another client would send. The status, -1 without an answer.
  int Send(const char* method, const std::string& path, const char* type,
           const nlohmann::json& body) const {
    const auto access = connectors::ReadKubeconfig(kubeconfig(), "");
    http::CallOptions options;
    options.tls = access->tls;
    const auto response = Transport()->Send(
        {.method = method,
         .url = access->server + path,
         .headers = {{"Content-Type", type}, {"Authorization", "Bearer " + *access->token()}},
         .body = json::Dump(body)},
        options);
    return response.ok() ? response->status : -1;
  }

 private:
  std::filesystem::path folder_;
  std::string why_not_;
};

// The tests of a suite share one server; where there is none they are skipped.
class OnKubernetesPeer : public testing::Test {
 protected:
  static void SetUpTestSuite() { peer_ = new KubernetesPeer(PURSER_SOURCE_DIR); }
  static void TearDownTestSuite() {
    delete peer_;
    peer_ = nullptr;
  }
  void SetUp() override {
    if (!peer_->why_not().empty()) GTEST_SKIP() << peer_->why_not();
  }

  static inline KubernetesPeer* peer_ = nullptr;
};

}  // namespace purser::peers

#endif  // PURSER_TESTS_PEERS_KUBERNETES_PEER_H_
