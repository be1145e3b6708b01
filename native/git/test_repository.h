// For tests: real repositories, the real git program, and git's own HTTP server behind a Transport.
#ifndef PURSER_GIT_TEST_REPOSITORY_H_
#define PURSER_GIT_TEST_REPOSITORY_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/remote.h"
#include "http/transport.h"

namespace purser::git {

// A folder that goes away with the object.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Runs git with a configuration of its own; its output. A failure is reported to GoogleTest and
// gives "<failed: …>".
std::string GitRaw(const std::vector<std::string>& arguments, absl::string_view input = "");
// The same without white space at the end.
std::string Git(const std::vector<std::string>& arguments, absl::string_view input = "");

// `folder`/`name`, a new bare repository whose HEAD is refs/heads/main.
std::string MakeBareRepository(const std::string& folder, const std::string& name = "repo.git");

void WriteHook(const std::string& repository, const std::string& name, const std::string& script);

// Answers as a web server with git-http-backend below "/" does: real smart HTTP, no sockets.
class CgiTransport final : public http::Transport {
 public:
  explicit CgiTransport(std::string project_root) : root_(std::move(project_root)) {}
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions& options) override;
  // Requests must carry exactly this Authorization header; "" asks for none.
  std::string required_authorization;
  // Bytes of all answers so far.
  std::atomic<int64_t> received{0};

 private:
  std::string root_;
};

// Passes on to another remote; `before` may act or change the request, `after` the answer.
class HookedRemote final : public Remote {
 public:
  explicit HookedRemote(Remote& inner) : inner_(inner) {}
  const std::string& url() const override { return inner_.url(); }
  absl::StatusOr<std::string> Advertise(Service service, const ExchangeOptions& options) override;
  absl::StatusOr<std::string> Exchange(Service service, std::string request,
                                       const ExchangeOptions& options) override;
  absl::StatusOr<std::string> Push(http::BodySource& request,
                                   const ExchangeOptions& options) override;
  std::function<void(Service service)> before;
  std::function<void(Service service, std::string& answer)> after;

 private:
  Remote& inner_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_TEST_REPOSITORY_H_
