// The catalog's rules for names, as Backstage's validators state them.
#ifndef PURSER_CATALOG_NAMES_H_
#define PURSER_CATALOG_NAMES_H_

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace purser::catalog {

inline constexpr size_t kMaxNameBytes = 63;
inline constexpr size_t kMaxDnsSubdomainBytes = 253;

namespace names_internal {
inline bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
inline bool IsLowerAlnum(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c));
}
}  // namespace names_internal

// Letters, digits, '-', '_', '.'; letter or digit at both ends; 1..63 bytes.
inline bool IsObjectName(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  if (!names_internal::IsAlnum(text.front()) || !names_internal::IsAlnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return names_internal::IsAlnum(c) || c == '-' || c == '_' || c == '.';
  });
}

// Lower-case letters, digits, inner '-'; 1..63 bytes. Namespaces are such labels.
inline bool IsDnsLabel(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  if (text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return names_internal::IsLowerAlnum(c) || c == '-'; });
}

// Labels joined by '.', at most 253 bytes.
inline bool IsDnsSubdomain(absl::string_view text) {
  if (text.empty() || text.size() > kMaxDnsSubdomainBytes) return false;
  for (size_t start = 0;;) {
    const size_t dot = text.find('.', start);
    if (!IsDnsLabel(text.substr(start, dot == absl::string_view::npos ? dot : dot - start))) {
      return false;
    }
    if (dot == absl::string_view::npos) return true;
    start = dot + 1;
  }
}

// "[prefix/]name" of labels and annotations.
inline bool IsLabelKey(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return IsObjectName(text);
  return IsDnsSubdomain(text.substr(0, slash)) && IsObjectName(text.substr(slash + 1));
}

inline bool IsLabelValue(absl::string_view text) { return text.empty() || IsObjectName(text); }

// A letter, then letters and digits; 1..63 bytes.
inline bool IsKind(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  if (!absl::ascii_isalpha(static_cast<unsigned char>(text.front()))) return false;
  return std::all_of(text.begin(), text.end(), names_internal::IsAlnum);
}

// "[dns.prefix/]v1alpha1".
inline bool IsApiVersion(absl::string_view text) {
  const size_t slash = text.find('/');
  const absl::string_view version =
      slash == absl::string_view::npos ? text : text.substr(slash + 1);
  if (slash != absl::string_view::npos && !IsDnsSubdomain(text.substr(0, slash))) return false;
  return !version.empty() && version.size() <= kMaxNameBytes &&
         std::all_of(version.begin(), version.end(), names_internal::IsAlnum);
}

// Lower-case letters, digits, ':', '+', '#', single inner '-'; 1..63 bytes.
inline bool IsTag(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  char previous = '-';
  for (const char c : text) {
    const bool word = names_internal::IsLowerAlnum(c) || c == ':' || c == '+' || c == '#';
    if (!word && (c != '-' || previous == '-')) return false;
    previous = c;
  }
  return previous != '-';
}

}  // namespace purser::catalog

#endif  // PURSER_CATALOG_NAMES_H_
