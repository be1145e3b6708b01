#include "costs/clickhouse/client.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/url.h"

namespace purser::costs {
namespace {

constexpr size_t kMaxErrorBytes = 64 << 10;

// An answer is held back by the server until it is whole, on its disk beyond some memory: otherwise
// an error in the middle would come as rows with the status of success.
constexpr char kSettings[] =
    "wait_end_of_query=1&buffer_size=4194304&max_query_size=67108864&max_ast_elements=5000000";

void AppendEscaped(absl::string_view text, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\0':
        out += "\\0";
        break;
      case '\'':
        out += "\\'";
        break;
      default:
        out += c;
    }
  }
}

// A row without its line's end.
absl::Status ReadRow(absl::string_view line, std::vector<std::string>& fields) {
  fields.clear();
  fields.emplace_back();
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      fields.emplace_back();
    } else if (line[i] != '\\') {
      fields.back() += line[i];
    } else {
      if (++i == line.size()) return absl::DataLossError("an answer of ClickHouse is broken off");
      constexpr absl::string_view kCodes = "bfrnt0";
      constexpr absl::string_view kMeant("\b\f\r\n\t\0", 6);
      const size_t at = kCodes.find(line[i]);
      fields.back() += at == absl::string_view::npos ? line[i] : kMeant[at];
    }
  }
  return absl::OkStatus();
}

// What one can do about an error of the server, by its number.
absl::StatusCode CodeOf(int number) {
  switch (number) {
    case 159:  // TIMEOUT_EXCEEDED
    case 160:  // TOO_SLOW
      return absl::StatusCode::kDeadlineExceeded;
    case 192:  // UNKNOWN_USER
    case 193:  // WRONG_PASSWORD
    case 194:  // REQUIRED_PASSWORD
    case 516:  // AUTHENTICATION_FAILED
      return absl::StatusCode::kUnauthenticated;
    case 164:  // READONLY
    case 195:  // IP_ADDRESS_NOT_ALLOWED
    case 291:  // DATABASE_ACCESS_DENIED
    case 497:  // ACCESS_DENIED
      return absl::StatusCode::kPermissionDenied;
    case 158:  // TOO_MANY_ROWS
    case 201:  // QUOTA_EXPIRED
    case 202:  // TOO_MANY_SIMULTANEOUS_QUERIES
    case 241:  // MEMORY_LIMIT_EXCEEDED
    case 243:  // NOT_ENOUGH_SPACE
    case 252:  // TOO_MANY_PARTS
    case 307:  // TOO_MANY_BYTES
      return absl::StatusCode::kResourceExhausted;
    case 32:   // ATTEMPT_TO_READ_AFTER_EOF
    case 198:  // DNS_ERROR
    case 209:  // SOCKET_TIMEOUT
    case 210:  // NETWORK_ERROR
    case 279:  // ALL_CONNECTION_TRIES_FAILED
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

std::string ClickHouseText(absl::string_view text) {
  std::string literal = "'";
  AppendEscaped(text, literal);
  literal += '\'';
  return literal;
}

std::string ClickHouseTexts(const std::vector<std::string>& texts) {
  if (texts.empty()) return "(NULL)";
  std::string list = "(";
  for (const std::string& text : texts) {
    absl::StrAppend(&list, list.size() == 1 ? "" : ",", ClickHouseText(text));
  }
  return list + ")";
}

void TabSeparatedRows::Separate() {
  if (begun_) text_ += '\t';
  begun_ = true;
}

TabSeparatedRows& TabSeparatedRows::Add(absl::string_view text) {
  Separate();
  AppendEscaped(text, text_);
  return *this;
}

TabSeparatedRows& TabSeparatedRows::Add(int64_t number) {
  Separate();
  absl::StrAppend(&text_, number);
  return *this;
}

TabSeparatedRows& TabSeparatedRows::Add(base::Decimal amount) {
  Separate();
  text_ += amount.ToString();
  return *this;
}

TabSeparatedRows& TabSeparatedRows::Add(absl::CivilDay day) {
  Separate();
  text_ += absl::FormatCivilTime(day);
  return *this;
}

void TabSeparatedRows::EndRow() {
  text_ += '\n';
  begun_ = false;
}

std::string TabSeparatedRows::Take() {
  begun_ = false;
  return std::exchange(text_, {});
}

std::string ClickHouseClient::Local(absl::string_view name) const {
  return absl::StrCat("`", options_.database, "`.`", name, "`");
}

std::string ClickHouseClient::Everywhere(absl::string_view name) const {
  return options_.cluster.empty() ? Local(name) : Local(absl::StrCat(name, "_all"));
}

absl::StatusOr<http::Request> ClickHouseClient::MakeRequest(size_t server, absl::string_view query,
                                                            std::string body) const {
  http::Request request;
  request.method = "POST";
  request.url = absl::StrCat(absl::StripSuffix(options_.servers[server], "/"), "/?", kSettings);
  if (!query.empty()) absl::StrAppend(&request.url, "&query=", http::EncodeComponent(query));
  request.headers.emplace_back("X-ClickHouse-User", options_.user);
  if (options_.password) {
    PURSER_ASSIGN_OR_RETURN(std::string password, options_.password());
    request.headers.emplace_back("X-ClickHouse-Key", std::move(password));
  }
  request.body = std::move(body);
  return request;
}

absl::Status ClickHouseClient::Failure(size_t server, int status, absl::string_view body) const {
  int number = 0;
  absl::string_view rest = body;
  if (absl::ConsumePrefix(&rest, "Code: ")) {
    const size_t end = rest.find_first_not_of("0123456789");
    if (!absl::SimpleAtoi(rest.substr(0, end), &number)) number = 0;
  }
  absl::StatusCode code = CodeOf(number);
  if (number == 0 && (status == 502 || status == 503 || status == 504)) {
    code = absl::StatusCode::kUnavailable;
  }
  return absl::Status(code, absl::StrCat("ClickHouse at ", options_.servers[server], ": ",
                                         body.empty() ? absl::StrCat("status ", status)
                                                      : base::EscapeForDisplay(body, 500)));
}

absl::Status ClickHouseClient::Execute(size_t server, const std::string& sql) const {
  PURSER_ASSIGN_OR_RETURN(const http::Request request, MakeRequest(server, "", sql));
  http::CallOptions call;
  call.timeout = options_.timeout;
  call.repeatable = true;
  PURSER_ASSIGN_OR_RETURN(const http::Response response, transport_.Send(request, call));
  return response.status == 200 ? absl::OkStatus()
                                : Failure(server, response.status, response.body);
}

absl::Status ClickHouseClient::ExecuteEverywhere(const std::string& sql) const {
  for (size_t server = 0; server < servers(); ++server) {
    PURSER_RETURN_IF_ERROR(Execute(server, sql));
  }
  return absl::OkStatus();
}

absl::Status ClickHouseClient::Insert(size_t server, absl::string_view table,
                                      std::string rows) const {
  PURSER_ASSIGN_OR_RETURN(
      const http::Request request,
      MakeRequest(server, absl::StrCat("INSERT INTO ", Local(table), " FORMAT TabSeparated"),
                  std::move(rows)));
  http::CallOptions call;
  call.timeout = options_.timeout;
  PURSER_ASSIGN_OR_RETURN(const http::Response response, transport_.Send(request, call));
  return response.status == 200 ? absl::OkStatus()
                                : Failure(server, response.status, response.body);
}

absl::Status ClickHouseClient::SelectFrom(
    size_t server, const std::string& sql,
    const std::function<absl::Status(const std::vector<std::string>&)>& on_row) const {
  PURSER_ASSIGN_OR_RETURN(const http::Request request,
                          MakeRequest(server, "", absl::StrCat(sql, " FORMAT TabSeparated")));
  http::CallOptions call;
  call.timeout = options_.timeout;
  call.repeatable = true;
  std::string rest, error;
  std::vector<std::string> fields;
  PURSER_ASSIGN_OR_RETURN(
      const http::Response response,
      transport_.Stream(
          request, call, [&](const http::Response& head, absl::string_view piece) -> absl::Status {
            if (head.status != 200) {
              if (error.size() < kMaxErrorBytes) absl::StrAppend(&error, piece);
              return absl::OkStatus();
            }
            size_t end;
            while ((end = piece.find('\n')) != absl::string_view::npos) {
              absl::string_view line = piece.substr(0, end);
              if (!rest.empty()) {
                absl::StrAppend(&rest, line);
                line = rest;
              }
              PURSER_RETURN_IF_ERROR(ReadRow(line, fields));
              PURSER_RETURN_IF_ERROR(on_row(fields));
              rest.clear();
              piece.remove_prefix(end + 1);
            }
            absl::StrAppend(&rest, piece);
            if (rest.size() <= kMaxClickHouseRowBytes) return absl::OkStatus();
            return absl::ResourceExhaustedError(
                absl::StrCat("a row of ClickHouse's answer has more than ", kMaxClickHouseRowBytes,
                             " bytes (kMaxClickHouseRowBytes)"));
          }));
  if (response.status != 200) return Failure(server, response.status, error);
  if (!rest.empty()) return absl::DataLossError("an answer of ClickHouse is broken off");
  return absl::OkStatus();
}

absl::Status ClickHouseClient::Select(
    const std::string& sql,
    const std::function<absl::Status(const std::vector<std::string>&)>& on_row) const {
  absl::Status status;
  for (size_t server = 0; server < servers(); ++server) {
    bool any = false;
    status = SelectFrom(server, sql, [&](const std::vector<std::string>& row) {
      any = true;
      return on_row(row);
    });
    // Another server cannot take back rows that were handed over.
    if (!absl::IsUnavailable(status) || any) return status;
  }
  return status;
}

}  // namespace purser::costs
