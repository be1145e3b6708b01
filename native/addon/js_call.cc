#include "addon/js_call.h"

#include <exception>
#include <optional>

#include "absl/strings/str_cat.h"
#include "addon/thread_pool.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::addon {
namespace {

// The answer to a chunk, awaited by a native thread.
struct Acknowledgement {
  base::Mutex mutex;
  base::CondVar changed;
  std::optional<absl::Status> status ABSL_GUARDED_BY(mutex);

  void Set(absl::Status value) {
    base::MutexLock lock(mutex);
    if (!status.has_value()) status = std::move(value);
    changed.NotifyAll();
  }
};

absl::Status Refusal(napi_env env, napi_value error, absl::string_view what) {
  const js::Thrown thrown = js::Describe(env, error);
  const std::string text =
      absl::StrCat(what, " was refused: ", base::EscapeForDisplay(thrown.message, 1000));
  return thrown.name == "AbortError" ? absl::CancelledError(text) : absl::AbortedError(text);
}

absl::StatusOr<http::Headers> ReadHeaders(napi_env env, napi_value array) {
  http::Headers headers;
  bool is_array = false;
  uint32_t count = 0;
  if (js::TypeOf(env, array) != napi_object || napi_is_array(env, array, &is_array) != napi_ok ||
      !is_array || napi_get_array_length(env, array, &count) != napi_ok) {
    return absl::InternalError("fetch: headers must be an array of [name, value]");
  }
  if (count > kMaxFetchHeaders) {
    return absl::ResourceExhaustedError(
        absl::StrCat("fetch: ", count, " headers, at most ", kMaxFetchHeaders, " are allowed"));
  }
  for (uint32_t i = 0; i < count; ++i) {
    const js::HandleScope scope(env);
    napi_value pair = nullptr;
    napi_value name = nullptr;
    napi_value value = nullptr;
    if (napi_get_element(env, array, i, &pair) != napi_ok || js::TypeOf(env, pair) != napi_object ||
        napi_get_element(env, pair, 0, &name) != napi_ok ||
        napi_get_element(env, pair, 1, &value) != napi_ok) {
      js::TakeException(env);
      return absl::InternalError("fetch: headers must be an array of [name, value]");
    }
    constexpr size_t kMaxHeaderBytes = 64 << 10;
    PURSER_ASSIGN_OR_RETURN(std::string name_text,
                            js::Text(env, name, "fetch: header name", kMaxHeaderBytes));
    PURSER_ASSIGN_OR_RETURN(std::string value_text,
                            js::Text(env, value, "fetch: header value", kMaxHeaderBytes));
    headers.emplace_back(std::move(name_text), std::move(value_text));
  }
  return headers;
}

absl::StatusOr<http::Response> ReadResponse(napi_env env, napi_value answer,
                                            int64_t max_body_bytes) {
  http::Response response;
  const std::optional<int64_t> status = js::Integer(env, js::Get(env, answer, "status"));
  if (!status.has_value() || *status < 100 || *status > 599) {
    return absl::InternalError("fetch: the answer has no status from 100 to 599");
  }
  response.status = static_cast<int>(*status);
  PURSER_ASSIGN_OR_RETURN(response.headers, ReadHeaders(env, js::Get(env, answer, "headers")));
  napi_value body = js::Get(env, answer, "body");
  if (js::TypeOf(env, body) != napi_undefined && js::TypeOf(env, body) != napi_null) {
    PURSER_ASSIGN_OR_RETURN(
        response.body, js::Text(env, body, "fetch: body", static_cast<size_t>(max_body_bytes)));
  }
  return response;
}

}  // namespace

napi_value JsCall::Begin(napi_env env, napi_value callbacks, napi_value signal) {
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred_, &promise) != napi_ok) {
    settled_ = true;
    taken_ = true;
    return nullptr;
  }
  absl::Status status;
  if (js::TypeOf(env, callbacks) == napi_object) {
    callbacks_.Set(env, callbacks);
    status = Listen(env, signal);
  } else {
    status = absl::InvalidArgumentError("callbacks must be an object of functions");
  }
  if (!status.ok()) {
    taken_ = true;
    Settle(env, status);
  }
  return promise;
}

absl::Status JsCall::Listen(napi_env env, napi_value signal) {
  const napi_valuetype type = js::TypeOf(env, signal);
  if (type == napi_undefined || type == napi_null) return absl::OkStatus();
  napi_value add = js::Get(env, signal, "addEventListener");
  if (!js::IsFunction(env, add)) {
    return absl::InvalidArgumentError("signal must be an AbortSignal");
  }
  // A signal that was aborted before never sends its event.
  bool aborted = false;
  napi_value flag = js::Get(env, signal, "aborted");
  if (js::TypeOf(env, flag) == napi_boolean) napi_get_value_bool(env, flag, &aborted);
  if (aborted) {
    stop_.request_stop();
    return absl::CancelledError("cancelled before it began");
  }
  napi_value listener =
      js::Function(env, "onAbort", [weak = weak_from_this()](napi_env now, napi_value) {
        if (const auto call = weak.lock()) call->OnAbort(now);
      });
  PURSER_RETURN_IF_ERROR(
      js::Call(env, signal, add, {js::String(env, "abort"), listener}, "signal.addEventListener")
          .status());
  signal_.Set(env, signal);
  listener_.Set(env, listener);
  return absl::OkStatus();
}

void JsCall::OnAbort(napi_env env) {
  if (settled_) return;
  stop_.request_stop();
  // Not begun yet: nobody will look at the stop token before a thread is free.
  if (!taken_.exchange(true)) Settle(env, absl::CancelledError("cancelled before it began"));
}

void JsCall::Settle(napi_env env, const Result& result) {
  if (settled_) return;
  absl::Status status = result.status();
  if (const auto log_batcher = log()) {
    pump_->Remove(log_batcher);
    while (DeliverLog(env)) {
    }
  }
  const absl::Status outputs = DeliverOutputs(env);
  if (status.ok()) status = outputs;
  settled_ = true;
  if (napi_value signal = signal_.Value(env); signal != nullptr) {
    js::Call(env, signal, js::Get(env, signal, "removeEventListener"),
             {js::String(env, "abort"), listener_.Value(env)}, "signal.removeEventListener")
        .IgnoreError();
  }
  if (status.ok()) {
    napi_value value = gives_text_ ? js::String(env, *result) : js::Undefined(env);
    if (value != nullptr) napi_resolve_deferred(env, deferred_, value);
  } else if (napi_value error = js::ToError(env, status); error != nullptr) {
    napi_reject_deferred(env, deferred_, error);
  }
  Release(env);
  if (on_settled_) std::exchange(on_settled_, nullptr)(env, shared_from_this());
}

void JsCall::Abandon(napi_env env) {
  settled_ = true;
  taken_ = true;
  stop_.request_stop();
  if (const auto log_batcher = log()) pump_->Remove(log_batcher);
  Release(env);
  on_settled_ = nullptr;
}

void JsCall::Cancel(napi_env env, const absl::Status& why) {
  stop_.request_stop();
  taken_ = true;
  Settle(env, why);
}

void JsCall::Release(napi_env env) {
  callbacks_.Reset(env);
  signal_.Reset(env);
  listener_.Reset(env);
  for (auto& [key, fetch] : fetches_) {
    fetch.controller.Reset(env);
    fetch.taker.Reset(env);
    fetch.exchange->Complete(absl::CancelledError("the call has ended"));
  }
  fetches_.clear();
}

void JsCall::Run(const Work& work) noexcept {
  if (taken_.exchange(true)) return;
  Result result = absl::InternalError("the native call did not run");
  try {
    result = work(*this);
  } catch (const std::exception& error) {
    result = absl::InternalError(absl::StrCat("unexpected failure in native code: ", error.what()));
  } catch (...) {
    result = absl::InternalError("unexpected failure in native code");
  }
  if (const auto log_batcher = log()) {
    const ThreadPool::BlockingScope blocking;
    log_batcher->Finish(kMaxLogDrain);
  }
  mailbox_->Post([call = shared_from_this(), result = std::move(result)](napi_env env) {
    call->Settle(env, result);
  });
}

std::shared_ptr<LogBatcher> JsCall::log() {
  base::MutexLock lock(mutex_);
  return log_;
}

std::shared_ptr<LogBatcher> JsCall::OpenLog(Redactor redactor) {
  const auto batcher = std::make_shared<LogBatcher>(
      std::move(redactor), stop(), base::Clock::System(), [weak = weak_from_this()] {
        const auto call = weak.lock();
        if (call == nullptr) return;
        call->mailbox_->Post([call](napi_env env) {
          if (!call->settled_) call->DeliverLog(env);
        });
      });
  {
    base::MutexLock lock(mutex_);
    log_ = batcher;
  }
  pump_->Add(batcher);
  return batcher;
}

bool JsCall::DeliverLog(napi_env env) {
  const auto log_batcher = log();
  if (log_batcher == nullptr) return false;
  napi_value callbacks = callbacks_.Value(env);
  const std::vector<LogSegment> segments = log_batcher->Take();
  for (const LogSegment& segment : segments) {
    if (callbacks == nullptr) continue;
    const js::HandleScope scope(env);
    napi_value function = js::Get(env, callbacks, "log");
    if (!js::IsFunction(env, function)) continue;
    // A logger that throws must not undo work that was done.
    js::Call(env, callbacks, function,
             {js::String(env, LogLevelName(segment.level)), js::String(env, segment.text)}, "log")
        .IgnoreError();
  }
  return !segments.empty();
}

void JsCall::Output(std::string name, std::string json) {
  base::MutexLock lock(mutex_);
  outputs_.emplace_back(std::move(name), std::move(json));
}

absl::Status JsCall::DeliverOutputs(napi_env env) {
  std::vector<std::pair<std::string, std::string>> outputs;
  {
    base::MutexLock lock(mutex_);
    outputs.swap(outputs_);
  }
  napi_value callbacks = callbacks_.Value(env);
  absl::Status status;
  for (const auto& [name, text] : outputs) {
    const js::HandleScope scope(env);
    const absl::Status delivered =
        js::Call(env, callbacks, js::Get(env, callbacks, "output"),
                 {js::String(env, name), js::String(env, text)},
                 absl::StrCat("the callback for output '", base::EscapeForDisplay(name), "'"))
            .status();
    if (status.ok()) status = delivered;
  }
  return status;
}

Caller::Answer JsCall::Chunk(std::string upserts, std::string removed) {
  const auto answer = std::make_shared<Acknowledgement>();
  const bool posted =
      mailbox_->Post([call = shared_from_this(), answer, upserts = std::move(upserts),
                      removed = std::move(removed)](napi_env env) {
        napi_value callbacks = call->callbacks_.Value(env);
        if (call->settled_ || callbacks == nullptr) {
          answer->Set(absl::CancelledError("the call has ended"));
          return;
        }
        absl::StatusOr<napi_value> result =
            js::Call(env, callbacks, js::Get(env, callbacks, "chunk"),
                     {js::String(env, upserts), js::String(env, removed)}, "chunk");
        if (!result.ok()) {
          answer->Set(result.status());
          return;
        }
        const absl::Status awaited = js::Then(
            env, *result, [answer](napi_env, napi_value) { answer->Set(absl::OkStatus()); },
            [answer](napi_env now, napi_value error) {
              answer->Set(Refusal(now, error, "a chunk of entities"));
            });
        if (!awaited.ok()) answer->Set(awaited);
      });
  if (!posted) answer->Set(absl::CancelledError("the JavaScript environment is ending"));
  return [this, answer] {
    const std::stop_callback on_stop(stop(), [&answer] {
      answer->Set(absl::CancelledError("cancelled while a chunk was applied"));
    });
    const ThreadPool::BlockingScope blocking;
    base::MutexLock lock(answer->mutex);
    while (!answer->status.has_value()) answer->changed.Wait(answer->mutex);
    return *answer->status;
  };
}

FetchTransport::Hooks JsCall::FetchHooks() {
  return {.start =
              [weak = weak_from_this()](const std::shared_ptr<FetchExchange>& exchange) {
                const auto call = weak.lock();
                const bool posted =
                    call != nullptr && call->mailbox_->Post([call, exchange](napi_env env) {
                      call->StartFetch(env, exchange);
                    });
                return posted ? absl::OkStatus()
                              : absl::CancelledError("the JavaScript environment is ending");
              },
          .give =
              [weak = weak_from_this()](const std::shared_ptr<FetchExchange>& exchange,
                                        std::string piece) {
                const auto call = weak.lock();
                const bool posted =
                    call != nullptr &&
                    call->mailbox_->Post([call, exchange, piece = std::move(piece)](napi_env env) {
                      call->GivePiece(env, exchange, piece);
                    });
                return posted ? absl::OkStatus()
                              : absl::CancelledError("the JavaScript environment is ending");
              },
          .abort =
              [weak = weak_from_this()](const std::shared_ptr<FetchExchange>& exchange) {
                if (const auto call = weak.lock()) {
                  call->mailbox_->Post(
                      [call, exchange](napi_env env) { call->AbortFetch(env, exchange); });
                }
              }};
}

void JsCall::StartFetch(napi_env env, const std::shared_ptr<FetchExchange>& exchange) {
  napi_value callbacks = callbacks_.Value(env);
  if (settled_ || callbacks == nullptr) {
    exchange->Complete(absl::CancelledError("the call has ended"));
    return;
  }
  napi_value fetch = js::Get(env, callbacks, "fetch");
  if (!js::IsFunction(env, fetch)) {
    exchange->Complete(absl::FailedPreconditionError(
        "this call was made without a fetch callback, so native code has no network"));
    return;
  }
  napi_value global = nullptr;
  napi_value controller = nullptr;
  if (napi_get_global(env, &global) != napi_ok ||
      napi_new_instance(env, js::Get(env, global, "AbortController"), 0, nullptr, &controller) !=
          napi_ok) {
    js::TakeException(env);
    exchange->Complete(absl::InternalError("fetch: this JavaScript has no AbortController"));
    return;
  }
  Fetch& entry = fetches_[exchange.get()];
  entry.exchange = exchange;
  entry.controller.Set(env, controller);

  const http::Request& request = exchange->request;
  napi_value body = nullptr;
  if (exchange->uploads) {
    body = PullFunction(env, exchange);
  } else {
    body = request.body.empty() ? js::Undefined(env) : js::Buffer(env, request.body);
  }
  absl::StatusOr<napi_value> result = js::Call(
      env, callbacks, fetch,
      {js::String(env, FetchRequestJson(*exchange)), body, js::Get(env, controller, "signal")},
      "fetch");
  if (!result.ok()) {
    EndFetch(env, exchange.get(), result.status());
    return;
  }
  const auto weak = weak_from_this();
  const absl::Status awaited = js::Then(
      env, *result,
      [weak, exchange](napi_env now, napi_value answer) {
        if (const auto call = weak.lock()) {
          call->EndFetch(now, exchange.get(),
                         ReadResponse(now, answer, exchange->max_response_bytes));
        }
      },
      [weak, exchange](napi_env now, napi_value error) {
        const js::Thrown thrown = js::Describe(now, error);
        if (const auto call = weak.lock()) {
          call->EndFetch(now, exchange.get(),
                         FetchFailure(exchange->request, thrown.name, thrown.code, thrown.message));
        }
      });
  if (!awaited.ok()) EndFetch(env, exchange.get(), awaited);
}

napi_value JsCall::PullFunction(napi_env env, const std::shared_ptr<FetchExchange>& exchange) {
  return js::Function(
      env, "pull",
      [weak = weak_from_this(), waiting = std::weak_ptr(exchange)](napi_env now, napi_value taker) {
        const auto call = weak.lock();
        const auto asked = waiting.lock();
        if (call == nullptr || asked == nullptr || !js::IsFunction(now, taker)) return;
        const auto found = call->fetches_.find(asked.get());
        if (found == call->fetches_.end()) return;
        found->second.taker.Reset(now);
        found->second.taker.Set(now, taker);
        asked->WantPiece();
      });
}

void JsCall::GivePiece(napi_env env, const std::shared_ptr<FetchExchange>& exchange,
                       absl::string_view piece) {
  const auto found = fetches_.find(exchange.get());
  if (found == fetches_.end()) return;
  napi_value taker = found->second.taker.Value(env);
  found->second.taker.Reset(env);
  if (taker == nullptr) return;
  // What the portal throws here ends its own stream, and with it the exchange.
  js::Call(env, js::Undefined(env), taker,
           {piece.empty() ? js::Undefined(env) : js::Buffer(env, piece)}, "a piece of the body")
      .IgnoreError();
}

void JsCall::EndFetch(napi_env env, FetchExchange* exchange,
                      absl::StatusOr<http::Response> answer) {
  const auto found = fetches_.find(exchange);
  if (found == fetches_.end()) return;
  found->second.controller.Reset(env);
  found->second.taker.Reset(env);
  found->second.exchange->Complete(std::move(answer));
  fetches_.erase(found);
}

void JsCall::AbortFetch(napi_env env, const std::shared_ptr<FetchExchange>& exchange) {
  const auto found = fetches_.find(exchange.get());
  if (found == fetches_.end()) return;
  napi_value controller = found->second.controller.Value(env);
  found->second.controller.Reset(env);
  found->second.taker.Reset(env);
  fetches_.erase(found);
  if (controller != nullptr) {
    js::Call(env, controller, js::Get(env, controller, "abort"), {}, "abort").IgnoreError();
  }
}

}  // namespace purser::addon
