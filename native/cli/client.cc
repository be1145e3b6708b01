#include "cli/client.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "rpc/status.h"

namespace purser::cli {
namespace {

constexpr char kDefaultAddress[] = "unix:.purser/run/purserd.sock";
constexpr int64_t kMaxPemBytes = 1 << 20;
constexpr int kMaxMessageBytes = 4 << 20;

}  // namespace

std::vector<Option> WithConnection(std::vector<Option> options) {
  for (const Option& option : std::vector<Option>{
           {"address", "ADDRESS", "purserd's address, unix:PATH or HOST:PORT ($PURSER_ADDRESS)"},
           {"tls-ca", "FILE", "PEM file of the server's CA (TCP)"},
           {"tls-certificate", "FILE", "PEM file of the client certificate (TCP)"},
           {"tls-key", "FILE", "PEM file of its key (TCP)"},
           {"json", "", "print JSON"},
           {"help", "", "show this help"}}) {
    options.push_back(option);
  }
  return options;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const Args& args) {
  const char* const from_environment = std::getenv("PURSER_ADDRESS");
  const std::string address =
      args.Get("address", from_environment != nullptr ? from_environment : kDefaultAddress);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  if (absl::StartsWith(address, "unix:")) {
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }
  if (!args.Has("tls-ca") || !args.Has("tls-certificate") || !args.Has("tls-key")) {
    return absl::InvalidArgumentError(
        absl::StrCat("address ", address,
                     " is TCP: --tls-ca, --tls-certificate and --tls-key are needed (mutual TLS)"));
  }
  grpc::SslCredentialsOptions tls;
  PURSER_ASSIGN_OR_RETURN(tls.pem_root_certs, base::ReadFile(args.Get("tls-ca"), kMaxPemBytes));
  PURSER_ASSIGN_OR_RETURN(tls.pem_cert_chain,
                          base::ReadFile(args.Get("tls-certificate"), kMaxPemBytes));
  PURSER_ASSIGN_OR_RETURN(tls.pem_private_key, base::ReadFile(args.Get("tls-key"), kMaxPemBytes));
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(tls), arguments);
}

absl::Status Explain(const grpc::Status& status) {
  const absl::Status plain = rpc::FromGrpc(status);
  if (!absl::IsUnavailable(plain)) return plain;
  return absl::UnavailableError(
      absl::StrCat("purserd does not answer (", plain.message(),
                   "); is it running, and is --address or $PURSER_ADDRESS right?"));
}

std::string Actor(const Args& args) {
  if (args.Has("as")) return args.Get("as");
  const passwd* const entry = getpwuid(getuid());
  const std::string login = entry != nullptr ? entry->pw_name : absl::StrCat("uid-", getuid());
  return absl::StrCat("user:default/", catalog::SanitizeName(login));
}

}  // namespace purser::cli
