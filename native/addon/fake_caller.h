// A Caller for unit tests: keeps what the hosts say.
#ifndef PURSER_ADDON_FAKE_CALLER_H_
#define PURSER_ADDON_FAKE_CALLER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/caller.h"
#include "base/clock.h"

namespace purser::addon {

// Not thread-safe, but for the log.
class FakeCaller final : public Caller {
 public:
  std::stop_token stop() const override { return source.get_token(); }
  std::shared_ptr<LogBatcher> OpenLog(Redactor redactor) override {
    log = std::make_shared<LogBatcher>(std::move(redactor), source.get_token(), clock, [] {});
    return log;
  }
  void Output(std::string name, std::string json) override {
    outputs.emplace_back(std::move(name), std::move(json));
  }
  Answer Chunk(std::string upserts, std::string removed) override {
    const absl::Status status = on_chunk ? on_chunk(upserts, removed) : absl::OkStatus();
    chunks.emplace_back(std::move(upserts), std::move(removed));
    return [this, status] {
      ++answered;
      return status;
    };
  }
  FetchTransport::Hooks FetchHooks() override {
    return {
        .start =
            [](const std::shared_ptr<FetchExchange>&) {
              return absl::FailedPreconditionError("no network here");
            },
        .give = [](const std::shared_ptr<FetchExchange>&, std::string) { return absl::OkStatus(); },
        .abort = [](const std::shared_ptr<FetchExchange>&) {}};
  }
  // Everything logged, one line each.
  std::string Logged() {
    std::string text;
    if (log == nullptr) return text;
    for (auto segments = log->Take(); !segments.empty(); segments = log->Take()) {
      for (const LogSegment& segment : segments) text += segment.text + "\n";
    }
    return text;
  }

  std::stop_source source;
  base::FakeClock clock;
  std::shared_ptr<LogBatcher> log;
  std::vector<std::pair<std::string, std::string>> outputs;
  std::vector<std::pair<std::string, std::string>> chunks;
  std::function<absl::Status(const std::string&, const std::string&)> on_chunk;
  size_t answered = 0;  // chunks that were waited for
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_FAKE_CALLER_H_
