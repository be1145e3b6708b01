// ClickHouse servers of a test's own: in temporary folders, on free ports of the loopback, gone
// with the test. Needs Debian's clickhouse-server; run by root they become the user nobody. Test
// only.
#ifndef PURSER_COSTS_CLICKHOUSE_TESTING_CLICKHOUSE_SERVER_H_
#define PURSER_COSTS_CLICKHOUSE_TESTING_CLICKHOUSE_SERVER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace purser::costs::testing {

// Of all servers of ClickHouseServers.
inline constexpr char kTestCluster[] = "purser";
// The user every server knows beside "default", which has no password.
inline constexpr char kTestUser[] = "accountant";
inline constexpr char kTestPassword[] = "open sesame";

// Several servers that know each other as one cluster. Thread-compatible.
class ClickHouseServers {
 public:
  // NOT_FOUND when the machine has no ClickHouse.
  static absl::StatusOr<std::unique_ptr<ClickHouseServers>> Start(size_t count);
  ~ClickHouseServers();
  ClickHouseServers(const ClickHouseServers&) = delete;
  ClickHouseServers& operator=(const ClickHouseServers&) = delete;

  const std::vector<std::string>& urls() const { return urls_; }
  // host:port of their HTTP interfaces.
  std::vector<std::string> addresses() const;
  // A name no test used before.
  std::string NewDatabase();
  // Ends a server at once, as a crash does; Go starts it again on its data.
  void Kill(size_t server);
  absl::Status Go(size_t server);

 private:
  ClickHouseServers(std::string folder, size_t count);
  absl::Status Configure();
  std::string FolderOf(size_t server) const;

  const std::string folder_;
  std::vector<uint16_t> ports_;  // three per server: HTTP, native, between servers
  std::vector<std::string> urls_;
  std::vector<pid_t> pids_;
  int databases_ = 0;
};

}  // namespace purser::costs::testing

#endif  // PURSER_COSTS_CLICKHOUSE_TESTING_CLICKHOUSE_SERVER_H_
