// A PostgreSQL server of a test's own: made in a temporary folder, reached over a unix socket
// there, gone with the test. Needs Debian's postgresql; run by root it becomes the user nobody.
#ifndef PURSER_STORE_TESTING_POSTGRES_SERVER_H_
#define PURSER_STORE_TESTING_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace purser::store {

// Thread-compatible.
class PostgresServer {
 public:
  // NOT_FOUND when the machine has no PostgreSQL. `durable`: commits reach the disk, as in
  // production; otherwise they survive the server's death but not the machine's.
  static absl::StatusOr<std::unique_ptr<PostgresServer>> Start(bool durable = false);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A new, empty database; its URL.
  absl::StatusOr<std::string> NewDatabase();
  // Ends it at once, without a checkpoint, as a crash does, and starts it again.
  absl::Status Restart();
  absl::Status Stop();
  absl::Status Go();
  // Runs SQL by psql in the database of `url`; its output, without headers.
  absl::StatusOr<std::string> Sql(const std::string& url, const std::string& sql);
  const std::string& folder() const { return folder_; }

 private:
  explicit PostgresServer(std::string folder, std::string bin, bool durable)
      : folder_(std::move(folder)), bin_(std::move(bin)), durable_(durable) {}
  absl::StatusOr<std::string> Run(const std::vector<std::string>& command);
  absl::Status WaitUntilReady();

  const std::string folder_;
  const std::string bin_;
  const bool durable_;
  pid_t pid_ = 0;
  int databases_ = 0;
};

}  // namespace purser::store

#endif  // PURSER_STORE_TESTING_POSTGRES_SERVER_H_
