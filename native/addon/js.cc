#include "addon/js.h"

#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::addon::js {
namespace {

constexpr size_t kMaxErrorTextBytes = 16 << 10;

// A property's text, "" when it is not a string (or a number, for codes). A getter that throws
// counts as absent.
std::string PropertyText(napi_env env, napi_value object, const char* name) {
  napi_value value = Get(env, object, name);
  if (TypeOf(env, value) != napi_string) return "";
  absl::StatusOr<std::string> text = Text(env, value, name, kMaxErrorTextBytes);
  return text.ok() ? *std::move(text) : "";
}

void SetProperty(napi_env env, napi_value object, const char* name, napi_value value) {
  if (object != nullptr && value != nullptr) napi_set_named_property(env, object, name, value);
}

}  // namespace

napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value String(napi_env env, absl::string_view text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value Buffer(napi_env env, absl::string_view bytes) {
  napi_value value = nullptr;
  napi_create_buffer_copy(env, bytes.size(), bytes.data(), nullptr, &value);
  return value;
}

napi_valuetype TypeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (value != nullptr) napi_typeof(env, value, &type);
  return type;
}

bool IsFunction(napi_env env, napi_value value) { return TypeOf(env, value) == napi_function; }

napi_value Get(napi_env env, napi_value object, const char* name) {
  const napi_valuetype type = TypeOf(env, object);
  if (type != napi_object && type != napi_function) return nullptr;
  napi_value value = nullptr;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) {
    TakeException(env);
    return nullptr;
  }
  return value;
}

absl::StatusOr<std::string> Text(napi_env env, napi_value value, absl::string_view what,
                                 size_t max_bytes) {
  const auto too_large = [&](size_t bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": ", bytes, " bytes, at most ", max_bytes, " are allowed"));
  };
  if (TypeOf(env, value) == napi_string) {
    size_t length = 0;
    napi_get_value_string_utf8(env, value, nullptr, 0, &length);
    if (length > max_bytes) return too_large(length);
    std::string text(length + 1, '\0');
    napi_get_value_string_utf8(env, value, text.data(), text.size(), &length);
    text.resize(length);
    return text;
  }
  bool is_typed_array = false;
  if (TypeOf(env, value) == napi_object) napi_is_typedarray(env, value, &is_typed_array);
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* bytes = nullptr;
  if (!is_typed_array ||
      napi_get_typedarray_info(env, value, &type, &length, &bytes, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return absl::InvalidArgumentError(absl::StrCat(what, " must be a string or a Buffer"));
  }
  if (length > max_bytes) return too_large(length);
  return length == 0 ? std::string() : std::string(static_cast<const char*>(bytes), length);
}

std::optional<int64_t> Integer(napi_env env, napi_value value) {
  double number = 0;
  if (TypeOf(env, value) != napi_number || napi_get_value_double(env, value, &number) != napi_ok ||
      !(number >= -9e15 && number <= 9e15) ||
      number != static_cast<double>(static_cast<int64_t>(number))) {
    return std::nullopt;
  }
  return static_cast<int64_t>(number);
}

std::optional<std::string> TakeException(napi_env env) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return std::nullopt;
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) != napi_ok) return std::nullopt;
  return Describe(env, error).message;
}

Thrown Describe(napi_env env, napi_value error) {
  const napi_valuetype type = TypeOf(env, error);
  if (type == napi_string) {
    absl::StatusOr<std::string> text = Text(env, error, "", kMaxErrorTextBytes);
    return {"", "", text.ok() ? *std::move(text) : "a very long text"};
  }
  if (type != napi_object && type != napi_function) return {"", "", "a value that is no Error"};
  Thrown thrown{PropertyText(env, error, "name"), PropertyText(env, error, "code"),
                PropertyText(env, error, "message")};
  // fetch says "fetch failed" and hides the reason behind `cause`.
  napi_value cause = Get(env, error, "cause");
  if (TypeOf(env, cause) == napi_object) {
    if (thrown.code.empty()) thrown.code = PropertyText(env, cause, "code");
    const std::string reason = PropertyText(env, cause, "message");
    if (!reason.empty()) absl::StrAppend(&thrown.message, ": ", reason);
  }
  if (thrown.message.empty()) thrown.message = "an Error without a message";
  return thrown;
}

absl::StatusOr<napi_value> Call(napi_env env, napi_value receiver, napi_value function,
                                std::initializer_list<napi_value> arguments,
                                absl::string_view what) {
  if (receiver == nullptr || !IsFunction(env, function)) {
    return absl::InternalError(absl::StrCat(what, " is not a function"));
  }
  for (napi_value argument : arguments) {
    if (argument == nullptr) return absl::CancelledError("the JavaScript environment is ending");
  }
  napi_value result = nullptr;
  const napi_status status =
      napi_call_function(env, receiver, function, arguments.size(), std::data(arguments), &result);
  if (status == napi_ok) return result;
  const std::optional<std::string> thrown = TakeException(env);
  if (!thrown.has_value()) return absl::CancelledError("the JavaScript environment is ending");
  return absl::InternalError(absl::StrCat(what, " threw: ", base::EscapeForDisplay(*thrown, 1000)));
}

napi_value Function(napi_env env, const char* name,
                    std::function<void(napi_env, napi_value)> body) {
  using Body = std::function<void(napi_env, napi_value)>;
  auto owned = std::make_unique<Body>(std::move(body));
  const auto call = [](napi_env callee_env, napi_callback_info info) -> napi_value {
    return Guard(callee_env, [&]() -> napi_value {
      const Arguments<1> arguments(callee_env, info);
      if (arguments.data != nullptr) {
        (*static_cast<Body*>(arguments.data))(callee_env, arguments.values[0]);
      }
      return nullptr;
    });
  };
  const auto free = [](napi_env, void* data, void*) { delete static_cast<Body*>(data); };
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, owned.get(), &function) != napi_ok ||
      napi_add_finalizer(env, function, owned.get(), free, nullptr, nullptr) != napi_ok) {
    return nullptr;
  }
  owned.release();
  return function;
}

absl::Status Then(napi_env env, napi_value value,
                  std::function<void(napi_env, napi_value)> fulfilled,
                  std::function<void(napi_env, napi_value)> rejected) {
  napi_value global = nullptr;
  if (napi_get_global(env, &global) != napi_ok) return absl::CancelledError("no environment");
  napi_value constructor = Get(env, global, "Promise");
  PURSER_ASSIGN_OR_RETURN(
      napi_value promise,
      Call(env, constructor, Get(env, constructor, "resolve"), {value}, "Promise.resolve"));
  return Call(env, promise, Get(env, promise, "then"),
              {Function(env, "fulfilled", std::move(fulfilled)),
               Function(env, "rejected", std::move(rejected))},
              "then")
      .status();
}

napi_value ToError(napi_env env, const absl::Status& status) {
  napi_value message =
      String(env, absl::string_view(status.message().data(), status.message().size()));
  napi_value code = String(env, base::CodeName(status.code()));
  napi_value error = nullptr;
  if (message == nullptr || code == nullptr ||
      napi_create_error(env, code, message, &error) != napi_ok) {
    return nullptr;
  }
  SetProperty(env, error, "name",
              String(env, absl::IsCancelled(status) ? "AbortError" : "PurserError"));
  if (const std::optional<int64_t> wait = base::RetryAfterMillis(status); wait.has_value()) {
    napi_value number = nullptr;
    napi_create_int64(env, *wait, &number);
    SetProperty(env, error, "retryAfterMs", number);
  }
  if (base::IsOutcomeUnknown(status)) {
    napi_value yes = nullptr;
    napi_get_boolean(env, true, &yes);
    SetProperty(env, error, "outcomeUnknown", yes);
  }
  return error;
}

void Reference::Set(napi_env env, napi_value value) {
  Reset(env);
  if (value != nullptr && napi_create_reference(env, value, 1, &reference_) != napi_ok) {
    reference_ = nullptr;
  }
}

napi_value Reference::Value(napi_env env) const {
  napi_value value = nullptr;
  if (reference_ != nullptr) napi_get_reference_value(env, reference_, &value);
  return value;
}

void Reference::Reset(napi_env env) {
  if (reference_ != nullptr) napi_delete_reference(env, reference_);
  reference_ = nullptr;
}

}  // namespace purser::addon::js
