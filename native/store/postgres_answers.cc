// What comes back on a connection to PostgreSQL: answers, in the order in which was asked.
#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/postgres_connection.h"
#include "store/postgres_text.h"

namespace purser::store {
namespace {

constexpr size_t kMaxShownSql = 160;

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

}  // namespace

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

}  // namespace purser::store
