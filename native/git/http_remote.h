// Smart HTTP over an injected transport.
#ifndef PURSER_GIT_HTTP_REMOTE_H_
#define PURSER_GIT_HTTP_REMOTE_H_

#include <string>

#include "base/mutex.h"
#include "git/remote.h"

namespace purser::git {

class HttpRemote final : public Remote {
 public:
  // `url` passed CheckUrl; `transport` must outlive the remote.
  HttpRemote(std::string url, std::string authorization, http::Transport& transport);

  const std::string& url() const override { return url_; }
  absl::StatusOr<std::string> Advertise(Service service, const ExchangeOptions& options) override;
  absl::StatusOr<std::string> Exchange(Service service, std::string request,
                                       const ExchangeOptions& options) override;
  absl::StatusOr<std::string> Push(http::BodySource& request,
                                   const ExchangeOptions& options) override;

 private:
  absl::StatusOr<http::Response> Send(http::Request request, http::BodySource* body,
                                      const ExchangeOptions& options, int64_t max_bytes,
                                      bool repeatable);
  absl::StatusOr<std::string> Post(Service service, std::string body, http::BodySource* source,
                                   const ExchangeOptions& options);
  std::string Base();

  const std::string url_;
  const std::string authorization_;
  http::Transport& transport_;
  base::Mutex mutex_;
  // Where the server moved the repository to on the same origin ("/repo" → "/repo.git").
  std::string base_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::git

#endif  // PURSER_GIT_HTTP_REMOTE_H_
