#include "addon/action_host.h"

#include <exception>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "addon/request.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::addon {
namespace {

struct Request {
  nlohmann::json input;
  std::string workspace;
  std::map<std::string, std::string> secrets;
  std::string idempotency_key;
  std::string user;
  bool dry_run = false;
};

absl::StatusOr<Request> ReadRequest(absl::string_view text) {
  PURSER_ASSIGN_OR_RETURN(nlohmann::json fields, ParseRequest(text));
  Request request;
  PURSER_ASSIGN_OR_RETURN(request.input,
                          TakeField(fields, "input", nlohmann::json::value_t::object));
  PURSER_ASSIGN_OR_RETURN(request.workspace, TakeString(fields, "workspace"));
  PURSER_ASSIGN_OR_RETURN(request.idempotency_key, TakeString(fields, "idempotencyKey"));
  PURSER_ASSIGN_OR_RETURN(request.user, TakeString(fields, "user"));
  PURSER_ASSIGN_OR_RETURN(request.dry_run, TakeBool(fields, "dryRun"));
  PURSER_ASSIGN_OR_RETURN(request.secrets, TakeSecrets(fields));
  PURSER_RETURN_IF_ERROR(NoMoreFields(fields));
  if (!request.workspace.empty() && request.workspace.front() != '/') {
    return absl::InvalidArgumentError("request: workspace is not an absolute path");
  }
  return request;
}

class RunContext final : public action::Context {
 public:
  RunContext(Request request, Redactor redactor, Caller& caller)
      : request_(std::move(request)),
        redactor_(std::move(redactor)),
        caller_(caller),
        log_(caller.OpenLog(redactor_)),
        transport_(caller.FetchHooks(), caller.stop()) {}

  const nlohmann::json& input() const override { return request_.input; }
  const std::string& workspace() const override { return request_.workspace; }
  const std::map<std::string, std::string>& secrets() const override { return request_.secrets; }
  const std::string& idempotency_key() const override { return request_.idempotency_key; }
  const std::string& user() const override { return request_.user; }
  bool dry_run() const override { return request_.dry_run; }
  std::stop_token stop() const override { return caller_.stop(); }
  http::Transport& transport() override { return transport_; }
  void Log(action::LogLevel level, absl::string_view line) override { log_->Log(level, line); }

  void Output(absl::string_view name, nlohmann::json value) override {
    std::string text = redactor_.Redact(json::Dump(value));
    base::MutexLock lock(mutex_);
    output_bytes_ += name.size() + text.size();
    if (++outputs_ > kMaxOutputs || output_bytes_ > kMaxOutputBytes) {
      if (overflow_.ok()) {
        overflow_ = absl::ResourceExhaustedError(
            absl::StrCat("output '", base::EscapeForDisplay(name), "': more than ", kMaxOutputs,
                         " outputs or ", kMaxOutputBytes, " bytes of them"));
      }
      return;
    }
    caller_.Output(std::string(name), std::move(text));
  }

  absl::Status overflow() {
    base::MutexLock lock(mutex_);
    return overflow_;
  }
  const Redactor& redactor() const { return redactor_; }

 private:
  const Request request_;
  const Redactor redactor_;
  Caller& caller_;
  const std::shared_ptr<LogBatcher> log_;
  FetchTransport transport_;
  base::Mutex mutex_;
  size_t outputs_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t output_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status overflow_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::string ActionHost::List() const {
  nlohmann::json list = nlohmann::json::array();
  for (const action::Description* description : registry_->List()) {
    list.push_back(action::ToJson(*description));
  }
  return json::Dump(list);
}

absl::StatusOr<std::shared_ptr<const json::Schema>> ActionHost::InputSchema(
    const action::Action& action) {
  const action::Description& description = action.description();
  base::MutexLock lock(mutex_);
  auto& slot = schemas_[description.id];
  if (slot == nullptr) {
    absl::StatusOr<json::Schema> schema = json::Schema::Compile(description.input_schema);
    if (!schema.ok()) {
      return absl::InternalError(
          absl::StrCat(description.id, ": its input schema is wrong: ", schema.status().message()));
    }
    slot = std::make_shared<const json::Schema>(*std::move(schema));
  }
  return slot;
}

absl::Status ActionHost::Run(absl::string_view id, absl::string_view request_json, Caller& caller) {
  action::Action* action = registry_->Find(id);
  if (action == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("there is no portal action '", base::EscapeForDisplay(id), "'"));
  }
  PURSER_ASSIGN_OR_RETURN(Request request, ReadRequest(request_json));
  PURSER_ASSIGN_OR_RETURN(Redactor redactor, Redactor::Create(request.secrets));
  if (request.dry_run && !action->description().supports_dry_run) {
    return absl::FailedPreconditionError(absl::StrCat(id, " has no dry run"));
  }
  PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const json::Schema> schema, InputSchema(*action));
  request.input = schema->WithDefaults(std::move(request.input));
  if (absl::Status valid = json::ToStatus(schema->Validate(request.input), "input"); !valid.ok()) {
    return redactor.Redact(valid);
  }
  if (caller.stop().stop_requested()) return absl::CancelledError(absl::StrCat(id, ": cancelled"));

  RunContext context(std::move(request), std::move(redactor), caller);
  absl::Status status;
  try {
    status = action->Run(context);
  } catch (const std::exception& error) {
    // A fault of the action; it must not become one of the portal.
    status = absl::InternalError(absl::StrCat(id, " failed unexpectedly: ", error.what()));
  } catch (...) {
    status = absl::InternalError(absl::StrCat(id, " failed unexpectedly"));
  }
  if (status.ok()) status = context.overflow();
  if (!status.ok() && caller.stop().stop_requested()) {
    status = absl::CancelledError(absl::StrCat(id, ": cancelled"));
  }
  return context.redactor().Redact(status);
}

}  // namespace purser::addon
