// A directory in memory, for tests of what uses an LdapClient.
#ifndef PURSER_CONNECTORS_LDAP_FAKE_LDAP_CLIENT_H_
#define PURSER_CONNECTORS_LDAP_FAKE_LDAP_CLIENT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "connectors/ldap/ldap_client.h"

namespace purser::connectors {

// Entries by base and filter, as they are asked for; filters are not understood.
struct FakeDirectory {
  std::map<std::string, std::vector<LdapEntry>> entries;  // "base filter" → entries
  std::map<std::string, absl::Status> statuses;           // given behind the entries
  int searches = 0;
};

class FakeLdapClient final : public LdapClient {
 public:
  explicit FakeLdapClient(FakeDirectory& directory) : directory_(directory) {}
  absl::StatusOr<int64_t> Search(const LdapSearch& search, const OnEntry& on_entry,
                                 std::stop_token) override {
    ++directory_.searches;
    const std::string key = search.base + " " + search.filter;
    for (const LdapEntry& entry : directory_.entries[key]) {
      PURSER_RETURN_IF_ERROR(on_entry(entry));
    }
    PURSER_RETURN_IF_ERROR(directory_.statuses[key]);
    return int64_t{0};
  }

 private:
  FakeDirectory& directory_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_LDAP_FAKE_LDAP_CLIENT_H_
