// The functions JavaScript sees; purser.d.ts describes them. This thread only converts and settles.
#include <node_api.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "addon/environment.h"
#include "addon/js.h"
#include "addon/request.h"

namespace purser::addon {
namespace {

constexpr size_t kMaxIdBytes = 256;

napi_value Throw(napi_env env, const absl::Status& status) {
  if (napi_value error = js::ToError(env, status); error != nullptr) napi_throw(env, error);
  return nullptr;
}

absl::Status NotAttached() {
  return absl::FailedPreconditionError("this JavaScript environment is ending");
}

napi_value Version(napi_env env, napi_callback_info) {
  return js::Guard(env, [&] { return js::String(env, PURSER_VERSION); });
}

napi_value Shutdown(napi_env env, napi_callback_info) {
  return js::Guard(env, [&]() -> napi_value {
    if (Environment* environment = Environment::Of(env)) environment->Shutdown(env);
    return nullptr;
  });
}

template <typename GetHost>
napi_value List(napi_env env, GetHost get_host) {
  return js::Guard(env, [&]() -> napi_value {
    Environment* environment = Environment::Of(env);
    if (environment == nullptr) return Throw(env, NotAttached());
    const auto host = get_host(*environment);
    if (!host.ok()) return Throw(env, host.status());
    return js::String(env, (*host)->List());
  });
}

napi_value ListActions(napi_env env, napi_callback_info) {
  return List(env, [](Environment& environment) { return environment.Actions(); });
}

napi_value ListProviders(napi_env env, napi_callback_info) {
  return List(env, [](Environment& environment) { return environment.Providers(); });
}

// (id, request, callbacks, signal): the shape of both calls.
template <typename GetHost, typename Body>
napi_value StartCall(napi_env env, napi_callback_info info, bool gives_text, GetHost get_host,
                     Body body) {
  return js::Guard(env, [&]() -> napi_value {
    const js::Arguments<4> arguments(env, info);
    Environment* environment = Environment::Of(env);
    if (environment == nullptr) return Environment::Reject(env, NotAttached());
    absl::StatusOr<std::string> id = js::Text(env, arguments.values[0], "id", kMaxIdBytes);
    if (!id.ok()) return Environment::Reject(env, id.status());
    absl::StatusOr<std::string> request =
        js::Text(env, arguments.values[1], "request", kMaxRequestBytes);
    if (!request.ok()) return Environment::Reject(env, request.status());
    auto host = get_host(*environment);
    if (!host.ok()) return Environment::Reject(env, host.status());
    return environment->Start(
        env, arguments.values[2], arguments.values[3], gives_text,
        [host = *std::move(host), id = *std::move(id), request = *std::move(request),
         body](Caller& caller) { return body(*host, id, request, caller); });
  });
}

napi_value RunAction(napi_env env, napi_callback_info info) {
  return StartCall(
      env, info, /*gives_text=*/false,
      [](Environment& environment) { return environment.Actions(); },
      [](ActionHost& host, const std::string& id, const std::string& request,
         Caller& caller) -> JsCall::Result {
        absl::Status status = host.Run(id, request, caller);
        if (!status.ok()) return status;
        return std::string();
      });
}

napi_value RefreshProvider(napi_env env, napi_callback_info info) {
  return StartCall(
      env, info, /*gives_text=*/true,
      [](Environment& environment) { return environment.Providers(); },
      [](ProviderHost& host, const std::string& id, const std::string& request,
         Caller& caller) -> JsCall::Result { return host.Refresh(id, request, caller); });
}

}  // namespace

napi_value Init(napi_env env, napi_value exports) noexcept {
  return js::Guard(env, [&]() -> napi_value {
    // Any of these fails when a worker is terminated while it loads us; then nobody will call.
    if (!Environment::Attach(env)) return exports;
    const auto method = [](const char* name, napi_callback callback) {
      return napi_property_descriptor{name,    nullptr, callback,        nullptr,
                                      nullptr, nullptr, napi_enumerable, nullptr};
    };
    const std::array<napi_property_descriptor, 6> methods = {
        method("version", Version),
        method("shutdown", Shutdown),
        method("listActions", ListActions),
        method("runAction", RunAction),
        method("listProviders", ListProviders),
        method("refreshProvider", RefreshProvider)};
    napi_define_properties(env, exports, methods.size(), methods.data());
    return exports;
  });
}

}  // namespace purser::addon

NAPI_MODULE_INIT() { return purser::addon::Init(env, exports); }
