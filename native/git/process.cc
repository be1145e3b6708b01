#include "git/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::git {
namespace {

constexpr size_t kPipeStep = 64 << 10;
// How often an ended-or-not program is looked at once its outputs are closed.
constexpr int kReapPollMillis = 5;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  void Reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Pair {
  Fd ours;
  Fd theirs;
};

// A socket instead of a pipe for the input: writing to one whose reader has gone can be told not to
// raise SIGPIPE, which would end a process that has no handler for it.
absl::StatusOr<Pair> MakeInput() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return base::ErrnoStatus(errno, "socketpair");
  }
  Pair pair{Fd(fds[0]), Fd(fds[1])};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return pair;
}

absl::StatusOr<Pair> MakeOutput() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe");
  Pair pair{Fd(fds[0]), Fd(fds[1])};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return pair;
}

std::vector<std::string> Environment() {
  std::vector<std::string> out = {"LC_ALL=C", "GIT_TERMINAL_PROMPT=0"};
  for (const char* name : {"PATH", "HOME", "TMPDIR", "USER"}) {
    if (const char* value = std::getenv(name); value != nullptr) {
      out.push_back(absl::StrCat(name, "=", value));
    }
  }
  return out;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& text : strings) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& arguments, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  // Another library of the process may have opened files without O_CLOEXEC.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  // Node ignores SIGPIPE, and an ignored signal stays ignored across exec.
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  const std::vector<std::string> environment = Environment();
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes,
                                 Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return base::ErrnoStatus(error, absl::StrCat("start ", arguments[0]));
  return pid;
}

// The running program; ends its whole group when it is left before it ended.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ <= 0) return;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  // True once it ended.
  bool Reap(int* exit_code) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    pid_ = 0;
    return true;
  }

 private:
  pid_t pid_;
};

// Moves what is there to read into `out`. Closes the descriptor at its end.
absl::Status Drain(Fd& fd, std::string& out, size_t limit, bool drop_beyond) {
  while (fd.get() >= 0) {
    char buffer[kPipeStep];
    const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return absl::OkStatus();
    if (got <= 0) {
      fd.Reset();
      return absl::OkStatus();
    }
    const size_t room = limit - std::min(limit, out.size());
    if (static_cast<size_t>(got) > room && !drop_beyond) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the program wrote more than ", limit, " bytes (max_output_bytes)"));
    }
    out.append(buffer, std::min(room, static_cast<size_t>(got)));
  }
  return absl::OkStatus();
}

// Writes what the program takes now; more comes from `source`, kept in `piece`. Closes the
// descriptor at the end of both, or when the program closed its input.
absl::Status Feed(Fd& fd, absl::string_view& input, http::BodySource*& source, std::string& piece) {
  while (true) {
    if (input.empty() && source != nullptr) {
      PURSER_ASSIGN_OR_RETURN(piece, source->Next());
      input = piece;
    }
    if (input.empty()) break;
    const ssize_t sent = send(fd.get(), input.data(), input.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return absl::OkStatus();
    // The program closed its input: what it says or its exit code tells why.
    if (sent < 0) break;
    input.remove_prefix(static_cast<size_t>(sent));
  }
  fd.Reset();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProcessResult> RunProcess(const ProcessRequest& request) {
  PURSER_ASSIGN_OR_RETURN(Pair in, MakeInput());
  PURSER_ASSIGN_OR_RETURN(Pair out, MakeOutput());
  PURSER_ASSIGN_OR_RETURN(Pair err, MakeOutput());
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake.get() < 0) return base::ErrnoStatus(errno, "eventfd");
  const std::stop_callback on_stop(request.stop, [&wake] {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake.get(), &one, sizeof(one));
  });
  PURSER_ASSIGN_OR_RETURN(const pid_t pid, Spawn(request.arguments, in.theirs.get(),
                                                 out.theirs.get(), err.theirs.get()));
  Child child(pid);
  in.theirs.Reset();
  out.theirs.Reset();
  err.theirs.Reset();

  using Steady = std::chrono::steady_clock;
  const Steady::time_point deadline =
      Steady::now() + absl::ToChronoMilliseconds(std::min(request.timeout, absl::Hours(24)));
  ProcessResult result;
  absl::string_view input = request.input;
  http::BodySource* more_input = request.more_input;
  std::string piece;
  if (input.empty() && more_input == nullptr) in.ours.Reset();
  while (true) {
    if (request.stop.stop_requested()) {
      return absl::CancelledError(absl::StrCat(request.arguments[0], " was stopped"));
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
    if (left <= 0) {
      return absl::DeadlineExceededError(absl::StrCat(request.arguments[0], " took longer than ",
                                                      absl::FormatDuration(request.timeout)));
    }
    // A hook may leave a process behind that holds the outputs open: the program's own end counts,
    // but only after what it wrote has been read.
    const bool ended = child.Reap(&result.exit_code);
    PURSER_RETURN_IF_ERROR(
        Drain(out.ours, result.output, static_cast<size_t>(request.max_output_bytes), false));
    PURSER_RETURN_IF_ERROR(Drain(err.ours, result.errors, kMaxErrorOutputBytes, true));
    if (ended) return result;
    if (in.ours.get() >= 0) {
      PURSER_RETURN_IF_ERROR(Feed(in.ours, input, more_input, piece));
    }

    // Negative descriptors are ignored by poll.
    pollfd fds[] = {{wake.get(), POLLIN, 0},
                    {in.ours.get(), POLLOUT, 0},
                    {out.ours.get(), POLLIN, 0},
                    {err.ours.get(), POLLIN, 0}};
    const bool closed = out.ours.get() < 0 && err.ours.get() < 0;
    const auto wait = std::min<int64_t>(left, closed ? kReapPollMillis : 100);
    poll(fds, 4, static_cast<int>(wait));
  }
}

}  // namespace purser::git
