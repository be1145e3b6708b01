#include "connectors/kubernetes/exec_credential.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/process.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxShownErrors = 500;

class Program {
 public:
  Program(std::string name, std::vector<std::string> arguments, base::Clock& clock)
      : name_(std::move(name)), arguments_(std::move(arguments)), clock_(clock) {}

  absl::StatusOr<std::string> Token() {
    // Who comes meanwhile waits for the one that runs.
    base::MutexLock lock(mutex_);
    if (!token_.empty() && clock_.Now() < until_) return token_;
    const absl::StatusOr<git::ProcessResult> run =
        git::RunProcess({.arguments = arguments_,
                         .input = "",
                         .more_input = nullptr,
                         .timeout = kExecTimeout,
                         .stop = {},
                         .max_output_bytes = kMaxExecOutputBytes});
    const std::string what = absl::StrCat("credential program ", name_);
    if (!run.ok()) return base::Annotate(run.status(), what);
    if (run->exit_code != 0) {
      return absl::UnauthenticatedError(
          absl::StrCat(what, " ended with ", run->exit_code, ": ",
                       base::EscapeForDisplay(run->errors, kMaxShownErrors)));
    }
    const absl::StatusOr<Json> answer = json::Parse(run->output);
    if (!answer.ok() || json::TextAt(*answer, "kind") != "ExecCredential" ||
        !answer->contains("status")) {
      return absl::UnauthenticatedError(absl::StrCat(what, " gave no ExecCredential"));
    }
    const Json& status = (*answer)["status"];
    std::string token = json::TextAt(status, "token");
    if (token.empty()) {
      return absl::UnauthenticatedError(
          absl::StrCat(what, " gave no token; client certificates are not supported here"));
    }
    absl::Time end = clock_.Now() + kTokenLifetime + kTokenMargin;
    const std::string expiry = json::TextAt(status, "expirationTimestamp");
    if (!expiry.empty() && !absl::ParseTime(absl::RFC3339_full, expiry, &end, nullptr)) {
      return absl::UnauthenticatedError(
          absl::StrCat(what, " gave an expirationTimestamp that is no time"));
    }
    token_ = std::move(token);
    until_ = end - kTokenMargin;
    return token_;
  }

 private:
  const std::string name_;
  const std::vector<std::string> arguments_;
  base::Clock& clock_;
  base::Mutex mutex_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  absl::Time until_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::function<absl::StatusOr<std::string>()>> ExecCredential(
    const Json& exec, absl::string_view folder, base::Clock& clock) {
  const std::string version = json::TextAt(exec, "apiVersion");
  if (!absl::StartsWith(version, "client.authentication.k8s.io/")) {
    return absl::InvalidArgumentError(
        "exec.apiVersion must be client.authentication.k8s.io/v1 or v1beta1");
  }
  if (json::TextAt(exec, "interactiveMode") == "Always") {
    return absl::InvalidArgumentError("exec.interactiveMode: nobody is there to be asked");
  }
  std::string command = json::TextAt(exec, "command");
  if (command.empty()) return absl::InvalidArgumentError("exec.command is missing");
  if (absl::StrContains(command, '/') && command[0] != '/') {
    command = absl::StrCat(folder, "/", command);
  }
  // By way of env, since the program gets no other environment than PATH, HOME and the like. What
  // is said here can be seen by everybody on the machine, so it must not be secret.
  const Json information = {
      {"apiVersion", version}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}};
  std::vector<std::string> arguments = {
      "env", absl::StrCat("KUBERNETES_EXEC_INFO=", information.dump()), command};
  if (const auto env = exec.find("env"); env != exec.end() && env->is_array()) {
    for (const Json& pair : *env) {
      const std::string name = json::TextAt(pair, "name");
      for (const char* secret : {"SECRET", "PASSWORD", "TOKEN", "KEY"}) {
        if (absl::StrContains(name, secret)) {
          return absl::InvalidArgumentError(
              absl::StrCat("exec.env: ", base::EscapeForDisplay(name),
                           " looks like a secret, which the program must find elsewhere"));
        }
      }
      if (name.empty() || absl::StrContains(name, '=')) {
        return absl::InvalidArgumentError("exec.env: a name is missing or holds '='");
      }
      arguments.insert(arguments.end() - 1, absl::StrCat(name, "=", json::TextAt(pair, "value")));
    }
  }
  if (const auto args = exec.find("args"); args != exec.end() && args->is_array()) {
    for (const Json& argument : *args) {
      if (!argument.is_string()) return absl::InvalidArgumentError("exec.args must be texts");
      arguments.push_back(argument.get<std::string>());
    }
  }
  auto program = std::make_shared<Program>(command, std::move(arguments), clock);
  return std::function<absl::StatusOr<std::string>()>([program] { return program->Token(); });
}

}  // namespace purser::connectors
