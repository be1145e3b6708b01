#include "provisioning/waits.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "json/json.h"
#include "provisioning/request_store.h"

namespace purser::provisioning {
namespace {

using connectors::CallContext;
using connectors::CallResult;
using nlohmann::json;
using store::Connection;

// Waits that somebody wakes are looked at so often all the same.
constexpr absl::Duration kIdleLook = absl::Hours(24);
// Another request is looked at after a tenth of the time it has been waited
// for.
constexpr absl::Duration kShortestLook = absl::Seconds(2);
constexpr absl::Duration kLongestLook = absl::Minutes(1);
// How far the clock of a sender may differ, and so how old a replay can be that
// is not known by its delivery id.
constexpr absl::Duration kMaxSkew = absl::Minutes(5);
constexpr absl::string_view kSignaturePrefix = "sha256=";
constexpr std::array<absl::string_view, 7> kDays = {"mon", "tue", "wed", "thu",
                                                    "fri", "sat", "sun"};

json Object(json properties, const std::vector<std::string>& required) {
  json schema = {
      {"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = required;
  return schema;
}

json Described(const char* type, const char* description) {
  return {{"type", type}, {"description", description}};
}

connectors::Operation MakeOperation(const char* name, const char* description, json input,
                                    json outputs) {
  connectors::Operation operation;
  operation.name = name;
  operation.description = description;
  operation.call_class = connectors::CallClass::kPut;
  operation.input_schema = std::move(input);
  operation.output_schema = {{"type", "object"}, {"properties", std::move(outputs)}};
  return operation;
}

std::vector<connectors::Operation> MakeOperations() {
  const json time = {{"type", "string"}, {"pattern", "^([01][0-9]|2[0-3]):[0-5][0-9]$"}};
  const json refs = {{"type", "array"},
                     {"maxItems", 50},
                     {"items", {{"type", "string"}, {"minLength", 1}, {"maxLength", 512}}}};
  return {
      MakeOperation(
          "timer", "Is ready at a time, or after a while counted from its first call.",
          [] {
            json schema = Object(
                {{"for", Described("string", "duration like 90s, 2h or 72h, at most 90 days")},
                 {"until", Described("string", "RFC 3339 time like 2026-12-01T06:00:00Z")}},
                {});
            schema["minProperties"] = 1;
            schema["maxProperties"] = 1;
            return schema;
          }(),
          {{"until", Described("string", "when it was ready")}}),
      MakeOperation("window", "Is ready while a window of the week is open.",
                    Object({{"days",
                             {{"type", "array"},
                              {"minItems", 1},
                              {"uniqueItems", true},
                              {"items", {{"enum", kDays}}},
                              {"description", "days on which it opens; all when absent"}}},
                            {"from", time},
                            {"to", time},
                            {"timezone", Described("string", "name of the tz database; UTC")}},
                           {"from", "to"}),
                    {{"openedAt", Described("string", "when the step went on")}}),
      MakeOperation(
          "approval", "Is ready when enough people have approved; fails when one rejects.",
          Object({{"message", Described("string", "what is asked, for people")},
                  {"count", {{"type", "integer"}, {"minimum", 1}, {"maximum", 20}}},
                  {"from", refs},
                  {"fourEyes", Described("boolean", "not who asked for the request; true")},
                  {"of", {{"description", "what is approved: an approval is bound to its hash"}}}},
                 {}),
          {{"planHash", Described("string", "what was approved")},
           {"approvedBy", Described("array", "who approved")}}),
      MakeOperation(
          "webhook", "Is ready when a signed message came in.",
          Object({{"secret", Described("string",
                                       "reference of the key that messages are signed "
                                       "with, like env:PURSER_SECRET_HOOK")},
                  {"timestamped", Described("boolean",
                                            "whether senders sign a time as well; true. Without it "
                                            "only the delivery id keeps replays out")}},
                 {"secret"}),
          {{"payload", {{"description", "the message's JSON"}}},
           {"deliveryId", Described("string", "the sender's")},
           {"receivedAt", Described("string", "when it came")}}),
      MakeOperation("request",
                    "Is ready when another request succeeded; fails when it ended badly.",
                    [] {
                      json schema = Object({{"id", Described("string", "id of the request")},
                                            {"key", Described("string", "its idempotency key")}},
                                           {});
                      schema["minProperties"] = 1;
                      schema["maxProperties"] = 1;
                      return schema;
                    }(),
                    {{"id", Described("string", "id of the request")},
                     {"outputs", Described("object", "its outputs")}}),
      MakeOperation(
          "pull-request",
          "Is ready when people merged a pull or merge request; fails when they close it.",
          [] {
            json schema = Object(
                {{"connector", Described("string", "name of a github or gitlab connector")},
                 {"repository", Described("string", "of github: owner/name")},
                 {"number", {{"description", "of github: the pull request's number"}}},
                 {"project", Described("string", "of gitlab: its path")},
                 {"iid", {{"description", "of gitlab: the merge request's number"}}},
                 {"timeoutSeconds", Described("number", "patience with the people; 30 days")}},
                {"connector"});
            schema["minProperties"] = 3;
            return schema;
          }(),
          {{"state", Described("string", "merged")},
           {"commit", Described("string", "of the merge")},
           {"url", Described("string", "for people")}}),
  };
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> ParseTime(absl::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", base::EscapeForDisplay(text), "\" is no time like 2026-12-01T06:00:00Z: ", error));
  }
  return time;
}

CallResult NotYet(json outputs, absl::Duration poll, std::string progress) {
  CallResult result;
  result.outputs = std::move(outputs);
  result.ready = false;
  result.poll_after = std::clamp(poll, absl::Milliseconds(1), kIdleLook);
  result.progress = std::move(progress);
  return result;
}

CallResult Ready(json outputs) {
  CallResult result;
  result.outputs = std::move(outputs);
  return result;
}

int MinuteOfDay(const std::string& time) {
  // "HH:MM" by the schema.
  return ((time[0] - '0') * 10 + (time[1] - '0')) * 60 + (time[3] - '0') * 10 + (time[4] - '0');
}

}  // namespace

const std::vector<connectors::Operation>& WaitOperations() {
  static const auto& operations = *new std::vector<connectors::Operation>(MakeOperations());
  return operations;
}

absl::StatusOr<absl::Time> NextOpening(const json& window, absl::Time now) {
  absl::TimeZone zone = absl::UTCTimeZone();
  const std::string name = window.value("timezone", "UTC");
  if (name != "UTC" && !absl::LoadTimeZone(name, &zone)) {
    return absl::InvalidArgumentError(
        absl::StrCat("timezone: \"", base::EscapeForDisplay(name), "\" is not known here"));
  }
  const int from = MinuteOfDay(window.at("from"));
  const int to = MinuteOfDay(window.at("to"));
  std::vector<std::string> days = window.value("days", std::vector<std::string>());
  if (days.empty()) {
    for (const absl::string_view day : kDays) days.emplace_back(day);
  }
  const absl::CivilDay today = absl::ToCivilDay(now, zone);
  // A window over midnight belongs to the day it opens on: yesterday's may
  // still be open.
  for (int day = -1; day <= 7; ++day) {
    const absl::CivilDay opens = today + day;
    const auto weekday = static_cast<size_t>(absl::GetWeekday(opens));
    if (std::find(days.begin(), days.end(), kDays[weekday]) == days.end()) continue;
    // By the civil clock, so that it opens at the same hour when clocks are put
    // forward.
    const auto at = [&](absl::CivilDay date, int minute) {
      return absl::FromCivil(
          absl::CivilMinute(date.year(), date.month(), date.day(), minute / 60, minute % 60), zone);
    };
    const absl::Time begin = at(opens, from);
    const absl::Time end = to > from ? at(opens, to) : at(opens + 1, to);
    if (now < begin) return begin;
    if (now < end) return now;
  }
  return absl::InternalError("no window opens within a week");
}

std::string StepPlanHash(const json& input) {
  return base::Sha256Hex(catalog::Canonical(input.contains("of") ? input.at("of") : input));
}

absl::Status VerifyDelivery(const Delivery& delivery, const json& input, absl::string_view secret,
                            absl::Time now) {
  const absl::Status refused = absl::PermissionDeniedError("the message is not one to be trusted");
  if (secret.empty() || !absl::StartsWith(delivery.signature, kSignaturePrefix)) return refused;
  std::string signed_text = delivery.body;
  if (input.value("timestamped", true)) {
    int64_t seconds = 0;
    if (!absl::SimpleAtoi(delivery.timestamp, &seconds)) return refused;
    const absl::Duration skew = now - absl::FromUnixSeconds(seconds);
    if (skew > kMaxSkew || skew < -kMaxSkew) return refused;
    signed_text = absl::StrCat(delivery.timestamp, ".", delivery.body);
  }
  const std::string expected = base::ToHex(base::HmacSha256(secret, signed_text));
  const absl::string_view given =
      absl::string_view(delivery.signature).substr(kSignaturePrefix.size());
  return base::ConstantTimeEquals(expected, given) ? absl::OkStatus() : refused;
}

WaitConnector::WaitConnector(store::Database& database, const connectors::Connectors& connectors,
                             std::function<absl::Time()> now)
    : database_(database), connectors_(connectors), now_(std::move(now)) {}

absl::StatusOr<CallResult> WaitConnector::Call(absl::string_view operation, const json& input,
                                               CallContext& context) {
  return Look(operation, input, nullptr, context);
}

absl::StatusOr<CallResult> WaitConnector::Observe(absl::string_view operation, const json& input,
                                                  const CallResult& previous,
                                                  CallContext& context) {
  return Look(operation, input, &previous, context);
}

absl::StatusOr<CallResult> WaitConnector::Look(absl::string_view operation, const json& input,
                                               const CallResult* previous, CallContext& context) {
  // run/step/incarnation
  const std::vector<std::string> key = absl::StrSplit(context.effect_key(), '/');
  if (key.size() < 3) return absl::InternalError("wait: a call without an effect key");
  if (operation == "timer") return Timer(input, previous);
  if (operation == "window") return Window(input);
  if (operation == "approval") return ApprovalOf(input, key[0], key[1]);
  if (operation == "webhook") return Webhook(key[0], key[1]);
  if (operation == "request") return OtherRequest(input, previous);
  if (operation == "pull-request") return PullRequest(input, previous, context);
  return absl::NotFoundError(absl::StrCat("wait has no operation ", operation));
}

absl::StatusOr<CallResult> WaitConnector::Timer(const json& input, const CallResult* previous) {
  absl::Time until;
  if (previous != nullptr) {
    PURSER_ASSIGN_OR_RETURN(until, ParseTime(previous->outputs.value("until", "")));
  } else if (input.contains("until")) {
    PURSER_ASSIGN_OR_RETURN(until, ParseTime(input.at("until").get<std::string>()));
  } else {
    absl::Duration duration;
    if (!absl::ParseDuration(input.at("for").get<std::string>(), &duration) ||
        duration < absl::ZeroDuration() || duration > absl::Hours(24 * 90)) {
      return absl::InvalidArgumentError(
          absl::StrCat("for: \"", base::EscapeForDisplay(input.at("for").get<std::string>()),
                       "\" is no duration like 90s or 72h of at most 90 days"));
    }
    until = now_() + duration;
  }
  const std::string text = TimeText(until);
  if (now_() >= until) return Ready({{"until", text}});
  return NotYet({{"until", text}}, until - now_(), absl::StrCat("waits until ", text));
}

absl::StatusOr<CallResult> WaitConnector::Window(const json& input) {
  const absl::Time now = now_();
  PURSER_ASSIGN_OR_RETURN(const absl::Time opening, NextOpening(input, now));
  if (opening <= now) return Ready({{"openedAt", TimeText(now)}});
  return NotYet(json::object(), opening - now,
                absl::StrCat("waits for the window that opens at ", TimeText(opening)));
}

absl::StatusOr<CallResult> WaitConnector::ApprovalOf(const json& input, absl::string_view run_id,
                                                     absl::string_view step_id) {
  std::vector<ApprovalRow> rows;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(rows, Approvals(connection, run_id));
    return absl::OkStatus();
  }));
  const std::string hash = StepPlanHash(input);
  const int64_t count = input.value("count", 1);
  json by = json::array();
  for (const ApprovalRow& row : rows) {
    if (row.step_id != step_id || row.plan_hash != hash) continue;
    if (!row.approved) {
      return absl::FailedPreconditionError(
          absl::StrCat("rejected by ", row.actor, row.reason.empty() ? "" : ": ", row.reason));
    }
    by.push_back(row.actor);
  }
  const auto given = static_cast<int64_t>(by.size());
  json outputs = {{"planHash", hash}, {"approvedBy", std::move(by)}};
  if (given >= count) return Ready(std::move(outputs));
  return NotYet(std::move(outputs), kIdleLook,
                absl::StrCat("waits for approval (", given, " of ", count, ")",
                             input.contains("message") ? ": " : "", input.value("message", "")));
}

absl::StatusOr<CallResult> WaitConnector::Webhook(absl::string_view run_id,
                                                  absl::string_view step_id) {
  std::optional<SignalRow> signal;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(signal, FirstSignal(connection, run_id, step_id));
    return absl::OkStatus();
  }));
  if (!signal.has_value()) {
    return NotYet(json::object(), kIdleLook, "waits for a message from outside");
  }
  PURSER_ASSIGN_OR_RETURN(json payload, purser::json::Parse(signal->body));
  return Ready({{"payload", std::move(payload)},
                {"deliveryId", signal->delivery_id},
                {"receivedAt", TimeText(absl::FromUnixMicros(signal->at))}});
}

absl::StatusOr<CallResult> WaitConnector::PullRequest(const json& input, const CallResult* previous,
                                                      CallContext& context) {
  const std::string uses = absl::StrCat(input.at("connector").get<std::string>(), "/merged");
  const absl::StatusOr<connectors::Resolved> found = connectors::Resolve(connectors_, uses);
  if (!found.ok()) return base::Annotate(found.status(), "/connector");
  json asked = input;
  asked.erase("connector");
  // The connector says itself when it wants to look again: seldom, when people take long.
  absl::StatusOr<CallResult> result =
      previous == nullptr
          ? found->connector->Call(found->operation->name, asked, context)
          : found->connector->Observe(found->operation->name, asked, *previous, context);
  // What was merged belongs to the step that proposed it.
  if (result.ok()) result->resources.clear();
  return result;
}

absl::StatusOr<CallResult> WaitConnector::OtherRequest(const json& input,
                                                       const CallResult* previous) {
  std::optional<RequestRow> row;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    if (input.contains("id")) {
      PURSER_ASSIGN_OR_RETURN(row, FindRequest(connection, input.at("id").get<std::string>()));
    } else {
      PURSER_ASSIGN_OR_RETURN(row,
                              FindRequestByKey(connection, input.at("key").get<std::string>()));
    }
    return absl::OkStatus();
  }));
  const absl::Time now = now_();
  absl::Time since = now;
  if (previous != nullptr) {
    PURSER_ASSIGN_OR_RETURN(since, ParseTime(previous->outputs.value("since", "")));
  }
  const absl::Duration poll = std::clamp((now - since) / 10, kShortestLook, kLongestLook);
  const json waited = {{"since", TimeText(since)}};
  if (!row.has_value()) {
    // By its id it exists or never will; a key may be used yet.
    if (input.contains("key")) return NotYet(waited, poll, "waits for a request with that key");
    return absl::NotFoundError(absl::StrCat(
        "request ", base::EscapeForDisplay(input.at("id").get<std::string>()), " does not exist"));
  }
  if (row->state == RequestState::kSucceeded) {
    json outputs = json::parse(row->outputs, nullptr, /*allow_exceptions=*/false);
    if (!outputs.is_object()) outputs = json::object();
    return Ready({{"id", row->id}, {"outputs", std::move(outputs)}});
  }
  if (IsFinal(row->state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("request ", row->id, " ", ToString(row->state), ": ", row->message));
  }
  return NotYet(waited, poll, absl::StrCat("request ", row->id, " is ", ToString(row->state)));
}

}  // namespace purser::provisioning
