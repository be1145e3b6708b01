#include "git/signer.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "git/process.h"
#include "git/publish.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::git {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Real programs make the keys and judge the signatures.
class SignerTest : public testing::Test {
 protected:
  SignerTest()
      : transport_(folder_.path()),
        repository_(MakeBareRepository(folder_.path())),
        home_(absl::StrCat(folder_.path(), "/gnupg")) {
    std::filesystem::create_directory(home_);
    chmod(home_.c_str(), 0700);
  }
  ~SignerTest() override { Run({"gpgconf", "--homedir", home_, "--kill", "all"}).IgnoreError(); }

  absl::StatusOr<std::string> Run(std::vector<std::string> arguments,
                                  absl::string_view input = "") {
    ProcessRequest request;
    request.arguments = {"env", absl::StrCat("GNUPGHOME=", home_), "GIT_CONFIG_NOSYSTEM=1",
                         "GIT_CONFIG_GLOBAL=/dev/null"};
    request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
    request.input = input;
    const auto result = RunProcess(request);
    if (!result.ok()) return result.status();
    if (result->exit_code == 127) return absl::NotFoundError(arguments[0]);
    if (result->exit_code != 0) return absl::InternalError(result->errors);
    return result->output + result->errors;
  }
  absl::StatusOr<PublishResult> Publish(const std::string& key) {
    const auto signer = ParseSigningKey(key);
    if (!signer.ok()) return signer.status();
    RemoteOptions options;
    options.allow_local = true;
    const auto remote = *OpenRemote(absl::StrCat("file://", repository_), transport_, options);
    CommitInfo info{{"Ada", "ada@example.org"}, "Signed\n\nWith a body", "task/1"};
    info.signer = signer->get();
    ++published_;
    // gpg believes no signature that is older than its key.
    clock_.Advance(absl::Now() - clock_.Now());
    return PublishTree(*remote, "main", MapSource({{"a", {kModeFile, absl::StrCat(published_)}}}),
                       info, ExistingBranch::kAppend, {clock_, {}, absl::Seconds(60), {}});
  }
  // What git says of the tip's signature; an error when it is not good.
  absl::StatusOr<std::string> Verify(std::vector<std::string> config = {}) {
    std::vector<std::string> arguments = {"git", "-C", repository_};
    for (const std::string& one : config) {
      arguments.push_back("-c");
      arguments.push_back(one);
    }
    arguments.insert(arguments.end(), {"verify-commit", "-v", "main"});
    return Run(arguments);
  }

  TempFolder folder_;
  CgiTransport transport_;
  std::string repository_;
  std::string home_;
  base::FakeClock clock_;
  int published_ = 0;
};

TEST_F(SignerTest, SshSignaturesAreGood) {
  for (const char* type : {"ed25519", "rsa"}) {
    const std::string file = absl::StrCat(folder_.path(), "/key-", type);
    const auto made = Run({"ssh-keygen", "-q", "-t", type, "-N", "", "-C", "ada", "-f", file});
    if (absl::IsNotFound(made.status())) GTEST_SKIP() << "SKIP ssh-keygen is not installed";
    ASSERT_TRUE(made.ok()) << made.status();
    const auto result = Publish(Slurp(file));
    ASSERT_TRUE(result.ok()) << result.status();
    const std::string allowed = absl::StrCat(folder_.path(), "/allowed");
    std::ofstream(allowed) << "ada@example.org " << Slurp(file + ".pub");
    const auto judged = Verify({absl::StrCat("gpg.ssh.allowedSignersFile=", allowed)});
    ASSERT_TRUE(judged.ok()) << judged.status();
    EXPECT_THAT(*judged, HasSubstr("Good \"git\" signature for ada@example.org"));
    EXPECT_THAT(*judged, HasSubstr((*ParseSigningKey(Slurp(file)))->description().substr(8)));
    EXPECT_EQ(Git({"-C", repository_, "fsck", "--strict", "--no-dangling"}), "");
    // Another key did not sign it.
    std::ofstream(allowed)
        << "ada@example.org ssh-ed25519 "
           "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n";
    EXPECT_FALSE(Verify({absl::StrCat("gpg.ssh.allowedSignersFile=", allowed)}).ok());
    Git({"-C", repository_, "update-ref", "-d", "refs/heads/main"});
  }
}

TEST_F(SignerTest, OpenPgpSignaturesAreGood) {
  // A primary that signs; one that only certifies, with a subkey that signs.
  const std::map<std::string, std::string> kinds = {
      {"rsa", "Key-Type: RSA\nKey-Length: 2048\nKey-Usage: sign\n"},
      {"eddsa", "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\n"},
      {"subkey",
       "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: cert\nSubkey-Type: RSA\n"
       "Subkey-Length: 2048\nSubkey-Usage: sign\n"}};
  for (const auto& [name, kind] : kinds) {
    const std::string mail = absl::StrCat(name, "@example.org");
    const auto made = Run({"gpg", "--batch", "--quiet", "--gen-key"},
                          absl::StrCat(kind, "Name-Real: Ada\nName-Email: ", mail,
                                       "\nExpire-Date: 0\n%no-protection\n%commit\n"));
    if (absl::IsNotFound(made.status())) GTEST_SKIP() << "SKIP gpg is not installed";
    ASSERT_TRUE(made.ok()) << made.status();
    const auto key = Run({"gpg", "--batch", "--armor", "--export-secret-keys", mail});
    ASSERT_TRUE(key.ok()) << key.status();
    const auto result = Publish(*key);
    ASSERT_TRUE(result.ok()) << name << result.status();
    const auto judged = Verify();
    ASSERT_TRUE(judged.ok()) << name << judged.status();
    EXPECT_THAT(*judged, HasSubstr("Good signature from"));
    EXPECT_THAT(*judged, HasSubstr(mail));
    EXPECT_EQ(Git({"-C", repository_, "fsck", "--strict", "--no-dangling"}), "");
    Git({"-C", repository_, "update-ref", "-d", "refs/heads/main"});
  }
}

TEST_F(SignerTest, KeysWithAPassphraseAreRefusedPlainly) {
  const std::string file = absl::StrCat(folder_.path(), "/locked");
  const auto made = Run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", file});
  if (absl::IsNotFound(made.status())) GTEST_SKIP() << "SKIP ssh-keygen is not installed";
  const auto ssh = ParseSigningKey(Slurp(file));
  EXPECT_EQ(ssh.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(ssh.status().message(), HasSubstr("passphrase"));
  const auto locked =
      Run({"gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "secret",
           "--quick-gen-key", "locked@example.org", "ed25519", "sign"});
  if (absl::IsNotFound(locked.status())) GTEST_SKIP() << "SKIP gpg is not installed";
  ASSERT_TRUE(locked.ok()) << locked.status();
  const auto key = Run({"gpg", "--batch", "--armor", "--pinentry-mode", "loopback", "--passphrase",
                        "secret", "--export-secret-keys", "locked@example.org"});
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(ParseSigningKey(*key).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SignerTest, BrokenKeysAreErrorsThatTellNothingOfThem) {
  const std::string file = absl::StrCat(folder_.path(), "/key");
  const auto made = Run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file});
  if (absl::IsNotFound(made.status())) GTEST_SKIP() << "SKIP ssh-keygen is not installed";
  const std::string whole = Slurp(file);
  EXPECT_FALSE(ParseSigningKey("").ok());
  EXPECT_FALSE(ParseSigningKey("ssh-ed25519 AAAA").ok());
  EXPECT_FALSE(ParseSigningKey(std::string(kMaxSigningKeyBytes + 1, 'x')).ok());
  const size_t begin = whole.find('\n') + 1;
  const size_t end = whole.find("-----END");
  for (size_t cut = begin; cut < end; cut += 4) {
    const auto key = ParseSigningKey(whole.substr(0, cut) + whole.substr(end));
    if (key.ok()) continue;  // only the padding went
    EXPECT_THAT(key.status().message(), Not(HasSubstr(whole.substr(begin, 20))));
  }
  EXPECT_EQ(ParseSigningKey(whole.substr(0, end)).status().code(),
            absl::StatusCode::kInvalidArgument);
  for (const char* pgp :
       {"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n-----END PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxVgEZQ==\n=AAAA\n-----END PGP "
        "PRIVATE KEY BLOCK-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n////\n-----END PGP PRIVATE KEY "
        "BLOCK-----"}) {
    EXPECT_FALSE(ParseSigningKey(pgp).ok()) << pgp;
  }
}

}  // namespace
}  // namespace purser::git
