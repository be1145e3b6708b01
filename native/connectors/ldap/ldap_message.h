// Messages of LDAP as bytes (RFC 4511, section 4). Pure functions.
#ifndef PURSER_CONNECTORS_LDAP_LDAP_MESSAGE_H_
#define PURSER_CONNECTORS_LDAP_LDAP_MESSAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "connectors/ldap/ldap_client.h"

namespace purser::connectors {

inline constexpr uint8_t kLdapBindRequest = 0x60;
inline constexpr uint8_t kLdapBindResponse = 0x61;
inline constexpr uint8_t kLdapUnbindRequest = 0x42;
inline constexpr uint8_t kLdapSearchRequest = 0x63;
inline constexpr uint8_t kLdapSearchEntry = 0x64;
inline constexpr uint8_t kLdapSearchDone = 0x65;
inline constexpr uint8_t kLdapSearchReference = 0x73;
inline constexpr uint8_t kLdapExtendedRequest = 0x77;
inline constexpr uint8_t kLdapExtendedResponse = 0x78;
inline constexpr char kStartTlsOid[] = "1.3.6.1.4.1.1466.20037";
inline constexpr char kPagedResultsOid[] = "1.2.840.113556.1.4.319";

std::string EncodeBind(int32_t id, absl::string_view dn, absl::string_view password);
std::string EncodeUnbind(int32_t id);
std::string EncodeStartTls(int32_t id);
// With a page size above 0 the paged results control is asked for, `cookie` as the last page gave
// it. INVALID_ARGUMENT for a filter that is none.
absl::StatusOr<std::string> EncodeSearch(int32_t id, const LdapSearch& search, int page_size,
                                         absl::string_view cookie);

struct LdapMessage {
  int32_t id = 0;
  uint8_t operation = 0;
  absl::string_view content;   // of the operation
  absl::string_view controls;  // their sequence's content, or ""
};
// Of one whole element. Views point into `bytes`.
absl::StatusOr<LdapMessage> ParseLdapMessage(absl::string_view bytes);

// Options of attributes ("member;range=0-1499") stay in the names.
absl::StatusOr<LdapEntry> ParseLdapEntry(absl::string_view content);

// OK for success. The server's own words are shown escaped and cut.
absl::Status ParseLdapResult(absl::string_view content, absl::string_view what);

// The cookie of the paged results control; "" = the last page. FAILED_PRECONDITION when the server
// did not answer the control.
absl::StatusOr<std::string> ParsePageCookie(absl::string_view controls);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_LDAP_LDAP_MESSAGE_H_
