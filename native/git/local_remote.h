// A repository in a folder of this machine, served by the installed git program.
#ifndef PURSER_GIT_LOCAL_REMOTE_H_
#define PURSER_GIT_LOCAL_REMOTE_H_

#include <string>

#include "git/remote.h"

namespace purser::git {

class LocalRemote final : public Remote {
 public:
  // `url` is shown; `path` is the absolute folder of the repository.
  LocalRemote(std::string url, std::string path, std::string git_program);

  const std::string& url() const override { return url_; }
  absl::StatusOr<std::string> Advertise(Service service, const ExchangeOptions& options) override;
  absl::StatusOr<std::string> Exchange(Service service, std::string request,
                                       const ExchangeOptions& options) override;
  absl::StatusOr<std::string> Push(http::BodySource& request,
                                   const ExchangeOptions& options) override;

 private:
  absl::StatusOr<std::string> Run(Service service, bool advertise, absl::string_view input,
                                  http::BodySource* more_input, const ExchangeOptions& options);

  const std::string url_;
  const std::string path_;
  const std::string git_program_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_LOCAL_REMOTE_H_
