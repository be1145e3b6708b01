// What steps do while something is not yet as it should be: deciding, watching, deleting.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "connectors/kubernetes/object_steps.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// Of a deletion whose input, outputs of an earlier step, names none.
constexpr double kDefaultPatienceSeconds = 900;

std::string UidOf(const Json& object) { return TextAt(object, {"metadata", "uid"}); }

}  // namespace

CallResult ObjectSteps::Begun(const AppliedObject& applied) const {
  CallResult result;
  result.outputs = applied.target.Outputs();
  result.outputs["uid"] = applied.uid;
  result.outputs["created"] = applied.created;
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(clock_.Now());
  result.resources.push_back(applied.target.Resource(applied.uid));
  return result;
}

ObjectSteps::Answer ObjectSteps::Expect(const Target& target, ObjectWatcher::Settled settled,
                                        CallContext& context) const {
  if (watcher_ == nullptr || target.cluster->reader == nullptr) return Answer::kPolled;
  std::function<void()> wake = context.Waker();
  if (!wake) return Answer::kPolled;
  return watcher_->Expect(*target.cluster->reader, target.ref, context.effect_key(),
                          std::move(settled), std::move(wake));
}

absl::StatusOr<ObjectReadiness> ObjectSteps::Judge(const Judgement& judge, const Target& target,
                                                   Json* object, Answer* watch,
                                                   CallContext& context) const {
  const auto look = [&] {
    return object->is_null() ? ObjectReadiness{ObjectState::kWaiting, "does not exist yet"}
                             : judge(*object);
  };
  ObjectReadiness readiness = look();
  if (readiness.state == ObjectState::kWaiting && watch != nullptr) {
    *watch = Expect(
        target,
        [judge, existed = !object->is_null()](const Json* now) {
          // What existed and is gone is a reason to look, too: the step fails then.
          return now == nullptr ? existed : judge(*now).state != ObjectState::kWaiting;
        },
        context);
    if (*watch == Answer::kMissed) {
      absl::StatusOr<Json> newer = Read(target, context);
      if (newer.ok()) {
        *object = *std::move(newer);
        readiness = look();
      }
    }
  }
  if (readiness.state == ObjectState::kFailed) {
    return absl::FailedPreconditionError(
        absl::StrCat(target.ToString(), " failed: ", readiness.reason));
  }
  return readiness;
}

absl::Status ObjectSteps::Settle(const SettleRule& rule, const Target& target, Json* object,
                                 CallResult* result, CallContext& context) const {
  Answer watch = Answer::kPolled;
  result->ready = !rule.wait;
  if (rule.wait) {
    PURSER_ASSIGN_OR_RETURN(const ObjectReadiness readiness,
                            Judge(rule.judge, target, object, &watch, context));
    result->ready = readiness.state == ObjectState::kReady;
    result->progress =
        result->ready ? "" : absl::StrCat(target.ref.ToString(), ": ", readiness.reason);
  }
  if (!result->ready) return KeepWaiting(rule.timeout_seconds, watch, result);
  result->outputs.erase("sinceSeconds");
  for (const auto& [name, pointer] : rule.outputs.items()) {
    const Json::json_pointer place(pointer.get<std::string>());
    if (!object->contains(place)) {
      if (rule.outputs_may_be_missing) continue;
      return absl::FailedPreconditionError(absl::StrCat("outputs.", name, ": ",
                                                        target.ref.ToString(), " has nothing at ",
                                                        pointer.get<std::string>()));
    }
    result->outputs[name] = object->at(place);
  }
  if (json::Dump(result->outputs).size() > kMaxKubernetesOutputBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("outputs are larger than ", kMaxKubernetesOutputBytes,
                     " bytes (kMaxKubernetesOutputBytes); choose smaller parts of the object"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ObjectSteps::IsGone(const Target& target, const std::string& uid,
                                         Answer* watch, CallContext& context) const {
  const auto goes = [uid](const Json* object) {
    return object == nullptr || (!uid.empty() && UidOf(*object) != uid);
  };
  for (;;) {
    const absl::StatusOr<Json> object = Read(target, context);
    if (!object.ok() && !absl::IsNotFound(object.status())) return object.status();
    if (goes(object.ok() ? &*object : nullptr)) return true;
    if (watch == nullptr || *watch == Answer::kMissed) return false;
    *watch = Expect(target, goes, context);
    if (*watch != Answer::kMissed) return false;
  }
}

absl::Status ObjectSteps::KeepWaiting(double timeout_seconds, ObjectWatcher::Answer watch,
                                      CallResult* result) const {
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  // What was taken on instead of being applied has waited for nothing yet.
  if (!result->outputs.contains("sinceSeconds")) result->outputs["sinceSeconds"] = now;
  const int64_t waited = now - result->outputs.value("sinceSeconds", now);
  if (static_cast<double>(waited) <= timeout_seconds) {
    const bool watched = watch != ObjectWatcher::Answer::kPolled;
    result->poll_after = NextLook(absl::Seconds(waited), watched ? kWatchedPace : kObjectPace,
                                  json::Dump(result->outputs));
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("not ready after ", waited, " s (timeoutSeconds): ", result->progress));
}

absl::StatusOr<bool> ObjectSteps::Delete(const Target& target, const std::string& uid,
                                         CallContext& context) const {
  KubernetesClient& client = *target.cluster->client;
  const absl::Status deleted = client.Delete(target.ref, uid, LimitsOf(context));
  if (absl::IsNotFound(deleted)) return true;
  if (deleted.ok()) {
    context.Log(action::LogLevel::kInfo, absl::StrCat(target.ToString(), " deleted"));
    return false;
  }
  // Our object is gone when another one bears its name.
  if (!uid.empty() && absl::IsFailedPrecondition(deleted)) {
    const absl::StatusOr<bool> gone = IsGone(target, uid, nullptr, context);
    if (gone.ok() && *gone) return true;
  }
  return deleted;
}

absl::StatusOr<CallResult> ObjectSteps::DeleteStep(const Json& input, CallContext& context) const {
  CallResult result;
  if (!input.value("created", true)) {
    context.Log(action::LogLevel::kInfo,
                absl::StrCat(TextAt(input, "kind"), " ", TextAt(input, "name"),
                             " was there before the step; it stays"));
    return result;
  }
  PURSER_ASSIGN_OR_RETURN(const Target target, TargetOf(input, context));
  result.outputs = target.Outputs();
  PURSER_ASSIGN_OR_RETURN(result.ready, Delete(target, TextAt(input, "uid"), context));
  if (result.ready) return result;
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(clock_.Now());
  return ObserveDeleted(input, result, context);
}

absl::StatusOr<CallResult> ObjectSteps::ObserveDeleted(const Json& input,
                                                       const CallResult& previous,
                                                       CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const Target target, TargetOf(previous.outputs, context));
  CallResult result = previous;
  Answer watch = Answer::kPolled;
  PURSER_ASSIGN_OR_RETURN(result.ready, IsGone(target, TextAt(input, "uid"), &watch, context));
  if (!result.ready) {
    result.progress = absl::StrCat(target.ref.ToString(), ": waiting until it is gone");
    PURSER_RETURN_IF_ERROR(
        KeepWaiting(input.value("timeoutSeconds", kDefaultPatienceSeconds), watch, &result));
    return result;
  }
  result.outputs.erase("sinceSeconds");
  result.progress.clear();
  return result;
}

}  // namespace purser::connectors
