// A Context for tests of providers: keeps what was emitted, removed, kept and remembered, with the
// order of it all in `events`, and refuses invalid entities as a host does.
#ifndef PURSER_PROVIDER_FAKE_CONTEXT_H_
#define PURSER_PROVIDER_FAKE_CONTEXT_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "catalog/entity.h"
#include "provider/provider.h"

namespace purser::provider {

// Answers every request with UNAVAILABLE.
class NoTransport final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request&, const http::CallOptions&) override {
    return absl::UnavailableError("no network in this test");
  }
};

// Emission is thread-safe; read the fields when the provider has returned or under `mutex`.
class FakeContext : public Context {
 public:
  explicit FakeContext(nlohmann::json config, http::Transport* transport = nullptr)
      : config_(std::move(config)), transport_(transport) {}

  // Between runs.
  void SetConfig(nlohmann::json config) { config_ = std::move(config); }

  const nlohmann::json& config() const override { return config_; }
  std::stop_token stop() const override { return stop_source.get_token(); }
  http::Transport& transport() override { return transport_ ? *transport_ : no_transport_; }
  base::Clock& clock() override { return fake_clock != nullptr ? *fake_clock : Context::clock(); }
  absl::StatusOr<std::string> Secret(absl::string_view reference) override {
    const auto found = secrets.find(std::string(reference));
    if (found == secrets.end()) {
      return absl::NotFoundError(absl::StrCat("secret ", reference, ": not set"));
    }
    return found->second;
  }
  void Log(action::LogLevel, absl::string_view line) override {
    base::MutexLock lock(mutex);
    log.emplace_back(line);
  }
  absl::Status EmitIn(absl::string_view partition, const nlohmann::json& entity) override {
    const std::vector<catalog::Problem> problems = catalog::Validate(entity);
    base::MutexLock lock(mutex);
    if (!problems.empty()) {
      ++dropped;
      std::string text = "entity is not valid:";
      for (const catalog::Problem& problem : problems) {
        absl::StrAppend(&text, " ", problem.pointer, " ", problem.message, ";");
      }
      return absl::InvalidArgumentError(text);
    }
    std::string ref = catalog::RefOf(entity).ToString();
    events.push_back(absl::StrCat("emit ", ref));
    partitions[ref] = std::string(partition);
    entities[std::move(ref)] = entity;
    return absl::OkStatus();
  }
  void AddDropped(int64_t items) override {
    base::MutexLock lock(mutex);
    dropped += items;
  }
  void KeepPartition(absl::string_view partition, const absl::Status& why) override {
    base::MutexLock lock(mutex);
    events.push_back(absl::StrCat("keep ", partition));
    kept[std::string(partition)] = why;
  }
  void Unchanged() override {
    base::MutexLock lock(mutex);
    unchanged = true;
  }
  absl::Status Remember(absl::string_view key, absl::string_view value) override {
    base::MutexLock lock(mutex);
    memory[std::string(key)] = std::string(value);
    return absl::OkStatus();
  }
  std::optional<std::string> Recall(absl::string_view key) override {
    base::MutexLock lock(mutex);
    const auto found = memory.find(std::string(key));
    if (found == memory.end() || found->second.empty()) return std::nullopt;
    return found->second;
  }
  absl::Status BeginSnapshot(absl::string_view partition) override {
    base::MutexLock lock(mutex);
    events.push_back(absl::StrCat("begin ", partition));
    return absl::OkStatus();
  }
  absl::Status CompleteSnapshot(absl::string_view partition) override {
    base::MutexLock lock(mutex);
    events.push_back(absl::StrCat("complete ", partition));
    return absl::OkStatus();
  }
  absl::Status Remove(absl::string_view ref) override {
    base::MutexLock lock(mutex);
    events.push_back(absl::StrCat("remove ", ref));
    entities.erase(std::string(ref));
    return absl::OkStatus();
  }

  base::Mutex mutex;
  std::stop_source stop_source;
  base::FakeClock* fake_clock = nullptr;
  std::map<std::string, std::string> secrets;  // by reference
  std::vector<std::string> log;
  std::vector<std::string> events;
  std::map<std::string, nlohmann::json> entities;  // by ref
  std::map<std::string, std::string> partitions;   // ref → partition it was emitted in
  std::map<std::string, absl::Status> kept;        // partition → why
  std::map<std::string, std::string> memory;
  int64_t dropped = 0;
  bool unchanged = false;

 private:
  nlohmann::json config_;
  http::Transport* transport_;
  NoTransport no_transport_;
};

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_FAKE_CONTEXT_H_
