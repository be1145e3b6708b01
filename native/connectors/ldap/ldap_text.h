// Filters and names as text (RFC 4515, RFC 4514).
#ifndef PURSER_CONNECTORS_LDAP_LDAP_TEXT_H_
#define PURSER_CONNECTORS_LDAP_LDAP_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::connectors {

inline constexpr size_t kMaxLdapFilterBytes = 16 << 10;
inline constexpr int kMaxLdapFilterDepth = 30;
inline constexpr size_t kMaxLdapNameBytes = 8 << 10;

// "(&(objectClass=person)(!(uid=a*)))" as BER. INVALID_ARGUMENT says what is wrong and at which
// byte.
absl::StatusOr<std::string> EncodeLdapFilter(absl::string_view filter);

// A value that may stand in a filter: '*', '(', ')', '\\', NUL and bytes beyond ASCII become \XX.
std::string EscapeLdapFilter(absl::string_view value);

// A distinguished name in one form: types and values in lower case, no spaces around separators,
// one way of escaping. Two names of one entry, as far as case and spaces differ, become equal.
// INVALID_ARGUMENT when it is none.
absl::StatusOr<std::string> NormalizeDn(absl::string_view dn);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_LDAP_LDAP_TEXT_H_
