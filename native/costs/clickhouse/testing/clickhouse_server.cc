#include "costs/clickhouse/testing/clickhouse_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/testing/free_ports.h"

namespace purser::costs::testing {
namespace {

constexpr char kProgram[] = "/usr/sbin/clickhouse-server";
constexpr uid_t kNobody = 65534;
constexpr size_t kPortsOfServer = 3;

bool Accepts(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool accepted = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return accepted;
}

absl::Status GiveAway(const std::string& path) {
  if (geteuid() != 0 || chown(path.c_str(), kNobody, kNobody) == 0) return absl::OkStatus();
  return base::ErrnoStatus(errno, path);
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  return GiveAway(path);
}

}  // namespace

ClickHouseServers::ClickHouseServers(std::string folder, size_t count)
    : folder_(std::move(folder)), pids_(count, 0) {}

std::string ClickHouseServers::FolderOf(size_t server) const {
  return absl::StrCat(folder_, "/", server);
}

absl::StatusOr<std::unique_ptr<ClickHouseServers>> ClickHouseServers::Start(size_t count) {
  if (access(kProgram, X_OK) != 0) {
    return absl::NotFoundError("no ClickHouse on this machine (clickhouse-server)");
  }
  std::string folder = (std::filesystem::temp_directory_path() / "purser-ch-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return base::ErrnoStatus(errno, folder);
  PURSER_RETURN_IF_ERROR(GiveAway(folder));
  auto servers = std::unique_ptr<ClickHouseServers>(new ClickHouseServers(folder, count));
  // A port may be taken between its choice and its use.
  absl::Status status;
  for (int attempt = 0; attempt < 3; ++attempt) {
    PURSER_ASSIGN_OR_RETURN(servers->ports_, base::FreePorts(count * kPortsOfServer));
    PURSER_RETURN_IF_ERROR(servers->Configure());
    status = absl::OkStatus();
    for (size_t i = 0; i < count && status.ok(); ++i) status = servers->Go(i);
    if (status.ok()) return servers;
    for (size_t i = 0; i < count; ++i) servers->Kill(i);
  }
  return status;
}

ClickHouseServers::~ClickHouseServers() {
  for (size_t i = 0; i < pids_.size(); ++i) Kill(i);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

absl::Status ClickHouseServers::Configure() {
  urls_.clear();
  std::string shards;
  for (size_t i = 0; i < pids_.size(); ++i) {
    urls_.push_back(absl::StrCat("http://127.0.0.1:", ports_[i * kPortsOfServer]));
    absl::StrAppend(&shards, "<shard><replica><host>127.0.0.1</host><port>",
                    ports_[i * kPortsOfServer + 1], "</port></replica></shard>");
  }
  for (size_t i = 0; i < pids_.size(); ++i) {
    const std::string folder = FolderOf(i);
    std::error_code error;
    for (const char* const below : {"", "/data", "/tmp"}) {
      std::filesystem::create_directories(folder + below, error);
      PURSER_RETURN_IF_ERROR(GiveAway(folder + below));
    }
    const auto port = [&](size_t n) { return absl::StrCat(ports_[i * kPortsOfServer + n]); };
    PURSER_RETURN_IF_ERROR(WriteText(
        folder + "/config.xml",
        absl::StrCat("<yandex><logger><level>warning</level><log>", folder, "/log</log><errorlog>",
                     folder, "/errors</errorlog></logger><http_port>", port(0),
                     "</http_port><tcp_port>", port(1), "</tcp_port><interserver_http_port>",
                     port(2), "</interserver_http_port><listen_host>127.0.0.1</listen_host><path>",
                     folder, "/data/</path><tmp_path>", folder,
                     "/tmp/</tmp_path><users_config>users.xml</users_config>"
                     "<default_profile>default</default_profile>"
                     "<default_database>default</default_database>"
                     "<mark_cache_size>67108864</mark_cache_size><remote_servers><",
                     kTestCluster, ">", shards, "</", kTestCluster,
                     "></remote_servers></yandex>")));
    const auto user = [](const char* name, const std::string& password) {
      return absl::StrCat("<", name, ">", password,
                          "<networks><ip>127.0.0.1</ip></networks><profile>default</profile>"
                          "<quota>default</quota></",
                          name, ">");
    };
    PURSER_RETURN_IF_ERROR(WriteText(
        folder + "/users.xml",
        absl::StrCat(
            "<yandex><profiles><default><max_threads>2</max_threads></default></profiles>"
            "<users>",
            user("default", "<password></password>"),
            user(kTestUser, absl::StrCat("<password_sha256_hex>", base::Sha256Hex(kTestPassword),
                                         "</password_sha256_hex>")),
            "</users><quotas><default></default></quotas></yandex>")));
  }
  return absl::OkStatus();
}

std::vector<std::string> ClickHouseServers::addresses() const {
  std::vector<std::string> addresses;
  for (size_t i = 0; i < pids_.size(); ++i) {
    addresses.push_back(absl::StrCat("127.0.0.1:", ports_[i * kPortsOfServer]));
  }
  return addresses;
}

std::string ClickHouseServers::NewDatabase() { return absl::StrCat("test", ++databases_); }

void ClickHouseServers::Kill(size_t server) {
  if (pids_[server] == 0) return;
  kill(pids_[server], SIGKILL);
  int status = 0;
  waitpid(pids_[server], &status, 0);
  pids_[server] = 0;
}

absl::Status ClickHouseServers::Go(size_t server) {
  const std::string folder = FolderOf(server);
  const std::string config = absl::StrCat("--config-file=", folder, "/config.xml");
  const std::string log = folder + "/out";
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (out < 0) return base::ErrnoStatus(errno, log);
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) _exit(126);
    if (chdir(folder.c_str()) != 0) _exit(126);
    dup2(out, 1);
    dup2(out, 2);
    execl(kProgram, kProgram, config.c_str(), nullptr);
    _exit(127);
  }
  close(out);
  if (child < 0) return base::ErrnoStatus(errno, "fork");
  pids_[server] = child;
  for (int i = 0; i < 6000; ++i) {
    if (Accepts(ports_[server * kPortsOfServer]) && Accepts(ports_[server * kPortsOfServer + 1])) {
      return absl::OkStatus();
    }
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      pids_[server] = 0;
      return absl::UnavailableError("the ClickHouse server ended; see its log");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return absl::UnavailableError("the ClickHouse server does not accept connections");
}

}  // namespace purser::costs::testing
