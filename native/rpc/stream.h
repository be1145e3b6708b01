// A server stream whose work runs on its own thread: it may block on its source and on a slow
// reader, and learns through a stop token that the client is gone or the server drains.
//
//   return StreamCall<Event>(guard, threads, context, "Watch",
//       [=](std::stop_token stop, const Sink<Event>& write) { … return write(event); });
#ifndef PURSER_RPC_STREAM_H_
#define PURSER_RPC_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "rpc/call.h"
#include "rpc/status.h"

namespace purser::rpc {

// Sends one message and waits until it was taken; CANCELLED when the client is gone.
template <typename Response>
using Sink = std::function<absl::Status(const Response&)>;
template <typename Response>
using StreamWork = std::function<absl::Status(std::stop_token, const Sink<Response>&)>;

template <typename Response>
class StreamReactor final : public grpc::ServerWriteReactor<Response> {
 public:
  StreamReactor(CallGuard& guard, StreamThreads& threads, grpc::CallbackServerContext* context,
                std::string method, StreamWork<Response> work)
      : on_drain_(std::in_place, threads.draining(), [this] { stop_.request_stop(); }) {
    // From here on the thread owns the call: Finish is the last thing that touches this object
    // before gRPC calls OnDone.
    const absl::Status started = threads.Start([this, &guard, context, method = std::move(method),
                                                work = std::move(work)] {
      const grpc::Status status = guard.Run(*context, method, [&] {
        return work(stop_.get_token(), [this](const Response& message) { return Send(message); });
      });
      this->Finish(status);
    });
    if (!started.ok()) this->Finish(ToGrpc(started));
  }

  void OnWriteDone(bool ok) override {
    base::MutexLock lock(mutex_);
    in_flight_ = false;
    broken_ = broken_ || !ok;
    written_.NotifyAll();
  }
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  absl::Status Send(const Response& message) {
    base::MutexLock lock(mutex_);
    if (broken_) return absl::CancelledError("the client is gone");
    in_flight_ = true;
    this->StartWrite(&message);
    while (in_flight_) written_.Wait(mutex_);
    return broken_ ? absl::CancelledError("the client is gone") : absl::OkStatus();
  }

  std::stop_source stop_;
  std::optional<std::stop_callback<std::function<void()>>> on_drain_;
  base::Mutex mutex_;
  base::CondVar written_;
  bool in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

template <typename Response>
grpc::ServerWriteReactor<Response>* StreamCall(CallGuard& guard, StreamThreads& threads,
                                               grpc::CallbackServerContext* context,
                                               std::string method, StreamWork<Response> work) {
  return new StreamReactor<Response>(guard, threads, context, std::move(method), std::move(work));
}

}  // namespace purser::rpc

#endif  // PURSER_RPC_STREAM_H_
