// The way from native threads to the JavaScript thread of one environment.
//
// One thread-safe function per environment. The rules it keeps were each a hang or a crash once:
// it is closed in an environment cleanup hook (an instance-data finalizer comes too late: Node has
// closed the function by then and releasing it again hangs), under the same lock as every use; and
// it keeps the process alive only while calls are in flight.
#ifndef PURSER_ADDON_MAILBOX_H_
#define PURSER_ADDON_MAILBOX_H_

#include <node_api.h>

#include <functional>
#include <memory>

#include "base/mutex.h"

namespace purser::addon {

class Mailbox {
 public:
  using Message = std::function<void(napi_env)>;

  // On the JavaScript thread; null when the environment is going down already.
  static std::shared_ptr<Mailbox> Open(napi_env env);

  // From any thread. `message` runs on the JavaScript thread in a handle scope; an exception it
  // leaves pending is swallowed. False, and the message dropped, when the environment ends. The
  // senders bound the queue: each call has at most a handful of messages under way.
  bool Post(Message message);

  // On the JavaScript thread.
  void KeepAlive(napi_env env, bool keep);
  void Close();

 private:
  Mailbox() = default;
  static void Deliver(napi_env env, napi_value, void*, void* data) noexcept;

  base::Mutex mutex_;
  napi_threadsafe_function function_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_MAILBOX_H_
