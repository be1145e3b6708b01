#include "rpc/call.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/status.h"

namespace purser::rpc {

CallGuard::CallGuard(base::Metrics& metrics, std::vector<std::string> allowed_clients)
    : metrics_(metrics), allowed_clients_(allowed_clients.begin(), allowed_clients.end()) {}

absl::Status CallGuard::Admit(const grpc::ServerContextBase& context) const {
  size_t bytes = 0;
  for (const auto& [name, value] : context.client_metadata()) bytes += name.size() + value.size();
  if (bytes > kMaxMetadataBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("metadata of ", bytes, " bytes; the limit is ", kMaxMetadataBytes, " bytes"));
  }
  if (allowed_clients_.empty()) return absl::OkStatus();
  for (const grpc::string_ref& name : context.auth_context()->GetPeerIdentity()) {
    if (allowed_clients_.contains(std::string(name.data(), name.size()))) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      "the client certificate's name is not in listen.tcp.allowedClients");
}

grpc::Status CallGuard::Run(const grpc::ServerContextBase& context, absl::string_view method,
                            const std::function<absl::Status()>& work) {
  const absl::Duration start = base::Clock::System().Monotonic();
  absl::Status status = Admit(context);
  if (status.ok()) {
    try {
      status = work();
    } catch (const std::exception& error) {
      // Nothing of ours throws; a library may (out of memory). The server must go on.
      status = absl::InternalError(absl::StrCat("unexpected: ", error.what()));
    }
  }
  const absl::Duration took = base::Clock::System().Monotonic() - start;
  const std::string code(base::CodeName(status.code()));
  metrics_
      .Counter("purser_rpc_calls_total", "Calls answered, by method and status code.",
               {{"method", std::string(method)}, {"code", code}})
      .Increment();
  metrics_
      .Histogram("purser_rpc_seconds", "Time to answer a call.", {{"method", std::string(method)}})
      .Observe(absl::ToDoubleSeconds(took));
  if (status.code() == absl::StatusCode::kInternal ||
      status.code() == absl::StatusCode::kDataLoss) {
    spdlog::error("{} failed: {}", base::ToStd(method),
                  base::EscapeForDisplay(status.message(), 2000));
  }
  return ToGrpc(status);
}

StreamThreads::~StreamThreads() {
  BeginDrain();
  std::vector<std::jthread> threads;
  {
    base::MutexLock lock(mutex_);
    closed_ = true;
    changed_.NotifyAll();
    threads.swap(threads_);
  }
  threads.clear();  // joins; a stream's work ends soon after the drain was asked for
}

absl::Status StreamThreads::Start(std::function<void()> work) {
  if (draining_.stop_requested()) return absl::UnavailableError("purserd is shutting down");
  base::MutexLock lock(mutex_);
  if (idle_ <= queue_.size()) {
    if (threads_.size() >= kMaxStreams) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "all ", kMaxStreams, " streams are taken; end one first, or ask without follow"));
    }
    threads_.emplace_back([this] { Loop(); });
  }
  queue_.push_back(std::move(work));
  changed_.NotifyOne();
  return absl::OkStatus();
}

void StreamThreads::BeginDrain() { draining_.request_stop(); }

void StreamThreads::Loop() {
  while (true) {
    std::function<void()> work;
    {
      base::MutexLock lock(mutex_);
      ++idle_;
      while (queue_.empty() && !closed_) changed_.Wait(mutex_);
      --idle_;
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace purser::rpc
