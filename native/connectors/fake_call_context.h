// What tests of connectors give to a call.
#ifndef PURSER_CONNECTORS_FAKE_CALL_CONTEXT_H_
#define PURSER_CONNECTORS_FAKE_CALL_CONTEXT_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "connectors/connector.h"

namespace purser::connectors {

// Thread-safe, except that the public members are set before use.
class FakeCallContext final : public CallContext {
 public:
  const std::string& effect_key() const override { return key; }
  std::stop_token stop() const override { return stopper.get_token(); }
  absl::Time deadline() const override { return end; }
  void Log(action::LogLevel, absl::string_view line) override {
    base::MutexLock lock(mutex_);
    lines_.emplace_back(line);
  }
  absl::StatusOr<std::string> ResolveSecret(absl::string_view reference) override {
    const auto found = secrets.find(base::ToStd(reference));
    if (found != secrets.end()) return found->second;
    return absl::NotFoundError(absl::StrCat("secret ", reference, " is not set"));
  }
  std::function<void()> Waker() override { return waker; }
  std::vector<std::string> lines() const {
    base::MutexLock lock(mutex_);
    return lines_;
  }

  std::string key = "run_1/step/1";
  std::stop_source stopper;
  absl::Time end = absl::InfiniteFuture();
  std::map<std::string, std::string, std::less<>> secrets;
  std::function<void()> waker;

 private:
  mutable base::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_FAKE_CALL_CONTEXT_H_
