// Between the shared SQL subset and PostgreSQL's: types of results, types in schemas.
#ifndef PURSER_STORE_POSTGRES_TEXT_H_
#define PURSER_STORE_POSTGRES_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "store/store.h"

namespace purser::store {

// The value of a result's column in text format; `type` is the server's number of its type.
absl::StatusOr<Value> FromPostgres(uint32_t type, absl::string_view text);

// A migration in PostgreSQL's words: the type BLOB becomes BYTEA, INTEGER (which SQLite's rows can
// be numbered by) BIGINT, WITHOUT ROWID goes, and with `byte_order` columns of type TEXT compare by
// their bytes, as they do in SQLite and in our own code, whatever the database's locale. Types are
// written in capitals. "/* postgres: ALTER TABLE … */" is a statement for PostgreSQL alone: about
// how rows are kept, never about what they are.
std::string ToPostgresSchema(absl::string_view migration, bool byte_order);

// INVALID_ARGUMENT when a text is not UTF-8 or has a NUL.
absl::Status CheckTexts(absl::string_view sql, absl::Span<const Value> parameters);

}  // namespace purser::store

#endif  // PURSER_STORE_POSTGRES_TEXT_H_
