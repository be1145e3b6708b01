// purserd — Purser's sidecar: durable provisioning and costs behind gRPC.
#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "json/json.h"
#include "scaffolder-actions/registry.h"
#include "sidecar/app.h"
#include "sidecar/config.h"
#include "sidecar/log.h"

namespace {

constexpr char kUsage[] =
    "usage: purserd --config FILE            run until SIGTERM or SIGINT\n"
    "       purserd --check-config FILE      check the file, blueprints and rules, print problems\n"
    "       purserd --print-config-schema    print the JSON Schema of the file\n"
    "       purserd --print-actions          print the hosted actions as a JSON array\n"
    "       purserd --version\n";

// Calls in flight may end, the store is written, streams are told to come back elsewhere.
constexpr absl::Duration kDrainGrace = absl::Seconds(10);

int Fail(const absl::Status& status) {
  std::cerr << std::string(status.message()) << std::endl;
  return 1;
}

int PrintActions() {
  purser::action::Registry registry;
  const absl::Status added = purser::actions::AddSidecarActions(registry, nullptr, nullptr);
  if (!added.ok()) return Fail(added);
  nlohmann::json all = nlohmann::json::array();
  for (const purser::action::Description* description : registry.List()) {
    all.push_back(purser::action::ToJson(*description));
  }
  std::cout << all.dump(2) << std::endl;
  return 0;
}

int Run(const std::string& file) {
  absl::StatusOr<purser::sidecar::Config> config = purser::sidecar::LoadConfig(file);
  if (!config.ok()) return Fail(config.status());
  purser::sidecar::SetUpLog(config->log_level);

  // Secrets pass through this process's memory; a core file would keep them.
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  std::signal(SIGPIPE, SIG_IGN);
  // Blocked before any thread starts, so that only sigwait below receives them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  absl::StatusOr<std::unique_ptr<purser::sidecar::App>> app =
      purser::sidecar::App::Start(*std::move(config));
  if (!app.ok()) return Fail(app.status());
  int signal = 0;
  sigwait(&signals, &signal);
  (*app)->Stop(kDrainGrace);
  return 0;
}

int CheckConfig(const std::string& file) {
  const absl::StatusOr<purser::sidecar::Config> config = purser::sidecar::LoadConfig(file);
  if (!config.ok()) return Fail(config.status());
  const absl::Status checked = purser::sidecar::App::Check(*config);
  if (!checked.ok()) return Fail(checked);
  std::cout << file << ": ok" << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "--config") return Run(words[1]);
  if (words.size() == 2 && words[0] == "--check-config") return CheckConfig(words[1]);
  if (words.size() == 1 && words[0] == "--print-config-schema") {
    std::cout << purser::sidecar::ConfigSchema().dump(2) << std::endl;
    return 0;
  }
  if (words.size() == 1 && words[0] == "--print-actions") return PrintActions();
  if (words.size() == 1 && words[0] == "--version") {
    std::cout << "purserd " PURSER_VERSION << std::endl;
    return 0;
  }
  std::cerr << kUsage;
  return 2;
}
