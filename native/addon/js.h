// Small helpers over Node-API's C functions.
//
// Why not node-addon-api's classes: every error inside them ends in napi_fatal_error, also the ones
// that a terminating worker makes, and an addon must never abort the portal. The C functions give a
// status, which is checked here or does not matter.
#ifndef PURSER_ADDON_JS_H_
#define PURSER_ADDON_JS_H_

#include <node_api.h>

#include <exception>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::addon::js {

// All run on the environment's JavaScript thread. A null napi_value means "could not be made",
// which happens when the environment is going down; the functions below take it and do nothing.

napi_value Undefined(napi_env env);
// Invalid UTF-8 becomes U+FFFD.
napi_value String(napi_env env, absl::string_view text);
// A Node Buffer with a copy of the bytes.
napi_value Buffer(napi_env env, absl::string_view bytes);
napi_value Get(napi_env env, napi_value object, const char* name);
napi_valuetype TypeOf(napi_env env, napi_value value);
bool IsFunction(napi_env env, napi_value value);

// A string, or the bytes of a Buffer or Uint8Array taken as UTF-8. At most `max_bytes`.
// INVALID_ARGUMENT names `what`.
absl::StatusOr<std::string> Text(napi_env env, napi_value value, absl::string_view what,
                                 size_t max_bytes);
std::optional<int64_t> Integer(napi_env env, napi_value value);

// Takes a pending exception away, so that it cannot become an uncaught one; its message, "" when
// there was none.
std::optional<std::string> TakeException(napi_env env);
// Name, code (its own or its cause's) and message of whatever was thrown or rejected.
struct Thrown {
  std::string name;
  std::string code;
  std::string message;
};
Thrown Describe(napi_env env, napi_value error);

// Calls; an exception becomes INTERNAL "<what> threw: …".
absl::StatusOr<napi_value> Call(napi_env env, napi_value receiver, napi_value function,
                                std::initializer_list<napi_value> arguments,
                                absl::string_view what);

// A function of one argument (undefined when there is none). It is freed when the collector finds
// nobody holding it, so what `body` captures must not keep the call alive (weak pointers).
napi_value Function(napi_env env, const char* name, std::function<void(napi_env, napi_value)> body);

// Promise.resolve(value).then(fulfilled, rejected): also for values that are no promise. A status
// when that could not be arranged.
absl::Status Then(napi_env env, napi_value value,
                  std::function<void(napi_env, napi_value)> fulfilled,
                  std::function<void(napi_env, napi_value)> rejected);

// An Error: `message`, `code` (the name of the status code), `name` ("AbortError" for CANCELLED,
// which is what Backstage and fetch look for, else "PurserError"), and where they are known
// `retryAfterMs` and `outcomeUnknown`.
napi_value ToError(napi_env env, const absl::Status& status);

// A reference that keeps a JavaScript value alive. Must be reset on the JavaScript thread; the
// destructor does not, because it may run on any thread.
class Reference {
 public:
  Reference() = default;
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  void Set(napi_env env, napi_value value);
  napi_value Value(napi_env env) const;  // null when not set
  void Reset(napi_env env);

 private:
  napi_ref reference_ = nullptr;
};

class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) {
    if (napi_open_handle_scope(env, &scope_) != napi_ok) scope_ = nullptr;
  }
  ~HandleScope() {
    if (scope_ != nullptr) napi_close_handle_scope(env_, scope_);
  }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
};

// The arguments of a native function; missing ones are undefined.
template <size_t kCount>
struct Arguments {
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = kCount;
    if (napi_get_cb_info(env, info, &count, values, nullptr, &data) != napi_ok) {
      for (napi_value& value : values) value = nullptr;
    }
  }
  napi_value values[kCount] = {};
  void* data = nullptr;
};

// Runs `body` so that no C++ exception reaches Node; what was thrown becomes a JavaScript
// exception.
template <typename Body>
napi_value Guard(napi_env env, Body body) noexcept {
  const char* message = "unexpected failure in native code";
  std::string text;
  try {
    return body();
  } catch (const std::exception& error) {
    try {
      text = error.what();
      message = text.c_str();
    } catch (...) {
    }
  } catch (...) {
  }
  napi_throw_error(env, "INTERNAL", message);
  return nullptr;
}

}  // namespace purser::addon::js

#endif  // PURSER_ADDON_JS_H_
