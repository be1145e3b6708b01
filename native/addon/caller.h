// What the hosts ask of the side that called them; the addon's implementation goes to JavaScript.
#ifndef PURSER_ADDON_CALLER_H_
#define PURSER_ADDON_CALLER_H_

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "addon/fetch_transport.h"
#include "addon/log_batcher.h"
#include "addon/redactor.h"

namespace purser::addon {

// One call in flight. Thread-safe.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual std::stop_token stop() const = 0;
  // Called once, as soon as the secrets are known and before anything is logged.
  virtual std::shared_ptr<LogBatcher> OpenLog(Redactor redactor) = 0;
  // `json` is a JSON text. Outputs are handed over in order when the call ends.
  virtual void Output(std::string name, std::string json) = 0;
  // Waits until the catalog took the chunk; its refusal is the status. Called once at most, while
  // the call lives.
  using Answer = std::function<absl::Status()>;
  // Hands over a chunk of changes (two JSON arrays: entities, refs), without waiting. Chunks are
  // taken in the order of these calls.
  virtual Answer Chunk(std::string upserts, std::string removed) = 0;
  virtual FetchTransport::Hooks FetchHooks() = 0;
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_CALLER_H_
