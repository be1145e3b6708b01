// Any bytes: as a message of a server, as a filter and as a distinguished name. What is taken as a
// name is taken again, and means the same.
#include <cstddef>
#include <cstdint>

#include "connectors/ldap/ber.h"
#include "connectors/ldap/ldap_message.h"
#include "connectors/ldap/ldap_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace connectors = purser::connectors;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto length = connectors::BerLength(text);
  if (length.ok() && *length > 0 && *length <= size) {
    if (const auto message = connectors::ParseLdapMessage(text.substr(0, *length)); message.ok()) {
      (void)connectors::ParseLdapEntry(message->content);
      (void)connectors::ParseLdapResult(message->content, "f");
      (void)connectors::ParsePageCookie(message->controls);
    }
  }
  (void)connectors::ParseLdapEntry(text);
  if (const auto filter = connectors::EncodeLdapFilter(text); filter.ok()) {
    connectors::BerReader reader(*filter);
    if (!reader.Next().ok() || !reader.done()) __builtin_trap();
  }
  if (const auto name = connectors::NormalizeDn(text); name.ok()) {
    const auto again = connectors::NormalizeDn(*name);
    if (!again.ok() || *again != *name) __builtin_trap();
  }
  return 0;
}
