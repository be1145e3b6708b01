// What the addon keeps for one JavaScript environment (the main thread or a worker). Nothing is
// shared between environments: several of them load the same file into one process.
#ifndef PURSER_ADDON_ENVIRONMENT_H_
#define PURSER_ADDON_ENVIRONMENT_H_

#include <node_api.h>

#include <memory>
#include <set>

#include "absl/status/statusor.h"
#include "addon/action_host.h"
#include "addon/js_call.h"
#include "addon/log_batcher.h"
#include "addon/mailbox.h"
#include "addon/provider_host.h"
#include "addon/thread_pool.h"

namespace purser::addon {

// How long the end of an environment waits for work that was told to stop.
inline constexpr absl::Duration kShutdownGrace = absl::Milliseconds(200);

// JavaScript thread only.
class Environment {
 public:
  // Ties one to `env`; false when the environment is going down already.
  static bool Attach(napi_env env);
  // Null after Attach failed.
  static Environment* Of(napi_env env);

  // Made at first use, kept by the calls that use them.
  absl::StatusOr<std::shared_ptr<ActionHost>> Actions();
  absl::StatusOr<std::shared_ptr<ProviderHost>> Providers();

  // Starts `work` on a native thread; the promise, or null when there can be none.
  napi_value Start(napi_env env, napi_value callbacks, napi_value signal, bool gives_text,
                   JsCall::Work work);
  // A promise rejected with `status`.
  static napi_value Reject(napi_env env, const absl::Status& status);
  // Cancels everything in flight and waits for it (kShutdownGrace). A later call begins anew.
  void Shutdown(napi_env env);

 private:
  explicit Environment(napi_env env) : env_(env) {}
  static void OnCleanup(void* data) noexcept;
  void EndThreads();

  const napi_env env_;
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<LogPump> pump_;
  std::unique_ptr<ThreadPool> pool_;
  std::shared_ptr<ActionHost> actions_;
  std::shared_ptr<ProviderHost> providers_;
  std::set<std::shared_ptr<JsCall>> calls_;
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_ENVIRONMENT_H_
