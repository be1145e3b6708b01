#include "http/beast_transport.h"

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/socket.h"
#include "http/tls.h"
#include "http/url.h"

namespace purser::http {
namespace {

namespace beast_http = boost::beast::http;
using OnData = std::function<absl::Status(const Response& head, absl::string_view piece)>;

constexpr size_t kReadBytes = 32 << 10;
// Of a body that is made while it is sent: between two of these we look whether the peer has
// answered already.
constexpr size_t kUploadSliceBytes = 64 << 10;

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
  });
}

bool IsHeaderValue(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  });
}

// Repeating these changes nothing more than sending them once.
bool IsIdempotent(absl::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

// The head, and the body unless another one, `upload`, is sent behind it.
absl::StatusOr<std::string> Serialize(const Request& request, const Url& url,
                                      const std::string& user_agent, const BodySource* upload) {
  if (!IsToken(request.method)) return absl::InvalidArgumentError("method is no HTTP token");
  std::string out =
      absl::StrCat(request.method, " ", url.target, " HTTP/1.1\r\nHost: ", url.Authority(), "\r\n");
  for (const auto& [name, value] : request.headers) {
    if (!IsToken(name) || !IsHeaderValue(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("header \"", base::EscapeForDisplay(name, 60),
                       "\" has a name or value that HTTP does not allow"));
    }
    for (const char* ours : {"Host", "Content-Length", "Transfer-Encoding", "Connection"}) {
      if (absl::EqualsIgnoreCase(name, ours)) {
        return absl::InvalidArgumentError(
            absl::StrCat("header ", ours, " is set by the transport and cannot be given"));
      }
    }
    absl::StrAppend(&out, name, ": ", value, "\r\n");
  }
  if (FindHeader(request.headers, "User-Agent").empty()) {
    absl::StrAppend(&out, "User-Agent: ", user_agent, "\r\n");
  }
  if (upload != nullptr) {
    const std::optional<int64_t> size = upload->size();
    if (size.has_value()) {
      absl::StrAppend(&out, "Content-Length: ", *size, "\r\n\r\n");
    } else {
      absl::StrAppend(&out, "Transfer-Encoding: chunked\r\n\r\n");
    }
    return out;
  }
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
      request.method == "PATCH") {
    absl::StrAppend(&out, "Content-Length: ", request.body.size(), "\r\n");
  }
  absl::StrAppend(&out, "\r\n", request.body);
  return out;
}

// One answer read from a stream.
class ResponseReader {
 public:
  ResponseReader(ByteStream& stream, const Deadline& deadline)
      : stream_(stream), deadline_(deadline) {}

  // True once a byte of the answer was seen.
  bool started() const { return started_; }
  bool reusable() const { return reusable_; }

  absl::StatusOr<Response> Read(bool head_request, const OnData& on_data) {
    Response response;
    do {  // 1xx answers come before the real one
      parser_.emplace();
      parser_->header_limit(kMaxResponseHeaderBytes);
      parser_->body_limit(boost::none);
      if (head_request) parser_->skip(true);
      PURSER_RETURN_IF_ERROR(ReadHeader());
      response.status = static_cast<int>(parser_->get().result_int());
    } while (response.status >= 100 && response.status < 200 && response.status != 101);
    for (const auto& field : parser_->get()) {
      response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    while (!parser_->is_done()) PURSER_RETURN_IF_ERROR(ReadBody(response, on_data));
    reusable_ = parser_->get().keep_alive() && !parser_->need_eof() && buffer_.size() == 0;
    return response;
  }

 private:
  absl::Status ReadHeader() {
    while (!parser_->is_header_done()) {
      boost::system::error_code error = beast_http::error::need_more;
      if (buffer_.size() > 0) buffer_.consume(parser_->put(buffer_.data(), error));
      if (error == beast_http::error::need_more) {
        PURSER_ASSIGN_OR_RETURN(const bool more, Fill());
        if (!more)
          return absl::UnavailableError("the peer closed the connection without an answer");
      } else if (error) {
        return Malformed(error);
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadBody(const Response& response, const OnData& on_data) {
    char piece[kReadBytes];
    parser_->get().body().data = piece;
    parser_->get().body().size = sizeof(piece);
    parser_->get().body().more = true;
    boost::system::error_code error = beast_http::error::need_more;
    if (buffer_.size() > 0) buffer_.consume(parser_->put(buffer_.data(), error));
    const size_t got = sizeof(piece) - parser_->get().body().size;
    if (got > 0) PURSER_RETURN_IF_ERROR(on_data(response, absl::string_view(piece, got)));
    if (parser_->is_done() || error == beast_http::error::need_buffer || !error) {
      return absl::OkStatus();
    }
    if (error != beast_http::error::need_more) return Malformed(error);
    PURSER_ASSIGN_OR_RETURN(const bool more, Fill());
    if (more) return absl::OkStatus();
    error = {};
    parser_->put_eof(error);
    if (error) return absl::UnavailableError("the answer ended before its end");
    return absl::OkStatus();
  }

  static absl::Status Malformed(const boost::system::error_code& error) {
    if (error == beast_http::error::header_limit) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the answer's header is larger than ", kMaxResponseHeaderBytes, " bytes"));
    }
    return absl::UnavailableError(absl::StrCat("the answer is no HTTP: ", error.message()));
  }

  absl::StatusOr<bool> Fill() {
    const auto space = buffer_.prepare(kReadBytes);
    PURSER_ASSIGN_OR_RETURN(
        const size_t got, stream_.Read(static_cast<char*>(space.data()), space.size(), deadline_));
    buffer_.commit(got);
    started_ = started_ || got > 0;
    return got > 0;
  }

  ByteStream& stream_;
  const Deadline& deadline_;
  boost::beast::flat_buffer buffer_;
  std::optional<beast_http::response_parser<beast_http::buffer_body>> parser_;
  bool started_ = false;
  bool reusable_ = false;
};

class BeastTransport final : public Transport {
 public:
  BeastTransport(BeastTransportOptions options, std::shared_ptr<const TlsContext> tls)
      : options_(std::move(options)), default_tls_(std::move(tls)) {
    if (options_.resolver == nullptr) options_.resolver = NewSystemResolver();
  }

  absl::StatusOr<Response> Send(const Request& request, const CallOptions& options) override {
    return Whole(request, nullptr, options);
  }

  absl::StatusOr<Response> Stream(const Request& request, const CallOptions& options,
                                  const OnData& on_data) override {
    return Guarded(request, nullptr, options, on_data);
  }

  absl::StatusOr<Response> Upload(const Request& request, BodySource& body,
                                  const CallOptions& options) override {
    return Whole(request, &body, options);
  }

 private:
  struct Idle {
    std::string key;
    std::unique_ptr<ByteStream> stream;
    std::chrono::steady_clock::time_point since;
  };

  // With the answer's body in the response.
  absl::StatusOr<Response> Whole(const Request& request, BodySource* upload,
                                 const CallOptions& options) {
    std::string body;
    PURSER_ASSIGN_OR_RETURN(
        Response response,
        Guarded(request, upload, options,
                [&](const Response& head, absl::string_view piece) -> absl::Status {
                  const int64_t limit = options.max_response_bytes;
                  const int64_t total = static_cast<int64_t>(body.size() + piece.size());
                  if (total > limit) {
                    return absl::ResourceExhaustedError(
                        absl::StrCat("the answer (status ", head.status, ") is larger than ", limit,
                                     " bytes (max_response_bytes)"));
                  }
                  body.append(piece.data(), piece.size());
                  return absl::OkStatus();
                }));
    response.body = std::move(body);
    return response;
  }

  // Beast and the standard library may run out of memory; no exception leaves.
  absl::StatusOr<Response> Guarded(const Request& request, BodySource* upload,
                                   const CallOptions& options, const OnData& on_data) {
    const absl::StatusOr<Url> url = ParseUrl(request.url);
    if (!url.ok()) return url.status();
    try {
      absl::StatusOr<Response> response = Exchange(request, *url, upload, options, on_data);
      if (response.ok()) return response;
      // Without path and query: they may carry what is not for logs.
      return base::Annotate(response.status(), absl::StrCat(request.method, " ", url->Origin()));
    } catch (const std::exception& error) {
      absl::Status status = absl::InternalError(absl::StrCat("HTTP: ", error.what()));
      base::SetOutcomeUnknown(status);
      return status;
    }
  }

  absl::StatusOr<Response> Exchange(const Request& request, const Url& url, BodySource* upload,
                                    const CallOptions& options, const OnData& on_data) {
    PURSER_ASSIGN_OR_RETURN(const std::string text,
                            Serialize(request, url, options_.user_agent, upload));
    PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const TlsContext> tls, ContextOf(options.tls));
    const Deadline deadline(options.timeout, options.stop);
    const std::string key =
        absl::StrCat(url.Origin(), " ", reinterpret_cast<uintptr_t>(options.tls.get()));
    // A kept connection may be dead, and a body that was begun cannot be sent again.
    if (upload == nullptr && (IsIdempotent(request.method) || options.repeatable)) {
      for (std::unique_ptr<ByteStream> kept = TakeIdle(key); kept != nullptr;
           kept = TakeIdle(key)) {
        Answer answer = Talk(*kept, text, nullptr, request.method, deadline, on_data);
        if (answer.reusable) Keep(key, std::move(kept));
        if (!answer.stale) return std::move(answer.response);
      }
    }
    PURSER_ASSIGN_OR_RETURN(std::unique_ptr<ByteStream> stream,
                            Open(url, *tls, options.stop, deadline));
    Answer answer = Talk(*stream, text, upload, request.method, deadline, on_data);
    if (answer.reusable) Keep(key, std::move(stream));
    return std::move(answer.response);
  }

  struct Answer {
    absl::StatusOr<Response> response;
    bool reusable = false;  // the connection may serve another request
    bool stale = false;     // the peer had closed before it answered anything
  };

  static Answer Talk(ByteStream& stream, absl::string_view text, BodySource* upload,
                     absl::string_view method, const Deadline& deadline, const OnData& on_data) {
    bool sent = false;
    bool whole = true;
    absl::Status written = stream.Write(text, deadline, &sent);
    if (written.ok() && upload != nullptr) {
      absl::Status broken;
      written = WriteBody(stream, *upload, deadline, &sent, &whole, &broken);
      if (!broken.ok()) {
        base::SetOutcomeUnknown(broken);
        return {std::move(broken), false, false};
      }
    }
    ResponseReader reader(stream, deadline);
    // A peer may answer (413, 401) and close before it has read all; its answer says more than our
    // broken write.
    absl::StatusOr<Response> response =
        written.ok() || written.code() == absl::StatusCode::kUnavailable
            ? reader.Read(method == "HEAD", on_data)
            : absl::StatusOr<Response>(written);
    if (response.ok())
      return {std::move(response), written.ok() && whole && reader.reusable(), false};
    absl::Status status = written.ok() ? response.status() : written;
    const bool stale =
        !reader.started() && response.status().code() == absl::StatusCode::kUnavailable;
    if (sent) base::SetOutcomeUnknown(status);
    return {std::move(status), false, stale};
  }

  // Sends a body as it comes. `*whole` becomes false when the peer answered before its end;
  // `*broken` is the body's own error, after which the connection must not end as if it were whole.
  static absl::Status WriteBody(ByteStream& stream, BodySource& body, const Deadline& deadline,
                                bool* sent, bool* whole, absl::Status* broken) {
    const std::optional<int64_t> size = body.size();
    int64_t left = size.value_or(0);
    for (;;) {
      absl::StatusOr<std::string> piece = body.Next();
      if (!piece.ok()) {
        *broken = piece.status();
        return absl::OkStatus();
      }
      left -= static_cast<int64_t>(piece->size());
      if (size.has_value() && (left < 0 || (piece->empty() && left > 0))) {
        *broken = absl::InternalError(
            absl::StrCat("a body of ", *size, " bytes has ", left < 0 ? "more" : "fewer"));
        return absl::OkStatus();
      }
      if (piece->empty()) break;
      for (absl::string_view rest = *piece; !rest.empty();) {
        const absl::string_view slice = rest.substr(0, kUploadSliceBytes);
        rest.remove_prefix(slice.size());
        PURSER_RETURN_IF_ERROR(deadline.Check());
        if (!stream.IdleAndOpen()) {
          *whole = false;
          return absl::OkStatus();
        }
        if (size.has_value()) {
          PURSER_RETURN_IF_ERROR(stream.Write(slice, deadline, sent));
        } else {
          PURSER_RETURN_IF_ERROR(stream.Write(
              absl::StrCat(absl::Hex(slice.size()), "\r\n", slice, "\r\n"), deadline, sent));
        }
      }
    }
    return size.has_value() ? absl::OkStatus() : stream.Write("0\r\n\r\n", deadline, sent);
  }

  absl::StatusOr<std::vector<IpAddress>> Addresses(const Url& url, std::stop_token stop,
                                                   const Deadline& deadline) {
    if (const absl::StatusOr<IpAddress> literal = IpAddress::Parse(url.host); literal.ok()) {
      PURSER_RETURN_IF_ERROR(options_.policy.Check(url.host, *literal, url.port));
      return std::vector<IpAddress>{*literal};
    }
    PURSER_ASSIGN_OR_RETURN(
        const std::vector<IpAddress> found,
        options_.resolver->Resolve(url.host, deadline.Remaining(), std::move(stop)));
    std::vector<IpAddress> allowed;
    absl::Status refused = absl::UnavailableError("the host has no address");
    for (const IpAddress& address : found) {
      const absl::Status status = options_.policy.Check(url.host, address, url.port);
      if (status.ok()) {
        allowed.push_back(address);
      } else {
        refused = status;
      }
    }
    if (allowed.empty()) return refused;
    return allowed;
  }

  absl::StatusOr<std::unique_ptr<ByteStream>> Open(const Url& url, const TlsContext& tls,
                                                   std::stop_token stop, const Deadline& deadline) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<IpAddress> addresses, Addresses(url, stop, deadline));
    absl::Status last;
    for (const IpAddress& address : addresses) {
      PURSER_RETURN_IF_ERROR(deadline.Check());
      const Deadline attempt(std::min(options_.connect_timeout, deadline.Remaining()), stop);
      absl::StatusOr<std::unique_ptr<TcpStream>> tcp =
          TcpStream::Connect(address, url.port, attempt);
      if (tcp.ok() && !url.tls) return std::unique_ptr<ByteStream>(*std::move(tcp));
      if (tcp.ok()) {
        absl::StatusOr<std::unique_ptr<ByteStream>> secure =
            tls.Connect(*std::move(tcp), url.host, attempt);
        if (secure.ok()) return secure;
        last = secure.status();
      } else {
        last = tcp.status();
      }
    }
    // A connection that took too long, with time left for the whole call, is no connection.
    if (last.code() == absl::StatusCode::kDeadlineExceeded && deadline.Check().ok()) {
      return absl::UnavailableError(last.message());
    }
    return last;
  }

  absl::StatusOr<std::shared_ptr<const TlsContext>> ContextOf(
      const std::shared_ptr<const TlsOptions>& tls) {
    if (tls == nullptr) return default_tls_;
    base::MutexLock lock(mutex_);
    const auto found = contexts_.find(tls);
    if (found != contexts_.end()) return found->second;
    PURSER_ASSIGN_OR_RETURN(std::shared_ptr<const TlsContext> context, TlsContext::Client(*tls));
    if (contexts_.size() >= kMaxTlsIdentities) {
      contexts_.clear();
      idle_.clear();  // kept connections are found by the identity's address, which may come again
    }
    contexts_.emplace(tls, context);
    return context;
  }

  std::unique_ptr<ByteStream> TakeIdle(const std::string& key) {
    base::MutexLock lock(mutex_);
    const auto oldest =
        std::chrono::steady_clock::now() - absl::ToChronoNanoseconds(options_.idle_timeout);
    std::erase_if(idle_, [&oldest](const Idle& idle) { return idle.since < oldest; });
    for (size_t i = idle_.size(); i-- > 0;) {
      if (idle_[i].key != key) continue;
      std::unique_ptr<ByteStream> stream = std::move(idle_[i].stream);
      idle_.erase(idle_.begin() + static_cast<int64_t>(i));
      if (stream->IdleAndOpen()) return stream;
    }
    return nullptr;
  }

  void Keep(const std::string& key, std::unique_ptr<ByteStream> stream) {
    base::MutexLock lock(mutex_);
    const auto same = [&key](const Idle& idle) { return idle.key == key; };
    if (std::count_if(idle_.begin(), idle_.end(), same) >=
        static_cast<int64_t>(kMaxIdlePerOrigin)) {
      return;
    }
    if (idle_.size() >= kMaxIdleConnections) idle_.erase(idle_.begin());  // the oldest
    idle_.push_back({key, std::move(stream), std::chrono::steady_clock::now()});
  }

  BeastTransportOptions options_;
  const std::shared_ptr<const TlsContext> default_tls_;
  base::Mutex mutex_;
  std::map<std::shared_ptr<const TlsOptions>, std::shared_ptr<const TlsContext>> contexts_
      ABSL_GUARDED_BY(mutex_);
  std::vector<Idle> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> NewBeastTransport(BeastTransportOptions options) {
  PURSER_ASSIGN_OR_RETURN(std::shared_ptr<const TlsContext> tls, TlsContext::Client(options.tls));
  return std::unique_ptr<Transport>(new BeastTransport(std::move(options), std::move(tls)));
}

}  // namespace purser::http
