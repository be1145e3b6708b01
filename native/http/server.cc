#include "http/server.h"

#include <atomic>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/mutex.h"
#include "base/status.h"
#include "http/socket.h"
#include "http/tls.h"

namespace purser::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr absl::Duration kStopGrace = absl::Seconds(2);
constexpr size_t kReadBytes = 16 << 10;

std::string StatusLine(int status) {
  const auto reason = beast_http::obsolete_reason(static_cast<beast_http::status>(status));
  return absl::StrCat("HTTP/1.1 ", status, " ", std::string(reason), "\r\n");
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, ServerHandler handler)
      : options_(options), handler_(std::move(handler)) {}
  ~Impl() { Stop(); }

  absl::Status Start() {
    PURSER_ASSIGN_OR_RETURN(const IpAddress address, IpAddress::Parse(options_.address));
    if (options_.tls.has_value()) {
      PURSER_ASSIGN_OR_RETURN(tls_, TlsContext::Server(*options_.tls));
    }
    PURSER_ASSIGN_OR_RETURN(listener_, TcpListener::Listen(address, options_.port));
    port_ = listener_->port();
    acceptor_ = std::jthread([this] { Accept(); });
    return absl::OkStatus();
  }

  void Stop() {
    stopping_.request_stop();
    if (acceptor_.joinable()) acceptor_.join();
    listener_.reset();
    // Answers under way may finish; then their writes end as well.
    const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(kStopGrace);
    {
      base::MutexLock lock(mutex_);
      while (active_ > 0 && std::chrono::steady_clock::now() < end) {
        done_.WaitFor(mutex_, absl::Milliseconds(50));
      }
    }
    killing_.request_stop();
    connections_.clear();  // joins
  }

  uint16_t port() const { return port_; }

 private:
  struct Connection {
    std::atomic<bool> finished{false};
    std::jthread thread;
  };

  void Accept() {
    const Deadline forever(absl::InfiniteDuration(), stopping_.get_token());
    for (;;) {
      absl::StatusOr<std::unique_ptr<TcpStream>> stream = listener_->Accept(forever);
      if (!stream.ok()) {
        if (stopping_.stop_requested()) return;
        continue;
      }
      connections_.remove_if([](const Connection& one) { return one.finished.load(); });
      if (connections_.size() >= options_.max_connections) continue;  // closes it
      Connection& connection = connections_.emplace_back();
      {
        base::MutexLock lock(mutex_);
        ++active_;
      }
      connection.thread = std::jthread([this, &connection, tcp = *std::move(stream)] {
        Serve(*tcp);
        connection.finished = true;
        base::MutexLock lock(mutex_);
        --active_;
        done_.NotifyAll();
      });
    }
  }

  void Serve(TcpStream& tcp) {
    ByteStream* stream = &tcp;
    std::unique_ptr<ByteStream> secure;
    if (tls_ != nullptr) {
      const Deadline deadline(options_.request_timeout, stopping_.get_token());
      absl::StatusOr<std::unique_ptr<ByteStream>> accepted = tls_->Accept(&tcp, deadline);
      if (!accepted.ok()) return;
      secure = *std::move(accepted);
      stream = secure.get();
    }
    boost::beast::flat_buffer buffer;
    try {
      while (ServeOne(*stream, buffer)) {
      }
    } catch (const std::exception&) {
      // Out of memory: only this connection ends.
    }
  }

  // Reads a request and answers it; false ends the connection.
  bool ServeOne(ByteStream& stream, boost::beast::flat_buffer& buffer) {
    beast_http::request_parser<beast_http::string_body> parser;
    parser.header_limit(static_cast<uint32_t>(options_.max_header_bytes));
    parser.body_limit(options_.max_body_bytes);
    Deadline deadline(options_.idle_timeout, stopping_.get_token());
    bool begun = false;
    bool continued = false;
    while (!parser.is_done()) {
      boost::system::error_code error = beast_http::error::need_more;
      if (buffer.size() > 0) {
        if (!begun) deadline.Reset(options_.request_timeout);
        begun = true;
        buffer.consume(parser.put(buffer.data(), error));
      }
      if (parser.is_header_done() && !continued && !parser.is_done()) {
        continued = true;
        parser.eager(true);
        if (absl::EqualsIgnoreCase(std::string(parser.get()["Expect"]), "100-continue") &&
            !Write(stream, "HTTP/1.1 100 Continue\r\n\r\n")) {
          return false;
        }
        if (!error) continue;
      }
      if (error == beast_http::error::need_more) {
        const auto space = buffer.prepare(kReadBytes);
        const absl::StatusOr<size_t> got =
            stream.Read(static_cast<char*>(space.data()), space.size(), deadline);
        if (!got.ok() || *got == 0) return false;
        buffer.commit(*got);
      } else if (error) {
        Refuse(stream, error);
        return false;
      }
    }
    return Answer(stream, parser.get());
  }

  void Refuse(ByteStream& stream, const boost::system::error_code& error) {
    int status = 400;
    if (error == beast_http::error::body_limit) status = 413;
    if (error == beast_http::error::header_limit) status = 431;
    Write(stream,
          absl::StrCat(StatusLine(status), "Content-Length: 0\r\nConnection: close\r\n\r\n"));
  }

  bool Answer(ByteStream& stream, beast_http::request<beast_http::string_body>& message) {
    ServerRequest request;
    request.method = std::string(message.method_string());
    const std::string target(message.target());
    const size_t mark = std::min(target.find('?'), target.size());
    request.path = target.substr(0, mark);
    if (mark < target.size()) request.query = target.substr(mark + 1);
    for (const auto& field : message) {
      request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    request.body = std::move(message.body());
    request.stop = stopping_.get_token();
    ServerResponse response;
    try {
      response = handler_(request);
    } catch (const std::exception&) {
      response = {.status = 500};
    }
    const bool keep = message.keep_alive() && !stopping_.stop_requested();
    std::string head = StatusLine(response.status);
    for (const auto& [name, value] : response.headers) {
      absl::StrAppend(&head, name, ": ", value, "\r\n");
    }
    if (!keep) absl::StrAppend(&head, "Connection: close\r\n");
    if (response.stream) {
      absl::StrAppend(&head, "Transfer-Encoding: chunked\r\n\r\n");
      return Write(stream, head) && WriteChunks(stream, response) && keep;
    }
    const bool bodiless = response.status == 204 || response.status == 304;
    if (!bodiless) absl::StrAppend(&head, "Content-Length: ", response.body.size(), "\r\n");
    absl::StrAppend(&head, "\r\n");
    if (!bodiless && request.method != "HEAD") head += response.body;
    return Write(stream, head) && keep;
  }

  bool WriteChunks(ByteStream& stream, const ServerResponse& response) {
    bool open = true;
    response.stream([&](absl::string_view piece) {
      if (piece.empty()) return open && !stopping_.stop_requested();
      open = open && !stopping_.stop_requested() &&
             Write(stream, absl::StrCat(absl::Hex(piece.size()), "\r\n", piece, "\r\n"));
      return open;
    });
    return open && Write(stream, "0\r\n\r\n");
  }

  bool Write(ByteStream& stream, absl::string_view text) {
    const Deadline deadline(options_.write_timeout, killing_.get_token());
    bool started = false;
    return stream.Write(text, deadline, &started).ok();
  }

  const ServerOptions options_;
  const ServerHandler handler_;
  std::shared_ptr<const TlsContext> tls_;
  std::unique_ptr<TcpListener> listener_;
  uint16_t port_ = 0;
  std::stop_source stopping_;  // no new requests
  std::stop_source killing_;   // no more writes either
  std::jthread acceptor_;
  std::list<Connection> connections_;  // touched by the acceptor, and by Stop after it ended
  base::Mutex mutex_;
  base::CondVar done_;
  int active_ ABSL_GUARDED_BY(mutex_) = 0;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      ServerHandler handler) {
  auto impl = std::make_unique<Impl>(options, std::move(handler));
  PURSER_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const { return impl_->port(); }
void Server::Stop() { impl_->Stop(); }

ServerHandler Route(std::map<std::string, ServerHandler> handlers) {
  return [handlers = std::move(handlers)](const ServerRequest& request) -> ServerResponse {
    const auto exact = handlers.find(request.path);
    if (exact != handlers.end()) return exact->second(request);
    const ServerHandler* best = nullptr;
    for (const auto& [pattern, handler] : handlers) {  // sorted: the longest prefix comes last
      absl::string_view prefix = pattern;
      if (absl::ConsumeSuffix(&prefix, "*") && absl::EndsWith(prefix, "/") &&
          absl::StartsWith(request.path, prefix)) {
        best = &handler;
      }
    }
    if (best != nullptr) return (*best)(request);
    return {.status = 404, .headers = {{"Content-Type", "text/plain"}}, .body = "not found\n"};
  };
}

}  // namespace purser::http
