#include "connectors/kubernetes/kubeconfig.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;

class KubeconfigTest : public ::testing::Test {
 protected:
  KubeconfigTest() {
    std::string pattern = testing::TempDir() + "kubeconfig-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~KubeconfigTest() override { std::filesystem::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  absl::StatusOr<ClusterAccess> Read(const std::string& cluster, const std::string& user,
                                     absl::string_view context = "") const {
    return ReadKubeconfig(
        Write("config",
              absl::StrCat("apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {",
                           cluster, "}\nusers:\n- name: u\n  user: {", user,
                           "}\ncontexts:\n- name: x\n  context: {cluster: c, user: u, "
                           "namespace: team}\n- name: broken\n  context: {cluster: none, "
                           "user: u}\ncurrent-context: x\n")),
        context);
  }
  std::string folder_;
};

TEST_F(KubeconfigTest, TokensAndCertificates) {
  Write("ca.pem", "CA TEXT");
  const auto access =
      Read("server: \"https://h:6443/\", certificate-authority: ca.pem", "token: abc");
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ(access->server, "https://h:6443");
  EXPECT_EQ(access->tls->ca_pem, "CA TEXT");
  EXPECT_EQ(*access->token(), "abc");
  EXPECT_EQ(access->default_namespace, "team");

  const auto pair = Read(absl::StrCat("server: https://h, tls-server-name: other, "
                                      "certificate-authority-data: ",
                                      absl::Base64Escape("CA")),
                         absl::StrCat("client-certificate-data: ", absl::Base64Escape("CERT"),
                                      ", client-key-data: ", absl::Base64Escape("KEY")));
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->tls->ca_pem, "CA");
  EXPECT_EQ(pair->tls->certificate_pem, "CERT");
  EXPECT_EQ(pair->tls->key_pem, "KEY");
  EXPECT_EQ(pair->tls->server_name, "other");
  EXPECT_FALSE(pair->token);
}

TEST_F(KubeconfigTest, TokenFilesAreReadAnew) {
  Write("token", "one\n");
  const auto access = Read("server: https://h", "tokenFile: token");
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ(*access->token(), "one");
  Write("token", "two\n");
  EXPECT_EQ(*access->token(), "two");
}

TEST_F(KubeconfigTest, ProgramsGiveTokens) {
  // Counts its calls; the first token ends at once, the second in a year.
  Write("login", R"(#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" | grep -q '"interactive":false' || exit 3
[ "$CLUSTER/$1" = "prod/get-token" ] || exit 4
echo . >> "$(dirname "$0")/calls"
calls=$(wc -l < "$(dirname "$0")/calls")
end=2001-01-01T00:00:00Z; [ "$calls" -gt 1 ] && end=2199-01-01T00:00:00Z
echo "{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t$calls\",\"expirationTimestamp\":\"$end\"}}"
)");
  ASSERT_EQ(chmod((folder_ + "/login").c_str(), 0700), 0);
  const std::string exec =
      "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./login, args: "
      "[get-token], "
      "env: [{name: CLUSTER, value: prod}]}";
  const auto access = Read("server: https://h", exec);
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ(access->token().value_or("none"), "t1");
  EXPECT_EQ(access->token().value_or("none"), "t2");
  EXPECT_EQ(access->token().value_or("none"), "t2");
  Write("login", "#!/bin/sh\necho no account >&2; exit 1\n");
  const auto failing = Read("server: https://h", exec);
  ASSERT_TRUE(failing.ok()) << failing.status();
  EXPECT_EQ(failing->token().status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(failing->token().status().message()), HasSubstr("no account"));
  Write("login", "#!/bin/sh\necho '{\"kind\":\"Other\"}'\n");
  EXPECT_THAT(std::string(Read("server: https://h", exec)->token().status().message()),
              HasSubstr("no ExecCredential"));
}

TEST_F(KubeconfigTest, FaultsNameTheirPlace) {
  const auto message = [this](const std::string& cluster, const std::string& user,
                              absl::string_view context = "") {
    return std::string(Read(cluster, user, context).status().message());
  };
  EXPECT_THAT(message("server: https://h, insecure-skip-tls-verify: true", "token: a"),
              HasSubstr("config:5:"));
  EXPECT_THAT(message("server: https://h", "exec: {command: x}"), HasSubstr("exec.apiVersion"));
  const std::string version = "apiVersion: client.authentication.k8s.io/v1";
  EXPECT_THAT(message("server: https://h", "exec: {" + version + "}"), HasSubstr("exec.command"));
  EXPECT_THAT(message("server: https://h", "exec: {" + version +
                                               ", command: x, env: [{name: AWS_SECRET_ACCESS_KEY, "
                                               "value: v}]}"),
              HasSubstr("looks like a secret"));
  EXPECT_THAT(
      message("server: https://h", "exec: {" + version + ", command: x, interactiveMode: Always}"),
      HasSubstr("nobody is there"));
  EXPECT_THAT(message("server: https://h", "username: a, password: b"), HasSubstr("not supported"));
  EXPECT_THAT(message("server: https://h", ""), HasSubstr("neither token"));
  EXPECT_THAT(message("server: https://h", "client-certificate-data: eA=="),
              HasSubstr("both client-certificate and client-key"));
  EXPECT_THAT(message("server: nonsense", "token: a"), HasSubstr("/server"));
  EXPECT_THAT(message("server: https://h, certificate-authority-data: \"***\"", "token: a"),
              HasSubstr("must be base64"));
  EXPECT_THAT(message("server: https://h, certificate-authority: missing.pem", "token: a"),
              HasSubstr("missing.pem"));
  EXPECT_THAT(message("server: https://h", "token: a", "nope"), HasSubstr("named \"nope\""));
  EXPECT_THAT(message("server: https://h", "token: a", "broken"), HasSubstr("named \"none\""));
  EXPECT_EQ(ReadKubeconfig(folder_ + "/absent", "").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(KubeconfigTest, InCluster) {
  unsetenv("KUBERNETES_SERVICE_HOST");
  EXPECT_EQ(InClusterAccess(folder_).status().code(), absl::StatusCode::kFailedPrecondition);
  setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  Write("ca.crt", "CA");
  Write("token", "t");
  Write("namespace", "purser");
  const auto access = InClusterAccess(folder_);
  ASSERT_TRUE(access.ok()) << access.status();
  EXPECT_EQ(access->server, "https://[fd00::1]:443");
  EXPECT_EQ(*access->token(), "t");
  EXPECT_EQ(access->default_namespace, "purser");
  unsetenv("KUBERNETES_SERVICE_HOST");
  unsetenv("KUBERNETES_SERVICE_PORT");
}

}  // namespace
}  // namespace purser::connectors
