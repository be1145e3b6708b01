#include "connectors/http/http_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/http/ready_rule.h"
#include "connectors/http/schemas.h"
#include "http/status.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr size_t kMinSecretBytes = 4;  // shorter ones would blot out ordinary text
constexpr absl::Duration kPollTimeout = absl::Seconds(30);

std::string WithoutQuery(absl::string_view url) {
  return std::string(url.substr(0, url.find('?')));
}

bool IsExpected(const Json& input, int status) {
  const auto expect = input.find("expect");
  if (expect == input.end()) return status >= 200 && status < 300;
  return std::find(expect->begin(), expect->end(), status) != expect->end();
}

// The URL given, or the one at a pointer into an answer, resolved against where that came from.
absl::StatusOr<std::string> UrlOf(const Json& block, absl::string_view what, const Json& answer,
                                  const std::string& base) {
  if (block.contains("url")) return block["url"].get<std::string>();
  if (!block.contains("urlFrom")) return base;
  const std::string& pointer = block["urlFrom"].get_ref<const std::string&>();
  const Json* value = AtPointer(answer, pointer);
  if (value == nullptr || !value->is_string()) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ".urlFrom: the answer has no text at ", pointer));
  }
  return ResolveReference(base, value->get_ref<const std::string&>());
}

absl::Status AddOutputs(const Json& pointers, const Json& answer, absl::string_view what,
                        Json* outputs) {
  for (const auto& [name, pointer] : pointers.items()) {
    const Json* value = AtPointer(answer, pointer.get_ref<const std::string&>());
    if (value == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(
          what, ".", name, ": the answer has nothing at ", pointer.get_ref<const std::string&>()));
    }
    (*outputs)[name] = *value;
  }
  return absl::OkStatus();
}

absl::Status CheckSize(const Json& outputs) {
  const size_t bytes = json::Dump(outputs).size();
  if (bytes <= kMaxHttpOutputBytes) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the outputs would have ", bytes, " bytes, more than ", kMaxHttpOutputBytes,
                   " (kMaxHttpOutputBytes); choose the parts you need by `outputs`"));
}

}  // namespace

struct HttpConnector::Wish {
  std::string method;
  std::string url;
  Json headers = Json::object();
  Json secret_headers = Json::object();
  Json json;  // discarded: none
  std::string body;
  bool repeatable = false;
  std::string effect_key;  // "" = not sent
  absl::Duration timeout;
};

struct HttpConnector::Answer {
  http::Response response;
  Json json;  // {"status", "headers", "body"}
};

HttpConnector::HttpConnector(std::string name, const ConnectorDependencies& dependencies,
                             Endpoints endpoints, const Json& config)
    : name_(std::move(name)),
      transport_(dependencies.transport),
      clock_(dependencies.clock),
      endpoints_(std::move(endpoints)),
      inputs_(HttpOperations()),
      timeout_(absl::Seconds(config["timeoutSeconds"].get<double>())),
      max_response_bytes_(config["maxResponseBytes"].get<int64_t>()),
      idempotency_header_(config["idempotencyHeader"].get<std::string>()) {}

absl::StatusOr<std::unique_ptr<Connector>> HttpConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const Json completed, CheckConfig(name, ConfigSchema(), config));
  absl::StatusOr<Endpoints> endpoints = Endpoints::FromConfig(completed["endpoints"]);
  if (!endpoints.ok()) {
    return base::Annotate(endpoints.status(), absl::StrCat("connector ", name));
  }
  return std::unique_ptr<Connector>(
      new HttpConnector(std::string(name), dependencies, *std::move(endpoints), completed));
}

const Json& HttpConnector::ConfigSchema() { return HttpConfigSchema(); }
const std::vector<Operation>& HttpConnector::operations() const { return HttpOperations(); }

absl::StatusOr<HttpConnector::Answer> HttpConnector::Send(const Wish& wish,
                                                          CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const Endpoint* endpoint, endpoints_.Match(wish.url));
  http::Request request{wish.method, wish.url, endpoint->headers, wish.body};
  const auto set = [&request](const std::string& name, const std::string& value) {
    std::erase_if(request.headers, [&name](const auto& header) {
      return absl::EqualsIgnoreCase(header.first, name);
    });
    request.headers.emplace_back(name, value);
  };
  if (!wish.json.is_discarded()) {
    request.body = json::Dump(wish.json);
    set("Content-Type", "application/json");
  }
  if (http::FindHeader(request.headers, "Accept").empty()) set("Accept", "application/json, */*");
  for (const auto& [name, value] : wish.headers.items()) set(name, value.get<std::string>());
  std::vector<std::pair<std::string, std::string>> secrets;  // value → what is shown instead
  const auto set_secret = [&](const std::string& name, const std::string& reference,
                              const std::string& prefix) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const std::string value, context.ResolveSecret(reference));
    set(name, prefix + value);
    if (value.size() >= kMinSecretBytes) secrets.emplace_back(value, "***");
    return absl::OkStatus();
  };
  // The operator's come last: a step must not replace them.
  for (const auto& [name, reference] : wish.secret_headers.items()) {
    PURSER_RETURN_IF_ERROR(set_secret(name, reference.get<std::string>(), ""));
  }
  for (const auto& [name, secret] : endpoint->secret_headers) {
    PURSER_RETURN_IF_ERROR(set_secret(name, secret.reference, secret.prefix));
  }
  if (!wish.effect_key.empty()) set(idempotency_header_, wish.effect_key);

  http::CallOptions options;
  options.timeout = std::min(wish.timeout, context.deadline() - clock_.Now());
  options.max_response_bytes = max_response_bytes_;
  options.stop = context.stop();
  options.repeatable = wish.repeatable;
  absl::StatusOr<http::Response> response = transport_.Send(request, options);
  if (!response.ok()) return response.status();
  Answer answer{*std::move(response), Json::object()};
  // Some peers echo the request in their errors.
  const auto clean = [&secrets](const std::string& text) {
    return absl::StrReplaceAll(text, secrets);
  };
  answer.response.body = clean(answer.response.body);
  context.Log(action::LogLevel::kInfo,
              absl::StrCat(wish.method, " ", WithoutQuery(wish.url), ": ", answer.response.status));
  answer.json["status"] = answer.response.status;
  Json& headers = answer.json["headers"] = Json::object();
  for (const auto& [name, value] : answer.response.headers) {
    if (!absl::EqualsIgnoreCase(name, "Set-Cookie")) {
      headers[absl::AsciiStrToLower(name)] = clean(value);
    }
  }
  absl::StatusOr<Json> parsed = json::Parse(answer.response.body);
  const absl::string_view type = http::FindHeader(answer.response.headers, "Content-Type");
  if (parsed.ok() && (parsed->is_structured() || absl::StrContains(type, "json"))) {
    answer.json["body"] = *std::move(parsed);
  } else if (!answer.response.body.empty()) {
    answer.json["body"] = base::IsValidUtf8(answer.response.body)
                              ? answer.response.body
                              : base::EscapeForDisplay(answer.response.body, 1000);
  } else {
    answer.json["body"] = nullptr;
  }
  return answer;
}

absl::StatusOr<CallResult> HttpConnector::Call(absl::string_view operation, const Json& raw_input,
                                               CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "undo") return Undo(input, context);
  Wish wish;
  wish.method = input["method"].get<std::string>();
  wish.url = input["url"].get<std::string>();
  wish.headers = input["headers"];
  wish.secret_headers = input["secretHeaders"];
  wish.json = input.contains("json") ? input["json"] : Json(Json::value_t::discarded);
  wish.body = input.value("body", "");
  wish.repeatable = operation != "call";
  wish.effect_key = operation == "request" ? context.effect_key() : "";
  wish.timeout = timeout_;
  PURSER_ASSIGN_OR_RETURN(const Answer answer, Send(wish, context));
  if (!IsExpected(input, answer.response.status)) {
    const std::string what = absl::StrCat(wish.method, " ", WithoutQuery(wish.url));
    absl::Status status =
        http::StatusFromResponse(answer.response, what, answer.response.body, clock_.Now());
    // A 2xx or 3xx that the step does not expect.
    if (status.ok()) {
      status = absl::FailedPreconditionError(
          absl::StrCat(what, ": the peer answered with status ", answer.response.status,
                       ", which the step's `expect` does not name"));
    }
    return status;
  }
  CallResult result;
  if (input.contains("outputs")) {
    PURSER_RETURN_IF_ERROR(AddOutputs(input["outputs"], answer.json, "outputs", &result.outputs));
  } else {
    result.outputs = answer.json;
  }
  if (const auto resource = input.find("resource"); resource != input.end()) {
    OutsideResource made;
    made.type = (*resource)["type"].get<std::string>();
    made.id = resource->value("id", wish.url);
    if (resource->contains("idFrom")) {
      const std::string& pointer = (*resource)["idFrom"].get_ref<const std::string&>();
      const Json* id = AtPointer(answer.json, pointer);
      if (id == nullptr || id->is_structured() || id->is_null()) {
        return absl::FailedPreconditionError(
            absl::StrCat("resource.idFrom: the answer has no text at ", pointer));
      }
      made.id = id->is_string() ? id->get<std::string>() : json::Dump(*id);
    }
    made.name = resource->value("name", made.id);
    made.attributes = {{"url", WithoutQuery(wish.url)}};
    result.resources.push_back(std::move(made));
  }
  if (const auto undo = input.find("undo"); undo != input.end()) {
    Json plan = *undo;
    PURSER_ASSIGN_OR_RETURN(plan["url"], UrlOf(*undo, "undo", answer.json, wish.url));
    plan.erase("urlFrom");
    result.outputs["undo"] = std::move(plan);
  }
  if (const auto ready = input.find("ready"); ready != input.end()) {
    PURSER_ASSIGN_OR_RETURN(const std::string url, UrlOf(*ready, "ready", answer.json, wish.url));
    PURSER_RETURN_IF_ERROR(endpoints_.Match(url).status());
    result.outputs["waiting"] = {{"url", url}, {"sinceSeconds", absl::ToUnixSeconds(clock_.Now())}};
    result.ready = false;
    result.poll_after = absl::Seconds((*ready)["intervalSeconds"].get<double>());
    result.progress = absl::StrCat("waiting for ", WithoutQuery(url));
  }
  PURSER_RETURN_IF_ERROR(CheckSize(result.outputs));
  return result;
}

absl::StatusOr<CallResult> HttpConnector::Observe(absl::string_view operation,
                                                  const Json& raw_input, const CallResult& previous,
                                                  CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const auto waiting = previous.outputs.find("waiting");
  if (!input.contains("ready") || waiting == previous.outputs.end()) {
    return absl::InternalError("nothing is waited for");
  }
  const Json& ready = input["ready"];
  Wish wish;
  wish.method = "GET";
  wish.url = (*waiting)["url"].get<std::string>();
  wish.headers = ready["headers"];
  wish.secret_headers = ready["secretHeaders"];
  wish.json = Json(Json::value_t::discarded);
  wish.repeatable = true;
  wish.timeout = std::min(timeout_, kPollTimeout);
  PURSER_ASSIGN_OR_RETURN(const Answer answer, Send(wish, context));
  const absl::Status status =
      http::StatusFromResponse(answer.response, absl::StrCat("GET ", WithoutQuery(wish.url)),
                               answer.response.body, clock_.Now());
  CallResult result = previous;
  // Not there yet, or busy: look again later. What is forbidden stays so.
  const bool may_come = status.ok() || absl::IsNotFound(status) || absl::IsUnavailable(status);
  if (!may_come) return status;
  Readiness readiness = Readiness::kNotYet;
  if (status.ok()) {
    Json outputs = previous.outputs;
    outputs.erase("waiting");
    PURSER_ASSIGN_OR_RETURN(readiness, Judge(ready, answer.json, outputs));
  }
  if (readiness == Readiness::kFailed) {
    return absl::FailedPreconditionError(absl::StrCat(
        "GET ", WithoutQuery(wish.url),
        ": the peer says it failed: ", base::EscapeForDisplay(answer.response.body, 500)));
  }
  if (readiness == Readiness::kReady) {
    result.ready = true;
    result.progress.clear();
    result.outputs.erase("waiting");
    PURSER_RETURN_IF_ERROR(
        AddOutputs(ready["outputs"], answer.json, "ready.outputs", &result.outputs));
    PURSER_RETURN_IF_ERROR(CheckSize(result.outputs));
    return result;
  }
  const int64_t since = (*waiting)["sinceSeconds"].get<int64_t>();
  const double waited = static_cast<double>(absl::ToUnixSeconds(clock_.Now()) - since);
  result.progress = absl::StrCat("waiting for ", WithoutQuery(wish.url), " (status ",
                                 answer.response.status, ")");
  if (waited > ready["timeoutSeconds"].get<double>()) {
    return absl::FailedPreconditionError(
        absl::StrCat("not ready after ", waited, " s (ready.timeoutSeconds): ", result.progress,
                     ", last answer: ", base::EscapeForDisplay(answer.response.body, 300)));
  }
  return result;
}

absl::StatusOr<CallResult> HttpConnector::Undo(const Json& outputs, CallContext& context) const {
  CallResult result;
  const auto undo = outputs.find("undo");
  if (undo == outputs.end() || !undo->is_object()) {
    context.Log(action::LogLevel::kInfo, "the step named no call to undo it; nothing is done");
    return result;
  }
  Wish wish;
  wish.method = undo->value("method", "DELETE");
  wish.url = undo->value("url", "");
  wish.headers = undo->value("headers", Json::object());
  wish.secret_headers = undo->value("secretHeaders", Json::object());
  wish.json = undo->contains("json") ? (*undo)["json"] : Json(Json::value_t::discarded);
  wish.repeatable = true;
  wish.effect_key = context.effect_key();
  wish.timeout = timeout_;
  PURSER_ASSIGN_OR_RETURN(const Answer answer, Send(wish, context));
  const absl::Status status = http::StatusFromResponse(
      answer.response, absl::StrCat(wish.method, " ", WithoutQuery(wish.url)), answer.response.body,
      clock_.Now());
  // What is gone needs no undoing.
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  result.outputs["status"] = answer.response.status;
  return result;
}

}  // namespace purser::connectors
