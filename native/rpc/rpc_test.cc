#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "action/action.h"
#include "base/metrics.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/transport.h"
#include "provisioning/testing/unimplemented_service.h"
#include "purser/v1/hosting.grpc.pb.h"
#include "purser/v1/provisioning.grpc.pb.h"
#include "rpc/call.h"
#include "rpc/hosting_service.h"
#include "rpc/provisioning_service.h"
#include "rpc/server.h"

namespace purser::rpc {
namespace {

using ::testing::HasSubstr;

// A domain that holds one request and an endless stream of events.
class FakeDomain final : public provisioning::UnimplementedService {
 public:
  absl::StatusOr<provisioning::Request> Create(
      const provisioning::CreateOptions& options) override {
    if (options.blueprint == "throws") throw std::runtime_error("library fell over");
    if (options.blueprint != "known") {
      return absl::NotFoundError(absl::StrCat("blueprint ", options.blueprint, ": not known"));
    }
    provisioning::Request request;
    request.id = "req_1";
    request.parameters = options.parameters;
    request.state = provisioning::RequestState::kRunning;
    return request;
  }
  absl::StatusOr<provisioning::Request> Get(absl::string_view id) override {
    provisioning::Request request;
    request.id = std::string(id);
    request.state = provisioning::RequestState::kSucceeded;
    return request;
  }
  absl::StatusOr<provisioning::Request> Cancel(absl::string_view id,
                                               const provisioning::Actor&) override {
    return Get(id);
  }
  absl::Status Watch(
      absl::string_view, int64_t after, bool follow, std::stop_token stop,
      const std::function<absl::Status(const provisioning::Event&)>& on_event) override {
    ++watches;
    for (int64_t sequence = after + 1; sequence <= after + 3; ++sequence) {
      provisioning::Event event;
      event.sequence = sequence;
      event.type = "step.log";
      const absl::Status status = on_event(event);
      if (!status.ok()) return status;
    }
    while (follow && !stop.stop_requested())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ++ended;
    return follow ? absl::CancelledError("stopped") : absl::OkStatus();
  }
  std::vector<provisioning::BlueprintInfo> ListBlueprints() override {
    std::vector<provisioning::BlueprintInfo> all(3);
    all[0].name = "a";
    all[1].name = "b";
    all[2].name = "c";
    return all;
  }
  std::atomic<int> watches{0};
  std::atomic<int> ended{0};
};

class NoTransport final : public http::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request&, const http::CallOptions&) override {
    return absl::UnavailableError("no network here");
  }
};

// Runs until told to stop and says by whom.
class WaitingAction final : public action::Action {
 public:
  WaitingAction() {
    description_.id = "test:wait";
    description_.host = action::Host::kSidecar;
    description_.input_schema = {{"type", "object"},
                                 {"required", {"text"}},
                                 {"properties", {{"text", {{"type", "string"}}}}}};
    description_.output_schema = {{"type", "object"}};
    description_.examples = {{"a", "a"}, {"b", "b"}, {"c", "c"}};
  }
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override {
    context.Log(action::LogLevel::kInfo, context.input().at("text").get<std::string>());
    while (!context.stop().stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    by_user = context.cancelled_by_user();
    ++stopped;
    return absl::CancelledError("told to stop");
  }
  std::atomic<bool> by_user{false};
  std::atomic<int> stopped{0};

 private:
  action::Description description_;
};

class RpcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/purser-rpc-XXXXXX";
    folder_ = mkdtemp(pattern);
    auto waiting = std::make_unique<WaitingAction>();
    waiting_ = waiting.get();
    ASSERT_TRUE(actions_.Add(std::move(waiting)).ok());
    absl::StatusOr<std::unique_ptr<Server>> server = Start(folder_ + "/run/purserd.sock");
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel("unix:" + folder_ + "/run/purserd.sock",
                                   grpc::InsecureChannelCredentials());
    stub_ = purser::v1::ProvisioningService::NewStub(channel_);
  }
  void TearDown() override {
    threads_.BeginDrain();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  absl::StatusOr<std::unique_ptr<Server>> Start(const std::string& path) {
    ServerOptions options;
    options.unix_socket = UnixListener{path, {}};
    return Server::Start(options, {&service_, &action_service_}, metrics_);
  }

  std::string folder_;
  base::Metrics metrics_;
  FakeDomain domain_;
  NoTransport transport_;
  action::Registry actions_;
  WaitingAction* waiting_ = nullptr;
  CallGuard guard_{metrics_, {}};
  StreamThreads threads_;
  ProvisioningService service_{domain_, guard_, threads_};
  ActionService action_service_{actions_, transport_, guard_, threads_};
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<purser::v1::ProvisioningService::Stub> stub_;
};

TEST_F(RpcTest, SocketIsClosedToOthers) {
  struct stat info{};
  ASSERT_EQ(stat((folder_ + "/run/purserd.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_EQ(stat((folder_ + "/run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

TEST_F(RpcTest, CreatesAndMapsErrors) {
  purser::v1::CreateRequestRequest message;
  purser::v1::CreateRequestResponse response;
  message.set_blueprint("known");
  message.set_parameters_json(R"({"a":1})");
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->CreateRequest(&context, message, &response).ok());
    EXPECT_EQ(response.request().id(), "req_1");
    EXPECT_EQ(response.request().parameters_json(), R"({"a":1})");
    EXPECT_EQ(response.request().state(), purser::v1::REQUEST_STATE_RUNNING);
  }
  {
    grpc::ClientContext context;
    message.set_parameters_json("[1]");
    const grpc::Status status = stub_->CreateRequest(&context, message, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("parameters_json: must be a JSON object"));
  }
  {
    grpc::ClientContext context;
    message.set_parameters_json("{}");
    message.set_blueprint("other");
    EXPECT_EQ(stub_->CreateRequest(&context, message, &response).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  {
    grpc::ClientContext context;
    message.set_blueprint("throws");
    const grpc::Status status = stub_->CreateRequest(&context, message, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(status.error_message(), HasSubstr("library fell over"));
  }
}

TEST_F(RpcTest, OversizedMessageIsRefusedAndTheConnectionLives) {
  purser::v1::CreateRequestRequest message;
  purser::v1::CreateRequestResponse response;
  message.set_blueprint("known");
  message.set_parameters_json(std::string(kMaxMessageBytes + 1, ' '));
  grpc::ClientContext context;
  EXPECT_EQ(stub_->CreateRequest(&context, message, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  grpc::ClientContext second;
  purser::v1::GetRequestRequest get;
  purser::v1::GetRequestResponse got;
  get.set_id("x");
  EXPECT_TRUE(stub_->GetRequest(&second, get, &got).ok());
}

TEST_F(RpcTest, LargeMetadataIsRefused) {
  grpc::ClientContext context;
  context.AddMetadata("x-large", std::string(60'000, 'a'));
  purser::v1::GetRequestRequest get;
  purser::v1::GetRequestResponse got;
  const grpc::Status status = stub_->GetRequest(&context, get, &got);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.error_code(), grpc::StatusCode::UNKNOWN) << status.error_message();
  // On a connection of its own: the first one may be closed for what it brought.
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = purser::v1::ProvisioningService::NewStub(grpc::CreateCustomChannel(
      "unix:" + folder_ + "/run/purserd.sock", grpc::InsecureChannelCredentials(), own));
  grpc::ClientContext second;
  get.set_id("x");
  const grpc::Status next = stub->GetRequest(&second, get, &got);
  EXPECT_TRUE(next.ok()) << "the server must go on: " << next.error_message();
}

TEST_F(RpcTest, AnotherUserIsTurnedAwayBeforeHttp2) {
  if (geteuid() != 0) GTEST_SKIP() << "SKIP needs root to become another user";
  // The folder's mode would already keep others out; open it to see that the uid alone does too.
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  ASSERT_EQ(chmod((folder_ + "/run").c_str(), 0755), 0);
  ASSERT_EQ(chmod((folder_ + "/run/purserd.sock").c_str(), 0777), 0);
  const std::string path = folder_ + "/run/purserd.sock";
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(10);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) _exit(11);
    char byte = 0;
    // A gRPC server sends its settings first; a closed connection gives 0 or a reset.
    _exit(read(fd, &byte, 1) <= 0 ? 0 : 12);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(metrics_.Text(), HasSubstr("purser_rpc_peers_rejected_total 1"));
}

TEST_F(RpcTest, WatchStreamsAndEndsWithItsClient) {
  grpc::ClientContext context;
  purser::v1::WatchRequestRequest message;
  message.set_after_sequence(10);
  message.set_follow(true);
  const auto reader = stub_->WatchRequest(&context, message);
  purser::v1::WatchRequestResponse response;
  for (int64_t expected : {11, 12, 13}) {
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.event().sequence(), expected);
  }
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (domain_.ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST_F(RpcTest, DrainEndsFollowers) {
  grpc::ClientContext context;
  purser::v1::WatchRequestRequest message;
  message.set_follow(true);
  const auto reader = stub_->WatchRequest(&context, message);
  purser::v1::WatchRequestResponse response;
  ASSERT_TRUE(reader->Read(&response));
  threads_.BeginDrain();
  while (reader->Read(&response)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
  grpc::ClientContext refused;
  const auto late = stub_->WatchRequest(&refused, message);
  EXPECT_FALSE(late->Read(&response));
  EXPECT_EQ(late->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(RpcTest, StreamsAreLimited) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<purser::v1::WatchRequestResponse>>> readers;
  purser::v1::WatchRequestRequest message;
  message.set_follow(true);
  purser::v1::WatchRequestResponse response;
  for (size_t i = 0; i < kMaxStreams; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub_->WatchRequest(contexts.back().get(), message));
    ASSERT_TRUE(readers.back()->Read(&response)) << i;
  }
  grpc::ClientContext context;
  const auto refused = stub_->WatchRequest(&context, message);
  EXPECT_FALSE(refused->Read(&response));
  EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (auto& open : contexts) open->TryCancel();
  for (auto& reader : readers) EXPECT_FALSE(reader->Finish().ok());
}

TEST_F(RpcTest, BlueprintPagesFollowTheirToken) {
  purser::v1::ListBlueprintsRequest message;
  message.set_page_size(2);
  purser::v1::ListBlueprintsResponse first;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->ListBlueprints(&context, message, &first).ok());
  EXPECT_EQ(first.blueprints_size(), 2);
  message.set_page_token(first.next_page_token());
  purser::v1::ListBlueprintsResponse second;
  grpc::ClientContext again;
  ASSERT_TRUE(stub_->ListBlueprints(&again, message, &second).ok());
  ASSERT_EQ(second.blueprints_size(), 1);
  EXPECT_EQ(second.blueprints(0).name(), "c");
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(RpcTest, ActionTellsCancelFromABrokenStream) {
  const auto stub = purser::v1::ActionService::NewStub(channel_);
  purser::v1::RunActionRequest message;
  message.set_id("test:wait");
  message.set_input_json(R"({"text":"hello"})");
  message.set_idempotency_key("task/step/1");
  purser::v1::RunActionResponse response;
  {
    grpc::ClientContext context;
    const auto reader = stub->RunAction(&context, message);
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.log().text(), "hello");
    purser::v1::CancelActionRequest cancel;
    cancel.set_idempotency_key("task/step/1");
    purser::v1::CancelActionResponse cancelled;
    grpc::ClientContext other;
    ASSERT_TRUE(stub->CancelAction(&other, cancel, &cancelled).ok());
    EXPECT_EQ(cancelled.cancelled(), 1);
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_TRUE(waiting_->by_user);
  }
  {
    grpc::ClientContext context;
    const auto reader = stub->RunAction(&context, message);
    ASSERT_TRUE(reader->Read(&response));
    context.TryCancel();
    EXPECT_FALSE(reader->Finish().ok());
    while (waiting_->stopped < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(waiting_->by_user);
  }
}

TEST_F(RpcTest, ActionInputIsCheckedWithPointers) {
  const auto stub = purser::v1::ActionService::NewStub(channel_);
  purser::v1::RunActionRequest message;
  message.set_id("test:wait");
  message.set_input_json(R"({"text":7})");
  message.set_idempotency_key("k");
  purser::v1::RunActionResponse response;
  grpc::ClientContext context;
  const auto reader = stub->RunAction(&context, message);
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("/text"));
}

TEST_F(RpcTest, ASecondServerOnTheSameSocketIsRefused) {
  const auto second = Start(folder_ + "/run/purserd.sock");
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another purserd answers"));
}

TEST_F(RpcTest, AForeignFileOrAnOpenFolderIsRefused) {
  std::filesystem::create_directory(folder_ + "/open");
  std::filesystem::permissions(folder_ + "/open", std::filesystem::perms(0755));
  const auto open_folder = Start(folder_ + "/open/s.sock");
  ASSERT_FALSE(open_folder.ok());
  EXPECT_THAT(std::string(open_folder.status().message()), HasSubstr("chmod 700"));

  std::filesystem::create_directory(folder_ + "/closed");
  std::filesystem::permissions(folder_ + "/closed", std::filesystem::perms(0700));
  std::filesystem::create_symlink("/etc/passwd", folder_ + "/closed/s.sock");
  const auto in_the_way = Start(folder_ + "/closed/s.sock");
  ASSERT_FALSE(in_the_way.ok());
  EXPECT_THAT(std::string(in_the_way.status().message()), HasSubstr("not a socket of ours"));

  const auto too_long = Start(folder_ + "/" + std::string(120, 'x'));
  EXPECT_EQ(too_long.status().code(), absl::StatusCode::kInvalidArgument);
}

// Certificates made on the spot by the openssl program: one authority, a server, a listed client, a
// client that is not listed, and a client of a foreign authority.
class MutualTlsTest : public RpcTest {
 protected:
  void SetUp() override {
    RpcTest::SetUp();
    if (std::system("openssl version > /dev/null 2>&1") != 0) GTEST_SKIP() << "SKIP no openssl";
    Authority("ca");
    Authority("foreign");
    Certificate("server", "ca", "localhost");
    Certificate("portal", "ca", "portal.example");
    Certificate("other", "ca", "other.example");
    Certificate("stranger", "foreign", "portal.example");
    ServerOptions options;
    options.tcp = TcpListener{"127.0.0.1:0", Pem("server.crt"), Pem("server.key"), Pem("ca.crt")};
    guarded_service_ = std::make_unique<ProvisioningService>(domain_, tls_guard_, threads_);
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(options, {guarded_service_.get()}, metrics_);
    ASSERT_TRUE(server.ok()) << server.status();
    tls_server_ = *std::move(server);
  }
  void TearDown() override {
    tls_server_.reset();
    RpcTest::TearDown();
  }

  void Shell(const std::string& command) {
    ASSERT_EQ(std::system(absl::StrCat("cd ", folder_, " && ", command, " 2> /dev/null").c_str()),
              0)
        << command;
  }
  void Authority(const std::string& name) {
    Shell(absl::StrCat("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=", name,
                       " -keyout ", name, ".key -out ", name, ".crt"));
  }
  void Certificate(const std::string& name, const std::string& issuer, const std::string& dns) {
    Shell(absl::StrCat("openssl req -newkey rsa:2048 -nodes -subj /CN=", dns, " -keyout ", name,
                       ".key -out ", name, ".csr && printf 'subjectAltName=DNS:", dns, "' > ", name,
                       ".ext && openssl x509 -req -in ", name, ".csr -CA ", issuer, ".crt -CAkey ",
                       issuer, ".key -CAcreateserial -days 2 -extfile ", name, ".ext -out ", name,
                       ".crt"));
  }
  std::string Pem(const std::string& name) {
    std::ifstream file(folder_ + "/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  grpc::StatusCode CallAs(const std::string& client) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = Pem("ca.crt");
    if (!client.empty()) {
      tls.pem_cert_chain = Pem(client + ".crt");
      tls.pem_private_key = Pem(client + ".key");
    }
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    const auto stub = purser::v1::ProvisioningService::NewStub(grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", tls_server_->tcp_port()), grpc::SslCredentials(tls), arguments));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + base::kPatience));
    purser::v1::GetRequestRequest message;
    message.set_id("x");
    purser::v1::GetRequestResponse response;
    return stub->GetRequest(&context, message, &response).error_code();
  }

  CallGuard tls_guard_{metrics_, {"portal.example"}};
  std::unique_ptr<ProvisioningService> guarded_service_;
  std::unique_ptr<Server> tls_server_;
};

TEST_F(MutualTlsTest, OnlyListedClientsOfTheAuthorityComeIn) {
  EXPECT_EQ(CallAs("portal"), grpc::StatusCode::OK);
  EXPECT_EQ(CallAs("other"), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(CallAs("stranger"), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallAs(""), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace purser::rpc
