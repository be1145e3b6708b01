// LDAP version 3 over TCP and TLS (RFC 4511), with paged results (RFC 2696), StartTLS and Active
// Directory's ranges of values.
//
// The protocol is spoken here, on this repository's own sockets: waits end by deadlines and stop
// tokens, addresses pass the same guard as those of HTTP, and purserd needs no further library on
// its host.
#ifndef PURSER_CONNECTORS_LDAP_TCP_LDAP_CLIENT_H_
#define PURSER_CONNECTORS_LDAP_TCP_LDAP_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "connectors/ldap/ldap_client.h"
#include "http/address.h"
#include "http/transport.h"

namespace purser::connectors {

inline constexpr size_t kMaxLdapMessageBytes = 32 << 20;  // one entry: a group and its members
inline constexpr int kMaxLdapPages = 1'000'000;           // of one search
inline constexpr int kMaxLdapEmptyPages = 100;            // in a row
inline constexpr int kMaxLdapRanges = 10'000;             // of one attribute of one entry

struct LdapOptions {
  std::string url;         // "ldaps://host[:636]" or "ldap://host[:389]"
  bool start_tls = false;  // of ldap://
  // Without TLS a password may only be sent when this says so.
  bool allow_plain_text = false;
  http::TlsOptions tls;
  std::string bind_dn;  // "" = anonymous
  std::string password;
  int page_size = 500;
  absl::Duration timeout = absl::Seconds(60);  // of connecting, and of each answer
};

class TcpLdapClient final : public LdapClient {
 public:
  // INVALID_ARGUMENT for a URL that is none, FAILED_PRECONDITION when a password would be sent in
  // plain text. Nothing is connected before the first search; a connection that broke is made
  // again by the next one.
  static absl::StatusOr<std::unique_ptr<TcpLdapClient>> Create(LdapOptions options,
                                                               http::AddressPolicy policy);
  ~TcpLdapClient() override;

  absl::StatusOr<int64_t> Search(const LdapSearch& search, const OnEntry& on_entry,
                                 std::stop_token stop) override;

 private:
  class Connection;

  TcpLdapClient(LdapOptions options, http::AddressPolicy policy, std::string host, uint16_t port,
                bool ldaps);

  const LdapOptions options_;
  const http::AddressPolicy policy_;
  const std::string host_;
  const uint16_t port_;
  const bool ldaps_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_LDAP_TCP_LDAP_CLIENT_H_
