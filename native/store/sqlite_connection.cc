#include "store/sqlite_connection.h"

#include <cerrno>
#include <functional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "sqlite3.h"

namespace purser::store {
namespace {

// Of a statement's text, in a message.
constexpr size_t kMaxShownSql = 160;
// Memory that a connection that writes has at hand, beside what its kept statements take of it: the
// small pieces of every execution come from there.
constexpr int kHandyPieceBytes = 1200;
constexpr int kHandyPieces = 400;

// SQLite counts all memory under one lock for all connections, and nobody asks for the sum.
void StopCounting() {
  static const int stopped = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  // Refused when another part of the process uses SQLite already: slower, else the same.
  static_cast<void>(stopped);
}

absl::StatusOr<Row> ReadRow(sqlite3_stmt* statement) {
  const int columns = sqlite3_column_count(statement);
  std::vector<Value> values;
  values.reserve(columns);
  for (int i = 0; i < columns; ++i) {
    switch (sqlite3_column_type(statement, i)) {
      case SQLITE_INTEGER:
        values.emplace_back(static_cast<int64_t>(sqlite3_column_int64(statement, i)));
        break;
      case SQLITE_TEXT:
        values.emplace_back(
            std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, i)),
                        sqlite3_column_bytes(statement, i)));
        break;
      case SQLITE_BLOB: {
        // An empty blob has no address.
        const char* bytes = static_cast<const char*>(sqlite3_column_blob(statement, i));
        const int size = sqlite3_column_bytes(statement, i);
        values.emplace_back(Blob{size == 0 ? std::string() : std::string(bytes, size)});
        break;
      }
      case SQLITE_FLOAT:
        return absl::InternalError(
            absl::StrCat("column ", sqlite3_column_name(statement, i),
                         " of a result is a floating number; amounts are kept as text"));
      default:
        values.emplace_back(std::monostate());
    }
  }
  return Row(std::move(values));
}

}  // namespace

absl::Status SqliteStatus(int code, int system_error, absl::string_view text) {
  const bool no_space = system_error == ENOSPC || system_error == EDQUOT;
  switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return absl::OkStatus();
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat(text, "; nothing was stored: free space, then repeat"));
    case SQLITE_IOERR:
      if (no_space) {
        return absl::ResourceExhaustedError(absl::StrCat(
            text, ": no space left for the file; nothing was stored: free space, then repeat"));
      }
      return absl::UnavailableError(absl::StrCat(text, "; nothing was stored: check the disk"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(
          absl::StrCat(text, "; restore the database from a backup, the file is damaged"));
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
          code == SQLITE_CONSTRAINT_ROWID) {
        return absl::AlreadyExistsError(text);
      }
      return absl::FailedPreconditionError(text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(text);
    case SQLITE_READONLY:
      return absl::FailedPreconditionError(text);
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::PermissionDeniedError(text);
    case SQLITE_CANTOPEN:
      if (system_error == EACCES) return absl::PermissionDeniedError(text);
      return no_space ? absl::ResourceExhaustedError(text) : absl::UnavailableError(text);
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(text);
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(text);
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                         bool read_only) {
  StopCounting();
  sqlite3* handle = nullptr;
  const int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  // Owns the handle, which SQLite gives out even with an error.
  auto connection = std::unique_ptr<SqliteConnection>(new SqliteConnection(handle, path));
  if (code != SQLITE_OK) {
    return SqliteStatus(code, handle == nullptr ? 0 : sqlite3_system_errno(handle),
                        absl::StrCat("open database ", path, ": ", sqlite3_errstr(code)));
  }
  if (!read_only) {
    sqlite3_db_config(handle, SQLITE_DBCONFIG_LOOKASIDE, nullptr, kHandyPieceBytes, kHandyPieces);
  }
  // Another program may hold the file for a moment: a backup, an administrator's shell.
  sqlite3_busy_timeout(handle, 5000);
  // No function of SQL may call out of the database, and triggers cannot either.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_set_authorizer(handle, &SqliteConnection::Authorize, connection.get());
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& statement : cache_) sqlite3_finalize(statement->handle);
  sqlite3_close(handle_);
}

int SqliteConnection::Authorize(void* self, int action, const char*, const char*, const char*,
                                const char*) {
  if (static_cast<SqliteConnection*>(self)->control_) return SQLITE_OK;
  switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_PRAGMA:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      return SQLITE_DENY;
    default:
      return SQLITE_OK;
  }
}

absl::Status SqliteConnection::Error(absl::string_view sql) const {
  const int code = sqlite3_extended_errcode(handle_);
  return SqliteStatus(code, sqlite3_system_errno(handle_),
                      absl::StrCat("database ", path_, ": ", sqlite3_errmsg(handle_), " in \"",
                                   base::EscapeForDisplay(sql, kMaxShownSql), "\""));
}

absl::StatusOr<std::unique_ptr<SqliteConnection::Statement>> SqliteConnection::Prepare(
    absl::string_view sql, size_t* used) {
  auto statement = std::make_unique<Statement>();
  const char* tail = nullptr;
  if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), 0, &statement->handle,
                         &tail) != SQLITE_OK) {
    return Error(sql);
  }
  *used = tail - sql.data();
  // $3 may stand before $1, so that SQLite's order of places is not ours.
  const int count = sqlite3_bind_parameter_count(statement->handle);
  statement->places.assign(count, 0);
  for (int i = 1; i <= count; ++i) {
    const char* name = sqlite3_bind_parameter_name(statement->handle, i);
    int number = 0;
    if (name == nullptr || name[0] != '$' || !absl::SimpleAtoi(name + 1, &number) || number < 1 ||
        number > count) {
      // The name lives as long as the statement.
      const absl::Status status = absl::InternalError(absl::StrCat(
          "parameter ", name == nullptr ? "?" : name, " in \"",
          base::EscapeForDisplay(sql, kMaxShownSql), "\": use $1 to $n, each of them"));
      sqlite3_finalize(statement->handle);
      return status;
    }
    statement->places[number - 1] = i;
  }
  return statement;
}

absl::StatusOr<SqliteConnection::Statement*> SqliteConnection::Take(absl::string_view sql) {
  const auto found = by_sql_.find(sql);
  if (found != by_sql_.end()) {
    Statement* known = found->second->get();
    if (known->control && !control_) {
      return absl::InternalError(
          absl::StrCat("\"", sql, "\" is for the database, not for its users"));
    }
    if (!known->in_use) {
      known->in_use = true;
      cache_.splice(cache_.begin(), cache_, found->second);
      return known;
    }
  }
  size_t used = 0;
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<Statement> statement, Prepare(sql, &used));
  const absl::string_view rest = absl::StripAsciiWhitespace(sql.substr(used));
  if (statement->handle == nullptr || !rest.empty()) {
    sqlite3_finalize(statement->handle);
    return absl::InternalError(absl::StrCat("one statement is expected in \"",
                                            base::EscapeForDisplay(sql, kMaxShownSql), "\""));
  }
  statement->sql = std::string(sql);
  statement->control = control_;
  statement->in_use = true;
  if (found != by_sql_.end()) return statement.release();
  statement->cached = true;
  cache_.push_front(std::move(statement));
  by_sql_[cache_.front()->sql] = cache_.begin();
  if (cache_.size() > kMaxCachedStatements && !cache_.back()->in_use) {
    sqlite3_finalize(cache_.back()->handle);
    by_sql_.erase(cache_.back()->sql);
    cache_.pop_back();
  }
  return cache_.front().get();
}

void SqliteConnection::Return(Statement* statement) {
  if (!statement->cached) {
    sqlite3_finalize(statement->handle);
    delete statement;
    return;
  }
  // What is bound stays until the next execution, which binds every parameter before it steps.
  sqlite3_reset(statement->handle);
  statement->in_use = false;
}

absl::Status SqliteConnection::Bind(Statement& statement, absl::Span<const Value> parameters) {
  if (parameters.size() != statement.places.size()) {
    return absl::InternalError(
        absl::StrCat("\"", base::EscapeForDisplay(statement.sql, kMaxShownSql), "\" has ",
                     statement.places.size(), " parameters, ", parameters.size(), " were given"));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    const int place = statement.places[i];
    const Value& value = parameters[i];
    int code = SQLITE_OK;
    if (const int64_t* integer = std::get_if<int64_t>(&value)) {
      code = sqlite3_bind_int64(statement.handle, place, *integer);
    } else if (const std::string* text = std::get_if<std::string>(&value)) {
      // PostgreSQL refuses such a text; here it could not be read back by every tool.
      if (text->find('\0') != std::string::npos || !base::IsValidUtf8(*text)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "parameter $", i + 1, " of \"", base::EscapeForDisplay(statement.sql, kMaxShownSql),
            "\" is not a UTF-8 text: \"", base::EscapeForDisplay(*text, 60), "\""));
      }
      code = sqlite3_bind_text64(statement.handle, place, text->data(), text->size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
    } else if (const Blob* blob = std::get_if<Blob>(&value)) {
      // A null address would bind NULL instead of no bytes.
      code = sqlite3_bind_blob64(statement.handle, place, blob->bytes.c_str(), blob->bytes.size(),
                                 SQLITE_STATIC);
    } else {
      code = sqlite3_bind_null(statement.handle, place);
    }
    if (code != SQLITE_OK) return Error(statement.sql);
  }
  return absl::OkStatus();
}

absl::Status SqliteConnection::Step(Statement& statement,
                                    const std::function<absl::Status(Row&)>& on_row) {
  while (true) {
    const int code = sqlite3_step(statement.handle);
    if (code == SQLITE_DONE) return absl::OkStatus();
    if (code != SQLITE_ROW) return Error(statement.sql);
    if (on_row == nullptr) continue;
    PURSER_ASSIGN_OR_RETURN(Row row, ReadRow(statement.handle));
    PURSER_RETURN_IF_ERROR(on_row(row));
  }
}

absl::Status SqliteConnection::Run(absl::string_view sql, absl::Span<const Value> parameters,
                                   const std::function<absl::Status(Row&)>& on_row) {
  PURSER_ASSIGN_OR_RETURN(Statement* const statement, Take(sql));
  absl::Status status = Bind(*statement, parameters);
  if (status.ok()) status = Step(*statement, on_row);
  Return(statement);
  return status;
}

absl::Status SqliteConnection::ForEach(absl::string_view sql, absl::Span<const Value> parameters,
                                       const std::function<absl::Status(const Row&)>& on_row) {
  if (on_row == nullptr) return Run(sql, parameters, nullptr);
  return Run(sql, parameters, std::cref(on_row));
}

absl::StatusOr<Rows> SqliteConnection::Query(absl::string_view sql,
                                             absl::Span<const Value> parameters) {
  Rows rows;
  PURSER_RETURN_IF_ERROR(Run(sql, parameters, [&](Row& row) {
    if (rows.size() >= static_cast<size_t>(kMaxQueryRows)) {
      return absl::ResourceExhaustedError(
          absl::StrCat("\"", base::EscapeForDisplay(sql, kMaxShownSql), "\" has more than ",
                       kMaxQueryRows, " rows"));
    }
    rows.push_back(std::move(row));
    return absl::OkStatus();
  }));
  return rows;
}

absl::StatusOr<int64_t> SqliteConnection::Execute(absl::string_view sql,
                                                  absl::Span<const Value> parameters) {
  // sqlite3_changes keeps its value over statements that change no rows; the total tells.
  const int64_t before = sqlite3_total_changes64(handle_);
  PURSER_RETURN_IF_ERROR(Run(sql, parameters, nullptr));
  return sqlite3_total_changes64(handle_) == before ? 0 : sqlite3_changes64(handle_);
}

absl::Status SqliteConnection::RunScript(absl::string_view sql) {
  while (true) {
    sql = absl::StripLeadingAsciiWhitespace(sql);
    if (sql.empty()) return absl::OkStatus();
    size_t used = 0;
    PURSER_ASSIGN_OR_RETURN(std::unique_ptr<Statement> statement, Prepare(sql, &used));
    if (statement->handle != nullptr) {  // else a comment
      statement->sql = std::string(sql.substr(0, used));
      absl::Status status = Bind(*statement, {});
      if (status.ok()) status = Step(*statement, nullptr);
      sqlite3_finalize(statement->handle);
      PURSER_RETURN_IF_ERROR(status);
    }
    sql.remove_prefix(used);
  }
}

absl::Status SqliteConnection::Control(absl::string_view sql) {
  control_ = true;
  const absl::Cleanup done = [this] { control_ = false; };
  return Run(sql, {}, nullptr);
}

void SqliteConnection::WatchLog(const std::function<void(int)>* on_commit) {
  const auto hook = [](void* told, sqlite3*, const char*, int pages) {
    (*static_cast<const std::function<void(int)>*>(told))(pages);
    return SQLITE_OK;
  };
  sqlite3_wal_hook(handle_, hook, const_cast<std::function<void(int)>*>(on_commit));
}

int SqliteConnection::CopyLog() {
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, &copied);
  return code == SQLITE_OK ? copied : 0;
}

bool SqliteConnection::InTransaction() const { return sqlite3_get_autocommit(handle_) == 0; }

}  // namespace purser::store
