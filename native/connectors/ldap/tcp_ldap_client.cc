#include "connectors/ldap/tcp_ldap_client.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/ldap/ber.h"
#include "connectors/ldap/ldap_message.h"
#include "http/resolver.h"
#include "http/socket.h"
#include "http/tls.h"

namespace purser::connectors {
namespace {

constexpr uint16_t kPlainPort = 389;
constexpr uint16_t kTlsPort = 636;
constexpr size_t kReadBytes = 64 << 10;
constexpr absl::string_view kRange = ";range=";

// "member;range=0-1499": how many values came, and whether there are more.
struct Range {
  std::string attribute;
  int64_t last = 0;
  bool more = false;
};
std::optional<Range> RangeOf(absl::string_view name) {
  const size_t at = name.find(kRange);
  if (at == absl::string_view::npos) return std::nullopt;
  Range range;
  range.attribute = std::string(name.substr(0, at));
  const absl::string_view bounds = name.substr(at + kRange.size());
  const absl::string_view last = bounds.substr(std::min(bounds.size(), bounds.find('-') + 1));
  range.more = last != "*";
  if (range.more && !absl::SimpleAtoi(last, &range.last)) return std::nullopt;
  return range;
}

}  // namespace

class TcpLdapClient::Connection {
 public:
  explicit Connection(const TcpLdapClient& client) : client_(client) {}
  ~Connection() {
    // A farewell, so that the server's log shows no break; nobody waits for it.
    if (stream_ == nullptr) return;
    const http::Deadline deadline(absl::Seconds(1), {});
    bool started = false;
    stream_->Write(EncodeUnbind(++id_), deadline, &started).IgnoreError();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::Status Open(std::stop_token stop) {
    const http::Deadline deadline(client_.options_.timeout, stop);
    PURSER_ASSIGN_OR_RETURN(std::unique_ptr<http::TcpStream> tcp, Connect(deadline, stop));
    if (client_.ldaps_ || client_.options_.start_tls) {
      if (!client_.ldaps_) PURSER_RETURN_IF_ERROR(StartTls(*tcp, deadline));
      PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const http::TlsContext> context,
                              http::TlsContext::Client(client_.options_.tls));
      const std::string& name = client_.options_.tls.server_name.empty()
                                    ? client_.host_
                                    : client_.options_.tls.server_name;
      PURSER_ASSIGN_OR_RETURN(stream_, context->Connect(std::move(tcp), name, deadline));
    } else {
      stream_ = std::move(tcp);
    }
    // An empty password would be an anonymous bind that succeeds under any name (RFC 4513, 5.1.2).
    if (client_.options_.bind_dn.empty()) return absl::OkStatus();
    PURSER_RETURN_IF_ERROR(
        Send(EncodeBind(++id_, client_.options_.bind_dn, client_.options_.password), deadline));
    PURSER_ASSIGN_OR_RETURN(const LdapMessage answer, Receive(*stream_, deadline));
    if (answer.operation != kLdapBindResponse) return Unexpected(answer.operation);
    return ParseLdapResult(answer.content, "bind");
  }

  // One page; entries go to `entries`. Returns the cookie, or "" behind the last one.
  absl::StatusOr<std::string> Page(const LdapSearch& search, int page_size,
                                   absl::string_view cookie, std::vector<LdapEntry>* entries,
                                   int64_t* references, std::stop_token stop) {
    http::Deadline deadline(client_.options_.timeout, stop);
    PURSER_ASSIGN_OR_RETURN(const std::string request,
                            EncodeSearch(++id_, search, page_size, cookie));
    PURSER_RETURN_IF_ERROR(Send(request, deadline));
    size_t bytes = 0;
    for (;;) {
      deadline.Reset(client_.options_.timeout);
      PURSER_ASSIGN_OR_RETURN(const LdapMessage answer, Receive(*stream_, deadline));
      bytes += answer.content.size();
      if (bytes > kMaxLdapMessageBytes * 4) {
        return absl::ResourceExhaustedError("a page of entries is too large; lower pageSize");
      }
      switch (answer.operation) {
        case kLdapSearchEntry: {
          PURSER_ASSIGN_OR_RETURN(LdapEntry entry, ParseLdapEntry(answer.content));
          entries->push_back(std::move(entry));
          break;
        }
        case kLdapSearchReference:
          ++*references;
          break;
        case kLdapSearchDone:
          PURSER_RETURN_IF_ERROR(ParseLdapResult(answer.content, "search"));
          return page_size > 0 ? ParsePageCookie(answer.controls) : std::string();
        default:
          return Unexpected(answer.operation);
      }
    }
  }

 private:
  static absl::Status Unexpected(uint8_t operation) {
    return absl::UnavailableError(absl::StrCat(
        "the server answered with an operation that was not asked for (", operation, ")"));
  }

  absl::StatusOr<std::unique_ptr<http::TcpStream>> Connect(const http::Deadline& deadline,
                                                           std::stop_token stop) {
    std::vector<http::IpAddress> addresses;
    if (absl::StatusOr<http::IpAddress> literal = http::IpAddress::Parse(client_.host_);
        literal.ok()) {
      addresses.push_back(*literal);
    } else {
      const std::unique_ptr<http::Resolver> resolver = http::NewSystemResolver();
      PURSER_ASSIGN_OR_RETURN(addresses,
                              resolver->Resolve(client_.host_, deadline.Remaining(), stop));
    }
    absl::Status last = absl::UnavailableError("the name has no address");
    for (const http::IpAddress& address : addresses) {
      last = client_.policy_.Check(client_.host_, address, client_.port_);
      if (!last.ok()) continue;
      absl::StatusOr<std::unique_ptr<http::TcpStream>> stream =
          http::TcpStream::Connect(address, client_.port_, deadline);
      if (stream.ok()) return stream;
      last = stream.status();
    }
    return last;
  }

  absl::Status StartTls(http::TcpStream& tcp, const http::Deadline& deadline) {
    bool started = false;
    PURSER_RETURN_IF_ERROR(tcp.Write(EncodeStartTls(++id_), deadline, &started));
    PURSER_ASSIGN_OR_RETURN(const LdapMessage answer, Receive(tcp, deadline));
    if (answer.operation != kLdapExtendedResponse) return Unexpected(answer.operation);
    PURSER_RETURN_IF_ERROR(ParseLdapResult(answer.content, "StartTLS"));
    Consume();
    // What is there already came before the handshake: somebody may have put it there.
    if (!buffer_.empty()) {
      return absl::FailedPreconditionError("StartTLS: bytes behind the answer, outside of TLS");
    }
    return absl::OkStatus();
  }

  absl::Status Send(const std::string& bytes, const http::Deadline& deadline) {
    bool started = false;
    return stream_->Write(bytes, deadline, &started);
  }

  void Consume() {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }

  // The next message for the request under way; valid until the next call.
  absl::StatusOr<LdapMessage> Receive(http::ByteStream& stream, const http::Deadline& deadline) {
    for (;;) {
      absl::string_view rest = absl::string_view(buffer_).substr(consumed_);
      // Some other protocol's bytes may pass for the head of a long element.
      if (!rest.empty() && static_cast<uint8_t>(rest[0]) != kBerSequence) {
        return absl::InvalidArgumentError("the server does not speak LDAP");
      }
      PURSER_ASSIGN_OR_RETURN(const size_t length, BerLength(rest));
      if (length > kMaxLdapMessageBytes) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "an answer of more than ", kMaxLdapMessageBytes, " bytes (kMaxLdapMessageBytes)"));
      }
      if (length == 0 || rest.size() < length) {
        Consume();
        const size_t before = buffer_.size();
        buffer_.resize(before + kReadBytes);
        absl::StatusOr<size_t> read = stream.Read(buffer_.data() + before, kReadBytes, deadline);
        buffer_.resize(before + (read.ok() ? *read : 0));
        if (!read.ok()) return read.status();
        if (*read == 0) return absl::UnavailableError("the server closed the connection");
        continue;
      }
      PURSER_ASSIGN_OR_RETURN(const LdapMessage message, ParseLdapMessage(rest.substr(0, length)));
      consumed_ += length;
      // Id 0 is a notice: the server is about to disconnect, and says why.
      if (message.id == 0) {
        PURSER_RETURN_IF_ERROR(ParseLdapResult(message.content, "the server disconnects"));
        return absl::UnavailableError("the server disconnects");
      }
      if (message.id == id_) return message;
    }
  }

  const TcpLdapClient& client_;
  std::unique_ptr<http::ByteStream> stream_;
  std::string buffer_;
  size_t consumed_ = 0;
  int32_t id_ = 0;
};

TcpLdapClient::TcpLdapClient(LdapOptions options, http::AddressPolicy policy, std::string host,
                             uint16_t port, bool ldaps)
    : options_(std::move(options)),
      policy_(std::move(policy)),
      host_(std::move(host)),
      port_(port),
      ldaps_(ldaps) {}
TcpLdapClient::~TcpLdapClient() = default;

absl::StatusOr<std::unique_ptr<TcpLdapClient>> TcpLdapClient::Create(LdapOptions options,
                                                                     http::AddressPolicy policy) {
  absl::string_view rest = options.url;
  const bool ldaps = absl::ConsumePrefix(&rest, "ldaps://");
  if (!ldaps && !absl::ConsumePrefix(&rest, "ldap://")) {
    return absl::InvalidArgumentError("LDAP url: must begin with ldaps:// or ldap://");
  }
  absl::ConsumeSuffix(&rest, "/");
  absl::string_view host = rest;
  absl::string_view port_text;
  if (absl::StartsWith(rest, "[")) {
    const size_t close = rest.find(']');
    host = rest.substr(1, close == absl::string_view::npos ? 0 : close - 1);
    if (close != absl::string_view::npos) port_text = rest.substr(close + 1);
  } else if (const size_t colon = rest.rfind(':'); colon != absl::string_view::npos) {
    host = rest.substr(0, colon);
    port_text = rest.substr(colon);
  }
  int port = ldaps ? kTlsPort : kPlainPort;
  if (!port_text.empty() &&
      (!absl::ConsumePrefix(&port_text, ":") || !absl::SimpleAtoi(port_text, &port))) {
    port = 0;
  }
  const bool plain_name = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == ':' ||
           c == '_';
  });
  if (!plain_name || port < 1 || port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("LDAP url ", base::EscapeForDisplay(options.url),
                     ": must be ldaps://host[:port] or ldap://host[:port]"));
  }
  if (ldaps && options.start_tls) {
    return absl::InvalidArgumentError("LDAP: ldaps:// is TLS already; drop startTls");
  }
  if (!options.bind_dn.empty() && options.password.empty()) {
    return absl::InvalidArgumentError(
        "LDAP: an empty password would bind as nobody, whatever the name");
  }
  if (!ldaps && !options.start_tls && !options.bind_dn.empty() && !options.allow_plain_text) {
    return absl::FailedPreconditionError(
        "LDAP: the password would be sent in plain text; use ldaps:// or startTls");
  }
  return std::unique_ptr<TcpLdapClient>(new TcpLdapClient(std::move(options), std::move(policy),
                                                          std::string(host),
                                                          static_cast<uint16_t>(port), ldaps));
}

absl::StatusOr<int64_t> TcpLdapClient::Search(const LdapSearch& search, const OnEntry& on_entry,
                                              std::stop_token stop) {
  const auto fail = [this](const absl::Status& status) {
    connection_.reset();
    return base::Annotate(status, absl::StrCat("LDAP ", options_.url));
  };
  if (connection_ == nullptr) {
    auto connection = std::make_unique<Connection>(*this);
    if (const absl::Status opened = connection->Open(stop); !opened.ok()) return fail(opened);
    connection_ = std::move(connection);
  }
  int64_t references = 0;
  std::string cookie;
  int empty_pages = 0;
  const bool paged = search.scope != LdapScope::kBase && options_.page_size > 0;
  for (int page = 0; page < kMaxLdapPages; ++page) {
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    std::vector<LdapEntry> entries;
    absl::StatusOr<std::string> next = connection_->Page(search, paged ? options_.page_size : 0,
                                                         cookie, &entries, &references, stop);
    if (!next.ok()) return fail(next.status());
    for (LdapEntry& entry : entries) {
      // Active Directory gives the first 1,500 values of an attribute and says so in its name.
      std::map<std::string, std::vector<std::string>> whole;
      for (auto& [name, values] : entry.attributes) {
        std::optional<Range> range = RangeOf(name);
        if (!range.has_value()) {
          // Other options (;binary, ;lang-de) are left apart from the plain attribute.
          whole[name] = std::move(values);
          continue;
        }
        std::vector<std::string> all = std::move(values);
        for (int part = 0; range->more; ++part) {
          if (part >= kMaxLdapRanges) {
            return fail(absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxLdapRanges,
                                                                  " ranges of ", range->attribute,
                                                                  " (kMaxLdapRanges)")));
          }
          LdapSearch rest;
          rest.base = entry.dn;
          rest.scope = LdapScope::kBase;
          rest.attributes = {absl::StrCat(range->attribute, kRange, range->last + 1, "-*")};
          std::vector<LdapEntry> again;
          absl::StatusOr<std::string> done =
              connection_->Page(rest, 0, "", &again, &references, stop);
          if (!done.ok()) return fail(done.status());
          std::optional<Range> following;
          for (LdapEntry& item : again) {
            for (auto& [part_name, part_values] : item.attributes) {
              std::optional<Range> part_range = RangeOf(part_name);
              if (!part_range.has_value() || part_range->attribute != range->attribute) continue;
              following = part_range;
              all.insert(all.end(), part_values.begin(), part_values.end());
            }
          }
          if (!following.has_value() || (following->more && following->last <= range->last)) {
            return fail(absl::UnavailableError(
                absl::StrCat("the server did not give the rest of ", range->attribute)));
          }
          range = following;
        }
        std::vector<std::string>& target = whole[range->attribute];
        target.insert(target.end(), all.begin(), all.end());
      }
      entry.attributes = std::move(whole);
      PURSER_RETURN_IF_ERROR(on_entry(entry));
    }
    if (next->empty()) return references;
    empty_pages = entries.empty() ? empty_pages + 1 : 0;
    if (empty_pages > kMaxLdapEmptyPages) {
      return fail(absl::AbortedError("the server gives one empty page after another"));
    }
    cookie = *std::move(next);
  }
  return fail(absl::ResourceExhaustedError(
      absl::StrCat("more than ", kMaxLdapPages, " pages (kMaxLdapPages)")));
}

}  // namespace purser::connectors
