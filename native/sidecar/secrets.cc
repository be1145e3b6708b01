#include "sidecar/secrets.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::sidecar {
namespace {

absl::StatusOr<std::string> FromEnvironment(absl::string_view name) {
  if (!absl::StartsWith(name, kSecretEnvironmentPrefix)) {
    return absl::PermissionDeniedError(absl::StrCat("secret env:", base::EscapeForDisplay(name),
                                                    ": only variables that start with ",
                                                    kSecretEnvironmentPrefix, " may be used"));
  }
  const char* const value = std::getenv(std::string(name).c_str());
  if (value == nullptr) {
    return absl::NotFoundError(absl::StrCat("secret env:", base::EscapeForDisplay(name),
                                            ": the variable is not set for purserd"));
  }
  return std::string(value);
}

absl::StatusOr<std::string> FromFile(absl::string_view path,
                                     const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    absl::string_view relative = path;
    if (!absl::ConsumePrefix(&relative, folder) || !absl::ConsumePrefix(&relative, "/")) continue;
    PURSER_ASSIGN_OR_RETURN(const base::Directory directory, base::Directory::Open(folder));
    absl::StatusOr<std::string> value = directory.ReadFile(relative, kMaxSecretBytes);
    if (!value.ok()) return base::Annotate(value.status(), absl::StrCat("secret file:", path));
    if (absl::EndsWith(*value, "\n")) value->pop_back();
    return value;
  }
  return absl::PermissionDeniedError(absl::StrCat("secret file:", base::EscapeForDisplay(path),
                                                  ": not below a folder of secrets.folders"));
}

}  // namespace

absl::StatusOr<std::string> ResolveSecret(absl::string_view reference,
                                          const std::vector<std::string>& folders) {
  absl::string_view rest = reference;
  if (absl::ConsumePrefix(&rest, "env:")) return FromEnvironment(rest);
  if (absl::ConsumePrefix(&rest, "file:")) return FromFile(rest, folders);
  return absl::InvalidArgumentError(absl::StrCat(
      "secret reference ", base::EscapeForDisplay(reference), ": must be env:NAME or file:PATH"));
}

}  // namespace purser::sidecar
