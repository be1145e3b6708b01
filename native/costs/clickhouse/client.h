// Talks to ClickHouse servers over their HTTP interface.
#ifndef PURSER_COSTS_CLICKHOUSE_CLIENT_H_
#define PURSER_COSTS_CLICKHOUSE_CLIENT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "base/decimal.h"
#include "http/transport.h"

namespace purser::costs {

inline constexpr size_t kMaxClickHouseServers = 64;
inline constexpr size_t kMaxClickHouseRowBytes = 64 << 20;  // of one row of an answer

struct ClickHouseOptions {
  // Base URLs of the HTTP interface, one per shard: rows are divided among them.
  std::vector<std::string> servers;
  // The servers' own name for all of them (remote_servers); "" when there is only one.
  std::string cluster;
  std::string database = "purser";
  std::string user = "default";
  // Gives the password when a request needs it; empty: none.
  std::function<absl::StatusOr<std::string>()> password;
  absl::Duration timeout = absl::Minutes(5);  // of one statement
};

// 'text', as a literal of ClickHouse's SQL.
std::string ClickHouseText(absl::string_view text);
// ('a','b'), for IN; (NULL), in which nothing is, when there are none.
std::string ClickHouseTexts(const std::vector<std::string>& texts);

// Rows of the format TabSeparated.
class TabSeparatedRows {
 public:
  TabSeparatedRows& Add(absl::string_view text);
  TabSeparatedRows& Add(int64_t number);
  TabSeparatedRows& Add(base::Decimal amount);
  TabSeparatedRows& Add(absl::CivilDay day);
  void EndRow();
  const std::string& text() const { return text_; }
  std::string Take();

 private:
  void Separate();
  std::string text_;
  bool begun_ = false;
};

// Thread-safe. Errors: UNAVAILABLE (no server answers, or one of those behind it), UNAUTHENTICATED,
// PERMISSION_DENIED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED (memory or disk of the server), INTERNAL
// with what the server says.
class ClickHouseClient {
 public:
  // `transport` outlives it.
  ClickHouseClient(ClickHouseOptions options, http::Transport& transport)
      : options_(std::move(options)), transport_(transport) {}

  size_t servers() const { return options_.servers.size(); }
  // `database`.`name`: the part of a table on a server.
  std::string Local(absl::string_view name) const;
  // Of a table that covers all servers.
  std::string Everywhere(absl::string_view name) const;
  const ClickHouseOptions& options() const { return options_; }

  // A statement without an answer that may be sent again.
  absl::Status Execute(size_t server, const std::string& sql) const;
  absl::Status ExecuteEverywhere(const std::string& sql) const;
  // Rows in the order of the table's columns. Not repeated: what became of rows that failed is not
  // known.
  absl::Status Insert(size_t server, absl::string_view table, std::string rows) const;
  // Asks the first server that can be reached. An answer is complete or an error, but `on_row` may
  // have seen rows before an error.
  absl::Status Select(
      const std::string& sql,
      const std::function<absl::Status(const std::vector<std::string>&)>& on_row) const;
  absl::Status SelectFrom(
      size_t server, const std::string& sql,
      const std::function<absl::Status(const std::vector<std::string>&)>& on_row) const;

 private:
  absl::StatusOr<http::Request> MakeRequest(size_t server, absl::string_view query,
                                            std::string body) const;
  absl::Status Failure(size_t server, int status, absl::string_view body) const;

  const ClickHouseOptions options_;
  http::Transport& transport_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_CLICKHOUSE_CLIENT_H_
