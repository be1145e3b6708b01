#include "store/testing/postgres_server.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace purser::store {
namespace {

std::string FindPrograms() {
  std::error_code ignored;
  std::string best;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    const std::string bin = entry.path().string() + "/bin";
    if (std::filesystem::exists(bin + "/postgres", ignored) && bin > best) best = bin;
  }
  if (!best.empty()) return best;
  const char* path = std::getenv("PATH");
  for (const absl::string_view folder : absl::StrSplit(path == nullptr ? "" : path, ':')) {
    if (std::filesystem::exists(absl::StrCat(folder, "/postgres"), ignored) &&
        std::filesystem::exists(absl::StrCat(folder, "/initdb"), ignored)) {
      return std::string(folder);
    }
  }
  return "";
}

// The user the server runs as: itself refuses to run as root.
uid_t ServerUser() { return geteuid() == 0 ? 65534 : geteuid(); }

pid_t Spawn(const std::vector<std::string>& command, const std::string& folder, int out) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(ServerUser()) != 0)) _exit(126);
  if (chdir(folder.c_str()) != 0) _exit(126);
  dup2(out, 1);
  dup2(out, 2);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, 0);
  setenv("LC_ALL", "C.UTF-8", 1);
  // Of the machine's own configuration nothing may reach the server or its clients.
  for (const char* name : {"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSERVICE"}) {
    unsetenv(name);
  }
  execv(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

absl::StatusOr<std::string> PostgresServer::Run(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::ErrnoStatus(errno, "pipe");
  const pid_t child = Spawn(command, folder_, ends[1]);
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return base::ErrnoStatus(errno, "fork");
  }
  std::string output;
  char buffer[4096];
  while (true) {
    const ssize_t got = read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    output.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return output;
  return absl::InternalError(absl::StrCat(command[0], ": ", output));
}

absl::StatusOr<std::unique_ptr<PostgresServer>> PostgresServer::Start(bool durable) {
  const std::string bin = FindPrograms();
  if (bin.empty()) return absl::NotFoundError("no PostgreSQL on this machine (postgresql)");
  // Short: the path of a socket may have 107 bytes.
  std::string folder = (std::filesystem::temp_directory_path() / "purser-pg-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return base::ErrnoStatus(errno, folder);
  if (geteuid() == 0 && chown(folder.c_str(), ServerUser(), 65534) != 0) {
    return base::ErrnoStatus(errno, folder);
  }
  auto server = std::unique_ptr<PostgresServer>(new PostgresServer(folder, bin, durable));
  PURSER_RETURN_IF_ERROR(server
                             ->Run({bin + "/initdb", "-D", folder + "/data", "-U", "purser", "-A",
                                    "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"})
                             .status());
  PURSER_RETURN_IF_ERROR(server->Go());
  return server;
}

PostgresServer::~PostgresServer() {
  Stop().IgnoreError();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

absl::Status PostgresServer::Go() {
  const std::string log = folder_ + "/log";
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (out < 0) return base::ErrnoStatus(errno, log);
  const std::string safety = durable_ ? "on" : "off";
  pid_ = Spawn({bin_ + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-c",
                "listen_addresses=", "-c", "fsync=" + safety, "-c", "max_connections=100", "-c",
                "shared_buffers=128MB", "-c", "autovacuum_naptime=10s", "-c", "max_wal_size=2GB"},
               folder_, out);
  close(out);
  if (pid_ < 0) return base::ErrnoStatus(errno, "fork");
  return WaitUntilReady();
}

absl::Status PostgresServer::WaitUntilReady() {
  absl::Status last;
  for (int i = 0; i < 3000; ++i) {
    last =
        Run({bin_ + "/pg_isready", "-q", "-h", folder_, "-U", "purser", "-d", "postgres"}).status();
    if (last.ok()) return last;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      return absl::UnavailableError("the PostgreSQL server ended; see its log");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return last;
}

absl::Status PostgresServer::Stop() {
  if (pid_ == 0) return absl::OkStatus();
  // SIGQUIT is its immediate shutdown: no checkpoint, the next start recovers.
  kill(pid_, SIGQUIT);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = 0;
  return absl::OkStatus();
}

absl::Status PostgresServer::Restart() {
  PURSER_RETURN_IF_ERROR(Stop());
  return Go();
}

absl::StatusOr<std::string> PostgresServer::NewDatabase() {
  const std::string name = absl::StrCat("test", ++databases_);
  const std::string any = absl::StrCat("postgresql://purser@/postgres?host=", folder_);
  PURSER_RETURN_IF_ERROR(Sql(any, absl::StrCat("CREATE DATABASE ", name)).status());
  return absl::StrCat("postgresql://purser@/", name, "?host=", folder_);
}

absl::StatusOr<std::string> PostgresServer::Sql(const std::string& url, const std::string& sql) {
  PURSER_ASSIGN_OR_RETURN(
      const std::string output,
      Run({bin_ + "/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql}));
  return std::string(absl::StripTrailingAsciiWhitespace(output));
}

}  // namespace purser::store
