// What Purser asks of a directory: entries below a name that a filter takes.
#ifndef PURSER_CONNECTORS_LDAP_LDAP_CLIENT_H_
#define PURSER_CONNECTORS_LDAP_LDAP_CLIENT_H_

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::connectors {

struct LdapEntry {
  std::string dn;
  std::map<std::string, std::vector<std::string>> attributes;  // names in lower case, no options

  // The first value, or "".
  const std::string& First(absl::string_view attribute) const;
  const std::vector<std::string>& All(absl::string_view attribute) const;
};

enum class LdapScope { kBase = 0, kOne = 1, kSubtree = 2 };

struct LdapSearch {
  std::string base;
  LdapScope scope = LdapScope::kSubtree;
  std::string filter = "(objectClass=*)";
  std::vector<std::string> attributes = {};  // empty: all but operational ones
};

// For one thread at a time. Errors: UNAUTHENTICATED (the name or password to bind with),
// PERMISSION_DENIED, NOT_FOUND (no such base), INVALID_ARGUMENT (a filter), UNAVAILABLE,
// RESOURCE_EXHAUSTED (the server's size limit, or one of ours), FAILED_PRECONDITION (no paging, TLS
// wanted, a certificate that is not trusted). A status other than OK from `on_entry` ends the
// search with it.
class LdapClient {
 public:
  using OnEntry = std::function<absl::Status(const LdapEntry& entry)>;

  virtual ~LdapClient() = default;
  // All entries, or an error: a search that breaks off has given only some of them. References to
  // other servers are not followed; their number is returned.
  virtual absl::StatusOr<int64_t> Search(const LdapSearch& search, const OnEntry& on_entry,
                                         std::stop_token stop) = 0;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_LDAP_LDAP_CLIENT_H_
