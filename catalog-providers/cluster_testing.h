// For tests of providers that read clusters: one provider running against an API server in memory,
// over real connections.
#ifndef PURSER_CATALOG_PROVIDERS_CLUSTER_TESTING_H_
#define PURSER_CATALOG_PROVIDERS_CLUSTER_TESTING_H_

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/testing/eventually.h"
#include "connectors/kubernetes/fake_api_server.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "json/json.h"
#include "provider/fake_context.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

// Pauses take no time; a stop is seen.
class HastyClock final : public base::Clock {
 public:
  absl::Time Now() override { return base::Clock::System().Now(); }
  absl::Duration Monotonic() override { return base::Clock::System().Monotonic(); }
  bool SleepFor(absl::Duration, std::stop_token stop) override {
    return base::Clock::System().SleepFor(absl::Milliseconds(3), stop);
  }
};

class HastyContext final : public provider::FakeContext {
 public:
  using FakeContext::FakeContext;
  base::Clock& clock() override { return clock_; }

 private:
  HastyClock clock_;
};

class ClusterRun {
 public:
  // `config` without clusters gets one, "c1", at `server`.
  ClusterRun(provider::Provider& provider, const connectors::FakeApiServer& server,
             nlohmann::json config = nlohmann::json::object(),
             std::map<std::string, std::string> memory = {})
      : ClusterRun(provider, AtServer(std::move(config), server), std::move(memory)) {}

  // Defaults are filled in; a config that the schema refuses fails the test.
  ClusterRun(provider::Provider& provider, nlohmann::json config,
             std::map<std::string, std::string> memory)
      : provider_(provider) {
    const auto schema = json::Schema::Compile(provider.description().config_schema);
    EXPECT_TRUE(schema.ok()) << schema.status();
    const absl::Status fits = json::ToStatus(schema->Validate(config), "config");
    EXPECT_TRUE(fits.ok()) << fits;
    transport_ = *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    context = std::make_unique<HastyContext>(schema->WithDefaults(config), transport_.get());
    context->memory = std::move(memory);
    thread_ = std::thread([this] { result_ = provider_.Watch(*context); });
  }
  ~ClusterRun() { Stop().IgnoreError(); }

  absl::Status Stop() {
    context->stop_source.request_stop();
    if (thread_.joinable()) thread_.join();
    return result_;
  }

  // Until it holds; false when it does not.
  bool WaitFor(const std::function<bool(provider::FakeContext&)>& holds) {
    return base::Eventually([&] {
      base::MutexLock lock(context->mutex);
      return holds(*context);
    });
  }
  bool WaitForEvent(const std::string& event) {
    return WaitFor([&event](provider::FakeContext& told) {
      return std::find(told.events.begin(), told.events.end(), event) != told.events.end();
    });
  }
  bool WaitForEntity(const std::string& ref) {
    return WaitFor([&ref](provider::FakeContext& told) { return told.entities.contains(ref); });
  }
  bool WaitForRemoval(const std::string& ref) {
    return WaitFor([&ref](provider::FakeContext& told) { return !told.entities.contains(ref); });
  }
  // A discarded value when there is none.
  nlohmann::json Entity(const std::string& ref) {
    base::MutexLock lock(context->mutex);
    const auto found = context->entities.find(ref);
    return found == context->entities.end() ? nlohmann::json(nlohmann::json::value_t::discarded)
                                            : found->second;
  }
  int Count(const std::string& event) {
    base::MutexLock lock(context->mutex);
    return static_cast<int>(std::count(context->events.begin(), context->events.end(), event));
  }
  std::map<std::string, std::string> Memory() {
    base::MutexLock lock(context->mutex);
    return context->memory;
  }

  std::unique_ptr<HastyContext> context;

 private:
  static nlohmann::json AtServer(nlohmann::json config, const connectors::FakeApiServer& server) {
    if (!config.contains("clusters")) config["clusters"] = {{"c1", {{"server", server.url()}}}};
    return config;
  }

  provider::Provider& provider_;
  std::unique_ptr<http::Transport> transport_;
  std::thread thread_;
  absl::Status result_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CLUSTER_TESTING_H_
