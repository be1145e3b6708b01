#include "store/postgres_connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/postgres_text.h"

namespace purser::store {
namespace {

constexpr size_t kMaxShownSql = 160;
constexpr int kOldestServer = 150000;
// Above the server's own limit, so that it is the server that says what took too long.
constexpr absl::Duration kAnswerGrace = absl::Seconds(10);
// Between two statements of one transaction. A process that was stopped in the middle of one holds
// up the writers of all others, so it loses its transaction about when it loses its leases.
constexpr absl::Duration kLongestIdle = absl::Seconds(10);
// Read between two transactions before the connection is used again.
constexpr int kMaxNotices = 16;
constexpr absl::Duration kLongestWait = absl::Hours(24);

absl::string_view FirstWord(absl::string_view sql) {
  sql = absl::StripLeadingAsciiWhitespace(sql);
  size_t end = 0;
  while (end < sql.size() && absl::ascii_isalpha(sql[end])) ++end;
  return sql.substr(0, end);
}

bool IsRollback(absl::string_view sql) { return absl::StartsWith(sql, "ROLLBACK"); }

}  // namespace

absl::StatusOr<std::string> PostgresConnection::DisplayName(const std::string& url) {
  PURSER_ASSIGN_OR_RETURN(const Libpq* pq, Libpq::Load());
  char* problem = nullptr;
  PQconninfoOption* options = pq->PQconninfoParse(url.c_str(), &problem);
  if (options == nullptr) {
    // The problem may quote the URL, and with it a password.
    pq->PQfreemem(problem);
    return absl::InvalidArgumentError(
        "the URL of the PostgreSQL store is not postgresql://[user@]host[:port]/name[?parameters]");
  }
  std::string host = "localhost";
  std::string name;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::strcmp(option->keyword, "host") == 0) host = option->val;
    if (std::strcmp(option->keyword, "dbname") == 0) name = option->val;
  }
  pq->PQconninfoFree(options);
  return absl::StrCat(name.empty() ? "postgres" : name, "@", host);
}

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(
    const PostgresOptions& options) {
  PURSER_ASSIGN_OR_RETURN(const Libpq* pq, Libpq::Load());
  PURSER_ASSIGN_OR_RETURN(std::string name, DisplayName(options.url));
  const std::string timeout =
      absl::StrCat(std::max<int64_t>(2, absl::ToInt64Seconds(options.connect_timeout)));
  // Before the URL: what it says itself holds.
  std::vector<const char*> keys = {"connect_timeout", "application_name", "dbname"};
  std::vector<const char*> values = {timeout.c_str(), "purserd", options.url.c_str()};
  if (!options.password.empty()) {
    keys.push_back("password");
    values.push_back(options.password.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* handle = pq->PQconnectdbParams(keys.data(), values.data(), /*expand_dbname=*/1);
  const absl::Duration patience = options.statement_timeout > absl::ZeroDuration()
                                      ? options.statement_timeout + kAnswerGrace
                                      : kLongestWait;
  // Owns the handle, which libpq gives out even with an error.
  auto connection = std::unique_ptr<PostgresConnection>(
      new PostgresConnection(*pq, handle, std::move(name), patience));
  if (handle == nullptr || pq->PQstatus(handle) != CONNECTION_OK) {
    const absl::string_view why =
        handle == nullptr ? "out of memory" : absl::string_view(pq->PQerrorMessage(handle));
    return absl::UnavailableError(absl::StrCat(
        "database ", connection->name_,
        ": cannot connect: ", base::EscapeForDisplay(absl::StripAsciiWhitespace(why), 400)));
  }
  PURSER_RETURN_IF_ERROR(connection->Configure(options));
  return connection;
}

PostgresConnection::~PostgresConnection() {
  if (handle_ != nullptr) pq_.PQfinish(handle_);
}

absl::Status PostgresConnection::Configure(const PostgresOptions& options) {
  pq_.PQsetNoticeProcessor(handle_, [](void*, const char*) {}, nullptr);
  const auto run = [this](const std::string& sql) -> absl::StatusOr<std::string> {
    PGresult* result = pq_.PQexec(handle_, sql.c_str());
    const absl::Cleanup clear = [&] { pq_.PQclear(result); };
    const ExecStatusType status = pq_.PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return ResultStatus(result, sql);
    return status == PGRES_TUPLES_OK && pq_.PQntuples(result) > 0
               ? std::string(pq_.PQgetvalue(result, 0, 0))
               : std::string();
  };
  PURSER_ASSIGN_OR_RETURN(const std::string version, run("SELECT version()"));
  is_cockroach_ = absl::StrContains(version, "CockroachDB");
  if (!is_cockroach_ && pq_.PQserverVersion(handle_) < kOldestServer) {
    return absl::FailedPreconditionError(absl::StrCat("database ", name_, ": PostgreSQL ",
                                                      pq_.PQserverVersion(handle_) / 10000,
                                                      " is too old: 15 or newer is needed"));
  }
  PURSER_RETURN_IF_ERROR(run("SET client_encoding = 'UTF8'").status());
  const int64_t millis = absl::ToInt64Milliseconds(options.statement_timeout);
  PURSER_RETURN_IF_ERROR(run(absl::StrCat("SET statement_timeout = ", millis)).status());
  PURSER_RETURN_IF_ERROR(run(absl::StrCat("SET idle_in_transaction_session_timeout = ",
                                          absl::ToInt64Milliseconds(kLongestIdle)))
                             .status());
  PURSER_ASSIGN_OR_RETURN(const std::string synchronous, run("SHOW synchronous_commit"));
  if (synchronous == "off" || synchronous == "local") {
    // What Transact acknowledges has to be on the disk.
    PURSER_RETURN_IF_ERROR(run("SET synchronous_commit = on").status());
  }
  if (pq_.PQsetnonblocking(handle_, 1) != 0 || pq_.PQenterPipelineMode(handle_) != 1) {
    return absl::InternalError(absl::StrCat("database ", name_, ": no pipeline mode"));
  }
  return absl::OkStatus();
}

// ---- sending ----

absl::Status PostgresConnection::LostStatus() const {
  absl::Status status = absl::UnavailableError(
      absl::StrCat("database ", name_, ": the connection was lost: ", lost_why_));
  MarkTryAgain(status);
  return status;
}

void PostgresConnection::Lose(absl::string_view why) {
  if (lost_) return;
  lost_ = true;
  lost_why_ = base::EscapeForDisplay(absl::StripAsciiWhitespace(why), 400);
  answers_.clear();
  if (stream_ != nullptr) {
    stream_->complete = true;
    stream_->status = LostStatus();
  }
}

absl::Status PostgresConnection::CheckAllowed(absl::string_view sql) const {
  static constexpr std::array<absl::string_view, 9> kAllowed = {
      "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "CREATE", "ALTER", "DROP"};
  const std::string word = absl::AsciiStrToUpper(FirstWord(sql));
  if (std::find(kAllowed.begin(), kAllowed.end(), word) != kAllowed.end()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("\"", base::EscapeForDisplay(sql, kMaxShownSql),
                                          "\" is not a statement that users of a connection may "
                                          "give"));
}

void PostgresConnection::Forget(Statement* statement) {
  const auto found = by_sql_.find(statement->sql);
  if (found == by_sql_.end() || found->second->get() != statement) return;
  cache_.erase(found->second);
  by_sql_.erase(found);
}

void PostgresConnection::Evict() {
  while (cache_.size() > kMaxPostgresStatements) {
    Statement* oldest = cache_.back().get();
    if (oldest->pending > 0) return;
    const std::string sql = absl::StrCat("DEALLOCATE ", oldest->name);
    Forget(oldest);
    if (pq_.PQsendQueryParams(handle_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) !=
        1) {
      Lose(pq_.PQerrorMessage(handle_));
      return;
    }
    answers_.push_back({Answer::Kind::kExecute, nullptr, kAnyRows, false});
  }
}

absl::StatusOr<PostgresConnection::Statement*> PostgresConnection::Prepare(absl::string_view sql,
                                                                           bool control) {
  const auto found = by_sql_.find(sql);
  if (found != by_sql_.end()) {
    if ((*found->second)->control && !control) {
      return absl::InternalError(
          absl::StrCat("\"", sql, "\" is for the database, not for its users"));
    }
    cache_.splice(cache_.begin(), cache_, found->second);
    return found->second->get();
  }
  auto statement = std::make_unique<Statement>();
  statement->sql = std::string(sql);
  statement->name = absl::StrCat("p", ++next_name_);
  statement->control = control;
  if (pq_.PQsendPrepare(handle_, statement->name.c_str(), statement->sql.c_str(), 0, nullptr) !=
      1) {
    Lose(pq_.PQerrorMessage(handle_));
    return LostStatus();
  }
  ++statement->pending;
  answers_.push_back({Answer::Kind::kPrepare, statement.get(), kAnyRows, false});
  cache_.push_front(std::move(statement));
  by_sql_[cache_.front()->sql] = cache_.begin();
  Evict();
  return cache_.front().get();
}

absl::Status PostgresConnection::Send(absl::string_view sql, absl::Span<const Value> parameters,
                                      int64_t expected, bool wanted, bool control) {
  if (lost_) return LostStatus();
  // A statement inside a walk over rows: the rest of the walk is kept.
  if (stream_ != nullptr) ReadMore(/*all=*/true);
  if (!error_.ok()) return error_;
  PURSER_RETURN_IF_ERROR(CheckTexts(sql, parameters));
  PURSER_ASSIGN_OR_RETURN(Statement * statement, Prepare(sql, control));
  std::vector<std::string> numbers(parameters.size());
  std::vector<const char*> values(parameters.size());
  std::vector<int> lengths(parameters.size());
  std::vector<int> formats(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Value& value = parameters[i];
    if (const int64_t* integer = std::get_if<int64_t>(&value)) {
      numbers[i] = std::to_string(*integer);
      values[i] = numbers[i].c_str();
    } else if (const std::string* text = std::get_if<std::string>(&value)) {
      values[i] = text->c_str();
      sent_bytes_ += text->size();
    } else if (const Blob* blob = std::get_if<Blob>(&value)) {
      values[i] = blob->bytes.data();
      lengths[i] = static_cast<int>(blob->bytes.size());
      formats[i] = 1;
      sent_bytes_ += blob->bytes.size();
    }
  }
  if (pq_.PQsendQueryPrepared(handle_, statement->name.c_str(), static_cast<int>(values.size()),
                              values.data(), lengths.data(), formats.data(), 0) != 1) {
    Lose(pq_.PQerrorMessage(handle_));
    return LostStatus();
  }
  ++statement->pending;
  answers_.push_back({Answer::Kind::kExecute, statement, expected, wanted});
  return absl::OkStatus();
}

absl::StatusOr<Rows> PostgresConnection::Query(absl::string_view sql,
                                               absl::Span<const Value> parameters) {
  PURSER_RETURN_IF_ERROR(CheckAllowed(sql));
  PURSER_RETURN_IF_ERROR(Send(sql, parameters, kAnyRows, /*wanted=*/true, /*control=*/false));
  Stream stream;
  PURSER_RETURN_IF_ERROR(Start(&stream));
  Rows rows;
  while (true) {
    while (!stream.rows.empty()) {
      rows.push_back(std::move(stream.rows.front()));
      stream.rows.pop_front();
      if (static_cast<int64_t>(rows.size()) > kMaxQueryRows) {
        ReadToSync();
        return absl::ResourceExhaustedError(
            absl::StrCat("\"", base::EscapeForDisplay(sql, kMaxShownSql), "\" gives more than ",
                         kMaxQueryRows, " rows: page it or read it row by row"));
      }
    }
    if (stream.complete) break;
    ReadMore(/*all=*/false);
  }
  PURSER_RETURN_IF_ERROR(stream.status);
  return rows;
}

absl::Status PostgresConnection::ForEach(absl::string_view sql, absl::Span<const Value> parameters,
                                         const std::function<absl::Status(const Row&)>& on_row) {
  PURSER_RETURN_IF_ERROR(CheckAllowed(sql));
  PURSER_RETURN_IF_ERROR(Send(sql, parameters, kAnyRows, /*wanted=*/true, /*control=*/false));
  Stream stream;
  PURSER_RETURN_IF_ERROR(Start(&stream));
  while (true) {
    while (!stream.rows.empty()) {
      const Row row = std::move(stream.rows.front());
      stream.rows.pop_front();
      if (on_row == nullptr) continue;
      if (absl::Status status = on_row(row); !status.ok()) {
        if (stream_ == &stream) ReadToSync();
        return status;
      }
    }
    if (stream.complete) break;
    ReadMore(/*all=*/false);
  }
  return stream.status;
}

absl::StatusOr<int64_t> PostgresConnection::Execute(absl::string_view sql,
                                                    absl::Span<const Value> parameters) {
  PURSER_RETURN_IF_ERROR(CheckAllowed(sql));
  PURSER_RETURN_IF_ERROR(Send(sql, parameters, kAnyRows, /*wanted=*/true, /*control=*/false));
  Stream stream;
  PURSER_RETURN_IF_ERROR(Start(&stream));
  while (!stream.complete) {
    stream.rows.clear();
    ReadMore(/*all=*/false);
  }
  PURSER_RETURN_IF_ERROR(stream.status);
  return stream.changed;
}

absl::Status PostgresConnection::ExecuteLater(absl::string_view sql,
                                              absl::Span<const Value> parameters, int64_t rows) {
  PURSER_RETURN_IF_ERROR(CheckAllowed(sql));
  PURSER_RETURN_IF_ERROR(Send(sql, parameters, rows, /*wanted=*/false, /*control=*/false));
  if (answers_.size() >= kMaxSentAhead || sent_bytes_ >= kMaxSentAheadBytes) return Flush();
  return absl::OkStatus();
}

absl::Status PostgresConnection::Control(absl::string_view sql) {
  if (IsRollback(sql)) {
    // The only way on after an error.
    Flush().IgnoreError();
    error_ = absl::OkStatus();
  }
  return Send(sql, {}, kAnyRows, /*wanted=*/false, /*control=*/true);
}

void PostgresConnection::Push() {
  if (lost_ || answers_.empty() || answers_.back().kind == Answer::Kind::kSync) return;
  if (pq_.PQpipelineSync(handle_) != 1) {
    Lose(pq_.PQerrorMessage(handle_));
    return;
  }
  answers_.push_back({Answer::Kind::kSync, nullptr, kAnyRows, false});
  if (pq_.PQflush(handle_) < 0) Lose(pq_.PQerrorMessage(handle_));
}

void PostgresConnection::LookAlive() {
  if (lost_ || !answers_.empty()) return;
  // Nothing was asked, so that what there is to read is a notice, or a farewell and then the end.
  for (int i = 0; i < kMaxNotices && !lost_; ++i) {
    pollfd entry{pq_.PQsocket(handle_), POLLIN, 0};
    if (poll(&entry, 1, 0) <= 0) return;
    if (pq_.PQconsumeInput(handle_) != 1 || pq_.PQstatus(handle_) != CONNECTION_OK) {
      Lose(pq_.PQerrorMessage(handle_));
    }
  }
}

absl::Status PostgresConnection::RunScript(absl::string_view sql) {
  PURSER_RETURN_IF_ERROR(Flush());
  const std::string own = ToPostgresSchema(sql, !is_cockroach_);
  if (pq_.PQexitPipelineMode(handle_) != 1) return absl::InternalError("pipeline is not idle");
  PGresult* result = pq_.PQexec(handle_, own.c_str());
  absl::Status status;
  const ExecStatusType code = pq_.PQresultStatus(result);
  if (code != PGRES_COMMAND_OK && code != PGRES_TUPLES_OK && code != PGRES_EMPTY_QUERY) {
    status = ResultStatus(result, own);
    NoteError(status);
  }
  pq_.PQclear(result);
  if (pq_.PQenterPipelineMode(handle_) != 1) Lose(pq_.PQerrorMessage(handle_));
  return status;
}

}  // namespace purser::store
