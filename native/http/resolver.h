// Host names to addresses.
#ifndef PURSER_HTTP_RESOLVER_H_
#define PURSER_HTTP_RESOLVER_H_

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "http/address.h"

namespace purser::http {

inline constexpr size_t kMaxResolverThreads = 4;
inline constexpr size_t kMaxResolverQueue = 1000;
inline constexpr size_t kMaxAddressesPerHost = 16;  // the rest is not tried

// Thread-safe. UNAVAILABLE when the name is not known or the servers do not answer.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual absl::StatusOr<std::vector<IpAddress>> Resolve(absl::string_view host,
                                                         absl::Duration timeout,
                                                         std::stop_token stop) = 0;
};

// getaddrinfo on threads of its own, since it cannot be stopped: a caller leaves at its deadline or
// stop and the answer is dropped. The destructor waits for look-ups that are under way.
std::unique_ptr<Resolver> NewSystemResolver();

}  // namespace purser::http

#endif  // PURSER_HTTP_RESOLVER_H_
