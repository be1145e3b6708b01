#include "connectors/terraform/terraform_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::connectors {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kPollMillis = 100;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
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
  int fd_;
};

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

absl::StatusOr<pid_t> Spawn(const TerraformRun& run, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, run.folder.c_str());
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  // A group of its own: providers are children, and are ended with it.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, run.arguments[0].c_str(), &actions, &attributes,
                                 Pointers(run.arguments).data(), Pointers(run.environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return base::ErrnoStatus(error, absl::StrCat("start ", run.arguments[0]));
  const auto limit = [pid](auto resource, uint64_t value) {
    const rlimit bounds{value, value};
    prlimit(pid, resource, &bounds, nullptr);
  };
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, kMaxTerraformFileBytes);
  limit(RLIMIT_NOFILE, kMaxTerraformOpenFiles);
  return pid;
}

// The running program; what is left of its group is killed when this goes.
class Group {
 public:
  explicit Group(pid_t pid) : pid_(pid) {}
  ~Group() {
    kill(-pid_, SIGKILL);
    if (!ended_) {
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }
  bool Reap(int* exit_code) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ended_ = true;
    return true;
  }
  // To the program alone: its providers end when it tells them.
  void Interrupt() const { kill(pid_, SIGINT); }

 private:
  const pid_t pid_;
  bool ended_ = false;
};

// Pieces into lines.
class Lines {
 public:
  explicit Lines(const std::function<void(absl::string_view)>& on_line) : on_line_(on_line) {}
  ~Lines() {
    if (!line_.empty() && on_line_) on_line_(line_);
  }
  void Feed(absl::string_view piece) {
    while (!piece.empty()) {
      const size_t end = piece.find('\n');
      const absl::string_view part = piece.substr(0, end);
      line_.append(part.data(), std::min(part.size(), kMaxTerraformLineBytes - line_.size()));
      if (end == absl::string_view::npos) return;
      if (on_line_) on_line_(line_);
      line_.clear();
      piece.remove_prefix(end + 1);
    }
  }

 private:
  const std::function<void(absl::string_view)>& on_line_;
  std::string line_;
};

// Reads what is there; false at the end.
template <typename Take>
bool Drain(Fd& fd, const Take& take) {
  char buffer[64 << 10];
  while (fd.get() >= 0) {
    const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) {
      fd.Reset();
      return false;
    }
    take(absl::string_view(buffer, static_cast<size_t>(got)));
  }
  return false;
}

}  // namespace

absl::StatusOr<TerraformEnd> RunTerraform(const TerraformRun& run) {
  int out_pair[2];
  int err_pair[2];
  if (pipe2(out_pair, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe");
  Fd out(out_pair[0]);
  Fd out_theirs(out_pair[1]);
  if (pipe2(err_pair, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe");
  Fd err(err_pair[0]);
  Fd err_theirs(err_pair[1]);
  fcntl(out.get(), F_SETFL, O_NONBLOCK);
  fcntl(err.get(), F_SETFL, O_NONBLOCK);
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake.get() < 0) return base::ErrnoStatus(errno, "eventfd");
  const std::stop_callback on_stop(run.stop, [&wake] {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake.get(), &one, sizeof(one));
  });
  PURSER_ASSIGN_OR_RETURN(const pid_t pid, Spawn(run, out_theirs.get(), err_theirs.get()));
  Group group(pid);
  out_theirs.Reset();
  err_theirs.Reset();

  TerraformEnd end;
  Lines lines(run.on_line);
  int64_t bytes = 0;
  const auto to_steady = [](absl::Duration wait) {
    return Steady::now() + absl::ToChronoMilliseconds(std::min(wait, absl::Hours(240)));
  };
  Steady::time_point deadline = to_steady(run.timeout);
  for (;;) {
    const bool ended = group.Reap(&end.exit_code);
    Drain(out, [&](absl::string_view piece) {
      bytes += static_cast<int64_t>(piece.size());
      if (bytes <= kMaxTerraformOutputBytes) lines.Feed(piece);
    });
    Drain(err, [&](absl::string_view piece) {
      end.errors.append(piece.data(),
                        std::min(piece.size(), kMaxTerraformErrorBytes - end.errors.size()));
    });
    if (ended) return end;
    if (!end.interrupted && (run.stop.stop_requested() || Steady::now() >= deadline)) {
      end.interrupted = true;
      group.Interrupt();
      deadline = to_steady(run.grace);
    } else if (end.interrupted && Steady::now() >= deadline) {
      end.exit_code = 128 + SIGKILL;
      return end;  // the group is killed as it goes out of scope
    }
    // The stop is told of once.
    pollfd fds[] = {{end.interrupted ? -1 : wake.get(), POLLIN, 0},
                    {out.get(), POLLIN, 0},
                    {err.get(), POLLIN, 0}};
    poll(fds, 3, kPollMillis);
  }
}

}  // namespace purser::connectors
