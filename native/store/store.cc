#include "store/store.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::store {
namespace {

// Values convert rarely, so the text of an integer is kept in the row only when asked for.
const std::string& Empty() {
  static const std::string* const empty = new std::string();
  return *empty;
}

}  // namespace

bool Row::IsNull(size_t column) const {
  return std::holds_alternative<std::monostate>(values_.at(column));
}

int64_t Row::Int(size_t column) const {
  const Value& value = values_.at(column);
  if (const int64_t* integer = std::get_if<int64_t>(&value)) return *integer;
  int64_t number = 0;
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (!absl::SimpleAtoi(*text, &number)) return 0;
  }
  return number;
}

const std::string& Row::Text(size_t column) const {
  const Value& value = values_.at(column);
  if (const std::string* text = std::get_if<std::string>(&value)) return *text;
  if (const Blob* blob = std::get_if<Blob>(&value)) return blob->bytes;
  if (const int64_t* integer = std::get_if<int64_t>(&value)) {
    std::string& text = texts_[column];
    text = std::to_string(*integer);
    return text;
  }
  return Empty();
}

absl::Status CheckChanged(absl::string_view sql, int64_t changed, int64_t expected) {
  if (expected == kAnyRows || changed == expected) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("\"", base::EscapeForDisplay(sql, 160), "\" changed ",
                                         changed, " rows instead of ", expected));
}

absl::Status Connection::ExecuteLater(absl::string_view sql, absl::Span<const Value> parameters,
                                      int64_t rows) {
  PURSER_ASSIGN_OR_RETURN(const int64_t changed, Execute(sql, parameters));
  return CheckChanged(sql, changed, rows);
}

bool IsPostgresUrl(absl::string_view text) {
  return absl::StartsWith(text, "postgresql://") || absl::StartsWith(text, "postgres://");
}

}  // namespace purser::store
