// For tests: a real slapd on loopback, with a directory of its own.
#ifndef PURSER_CONNECTORS_LDAP_TEST_SLAPD_H_
#define PURSER_CONNECTORS_LDAP_TEST_SLAPD_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace purser::connectors {

// Holds dc=acme,dc=test with the entries of an LDIF text; cn=admin,dc=acme,dc=test binds with
// "s3cret". Not more than 3 entries an answer unless they are paged.
class TestSlapd {
 public:
  // "" when slapd runs; otherwise why it does not ("SKIP …" when the package is not installed).
  std::string Start(const std::string& ldif);
  // Adds to the directory or changes it, as ldapmodify does.
  bool Modify(const std::string& ldif);
  ~TestSlapd();

  std::string url() const;    // ldap://localhost:…
  std::string ldaps() const;  // ldaps://localhost:…
  const std::string& ca_pem() const { return ca_pem_; }

 private:
  // Starts it on its ports; why it does not listen otherwise, without a process when it has ended.
  std::string Go();

  std::string folder_;
  std::string ca_pem_;
  uint16_t port_ = 0;
  uint16_t tls_port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_LDAP_TEST_SLAPD_H_
