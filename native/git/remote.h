// Where a repository lives and how bytes get there: smart HTTP, or a folder on this machine.
//
// Both kinds speak the stateless form of the protocol (one request, one answer), so that everything
// above is the same for either.
#ifndef PURSER_GIT_REMOTE_H_
#define PURSER_GIT_REMOTE_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "git/protocol.h"
#include "http/transport.h"

namespace purser::git {

inline constexpr size_t kMaxUrlBytes = 2048;
inline constexpr int64_t kMaxAdvertisementBytes = 64 << 20;
inline constexpr int64_t kMaxAnswerBytes = int64_t{1} << 30;

struct ExchangeOptions {
  absl::Duration timeout = absl::Minutes(10);  // of one exchange
  std::stop_token stop;                        // requested: CANCELLED
};

// Thread-safe, holds no connection. Errors as http::Transport gives them, and UNAUTHENTICATED,
// PERMISSION_DENIED, NOT_FOUND where the server says so.
class Remote {
 public:
  virtual ~Remote() = default;
  // For people and records: without any credential.
  virtual const std::string& url() const = 0;
  // The ref advertisement of the service.
  virtual absl::StatusOr<std::string> Advertise(Service service,
                                                const ExchangeOptions& options) = 0;
  // One request of the service and the whole answer (at most kMaxAnswerBytes).
  virtual absl::StatusOr<std::string> Exchange(Service service, std::string request,
                                               const ExchangeOptions& options) = 0;
  // As Exchange with receive-pack, for a request that is made while it is sent; never repeated.
  virtual absl::StatusOr<std::string> Push(http::BodySource& request,
                                           const ExchangeOptions& options) = 0;
};

struct RemoteOptions {
  // The value of the Authorization header ("Basic …", "Bearer …"), or "". Sent to the origin of the
  // URL only.
  std::string authorization;
  // file:// URLs and absolute paths. Hooks of such a repository run as this process's user.
  bool allow_local = false;
  // The program that serves local repositories; found by PATH unless it holds a '/'.
  std::string git_program = "git";
};

// INVALID_ARGUMENT when the URL is none of http(s)://, file:// or an absolute path, or carries
// credentials, a query or a fragment; PERMISSION_DENIED for a local one that is not allowed.
// `transport` must outlive the remote.
absl::StatusOr<std::unique_ptr<Remote>> OpenRemote(absl::string_view url,
                                                   http::Transport& transport,
                                                   RemoteOptions options);

// True for file:// URLs and absolute paths.
bool IsLocalUrl(absl::string_view url);
// The checks of OpenRemote that need no options.
absl::Status CheckUrl(absl::string_view url);

}  // namespace purser::git

#endif  // PURSER_GIT_REMOTE_H_
