#include "cli/values.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "document/yaml.h"

namespace purser::cli {
namespace {
constexpr int64_t kMaxValuesBytes = 16 << 20;
}

absl::StatusOr<nlohmann::json> ReadValues(const Args& args, absl::string_view file_option) {
  nlohmann::json values = nlohmann::json::object();
  if (args.Has(file_option)) {
    const std::string file = args.Get(file_option);
    PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file, kMaxValuesBytes));
    PURSER_ASSIGN_OR_RETURN(document::Document document, document::ParseYamlDocument(text, file));
    if (!document.value.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": must hold a map"));
    }
    values = std::move(document.value);
  }
  for (const std::string& pair : args.All("set")) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat("--set ", pair, ": must be NAME=VALUE"));
    }
    PURSER_ASSIGN_OR_RETURN(
        document::Document value,
        document::ParseYamlDocument(pair.substr(equals + 1), absl::StrCat("--set ", pair)));
    values[pair.substr(0, equals)] = std::move(value.value);
  }
  return values;
}

}  // namespace purser::cli
