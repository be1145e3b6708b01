// What every method does around its work: limits on metadata, a check of the peer, metrics, one log
// line for failures, and a barrier for exceptions. Unary methods are synchronous; streams run their
// work on a thread of StreamThreads and write from there.
#ifndef PURSER_RPC_CALL_H_
#define PURSER_RPC_CALL_H_

#include <grpcpp/server_context.h>

#include <deque>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/metrics.h"
#include "base/mutex.h"

namespace purser::rpc {

// gRPC's own default is 8 KiB, but it does not hold on connections accepted by ourselves.
inline constexpr size_t kMaxMetadataBytes = 16 << 10;
// Each open stream holds one thread.
inline constexpr size_t kMaxStreams = 128;

// Shared by all services of one server. Thread-safe.
class CallGuard {
 public:
  // `allowed_clients`: names in the client certificate (TCP); empty lets every verified one in.
  CallGuard(base::Metrics& metrics, std::vector<std::string> allowed_clients);

  // Runs `work` for one call of `method` and maps its status.
  grpc::Status Run(const grpc::ServerContextBase& context, absl::string_view method,
                   const std::function<absl::Status()>& work);

 private:
  absl::Status Admit(const grpc::ServerContextBase& context) const;

  base::Metrics& metrics_;
  const absl::flat_hash_set<std::string> allowed_clients_;
};

// Threads for open streams: made when needed, at most kMaxStreams, joined at destruction.
class StreamThreads {
 public:
  StreamThreads() = default;
  ~StreamThreads();
  // RESOURCE_EXHAUSTED when all threads are busy, UNAVAILABLE while draining.
  absl::Status Start(std::function<void()> work);
  // Asks every stream to end (see `draining`), refuses new ones.
  void BeginDrain();
  std::stop_token draining() const { return draining_.get_token(); }

 private:
  void Loop();

  std::stop_source draining_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_CALL_H_
