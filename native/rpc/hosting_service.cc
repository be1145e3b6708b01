#include "rpc/hosting_service.h"

#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"
#include "rpc/convert.h"
#include "rpc/stream.h"

namespace purser::rpc {
namespace {

constexpr size_t kMaxKeyBytes = 200;
constexpr size_t kMaxLogBytes = 8 << 10;

const char* LevelName(action::LogLevel level) {
  switch (level) {
    case action::LogLevel::kDebug:
      return "debug";
    case action::LogLevel::kInfo:
      return "info";
    case action::LogLevel::kWarning:
      return "warn";
    case action::LogLevel::kError:
      return "error";
  }
  return "info";
}

purser::v1::ActionLog LogMessage(action::LogLevel level, absl::string_view line) {
  purser::v1::ActionLog log;
  log.set_level(LevelName(level));
  log.set_text(std::string(line.substr(0, kMaxLogBytes)));
  return log;
}

// What one RunAction call gives to its action. Writes may come from several threads.
class CallContext final : public action::Context {
 public:
  CallContext(nlohmann::json input, const purser::v1::RunActionRequest& request,
              std::stop_token stop, std::stop_token user_stop, http::Transport& transport,
              const Sink<purser::v1::RunActionResponse>& write)
      : input_(std::move(input)),
        key_(request.idempotency_key()),
        user_(request.user()),
        dry_run_(request.dry_run()),
        stop_(std::move(stop)),
        user_stop_(std::move(user_stop)),
        transport_(transport),
        write_(write) {}

  const nlohmann::json& input() const override { return input_; }
  const std::string& workspace() const override { return workspace_; }
  const std::map<std::string, std::string>& secrets() const override { return secrets_; }
  const std::string& idempotency_key() const override { return key_; }
  const std::string& user() const override { return user_; }
  bool dry_run() const override { return dry_run_; }
  std::stop_token stop() const override { return stop_; }
  bool cancelled_by_user() const override { return user_stop_.stop_requested(); }
  http::Transport& transport() override { return transport_; }

  void Log(action::LogLevel level, absl::string_view line) override {
    purser::v1::RunActionResponse message;
    *message.mutable_log() = LogMessage(level, line);
    Write(message);
  }
  void Output(absl::string_view name, nlohmann::json value) override {
    purser::v1::RunActionResponse message;
    message.mutable_output()->set_name(std::string(name));
    message.mutable_output()->set_value_json(json::Dump(value));
    Write(message);
  }
  absl::Status Done() {
    purser::v1::RunActionResponse message;
    message.mutable_done();
    base::MutexLock lock(mutex_);
    return write_(message);
  }

 private:
  // A client that is gone is told by the stop token, so a failed write needs no answer here.
  void Write(const purser::v1::RunActionResponse& message) {
    base::MutexLock lock(mutex_);
    write_(message).IgnoreError();
  }

  const nlohmann::json input_;
  const std::string workspace_;
  const std::map<std::string, std::string> secrets_;
  const std::string key_;
  const std::string user_;
  const bool dry_run_;
  const std::stop_token stop_;
  const std::stop_token user_stop_;
  http::Transport& transport_;
  base::Mutex mutex_;
  const Sink<purser::v1::RunActionResponse>& write_ ABSL_GUARDED_BY(mutex_);
};

// The description's names, for NOT_FOUND messages.
template <typename Description>
std::string KnownIds(const std::vector<const Description*>& descriptions) {
  return absl::StrJoin(descriptions, ", ", [](std::string* out, const Description* description) {
    out->append(description->id);
  });
}

absl::Status CheckAgainst(const nlohmann::json& schema, const nlohmann::json& value,
                          absl::string_view what) {
  PURSER_ASSIGN_OR_RETURN(const json::Schema compiled, json::Schema::Compile(schema));
  return json::ToStatus(compiled.Validate(value), what);
}

}  // namespace

grpc::Status ActionService::ListActions(grpc::ServerContext* context,
                                        const purser::v1::ListActionsRequest*,
                                        purser::v1::ListActionsResponse* response) {
  return guard_.Run(*context, "ListActions", [&]() -> absl::Status {
    for (const action::Description* description : registry_.List()) {
      response->add_actions_json(json::Dump(action::ToJson(*description)));
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<purser::v1::RunActionResponse>* ActionService::RunAction(
    grpc::CallbackServerContext* context, const purser::v1::RunActionRequest* request) {
  return StreamCall<purser::v1::RunActionResponse>(
      guard_, threads_, context, "RunAction",
      [this, request = *request](std::stop_token gone,
                                 const Sink<purser::v1::RunActionResponse>& write) -> absl::Status {
        action::Action* const action = registry_.Find(request.id());
        if (action == nullptr) {
          return absl::NotFoundError(absl::StrCat("action ", base::EscapeForDisplay(request.id()),
                                                  ": not hosted here; there are ",
                                                  KnownIds(registry_.List())));
        }
        if (request.idempotency_key().empty() || request.idempotency_key().size() > kMaxKeyBytes) {
          return absl::InvalidArgumentError(
              absl::StrCat("idempotency_key: must have 1 to ", kMaxKeyBytes, " bytes"));
        }
        PURSER_ASSIGN_OR_RETURN(nlohmann::json input,
                                ParseObject(request.input_json(), "input_json"));
        PURSER_RETURN_IF_ERROR(CheckAgainst(action->description().input_schema, input,
                                            absl::StrCat("input of ", request.id())));

        std::stop_source stop;
        std::stop_callback on_gone(gone, [&stop] { stop.request_stop(); });
        std::stop_source user_stop;
        std::stop_callback on_user(user_stop.get_token(), [&stop] { stop.request_stop(); });
        std::multimap<std::string, std::stop_source*>::iterator entry;
        {
          base::MutexLock lock(mutex_);
          entry = running_.emplace(request.idempotency_key(), &user_stop);
        }
        CallContext call(std::move(input), request, stop.get_token(), user_stop.get_token(),
                         transport_, write);
        absl::Status status = action->Run(call);
        {
          base::MutexLock lock(mutex_);
          running_.erase(entry);
        }
        if (status.ok()) return call.Done();
        if (absl::IsCancelled(status) && threads_.draining().stop_requested() &&
            !user_stop.stop_requested()) {
          return absl::UnavailableError("purserd is shutting down; the durable work goes on later");
        }
        return status;
      });
}

grpc::Status ActionService::CancelAction(grpc::ServerContext* context,
                                         const purser::v1::CancelActionRequest* request,
                                         purser::v1::CancelActionResponse* response) {
  return guard_.Run(*context, "CancelAction", [&]() -> absl::Status {
    base::MutexLock lock(mutex_);
    const auto [first, last] = running_.equal_range(request->idempotency_key());
    response->set_cancelled(static_cast<int32_t>(std::distance(first, last)));
    for (auto it = first; it != last; ++it) it->second->request_stop();
    return absl::OkStatus();
  });
}

grpc::Status ProviderService::ListProviders(grpc::ServerContext* context,
                                            const purser::v1::ListProvidersRequest*,
                                            purser::v1::ListProvidersResponse* response) {
  return guard_.Run(*context, "ListProviders", [&]() -> absl::Status {
    for (const provider::Description* description : registry_.List()) {
      response->add_providers_json(json::Dump(provider::ToJson(*description)));
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<purser::v1::RefreshProviderResponse>* ProviderService::RefreshProvider(
    grpc::CallbackServerContext* context, const purser::v1::RefreshProviderRequest* request) {
  return StreamCall<purser::v1::RefreshProviderResponse>(
      guard_, threads_, context, "RefreshProvider",
      [this, request = *request](
          std::stop_token stop,
          const Sink<purser::v1::RefreshProviderResponse>& write) -> absl::Status {
        provider::FollowRequest follow;
        follow.id = request.id();
        follow.instance = request.instance();
        follow.position = request.position();
        follow.follow = request.follow();
        PURSER_ASSIGN_OR_RETURN(follow.config, ParseObject(request.config_json(), "config_json"));
        PURSER_ASSIGN_OR_RETURN(follow.options,
                                ParseObject(request.options_json(), "options_json"));
        int64_t changed = 0;
        int64_t removed = 0;
        provider::FollowSink sink;
        sink.on_page = [&](const provider::LogPage& page) {
          changed += static_cast<int64_t>(page.upserts.size());
          removed += static_cast<int64_t>(page.removed.size());
          purser::v1::RefreshProviderResponse message;
          purser::v1::EntityDelta& delta = *message.mutable_delta();
          delta.set_upserts_json(absl::StrCat("[", absl::StrJoin(page.upserts, ","), "]"));
          for (const std::string& ref : page.removed) delta.add_removed_refs(ref);
          delta.set_position(page.position);
          delta.set_full(page.full);
          delta.set_full_end(page.full_end);
          return write(message);
        };
        sink.on_log = [&](action::LogLevel level, absl::string_view line) {
          purser::v1::RefreshProviderResponse message;
          *message.mutable_log() = LogMessage(level, line);
          return write(message);
        };
        PURSER_RETURN_IF_ERROR(host_.Follow(follow, stop, sink));
        purser::v1::RefreshProviderResponse message;
        purser::v1::RefreshSummary& summary = *message.mutable_summary();
        summary.set_read(changed + removed);
        summary.set_changed(changed);
        summary.set_removed(removed);
        return write(message);
      });
}

}  // namespace purser::rpc
