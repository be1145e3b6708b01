#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::http {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using SslContext = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Deleter<SSL_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

// The oldest reason in OpenSSL's queue, which is emptied.
std::string LastError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

Bio MemoryBio(absl::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL would ask on the terminal for the password of an encrypted key.
int NoPassword(char*, int, int, void*) { return 0; }

absl::Status UseAuthorities(SSL_CTX* context, const std::string& pem) {
  const Bio bio = MemoryBio(pem);
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  int count = 0;
  for (;;) {
    const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
    if (certificate == nullptr) break;
    if (X509_STORE_add_cert(store, certificate.get()) != 1) {
      return absl::InvalidArgumentError(absl::StrCat("certificate authority: ", LastError()));
    }
    ++count;
  }
  ERR_clear_error();  // the end of the text is reported as an error
  if (count == 0) {
    return absl::InvalidArgumentError("certificate authority: the text holds no PEM certificate");
  }
  return absl::OkStatus();
}

absl::Status UseIdentity(SSL_CTX* context, const TlsOptions& options) {
  const Bio chain = MemoryBio(options.certificate_pem);
  const Certificate leaf(PEM_read_bio_X509_AUX(chain.get(), nullptr, NoPassword, nullptr));
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("certificate: ", LastError()));
  }
  for (;;) {
    Certificate next(PEM_read_bio_X509(chain.get(), nullptr, NoPassword, nullptr));
    if (next == nullptr) break;
    if (SSL_CTX_add0_chain_cert(context, next.get()) != 1) {
      return absl::InvalidArgumentError(absl::StrCat("certificate chain: ", LastError()));
    }
    (void)next.release();  // the context owns it now
  }
  ERR_clear_error();
  const Bio key_bio = MemoryBio(options.key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) return absl::InvalidArgumentError("key: unreadable or encrypted PEM text");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    LastError();
    return absl::InvalidArgumentError("key: does not belong to the certificate");
  }
  return absl::OkStatus();
}

absl::StatusOr<SslContext> NewContext(const SSL_METHOD* method) {
  // No configuration file of the machine may change what we trust or load engines.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  SslContext context(SSL_CTX_new(method));
  if (context == nullptr) return absl::InternalError(absl::StrCat("TLS: ", LastError()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

class TlsStream final : public ByteStream {
 public:
  TlsStream(Ssl ssl, TcpStream* tcp, std::unique_ptr<TcpStream> owned)
      : owned_(std::move(owned)), tcp_(tcp), ssl_(std::move(ssl)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);  // empty means "later", not "end"
    SSL_set_bio(ssl_.get(), in_, out_);
  }

  absl::Status Handshake(const Deadline& deadline) {
    for (;;) {
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_.get());
      bool started = false;
      PURSER_RETURN_IF_ERROR(Flush(deadline, &started));
      if (result == 1) return absl::OkStatus();
      const int error = SSL_get_error(ssl_.get(), result);
      if (error != SSL_ERROR_WANT_READ) return HandshakeError();
      PURSER_ASSIGN_OR_RETURN(const bool more, Fill(deadline));
      if (!more) return absl::UnavailableError("the peer closed during the TLS handshake");
    }
  }

  absl::StatusOr<size_t> Read(char* buffer, size_t size, const Deadline& deadline) override {
    for (;;) {
      ERR_clear_error();
      size_t got = 0;
      if (SSL_read_ex(ssl_.get(), buffer, size, &got) == 1) return got;
      bool started = false;
      PURSER_RETURN_IF_ERROR(Flush(deadline, &started));
      const int error = SSL_get_error(ssl_.get(), 0);
      if (error == SSL_ERROR_ZERO_RETURN) return 0;
      if (error != SSL_ERROR_WANT_READ) {
        return absl::UnavailableError(absl::StrCat("TLS read: ", LastError()));
      }
      PURSER_ASSIGN_OR_RETURN(const bool more, Fill(deadline));
      if (!more) return 0;
    }
  }

  absl::Status Write(absl::string_view bytes, const Deadline& deadline, bool* started) override {
    while (!bytes.empty()) {
      ERR_clear_error();
      size_t written = 0;
      if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) != 1) {
        return absl::UnavailableError(absl::StrCat("TLS write: ", LastError()));
      }
      bytes.remove_prefix(written);
      PURSER_RETURN_IF_ERROR(Flush(deadline, started));
    }
    return absl::OkStatus();
  }

  // TLS 1.3 sends session tickets unasked; those are no reason to drop a connection.
  bool IdleAndOpen() override {
    for (int turn = 0; turn < 8; ++turn) {
      if (SSL_pending(ssl_.get()) > 0 || SSL_get_shutdown(ssl_.get()) != 0) return false;
      if (tcp_->IdleAndOpen()) return true;
      Deadline now(absl::Seconds(1), {});
      const absl::StatusOr<bool> more = Fill(now);
      if (!more.ok() || !*more) return false;
      ERR_clear_error();
      char byte = 0;
      size_t got = 0;
      if (SSL_peek_ex(ssl_.get(), &byte, 1, &got) == 1) return false;
    }
    return false;
  }

 private:
  absl::Status HandshakeError() {
    const long verify = SSL_get_verify_result(ssl_.get());
    if (verify != X509_V_OK) {
      ERR_clear_error();
      return absl::FailedPreconditionError(absl::StrCat("the peer's certificate is not trusted: ",
                                                        X509_verify_cert_error_string(verify)));
    }
    return absl::UnavailableError(absl::StrCat("TLS handshake: ", LastError()));
  }

  absl::Status Flush(const Deadline& deadline, bool* started) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    if (size <= 0) return absl::OkStatus();
    const absl::Status status =
        tcp_->Write(absl::string_view(data, static_cast<size_t>(size)), deadline, started);
    (void)BIO_reset(out_);
    return status;
  }

  // False at the end of the stream.
  absl::StatusOr<bool> Fill(const Deadline& deadline) {
    char buffer[16 << 10];
    PURSER_ASSIGN_OR_RETURN(const size_t got, tcp_->Read(buffer, sizeof(buffer), deadline));
    if (got == 0) return false;
    BIO_write(in_, buffer, static_cast<int>(got));
    return true;
  }

  const std::unique_ptr<TcpStream> owned_;
  TcpStream* const tcp_;
  const Ssl ssl_;
  BIO* in_;   // owned by ssl_
  BIO* out_;  // owned by ssl_
};

}  // namespace

struct TlsContext::State {
  SslContext context;
  std::string server_name;
};

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Client(const TlsOptions& options) {
  PURSER_ASSIGN_OR_RETURN(SslContext context, NewContext(TLS_client_method()));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (options.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
    ERR_clear_error();
  } else {
    PURSER_RETURN_IF_ERROR(UseAuthorities(context.get(), options.ca_pem));
  }
  if (!options.certificate_pem.empty()) {
    PURSER_RETURN_IF_ERROR(UseIdentity(context.get(), options));
  }
  return std::shared_ptr<const TlsContext>(
      new TlsContext(std::make_unique<State>(State{std::move(context), options.server_name})));
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Server(const TlsOptions& options) {
  PURSER_ASSIGN_OR_RETURN(SslContext context, NewContext(TLS_server_method()));
  PURSER_RETURN_IF_ERROR(UseIdentity(context.get(), options));
  if (!options.ca_pem.empty()) {
    PURSER_RETURN_IF_ERROR(UseAuthorities(context.get(), options.ca_pem));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return std::shared_ptr<const TlsContext>(
      new TlsContext(std::make_unique<State>(State{std::move(context), ""})));
}

absl::StatusOr<std::unique_ptr<ByteStream>> TlsContext::Connect(std::unique_ptr<TcpStream> tcp,
                                                                absl::string_view host,
                                                                const Deadline& deadline) const {
  const std::string name = state_->server_name.empty() ? std::string(host) : state_->server_name;
  Ssl ssl(SSL_new(state_->context.get()));
  if (ssl == nullptr) return absl::ResourceExhaustedError("no memory for a TLS connection");
  SSL_set_connect_state(ssl.get());
  if (IpAddress::Parse(name).ok()) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str());
  } else {
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl.get(), name.c_str());
    SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  }
  TcpStream* const raw = tcp.get();
  auto stream = std::make_unique<TlsStream>(std::move(ssl), raw, std::move(tcp));
  PURSER_RETURN_IF_ERROR(stream->Handshake(deadline));
  return stream;
}

absl::StatusOr<std::unique_ptr<ByteStream>> TlsContext::Accept(TcpStream* tcp,
                                                               const Deadline& deadline) const {
  Ssl ssl(SSL_new(state_->context.get()));
  if (ssl == nullptr) return absl::ResourceExhaustedError("no memory for a TLS connection");
  SSL_set_accept_state(ssl.get());
  auto stream = std::make_unique<TlsStream>(std::move(ssl), tcp, nullptr);
  PURSER_RETURN_IF_ERROR(stream->Handshake(deadline));
  return stream;
}

}  // namespace purser::http
