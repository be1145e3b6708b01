#include "connectors/ldap/test_slapd.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/testing/eventually.h"
#include "base/testing/free_ports.h"
#include "http/socket.h"

extern char** environ;

namespace purser::connectors {
namespace {

constexpr char kProgram[] = "/usr/sbin/slapd";

constexpr char kConfig[] = R"(
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
pidfile $folder/slapd.pid
argsfile $folder/slapd.args
TLSCertificateFile $folder/slapd.crt
TLSCertificateKeyFile $folder/slapd.key
database mdb
maxsize 268435456
suffix "dc=acme,dc=test"
rootdn "cn=admin,dc=acme,dc=test"
rootpw s3cret
directory $folder/db
limits users size.soft=3 size.hard=3 size.prtotal=unlimited
limits anonymous size.soft=3 size.hard=3 size.prtotal=unlimited
overlay syncprov
)";

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool Connects(uint16_t port) {
  const http::Deadline deadline(absl::Seconds(1), {});
  return http::TcpStream::Connect(*http::IpAddress::Parse("127.0.0.1"), port, deadline).ok();
}

}  // namespace

std::string TestSlapd::Start(const std::string& ldif) {
  if (!std::filesystem::exists(kProgram)) return "SKIP the package slapd is not installed";
  std::string pattern = (std::filesystem::temp_directory_path() / "purser-slapd-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  std::filesystem::create_directory(folder_ + "/db");
  std::string config = kConfig;
  for (size_t at; (at = config.find("$folder")) != std::string::npos;)
    config.replace(at, 7, folder_);
  std::ofstream(folder_ + "/slapd.conf") << config;
  std::ofstream(folder_ + "/data.ldif") << ldif;
  const auto shell = [&](const std::string& command) {
    return std::system(absl::StrCat("cd ", folder_, " && ", command, " >>log 2>&1").c_str()) == 0;
  };
  if (!shell("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
             "subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout slapd.key -out slapd.crt")) {
    return "SKIP no openssl";
  }
  ca_pem_ = Read(folder_ + "/slapd.crt");
  if (!shell("/usr/sbin/slapadd -q -f slapd.conf -l data.ldif")) return Read(folder_ + "/log");
  // A port may be taken between its choice and its use.
  std::string why;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto ports = base::FreePorts(2);
    if (!ports.ok()) return std::string(ports.status().message());
    port_ = (*ports)[0];
    tls_port_ = (*ports)[1];
    why = Go();
    if (why.empty() || pid_ > 0) break;
  }
  return why;
}

std::string TestSlapd::Go() {
  std::string listen =
      absl::StrCat("ldap://127.0.0.1:", port_, "/ ldaps://127.0.0.1:", tls_port_, "/");
  std::string file = folder_ + "/slapd.conf";
  std::string words[] = {kProgram, "-f", file, "-h", listen, "-d", "0"};
  char* arguments[std::size(words) + 1] = {};
  for (size_t i = 0; i < std::size(words); ++i) arguments[i] = words[i].data();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string log = folder_ + "/log";
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int failed = posix_spawn(&pid_, kProgram, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return "slapd cannot be started";
  bool listens = false;
  (void)base::Eventually([&] {
    // One that has ended is none: somebody else may listen there.
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    listens = pid_ > 0 && Connects(port_) && Connects(tls_port_);
    return listens || pid_ < 0;
  });
  return listens ? "" : absl::StrCat("slapd does not listen: ", Read(log));
}

bool TestSlapd::Modify(const std::string& ldif) {
  std::ofstream(folder_ + "/change.ldif") << ldif;
  return std::system(absl::StrCat("ldapmodify -x -H ldap://127.0.0.1:", port_,
                                  " -D cn=admin,dc=acme,dc=test -w s3cret -f ", folder_,
                                  "/change.ldif >>", folder_, "/log 2>&1")
                         .c_str()) == 0;
}

TestSlapd::~TestSlapd() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  if (!folder_.empty()) std::filesystem::remove_all(folder_);
}

std::string TestSlapd::url() const { return absl::StrCat("ldap://localhost:", port_); }
std::string TestSlapd::ldaps() const { return absl::StrCat("ldaps://localhost:", tls_port_); }

}  // namespace purser::connectors
