// For tests: a service over a small cloud in memory, with a clock that the test moves.
#ifndef PURSER_PROVISIONING_TESTING_SERVICE_FIXTURE_H_
#define PURSER_PROVISIONING_TESTING_SERVICE_FIXTURE_H_

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/temporary_folder.h"
#include "base/testing/eventually.h"
#include "connectors/core/core_connector.h"
#include "gtest/gtest.h"
#include "provisioning/engine.h"

namespace purser::provisioning {

// "cloud/make" puts a thing of a name and a size, "cloud/drop" takes it away, "cloud/fail" refuses.
// "cloud/grow" and "cloud/shrink", which undoes it, are over once the test says so by Tell, or have
// been before they began when their input says `told`; they hear of it at once. "cloud/hang" keeps
// its thread until LetGo. Thread-safe.
class MemoryCloud final : public connectors::Connector {
 public:
  MemoryCloud() {
    const auto add = [this](const char* name, const char* undo) {
      connectors::Operation operation;
      operation.name = name;
      operation.call_class = connectors::CallClass::kPut;
      operation.input_schema = {{"type", "object"}};
      operation.output_schema = {{"type", "object"}};
      operation.compensation = undo;
      operations_.push_back(operation);
    };
    add("make", "drop");
    add("drop", "");
    add("fail", "");
    add("grow", "shrink");
    add("shrink", "");
    add("hang", "");
  }

  const std::string& name() const override { return name_; }
  const std::vector<connectors::Operation>& operations() const override { return operations_; }

  absl::StatusOr<connectors::CallResult> Call(absl::string_view operation,
                                              const nlohmann::json& input,
                                              connectors::CallContext& context) override {
    if (operation == "hang") {
      while (!let_go_ && !context.stop().stop_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      return connectors::CallResult();
    }
    base::MutexLock lock(mutex_);
    if (operation == "fail") return absl::InvalidArgumentError("quota is used up");
    const std::string name = input.at("name");
    calls_.push_back(absl::StrCat(operation, " ", name));
    if (operation == "grow" || operation == "shrink") {
      told_.erase(name);
      wakers_[name] = context.Waker();
      if (input.value("told", false)) TellLocked(name);
      connectors::CallResult begun;
      begun.outputs = {{"name", name}};
      begun.ready = false;
      begun.poll_after = absl::Hours(24);
      begun.progress = absl::StrCat(operation, "s");
      return begun;
    }
    if (operation == "drop") {
      if (sticky_) return absl::PermissionDeniedError("locked");
      // What was there before the call that gave these outputs stays, as with real systems.
      if (!input.value("created", true)) return connectors::CallResult();
      things_.erase(name);
      return connectors::CallResult();
    }
    if (!things_.contains(name)) makers_[name] = context.effect_key();
    things_[name] = input;
    connectors::CallResult made = Result(name);
    made.outputs["created"] = makers_[name] == context.effect_key();
    return made;
  }
  absl::StatusOr<connectors::CallResult> Observe(absl::string_view operation,
                                                 const nlohmann::json& input,
                                                 const connectors::CallResult& previous,
                                                 connectors::CallContext&) override {
    base::MutexLock lock(mutex_);
    const std::string name = input.at("name");
    calls_.push_back(absl::StrCat("look ", name));
    if (operation == "grow" || operation == "shrink") {
      connectors::CallResult grown = previous;
      grown.ready = told_.contains(name);
      return grown;
    }
    if (!things_.contains(name)) {
      return absl::NotFoundError(absl::StrCat("there is no ", name));
    }
    connectors::CallResult found = Result(name);
    if (previous.outputs.contains("created")) {
      found.outputs["created"] = previous.outputs["created"];
    }
    return found;
  }

  void LetGo() { let_go_ = true; }
  void Tell(const std::string& name) {
    base::MutexLock lock(mutex_);
    TellLocked(name);
  }
  std::function<void()> WakerOf(const std::string& name) {
    base::MutexLock lock(mutex_);
    return wakers_[name];
  }
  std::vector<std::string> Calls() {
    base::MutexLock lock(mutex_);
    return calls_;
  }
  std::map<std::string, nlohmann::json> Things() {
    base::MutexLock lock(mutex_);
    return things_;
  }
  // As somebody else would.
  void Set(const std::string& name, const nlohmann::json& thing) {
    base::MutexLock lock(mutex_);
    if (thing.is_null()) {
      things_.erase(name);
    } else {
      things_[name] = thing;
    }
  }
  void SetSticky(bool sticky) {
    base::MutexLock lock(mutex_);
    sticky_ = sticky;
  }

 private:
  connectors::CallResult Result(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    connectors::CallResult result;
    result.outputs = {{"name", name}, {"size", things_[name].value("size", 0)}};
    result.resources.push_back({absl::StrCat("urn:cloud:", name), "thing", name, {}});
    return result;
  }

  void TellLocked(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    told_.insert(name);
    wakers_[name]();
  }

  const std::string name_ = "cloud";
  std::vector<connectors::Operation> operations_;
  base::Mutex mutex_;
  std::map<std::string, nlohmann::json> things_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> makers_ ABSL_GUARDED_BY(mutex_);  // name → effect key
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> told_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::function<void()>> wakers_ ABSL_GUARDED_BY(mutex_);
  bool sticky_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> let_go_{false};
};

inline const Actor kAnna = {"user:default/anna", "", {}};
inline const Actor kBoss = {"user:default/boss", "looked at it", {}};

class ServiceFixture : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder_ + "/policies");
    auto cloud = std::make_unique<MemoryCloud>();
    cloud_ = cloud.get();
    connectors_.emplace("cloud", std::move(cloud));
    connectors_.emplace("core", std::make_unique<connectors::CoreConnector>("core", clock_));
    database_ = *store::OpenSqlite({":memory:"});
    inventory_ = *inventory::Inventory::Open(*database_, clock_);
  }
  void TearDown() override { service_.reset(); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  // A blueprint "name" with `spec`, indented by two.
  void WriteBlueprint(const std::string& name, const std::string& spec) {
    Write(name + ".yaml",
          absl::StrCat("apiVersion: purser.dev/v1\nkind: Blueprint\nmetadata: {name: ", name,
                       "}\nspec:\n", spec));
  }
  void Open() {
    service_.reset();
    options_.database = database_.get();
    options_.inventory = inventory_.get();
    options_.connectors = &connectors_;
    options_.clock = &clock_;
    options_.rng = &rng_;
    options_.blueprint_folders = {folder_};
    options_.policy_folders = {folder_ + "/policies"};
    options_.resolve_secret = [](absl::string_view reference) -> absl::StatusOr<std::string> {
      if (reference == "test:hook") return std::string("s3cr3t");
      return absl::NotFoundError("no such secret");
    };
    auto service = OpenService(options_);
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
    ASSERT_TRUE(service_->Start().ok());
  }

  absl::StatusOr<Request> Ask(RequestKind kind, const std::string& holding,
                              const nlohmann::json& parameters = nlohmann::json::object(),
                              const std::string& owner = "") {
    CreateOptions options;
    options.kind = kind;
    options.holding = holding;
    options.parameters = parameters;
    options.owner = owner;
    options.requester = kAnna.ref;
    return service_->Create(options);
  }
  absl::StatusOr<Request> Make(const std::string& blueprint, const nlohmann::json& parameters,
                               const std::string& key = "") {
    CreateOptions options;
    options.blueprint = blueprint;
    options.parameters = parameters;
    options.requester = kAnna.ref;
    options.idempotency_key = key;
    return service_->Create(options);
  }

  // Until `done`, or a test that hangs says where it stands.
  Request WaitFor(const std::string& id, const std::function<bool(const Request&)>& done) {
    absl::StatusOr<Request> request = service_->Get(id);
    const bool ended = base::Eventually([&] {
      request = service_->Get(id);
      return !request.ok() || done(*request);
    });
    EXPECT_TRUE(request.ok()) << request.status();
    if (!request.ok()) return Request();
    EXPECT_TRUE(ended) << id << " is " << ToString(request->state) << ": " << request->message;
    return *request;
  }
  Request Settle(const std::string& id) {
    return WaitFor(id, [](const Request& request) {
      return IsFinal(request.state) || request.state == RequestState::kNeedsOperator;
    });
  }
  // Creates and waits: what came of it.
  Request Done(const absl::StatusOr<Request>& request) {
    EXPECT_TRUE(request.ok()) << request.status();
    return request.ok() ? Settle(request->id) : Request();
  }
  // Moves the clock on, in steps so that all who sleep see it, until `done`.
  void AdvanceUntil(absl::Duration step, const std::function<bool()>& done) {
    EXPECT_TRUE(base::Eventually([&] {
      if (done()) return true;
      clock_.Advance(step);
      return false;
    }));
  }
  std::vector<std::string> Events(const std::string& id) {
    std::vector<std::string> types;
    EXPECT_TRUE(service_
                    ->Watch(id, 0, false, {},
                            [&](const Event& event) {
                              types.push_back(event.type);
                              return absl::OkStatus();
                            })
                    .ok());
    return types;
  }

  const std::unique_ptr<base::TemporaryFolder> temporary_ =
      *base::TemporaryFolder::Create("a test");
  const std::string& folder_ = temporary_->path();
  base::FakeClock clock_;
  base::SeededRng rng_{11};
  connectors::Connectors connectors_;
  MemoryCloud* cloud_ = nullptr;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<inventory::Inventory> inventory_;
  Options options_;
  std::unique_ptr<ProvisioningService> service_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_TESTING_SERVICE_FIXTURE_H_
