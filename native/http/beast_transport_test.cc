// The client and the server of this folder against each other, on loopback, with real TLS.
#include "http/beast_transport.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "http/socket.h"

namespace purser::http {
namespace {

using ::testing::HasSubstr;

class FixedResolver final : public Resolver {
 public:
  explicit FixedResolver(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {}
  absl::StatusOr<std::vector<IpAddress>> Resolve(absl::string_view, absl::Duration,
                                                 std::stop_token) override {
    std::vector<IpAddress> out;
    for (const std::string& text : addresses_) out.push_back(*IpAddress::Parse(text));
    return out;
  }

 private:
  const std::vector<std::string> addresses_;
};

std::unique_ptr<Transport> Client(BeastTransportOptions options = {}) {
  if (options.policy.Check("x", *IpAddress::Parse("127.0.0.1"), 1).code() ==
      absl::StatusCode::kPermissionDenied) {
    options.policy = AddressPolicy::AllowAll();
  }
  auto transport = NewBeastTransport(std::move(options));
  EXPECT_TRUE(transport.ok()) << transport.status();
  return *std::move(transport);
}

std::unique_ptr<Server> Serve(ServerHandler handler, ServerOptions options = {}) {
  auto server = Server::Start(options, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

std::string Url(const Server& server, absl::string_view path, absl::string_view scheme = "http") {
  return absl::StrCat(scheme, "://127.0.0.1:", server.port(), path);
}

ServerResponse Echo(const ServerRequest& request) {
  return {.status = 201,
          .headers = {{"X-Method", request.method}, {"X-Query", request.query}},
          .body = absl::StrCat(request.path, "|", FindHeader(request.headers, "x-one"), "|",
                               request.body)};
}

TEST(BeastTransportTest, RequestAndAnswer) {
  const auto server = Serve(Echo);
  const auto client = Client();
  const auto response = client->Send({.method = "POST",
                                      .url = Url(*server, "/a/b?c=d"),
                                      .headers = {{"X-One", "1"}},
                                      .body = std::string(100'000, 'x')},
                                     {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, absl::StrCat("/a/b|1|", std::string(100'000, 'x')));
  EXPECT_EQ(FindHeader(response->headers, "x-query"), "c=d");
  const auto head = client->Send({.method = "HEAD", .url = Url(*server, "/")}, {});
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->body, "");
}

TEST(BeastTransportTest, BadHeadersNeverLeave) {
  const auto client = Client();
  for (const Headers& headers : {Headers{{"X\r\nY", "1"}}, Headers{{"X", "a\r\nEvil: 1"}},
                                 Headers{{"host", "other"}}, Headers{{"Content-Length", "3"}}}) {
    EXPECT_EQ(client->Send({.url = "http://127.0.0.1:1/", .headers = headers}, {}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(BeastTransportTest, KeptConnectionsAreReusedAndReplacedWhenClosed) {
  std::atomic<int> calls{0};
  auto server = Serve([&calls](const ServerRequest&) {
    ++calls;
    return ServerResponse{};
  });
  const auto client = Client();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client->Send({.url = Url(*server, "/")}, {}).ok());
  const uint16_t port = server->port();
  server->Stop();
  server =
      Serve([](const ServerRequest&) { return ServerResponse{.status = 202}; }, {.port = port});
  const auto response = client->Send({.url = Url(*server, "/")}, {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 202);
  EXPECT_EQ(calls, 5);
}

TEST(BeastTransportTest, LimitsAndDeadlines) {
  absl::Notification release;
  const auto server = Serve(
      Route({{"/big",
              [](const ServerRequest&) { return ServerResponse{.body = std::string(1000, 'x')}; }},
             {"/slow", [&release](const ServerRequest&) {
                release.WaitForNotification();
                return ServerResponse{};
              }}}));
  const auto client = Client();
  CallOptions options;
  options.max_response_bytes = 999;
  const auto big = client->Send({.url = Url(*server, "/big")}, options);
  EXPECT_EQ(big.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(big.status().message()), HasSubstr("max_response_bytes"));

  // Long enough for the request to be sent, or its outcome would be known.
  options.timeout = absl::Seconds(1);
  const auto slow = client->Send({.url = Url(*server, "/slow")}, options);
  EXPECT_EQ(slow.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(base::IsOutcomeUnknown(slow.status()));

  std::stop_source source;
  CallOptions stoppable;
  stoppable.stop = source.get_token();
  std::jthread stopper([&source] {
    absl::SleepFor(absl::Milliseconds(50));
    source.request_stop();
  });
  EXPECT_EQ(client->Send({.url = Url(*server, "/slow")}, stoppable).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(client->Send({.url = Url(*server, "/big")}, stoppable).status().code(),
            absl::StatusCode::kCancelled);
  release.Notify();
  EXPECT_EQ(client->Send({.url = Url(*server, "/none")}, {})->status, 404);
}

TEST(BeastTransportTest, NothingListening) {
  uint16_t port = 0;
  {
    port = Serve(Echo)->port();
  }
  const auto result =
      Client()->Send({.method = "POST", .url = absl::StrCat("http://127.0.0.1:", port, "/")}, {});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(base::IsOutcomeUnknown(result.status()));
}

// A peer that says exactly what it is told to, whatever it was asked.
class RawPeer {
 public:
  // `at_once`: bytes of a write, each of which is sent by itself.
  explicit RawPeer(std::string answer, size_t at_once = std::string::npos)
      : answer_(std::move(answer)), at_once_(at_once) {
    listener_ = *TcpListener::Listen(*IpAddress::Parse("127.0.0.1"), 0);
    thread_ = std::jthread([this](std::stop_token stop) {
      const Deadline deadline(base::kPatience, stop);
      for (;;) {
        auto stream = listener_->Accept(deadline);
        if (!stream.ok()) return;
        char buffer[4096];
        if (!(*stream)->Read(buffer, sizeof(buffer), deadline).ok()) continue;
        absl::Status written;
        for (size_t at = 0; at < answer_.size() && written.ok(); at += at_once_) {
          bool started = false;
          const absl::string_view rest = absl::string_view(answer_).substr(at, at_once_);
          written = (*stream)->Write(rest, deadline, &started);
          if (at_once_ >= answer_.size()) break;
          std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
      }
    });
  }
  absl::StatusOr<Response> Ask(absl::Duration timeout = absl::Seconds(30)) {
    CallOptions options;
    options.timeout = timeout;
    return Client()->Send({.url = absl::StrCat("http://127.0.0.1:", listener_->port(), "/")},
                          options);
  }

 private:
  const std::string answer_;
  const size_t at_once_;
  std::unique_ptr<TcpListener> listener_;
  std::jthread thread_;
};

TEST(BeastTransportTest, OddPeers) {
  EXPECT_EQ(RawPeer("HTTP/1.1 200 OK\r\n\r\nuntil the end").Ask()->body, "until the end");
  EXPECT_EQ(RawPeer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .Ask()
                ->body,
            "ok");
  EXPECT_EQ(
      RawPeer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n")
          .Ask()
          ->body,
      "abc");
  EXPECT_EQ(RawPeer("HTTP/1.1 204 No Content\r\n\r\n").Ask()->status, 204);
  for (const char* answer :
       {"", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"}) {
    const auto result = RawPeer(answer).Ask();
    EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable) << answer;
    EXPECT_TRUE(base::IsOutcomeUnknown(result.status())) << answer;
  }
  EXPECT_EQ(
      RawPeer("HTTP/1.1 200 OK\r\nA: " + std::string(kMaxResponseHeaderBytes, 'x') + "\r\n\r\n")
          .Ask()
          .status()
          .code(),
      absl::StatusCode::kResourceExhausted);
}

TEST(BeastTransportTest, PeersThatSendByteByByte) {
  EXPECT_EQ(RawPeer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1).Ask()->body, "ok");
  EXPECT_EQ(RawPeer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                    1)
                .Ask()
                ->body,
            "abcde");
  // Each byte comes in time, the whole would take minutes: the request's own time ends it.
  const auto endless = RawPeer(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
                                            std::string(1'000'000, 'x')),
                               1)
                           .Ask(absl::Seconds(1));
  EXPECT_EQ(endless.status().code(), absl::StatusCode::kDeadlineExceeded) << endless.status();
  EXPECT_TRUE(base::IsOutcomeUnknown(endless.status()));
}

TEST(BeastTransportTest, GuardJudgesTheAddressConnectedTo) {
  const auto server = Serve(Echo);
  const std::string url = absl::StrCat("http://harmless.example:", server->port(), "/");
  BeastTransportOptions options;
  options.resolver = std::make_shared<FixedResolver>(std::vector<std::string>{"127.0.0.1"});
  const auto guarded = *NewBeastTransport(options);
  const auto refused = guarded->Send({.url = url}, {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("network.allow"));
  EXPECT_EQ(guarded->Send({.url = "http://169.254.169.254/latest"}, {}).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(guarded->Send({.url = "http://[::ffff:127.0.0.1]/"}, {}).status().code(),
            absl::StatusCode::kPermissionDenied);

  options.policy = *AddressPolicy::Create({absl::StrCat("127.0.0.1:", server->port())});
  options.resolver =
      std::make_shared<FixedResolver>(std::vector<std::string>{"10.0.0.1", "127.0.0.1"});
  EXPECT_EQ((*NewBeastTransport(options))->Send({.url = url}, {})->status, 201);
}

TEST(BeastTransportTest, StreamsPieces) {
  const auto server = Serve([](const ServerRequest&) {
    ServerResponse response;
    response.stream = [](const std::function<bool(absl::string_view)>& write) {
      for (int i = 0; i < 1000 && write(absl::StrCat("line ", i, "\n")); ++i) {
      }
    };
    return response;
  });
  const auto client = Client();
  std::string all;
  const auto response = client->Stream({.url = Url(*server, "/")}, {},
                                       [&all](const Response& head, absl::string_view piece) {
                                         EXPECT_EQ(head.status, 200);
                                         all.append(piece.data(), piece.size());
                                         return absl::OkStatus();
                                       });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(all, HasSubstr("line 999\n"));
  const auto ended = client->Stream(
      {.url = Url(*server, "/")}, {},
      [](const Response&, absl::string_view) { return absl::AbortedError("enough"); });
  EXPECT_EQ(ended.status().code(), absl::StatusCode::kAborted);
}

TEST(BeastTransportTest, ManyThreadsShareOneTransport) {
  // Each POST opens a connection, and the server may be late to see that one has ended.
  const auto server = Serve(Echo, {.max_connections = 1000});
  const auto client = Client();
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const auto response = client->Send({.method = t % 2 == 0 ? "GET" : "POST",
                                              .url = Url(*server, absl::StrCat("/", t, "/", i)),
                                              .body = t % 2 == 0 ? "" : "b"},
                                             {});
          if (response.ok() && response->status == 201) ++good;
        }
      });
    }
  }
  EXPECT_EQ(good, 160);
}

TEST(ServerTest, RefusesWhatIsTooLargeOrNoHttp) {
  const auto server = Serve(Echo, {.max_header_bytes = 1000, .max_body_bytes = 10});
  const auto client = Client();
  EXPECT_EQ(
      client->Send({.method = "POST", .url = Url(*server, "/"), .body = "12345678901"}, {})->status,
      413);
  EXPECT_EQ(client->Send({.url = Url(*server, "/"), .headers = {{"A", std::string(2000, 'x')}}}, {})
                ->status,
            431);
  const Deadline deadline(base::kPatience, {});
  auto raw = *TcpStream::Connect(*IpAddress::Parse("127.0.0.1"), server->port(), deadline);
  bool started = false;
  ASSERT_TRUE(raw->Write("nonsense\r\n\r\n", deadline, &started).ok());
  char buffer[100] = {};
  EXPECT_GT(*raw->Read(buffer, sizeof(buffer), deadline), 0);
  EXPECT_THAT(std::string(buffer), HasSubstr("400"));
}

TEST(ServerTest, ConnectionsAreLimitedAndStopDoesNotHang) {
  auto server = Serve(Echo, {.max_connections = 2});
  const Deadline deadline(base::kPatience, {});
  std::vector<std::unique_ptr<TcpStream>> open;
  for (int i = 0; i < 2; ++i) {
    open.push_back(*TcpStream::Connect(*IpAddress::Parse("127.0.0.1"), server->port(), deadline));
    bool started = false;
    ASSERT_TRUE(open.back()->Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n", deadline, &started).ok());
    char buffer[1000];
    ASSERT_TRUE(open.back()->Read(buffer, sizeof(buffer), deadline).ok());
  }
  auto third = *TcpStream::Connect(*IpAddress::Parse("127.0.0.1"), server->port(), deadline);
  char buffer[10];
  const auto closed = third->Read(buffer, sizeof(buffer), deadline);
  EXPECT_TRUE(!closed.ok() || *closed == 0);
  server->Stop();  // two clients are still connected
}

TEST(ServerTest, HandlersMayThrow) {
  const auto server =
      Serve([](const ServerRequest&) -> ServerResponse { throw std::runtime_error("bug"); });
  EXPECT_EQ(Client()->Send({.url = Url(*server, "/")}, {})->status, 500);
}

// --- TLS, with keys made on the spot -------------------------------------------------------------

struct Pair {
  std::string certificate;
  std::string key;
  X509* x509 = nullptr;
  EVP_PKEY* pkey = nullptr;
};

std::string Pem(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

Pair MakeCertificate(const char* name, const char* alternative, const Pair* issuer, int days = 1) {
  Pair pair;
  pair.pkey = EVP_EC_gen("P-256");
  pair.x509 = X509_new();
  X509_set_version(pair.x509, 2);
  static std::atomic<long> serial{1};
  ASN1_INTEGER_set(X509_get_serialNumber(pair.x509), serial++);
  X509_gmtime_adj(X509_getm_notBefore(pair.x509), -2L * 86400);
  X509_gmtime_adj(X509_getm_notAfter(pair.x509), 86400L * days);
  X509_set_pubkey(pair.x509, pair.pkey);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(pair.x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(pair.x509,
                       X509_get_subject_name(issuer == nullptr ? pair.x509 : issuer->x509));
  const auto extend = [&pair](int id, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, pair.x509, pair.x509, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value);
    X509_add_ext(pair.x509, extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (issuer == nullptr) extend(NID_basic_constraints, "critical,CA:TRUE");
  if (alternative != nullptr) extend(NID_subject_alt_name, alternative);
  X509_sign(pair.x509, issuer == nullptr ? pair.pkey : issuer->pkey, EVP_sha256());
  pair.certificate = Pem([&pair](BIO* bio) { PEM_write_bio_X509(bio, pair.x509); });
  pair.key = Pem([&pair](BIO* bio) {
    PEM_write_bio_PrivateKey(bio, pair.pkey, nullptr, nullptr, 0, nullptr, nullptr);
  });
  return pair;
}

class TlsTest : public ::testing::Test {
 protected:
  ~TlsTest() override {
    for (Pair* pair : {&ca_, &server_, &client_}) {
      X509_free(pair->x509);
      EVP_PKEY_free(pair->pkey);
    }
  }
  static std::shared_ptr<const TlsOptions> Trust(const Pair& ca, const Pair* client = nullptr,
                                                 const std::string& name = "") {
    TlsOptions options;
    options.ca_pem = ca.certificate;
    if (client != nullptr) {
      options.certificate_pem = client->certificate;
      options.key_pem = client->key;
    }
    options.server_name = name;
    return std::make_shared<const TlsOptions>(options);
  }
  static absl::StatusOr<Response> Get(const Server& server,
                                      const std::shared_ptr<const TlsOptions>& tls) {
    CallOptions options;
    options.tls = tls;
    return Client()->Send({.url = Url(server, "/", "https")}, options);
  }
  ServerOptions Options(bool ask_client = false) const {
    ServerOptions options;
    options.tls =
        TlsOptions{ask_client ? ca_.certificate : "", server_.certificate, server_.key, ""};
    return options;
  }

  Pair ca_ = MakeCertificate("test ca", nullptr, nullptr);
  Pair server_ = MakeCertificate("server", "IP:127.0.0.1,DNS:peer.test", &ca_);
  Pair client_ = MakeCertificate("client", nullptr, &ca_);
};

TEST_F(TlsTest, TrustedByItsAuthority) {
  const auto server = Serve(Echo, Options());
  const auto response = Get(*server, Trust(ca_));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 201);
  EXPECT_TRUE(Get(*server, Trust(ca_, nullptr, "peer.test")).ok());
}

TEST_F(TlsTest, KeepsConnectionsAndMovesMuchData) {
  const auto server = Serve(Echo, {.max_body_bytes = 10 << 20, .tls = Options().tls});
  const auto client = Client();
  CallOptions options;
  options.tls = Trust(ca_);
  options.repeatable = true;
  const std::string body(3'000'000, 'y');
  for (int i = 0; i < 3; ++i) {
    const auto response =
        client->Send({.method = "POST", .url = Url(*server, "/", "https"), .body = body}, options);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->body.size(), body.size() + 3);
  }
}

TEST_F(TlsTest, UploadsInPieces) {
  class Body final : public BodySource {
   public:
    absl::StatusOr<std::string> Next() override {
      return ++pieces_ > 30 ? std::string() : std::string(100'000, 'p');
    }

   private:
    int pieces_ = 0;
  };
  const auto server = Serve(Echo, {.max_body_bytes = 10 << 20, .tls = Options().tls});
  CallOptions options;
  options.tls = Trust(ca_);
  Body body;
  const auto response =
      Client()->Upload({.method = "POST", .url = Url(*server, "/", "https")}, body, options);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, absl::StrCat("/||", std::string(3'000'000, 'p')));
}

TEST_F(TlsTest, RefusesWhatIsNotTrusted) {
  const auto server = Serve(Echo, Options());
  Pair other = MakeCertificate("other ca", nullptr, nullptr);
  for (const auto& tls :
       {Trust(other), Trust(ca_, nullptr, "wrong.test"), std::make_shared<const TlsOptions>()}) {
    const auto refused = Get(*server, tls);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("not trusted"));
    EXPECT_FALSE(base::IsOutcomeUnknown(refused.status()));
  }
  Pair expired = MakeCertificate("server", "IP:127.0.0.1", &ca_, -1);
  ServerOptions options;
  options.tls = TlsOptions{"", expired.certificate, expired.key, ""};
  const auto old = Serve(Echo, options);
  EXPECT_THAT(std::string(Get(*old, Trust(ca_)).status().message()), HasSubstr("expired"));
  for (Pair* pair : {&other, &expired}) {
    X509_free(pair->x509);
    EVP_PKEY_free(pair->pkey);
  }
}

TEST_F(TlsTest, ClientCertificates) {
  const auto server = Serve(Echo, Options(true));
  EXPECT_TRUE(Get(*server, Trust(ca_, &client_)).ok());
  EXPECT_FALSE(Get(*server, Trust(ca_)).ok());
}

TEST_F(TlsTest, BadTextsAreNamed) {
  for (TlsOptions options : {TlsOptions{"no pem", "", "", ""}, TlsOptions{"", "no pem", "", ""},
                             TlsOptions{"", server_.certificate, "no pem", ""},
                             TlsOptions{"", server_.certificate, client_.key, ""}}) {
    EXPECT_EQ(NewBeastTransport({.tls = options}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(ResolverTest, KnowsLocalhostAndEndsInTime) {
  const auto resolver = NewSystemResolver();
  const auto found = resolver->Resolve("localhost", absl::Seconds(20), {});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->empty());
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(resolver->Resolve("localhost", absl::Seconds(20), stopped.get_token()).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE(resolver->Resolve("name.invalid", absl::Seconds(20), {}).ok());
}

}  // namespace
}  // namespace purser::http
