#include "addon/environment.h"

#include <utility>

#include "addon/js.h"
#include "addon/registries.h"
#include "base/clock.h"
#include "base/status.h"

namespace purser::addon {

bool Environment::Attach(napi_env env) {
  std::unique_ptr<Environment> environment(new Environment(env));
  environment->mailbox_ = Mailbox::Open(env);
  if (environment->mailbox_ == nullptr) return false;
  const auto free = [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); };
  if (napi_set_instance_data(env, environment.get(), free, nullptr) != napi_ok) return false;
  Environment* attached = environment.release();
  // Hooks run last in, first out: this one after the mailbox's function was made, so it runs before
  // Node closes that function.
  return napi_add_env_cleanup_hook(env, &Environment::OnCleanup, attached) == napi_ok;
}

Environment* Environment::Of(napi_env env) {
  void* data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok) return nullptr;
  return static_cast<Environment*>(data);
}

absl::StatusOr<std::shared_ptr<ActionHost>> Environment::Actions() {
  if (actions_ == nullptr) {
    auto registry = std::make_unique<action::Registry>();
    PURSER_RETURN_IF_ERROR(AddActions(*registry));
    actions_ = std::make_shared<ActionHost>(std::move(registry));
  }
  return actions_;
}

absl::StatusOr<std::shared_ptr<ProviderHost>> Environment::Providers() {
  if (providers_ == nullptr) {
    auto registry = std::make_unique<provider::Registry>();
    PURSER_RETURN_IF_ERROR(AddProviders(*registry));
    providers_ = std::make_shared<ProviderHost>(std::move(registry), base::Clock::System());
  }
  return providers_;
}

napi_value Environment::Start(napi_env env, napi_value callbacks, napi_value signal,
                              bool gives_text, JsCall::Work work) {
  if (pool_ == nullptr) {
    pool_ = std::make_unique<ThreadPool>(ThreadPool::DefaultLimit());
    pump_ = std::make_shared<LogPump>(base::Clock::System());
  }
  const auto call = std::make_shared<JsCall>(
      mailbox_, pump_, gives_text, [this](napi_env now, const std::shared_ptr<JsCall>& settled) {
        calls_.erase(settled);
        if (calls_.empty()) mailbox_->KeepAlive(now, false);
      });
  if (calls_.empty()) mailbox_->KeepAlive(env, true);
  calls_.insert(call);
  napi_value promise = call->Begin(env, callbacks, signal);
  if (promise == nullptr) {
    calls_.erase(call);
    return nullptr;
  }
  if (!call->settled()) {
    const absl::Status submitted =
        pool_->Submit([call, work = std::move(work)] { call->Run(work); });
    if (!submitted.ok()) call->Cancel(env, submitted);
  }
  return promise;
}

napi_value Environment::Reject(napi_env env, const absl::Status& status) {
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  napi_value error = js::ToError(env, status);
  if (error == nullptr || napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  napi_reject_deferred(env, deferred, error);
  return promise;
}

void Environment::Shutdown(napi_env env) {
  const std::set<std::shared_ptr<JsCall>> calls = calls_;
  for (const auto& call : calls) {
    call->Cancel(env, absl::CancelledError("the addon was shut down"));
  }
  EndThreads();
}

void Environment::EndThreads() {
  if (pool_ != nullptr) pool_->Shutdown(kShutdownGrace);
  if (pump_ != nullptr) pump_->Stop();
  pool_ = nullptr;
  pump_ = nullptr;
}

void Environment::OnCleanup(void* data) noexcept {
  auto* environment = static_cast<Environment*>(data);
  for (const auto& call : environment->calls_) call->Abandon(environment->env_);
  environment->mailbox_->Close();
  environment->EndThreads();
  environment->calls_.clear();
}

}  // namespace purser::addon
