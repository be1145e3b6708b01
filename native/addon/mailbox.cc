#include "addon/mailbox.h"

#include <utility>

#include "addon/js.h"

namespace purser::addon {

std::shared_ptr<Mailbox> Mailbox::Open(napi_env env) {
  napi_value name = js::String(env, "purser");
  napi_threadsafe_function function = nullptr;
  if (name == nullptr ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, /*max_queue_size=*/0,
                                      /*initial_thread_count=*/1, nullptr, nullptr, nullptr,
                                      &Mailbox::Deliver, &function) != napi_ok) {
    return nullptr;
  }
  napi_unref_threadsafe_function(env, function);
  std::shared_ptr<Mailbox> mailbox(new Mailbox());
  base::MutexLock lock(mailbox->mutex_);
  mailbox->function_ = function;
  return mailbox;
}

bool Mailbox::Post(Message message) {
  auto owned = std::make_unique<Message>(std::move(message));
  base::MutexLock lock(mutex_);
  if (function_ == nullptr) return false;
  const napi_status status =
      napi_call_threadsafe_function(function_, owned.get(), napi_tsfn_nonblocking);
  if (status == napi_ok) {
    owned.release();
    return true;
  }
  // napi_closing has given our hold back already: releasing it once more would be one too many.
  if (status == napi_closing) function_ = nullptr;
  return false;
}

void Mailbox::KeepAlive(napi_env env, bool keep) {
  base::MutexLock lock(mutex_);
  if (function_ == nullptr) return;
  if (keep) {
    napi_ref_threadsafe_function(env, function_);
  } else {
    napi_unref_threadsafe_function(env, function_);
  }
}

void Mailbox::Close() {
  base::MutexLock lock(mutex_);
  if (function_ == nullptr) return;
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
}

void Mailbox::Deliver(napi_env env, napi_value, void*, void* data) noexcept {
  const std::unique_ptr<Message> message(static_cast<Message*>(data));
  // The environment is going down; the message only had to be freed.
  if (env == nullptr) return;
  try {
    (*message)(env);
  } catch (...) {
    // Out of memory is all that can be here; the call then ends with its environment.
  }
  js::TakeException(env);
}

}  // namespace purser::addon
