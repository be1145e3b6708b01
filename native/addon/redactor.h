// Hides the values of secrets in text that leaves native code: logs, outputs, errors.
#ifndef PURSER_ADDON_REDACTOR_H_
#define PURSER_ADDON_REDACTOR_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::addon {

inline constexpr size_t kMaxSecrets = 200;
inline constexpr size_t kMaxSecretBytes = 64 << 10;
// A single character would hide every text; Backstage's own logger leaves those alone as well.
inline constexpr size_t kMinSecretBytes = 2;

// Each secret is found as it is, escaped as in JSON, percent-encoded, and in base64 (both
// alphabets, also where it is a part of what was encoded, e.g. "user:token"). Lines of a secret
// with several lines are found alone too, as a log may carry them one by one. Immutable, so
// thread-safe.
class Redactor {
 public:
  Redactor() = default;
  // INVALID_ARGUMENT when there are too many or too long ones; the texts say names, never values.
  static absl::StatusOr<Redactor> Create(const std::map<std::string, std::string>& secrets);

  // Every stretch that is covered by found secrets becomes "***".
  std::string Redact(absl::string_view text) const;
  // Message only; code and payloads stay.
  absl::Status Redact(const absl::Status& status) const;

 private:
  void AddPattern(std::string pattern);
  std::vector<std::string> patterns_;
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_REDACTOR_H_
