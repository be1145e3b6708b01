#include "http/resolver.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace purser::http {
namespace {

absl::StatusOr<std::vector<IpAddress>> LookUp(const std::string& host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int result = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (result != 0) {
    return absl::UnavailableError(
        absl::StrCat("host ", host, " cannot be resolved: ", gai_strerror(result)));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* at = found; at != nullptr && addresses.size() < kMaxAddressesPerHost;
       at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      std::array<uint8_t, 4> bytes = {};
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(at->ai_addr)->sin_addr, 4);
      addresses.push_back(IpAddress::V4(bytes));
    } else if (at->ai_family == AF_INET6) {
      std::array<uint8_t, 16> bytes = {};
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(at->ai_addr)->sin6_addr, 16);
      addresses.push_back(IpAddress::V6(bytes));
    }
  }
  freeaddrinfo(found);
  if (addresses.empty()) {
    return absl::UnavailableError(absl::StrCat("host ", host, " has no address"));
  }
  return addresses;
}

class SystemResolver final : public Resolver {
 public:
  ~SystemResolver() override {
    {
      base::MutexLock lock(mutex_);
      closing_ = true;
      changed_.NotifyAll();
    }
    threads_.clear();  // joins
  }

  absl::StatusOr<std::vector<IpAddress>> Resolve(absl::string_view host, absl::Duration timeout,
                                                 std::stop_token stop) override {
    auto task = std::make_shared<Task>();
    task->host = std::string(host);
    const std::stop_callback wake(stop, [this] {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
    const auto end = std::chrono::steady_clock::now() +
                     absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24)));
    base::MutexLock lock(mutex_);
    if (queue_.size() >= kMaxResolverQueue) {
      return absl::UnavailableError("too many look-ups of host names are waiting");
    }
    queue_.push_back(task);
    if (queue_.size() > idle_ && threads_.size() < kMaxResolverThreads) {
      threads_.emplace_back([this] { Work(); });
    }
    changed_.NotifyAll();
    while (!task->done) {
      if (stop.stop_requested()) {
        task->abandoned = true;
        return absl::CancelledError("stopped");
      }
      const auto left = end - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) {
        task->abandoned = true;
        return absl::DeadlineExceededError(
            absl::StrCat("host ", task->host, " could not be resolved in time"));
      }
      changed_.WaitFor(mutex_, absl::FromChrono(left));
    }
    return std::move(task->result);
  }

 private:
  struct Task {
    std::string host;
    bool done = false;
    bool abandoned = false;
    absl::StatusOr<std::vector<IpAddress>> result = absl::UnknownError("");
  };

  void Work() {
    for (;;) {
      std::shared_ptr<Task> task;
      {
        base::MutexLock lock(mutex_);
        ++idle_;
        while (queue_.empty() && !closing_) changed_.Wait(mutex_);
        --idle_;
        if (closing_) return;
        task = std::move(queue_.front());
        queue_.pop_front();
        if (task->abandoned) continue;
      }
      absl::StatusOr<std::vector<IpAddress>> result = LookUp(task->host);
      base::MutexLock lock(mutex_);
      task->result = std::move(result);
      task->done = true;
      changed_.NotifyAll();
    }
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::shared_ptr<Task>> queue_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;  // grows under mutex_, joined by the destructor
};

}  // namespace

std::unique_ptr<Resolver> NewSystemResolver() { return std::make_unique<SystemResolver>(); }

}  // namespace purser::http
