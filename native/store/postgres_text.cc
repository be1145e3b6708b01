#include "store/postgres_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/strings.h"

namespace purser::store {
namespace {

constexpr uint32_t kBool = 16;
constexpr uint32_t kBytea = 17;
constexpr uint32_t kInt8 = 20;
constexpr uint32_t kInt2 = 21;
constexpr uint32_t kInt4 = 23;
constexpr uint32_t kFloat4 = 700;
constexpr uint32_t kFloat8 = 701;
constexpr uint32_t kNumeric = 1700;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

absl::StatusOr<Value> Bytes(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "\\x") || text.size() % 2 != 0) {
    return absl::InternalError("bytes come in an unknown form");
  }
  std::string bytes(text.size() / 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return absl::InternalError("bytes come in an unknown form");
    bytes[i] = static_cast<char>(high * 16 + low);
  }
  return Blob{std::move(bytes)};
}

// Statements for PostgreSQL alone stand in comments, which SQLite passes over.
std::string OpenComments(absl::string_view sql) {
  constexpr absl::string_view kBegin = "/* postgres: ";
  constexpr absl::string_view kEnd = "*/";
  std::string out;
  while (true) {
    const size_t begin = sql.find(kBegin);
    const size_t end = begin == sql.npos ? sql.npos : sql.find(kEnd, begin);
    if (end == sql.npos) return absl::StrCat(out, sql);
    absl::StrAppend(&out, sql.substr(0, begin),
                    sql.substr(begin + kBegin.size(), end - begin - kBegin.size()));
    sql.remove_prefix(end + kEnd.size());
  }
}

bool IsWord(char c) { return absl::ascii_isalnum(c) || c == '_'; }

}  // namespace

absl::StatusOr<Value> FromPostgres(uint32_t type, absl::string_view text) {
  switch (type) {
    case kBool:
      return Value(int64_t{text == "t"});
    case kInt2:
    case kInt4:
    case kInt8:
    case kNumeric: {  // sums of integers are numeric
      int64_t number = 0;
      if (absl::SimpleAtoi(text, &number)) return Value(number);
      return absl::InternalError("is no integer; amounts are kept as text");
    }
    case kFloat4:
    case kFloat8:
      return absl::InternalError("is a floating number; amounts are kept as text");
    case kBytea:
      return Bytes(text);
    default:
      return Value(std::string(text));
  }
}

std::string ToPostgresSchema(absl::string_view migration, bool byte_order) {
  const std::string opened = OpenComments(migration);
  const absl::string_view sql = opened;
  std::string out;
  absl::string_view last_word;
  for (size_t i = 0; i < sql.size();) {
    const char c = sql[i];
    size_t end = i + 1;
    if (c == '\'' || c == '"') {
      while (end < sql.size() && sql[end] != c) ++end;
      end = std::min(end + 1, sql.size());
      last_word = {};
    } else if (c == '-' && end < sql.size() && sql[end] == '-') {
      while (end < sql.size() && sql[end] != '\n') ++end;
    } else if (IsWord(c)) {
      while (end < sql.size() && IsWord(sql[end])) ++end;
      const absl::string_view word = sql.substr(i, end - i);
      if (word == "BLOB") {
        out.append("BYTEA");
        i = end;
        continue;
      }
      if (byte_order && word == "TEXT" && last_word != "AS") {
        out.append("TEXT COLLATE \"C\"");
        i = end;
        continue;
      }
      if (word == "INTEGER") {
        out.append("BIGINT");
        i = end;
        continue;
      }
      constexpr absl::string_view kClustered = "WITHOUT ROWID";
      if (absl::StartsWith(sql.substr(i), kClustered)) {
        i += kClustered.size();
        continue;
      }
      last_word = word;
    }
    absl::StrAppend(&out, sql.substr(i, end - i));
    i = end;
  }
  return out;
}

absl::Status CheckTexts(absl::string_view sql, absl::Span<const Value> parameters) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::string* text = std::get_if<std::string>(&parameters[i]);
    if (text == nullptr) continue;
    if (text->find('\0') == std::string::npos && base::IsValidUtf8(*text)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("parameter $", i + 1, " of \"", base::EscapeForDisplay(sql, 160),
                     "\" is not a UTF-8 text: \"", base::EscapeForDisplay(*text, 60), "\""));
  }
  return absl::OkStatus();
}

}  // namespace purser::store
