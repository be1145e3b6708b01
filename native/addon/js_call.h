// One call from JavaScript in flight: its promise, its callbacks, its cancellation.
#ifndef PURSER_ADDON_JS_CALL_H_
#define PURSER_ADDON_JS_CALL_H_

#include <node_api.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "addon/caller.h"
#include "addon/js.h"
#include "addon/mailbox.h"
#include "base/mutex.h"

namespace purser::addon {

// After the work is done, how long its native thread waits for the portal to take the last logs.
inline constexpr absl::Duration kMaxLogDrain = absl::Seconds(5);
inline constexpr size_t kMaxFetchHeaders = 1000;

// Shared by the native thread that works for it and the environment's table of calls. What belongs
// to JavaScript (the promise, references) is touched on the JavaScript thread only, and let go
// there before the last owner may be another thread.
class JsCall final : public Caller, public std::enable_shared_from_this<JsCall> {
 public:
  // Text for the promise; ignored when the call gives none.
  using Result = absl::StatusOr<std::string>;
  using Work = std::function<Result(Caller&)>;

  JsCall(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<LogPump> pump, bool gives_text,
         std::function<void(napi_env, const std::shared_ptr<JsCall>&)> on_settled)
      : mailbox_(std::move(mailbox)),
        pump_(std::move(pump)),
        gives_text_(gives_text),
        on_settled_(std::move(on_settled)) {}

  // --- JavaScript thread ---
  // Makes the promise. `callbacks` is an object, `signal` an AbortSignal, undefined or null.
  napi_value Begin(napi_env env, napi_value callbacks, napi_value signal);
  // Fulfils or rejects, once; afterwards nothing here refers to JavaScript any more.
  void Settle(napi_env env, const Result& result);
  // The environment is ending, no JavaScript may run: stops the work and lets everything go.
  void Abandon(napi_env env);
  // shutdown(): stops the work and rejects.
  void Cancel(napi_env env, const absl::Status& why);
  bool settled() const { return settled_; }

  // --- native thread of the pool ---
  void Run(const Work& work) noexcept;

  // --- Caller, any thread ---
  std::stop_token stop() const override { return stop_.get_token(); }
  std::shared_ptr<LogBatcher> OpenLog(Redactor redactor) override;
  void Output(std::string name, std::string json) override;
  Answer Chunk(std::string upserts, std::string removed) override;
  FetchTransport::Hooks FetchHooks() override;

 private:
  absl::Status Listen(napi_env env, napi_value signal);
  void OnAbort(napi_env env);
  void Release(napi_env env);
  bool DeliverLog(napi_env env);  // one batch; false when there was none
  absl::Status DeliverOutputs(napi_env env);
  void StartFetch(napi_env env, const std::shared_ptr<FetchExchange>& exchange);
  // The function by which the portal asks for the pieces of an upload.
  napi_value PullFunction(napi_env env, const std::shared_ptr<FetchExchange>& exchange);
  void GivePiece(napi_env env, const std::shared_ptr<FetchExchange>& exchange,
                 absl::string_view piece);
  void AbortFetch(napi_env env, const std::shared_ptr<FetchExchange>& exchange);
  void EndFetch(napi_env env, FetchExchange* exchange, absl::StatusOr<http::Response> answer);
  std::shared_ptr<LogBatcher> log();

  const std::shared_ptr<Mailbox> mailbox_;
  const std::shared_ptr<LogPump> pump_;
  const bool gives_text_;
  // The work may begin or the call may be settled unbegun: whoever sets it first.
  std::atomic<bool> taken_ = false;
  std::stop_source stop_;

  // JavaScript thread only.
  bool settled_ = false;
  napi_deferred deferred_ = nullptr;
  js::Reference callbacks_;
  js::Reference signal_;
  js::Reference listener_;
  struct Fetch {
    std::shared_ptr<FetchExchange> exchange;
    js::Reference controller;  // its AbortController
    js::Reference taker;       // who waits for the next piece of the body
  };
  std::map<FetchExchange*, Fetch> fetches_;
  std::function<void(napi_env, const std::shared_ptr<JsCall>&)> on_settled_;

  base::Mutex mutex_;
  std::shared_ptr<LogBatcher> log_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> outputs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_JS_CALL_H_
