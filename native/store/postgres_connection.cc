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
constexpr char kTryAgainUrl[] = "purser.dev/store/try-again";
constexpr int kOldestServer = 150000;
// Above the server's own limit, so that it is the server that says what took too long.
constexpr absl::Duration kAnswerGrace = absl::Seconds(10);
// Read between two transactions before the connection is used again.
constexpr int kMaxNotices = 16;
constexpr absl::Duration kLongestWait = absl::Hours(24);

absl::StatusOr<Row> ReadRow(const Libpq& pq, const PGresult* result, int row) {
  const int columns = pq.PQnfields(result);
  std::vector<Value> values;
  values.reserve(columns);
  for (int i = 0; i < columns; ++i) {
    if (pq.PQgetisnull(result, row, i) != 0) {
      values.emplace_back(std::monostate());
      continue;
    }
    const absl::string_view text(pq.PQgetvalue(result, row, i), pq.PQgetlength(result, row, i));
    absl::StatusOr<Value> value = FromPostgres(pq.PQftype(result, i), text);
    if (!value.ok()) {
      return base::Annotate(value.status(),
                            absl::StrCat("column ", pq.PQfname(result, i), " of a result"));
    }
    values.push_back(*std::move(value));
  }
  return Row(std::move(values));
}

absl::string_view FirstWord(absl::string_view sql) {
  sql = absl::StripLeadingAsciiWhitespace(sql);
  size_t end = 0;
  while (end < sql.size() && absl::ascii_isalpha(sql[end])) ++end;
  return sql.substr(0, end);
}

bool IsRollback(absl::string_view sql) { return absl::StartsWith(sql, "ROLLBACK"); }

}  // namespace

void MarkTryAgain(absl::Status& status) { status.SetPayload(kTryAgainUrl, absl::Cord("1")); }

bool IsTryAgain(const absl::Status& status) { return status.GetPayload(kTryAgainUrl).has_value(); }

absl::Status PostgresStatus(absl::string_view sqlstate, absl::string_view text) {
  const absl::string_view group = sqlstate.substr(0, 2);
  if (sqlstate == "23505") return absl::AlreadyExistsError(text);
  if (group == "23" || sqlstate == "25006" || sqlstate == "25P02") {
    return absl::FailedPreconditionError(text);
  }
  if (group == "40") {
    absl::Status status = absl::AbortedError(text);
    MarkTryAgain(status);
    return status;
  }
  if (sqlstate == "53100") {
    return absl::ResourceExhaustedError(
        absl::StrCat(text, "; nothing was stored: free space, then repeat"));
  }
  if (sqlstate == "53200" || sqlstate == "53400" || group == "54") {
    return absl::ResourceExhaustedError(text);
  }
  if (group == "08" || group == "53" || group == "57" || group == "58") {
    if (sqlstate == "57014") return absl::DeadlineExceededError(text);
    return absl::UnavailableError(text);
  }
  if (group == "28" || sqlstate == "42501") return absl::PermissionDeniedError(text);
  if (group == "XX" && sqlstate != "XX000") {
    return absl::DataLossError(
        absl::StrCat(text, "; restore the database from a backup, it is damaged"));
  }
  if (group == "22") return absl::InvalidArgumentError(text);
  if (group == "3D" || group == "3F") return absl::NotFoundError(text);
  return absl::InternalError(text);
}

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
  // A process that was stopped in the middle must not hold the writers' queue for ever.
  PURSER_RETURN_IF_ERROR(
      run(absl::StrCat("SET idle_in_transaction_session_timeout = ", millis)).status());
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

// ---- receiving ----

PGresult* PostgresConnection::NextResult() {
  const absl::Duration until = base::Clock::System().Monotonic() + answer_patience_;
  while (!lost_) {
    const int unsent = pq_.PQflush(handle_);
    if (unsent < 0) {
      // The server may have said why before it went.
      pq_.PQconsumeInput(handle_);
      if (pq_.PQisBusy(handle_) != 0) break;
    }
    if (pq_.PQisBusy(handle_) == 0) return pq_.PQgetResult(handle_);
    const absl::Duration left = until - base::Clock::System().Monotonic();
    if (left <= absl::ZeroDuration()) {
      Lose("no answer in time");
      return nullptr;
    }
    pollfd entry{pq_.PQsocket(handle_), static_cast<short>(POLLIN | (unsent > 0 ? POLLOUT : 0)), 0};
    poll(&entry, 1,
         static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 60'000)));
    if (pq_.PQconsumeInput(handle_) != 1) break;
  }
  Lose(pq_.PQerrorMessage(handle_));
  return nullptr;
}

absl::Status PostgresConnection::ResultStatus(const PGresult* result, absl::string_view sql) const {
  const char* sqlstate = pq_.PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* primary = pq_.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (sqlstate == nullptr) {
    // Not from the server: the connection broke.
    absl::Status status = absl::UnavailableError(absl::StrCat(
        "database ", name_, ": ",
        base::EscapeForDisplay(absl::StripAsciiWhitespace(pq_.PQresultErrorMessage(result)), 400)));
    MarkTryAgain(status);
    return status;
  }
  // Messages about a value quote it; everything else names only tables and constraints.
  const bool quotes_value = absl::StartsWith(sqlstate, "22");
  return PostgresStatus(
      sqlstate, absl::StrCat("database ", name_, ": ",
                             quotes_value ? absl::StrCat("a value does not fit (", sqlstate, ")")
                                          : std::string(primary == nullptr ? sqlstate : primary),
                             " in \"", base::EscapeForDisplay(sql, kMaxShownSql), "\""));
}

void PostgresConnection::NoteError(const absl::Status& status) {
  if (error_.ok()) error_ = status;
}

void PostgresConnection::TakeResult(PGresult* result, const Answer& answer) {
  const ExecStatusType status = pq_.PQresultStatus(result);
  const absl::string_view sql =
      answer.statement == nullptr ? absl::string_view("DEALLOCATE") : answer.statement->sql;
  switch (status) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK: {
      const int rows = pq_.PQntuples(result);
      if (answer.wanted && stream_ != nullptr) {
        for (int i = 0; i < rows && stream_->status.ok(); ++i) {
          absl::StatusOr<Row> row = ReadRow(pq_, result, i);
          if (row.ok()) {
            stream_->rows.push_back(*std::move(row));
          } else {
            stream_->status = row.status();
            NoteError(row.status());
          }
        }
        stream_->changed += rows;
      }
      break;
    }
    case PGRES_COMMAND_OK: {
      if (answer.kind != Answer::Kind::kExecute) break;
      if (sql == "COMMIT" && absl::string_view(pq_.PQcmdStatus(result)) != "COMMIT") {
        NoteError(absl::AbortedError("the database gave the transaction up"));
      }
      int64_t changed = 0;
      if (!absl::SimpleAtoi(pq_.PQcmdTuples(result), &changed)) changed = 0;
      if (answer.wanted && stream_ != nullptr) stream_->changed = changed;
      if (absl::Status wrong = CheckChanged(sql, changed, answer.expected); !wrong.ok()) {
        NoteError(wrong);
      }
      break;
    }
    case PGRES_PIPELINE_ABORTED:
      if (answer.wanted && stream_ != nullptr) stream_->status = error_;
      break;
    default: {
      const absl::Status failed = ResultStatus(result, sql);
      NoteError(failed);
      if (answer.wanted && stream_ != nullptr) stream_->status = failed;
      // The server ended the session: 57P01 and its like come before the connection breaks.
      if (failed.code() == absl::StatusCode::kUnavailable) {
        Lose(failed.message());
      }
    }
  }
}

absl::Status PostgresConnection::Start(Stream* stream) {
  if (pq_.PQpipelineSync(handle_) != 1) {
    Lose(pq_.PQerrorMessage(handle_));
    return LostStatus();
  }
  answers_.push_back({Answer::Kind::kSync, nullptr, kAnyRows, false});
  stream_ = stream;
  ReadMore(/*all=*/false);
  return absl::OkStatus();
}

void PostgresConnection::ReadMore(bool all) {
  while (!answers_.empty() && !lost_) {
    const Answer answer = answers_.front();
    if (answer.wanted && stream_ != nullptr && stream_->changed == 0) {
      // Refused when rows of it have come already, which does no harm.
      pq_.PQsetSingleRowMode(handle_);
    }
    PGresult* result = NextResult();
    if (lost_) {
      if (result != nullptr) pq_.PQclear(result);
      break;
    }
    if (result != nullptr) {
      const absl::Cleanup clear = [&] { pq_.PQclear(result); };
      const ExecStatusType status = pq_.PQresultStatus(result);
      if (status == PGRES_PIPELINE_SYNC) {
        answers_.pop_front();
        continue;
      }
      const bool refused = status == PGRES_PIPELINE_ABORTED || status == PGRES_FATAL_ERROR;
      TakeResult(result, answer);
      // The server does not know the statement; the next use prepares it again. It is still named
      // by the answer to its execution, so it goes when that has come.
      if (refused && answer.kind == Answer::Kind::kPrepare) {
        for (Answer& later : answers_) {
          if (later.statement == answer.statement) later.statement = nullptr;
        }
        Forget(answer.statement);
      }
      if (!all && answer.wanted && stream_ != nullptr && !stream_->rows.empty()) return;
      continue;
    }
    // The end of this answer.
    if (answers_.front().statement != nullptr) --answers_.front().statement->pending;
    answers_.pop_front();
  }
  sent_bytes_ = 0;
  if (stream_ != nullptr) {
    stream_->complete = true;
    if (lost_ && stream_->status.ok()) stream_->status = LostStatus();
    if (stream_->status.ok() && !error_.ok()) stream_->status = error_;
    stream_ = nullptr;
  }
}

void PostgresConnection::ReadToSync() {
  // Nobody asks for the rest.
  Stream rest;
  if (stream_ != nullptr) stream_ = &rest;
  while (!answers_.empty() && !lost_) {
    ReadMore(/*all=*/false);
    rest.rows.clear();
    if (stream_ == nullptr) break;
  }
}

absl::Status PostgresConnection::Flush() {
  if (lost_) return LostStatus();
  if (stream_ != nullptr) ReadMore(/*all=*/true);
  if (!answers_.empty()) {
    if (pq_.PQpipelineSync(handle_) != 1) {
      Lose(pq_.PQerrorMessage(handle_));
      return LostStatus();
    }
    answers_.push_back({Answer::Kind::kSync, nullptr, kAnyRows, false});
    ReadMore(/*all=*/true);
  }
  if (lost_) return LostStatus();
  return error_;
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
