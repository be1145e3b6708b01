#include "connectors/terraform/terraform_connector.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/name_patterns.h"
#include "connectors/terraform/terraform_schemas.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr size_t kMinSecretBytes = 4;  // shorter ones would blot out ordinary text
constexpr size_t kMaxTerraformOutputsBytes = 64 << 10;
constexpr int kExitNothing = 0;
constexpr int kExitChanges = 2;

}  // namespace

struct TerraformConnector::Root {
  std::string name;    // as the step says it
  std::string folder;  // absolute
  std::vector<std::string> environment;
  std::vector<std::pair<std::string, std::string>> secrets;  // value → what is shown instead
  Json given;  // variables, secretVariables, backend: outputs repeat them for the compensation

  std::string Clean(absl::string_view text) const { return absl::StrReplaceAll(text, secrets); }
};

TerraformConnector::TerraformConnector(std::string name, Json config, base::Clock& clock)
    : name_(std::move(name)),
      config_(std::move(config)),
      folder_(config_["folder"].get<std::string>()),
      plans_(config_["plans"].get<std::string>()),
      clock_(clock),
      inputs_(operations()) {}

const Json& TerraformConnector::ConfigSchema() { return TerraformConfigSchema(); }

absl::StatusOr<std::unique_ptr<Connector>> TerraformConnector::FromConfig(
    absl::string_view name, const Json& raw_config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(Json config, CheckConfig(name, ConfigSchema(), raw_config));
  // Plans hold what providers said, secrets among it.
  const absl::StatusOr<base::Directory> plans =
      base::Directory::Create(config["plans"].get<std::string>(), 0700);
  if (!plans.ok()) {
    return base::Annotate(plans.status(), absl::StrCat("connector ", name, ": /plans"));
  }
  return std::unique_ptr<Connector>(
      new TerraformConnector(std::string(name), std::move(config), dependencies.clock));
}

const std::vector<Operation>& TerraformConnector::operations() const {
  return TerraformOperations();
}

base::Mutex& TerraformConnector::LockOf(const std::string& root) {
  base::MutexLock lock(mutex_);
  std::unique_ptr<base::Mutex>& known = busy_[root];
  if (known == nullptr) known = std::make_unique<base::Mutex>();
  return *known;
}

std::string TerraformConnector::PlanPath(const std::string& hash) const {
  return absl::StrCat(plans_, "/", hash, ".tfplan");
}

absl::StatusOr<TerraformConnector::Root> TerraformConnector::Prepare(const Json& input,
                                                                     CallContext& context) const {
  Root root;
  root.name = input["root"].get<std::string>();
  if (!MatchesAny(config_["roots"].get<std::vector<std::string>>(), root.name)) {
    return absl::PermissionDeniedError(absl::StrCat("root ", root.name, " is not among connectors.",
                                                    name_, ".roots; an operator can add it"));
  }
  // Through no link out of the checkout.
  PURSER_ASSIGN_OR_RETURN(const base::Directory checkout, base::Directory::Open(folder_));
  const absl::StatusOr<base::Directory> folder = checkout.OpenAt(root.name);
  if (!folder.ok()) {
    return base::Annotate(folder.status(), absl::StrCat("root ", root.name));
  }
  root.folder = absl::StrCat(folder_, "/", root.name);
  root.given = {{"variables", input["variables"]},
                {"secretVariables", input["secretVariables"]},
                {"backend", input["backend"]}};

  const std::string data = absl::StrCat(plans_, "/data/", base::Sha256Hex(root.name).substr(0, 32));
  PURSER_RETURN_IF_ERROR(base::Directory::Create(data, 0700).status());
  root.environment = {"TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
                      absl::StrCat("TF_DATA_DIR=", data),
                      absl::StrCat("TF_CLI_CONFIG_FILE=", config_.value("cliConfig", "/dev/null"))};
  for (const char* name : {"PATH", "HOME", "TMPDIR", "USER"}) {
    if (const char* value = std::getenv(name); value != nullptr) {
      root.environment.push_back(absl::StrCat(name, "=", value));
    }
  }
  const auto add_secret = [&](const std::string& name, const Json& reference) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(std::string value,
                            context.ResolveSecret(reference.get_ref<const std::string&>()));
    root.environment.push_back(absl::StrCat(name, "=", value));
    if (value.size() >= kMinSecretBytes) root.secrets.emplace_back(std::move(value), "***");
    return absl::OkStatus();
  };
  for (const auto& [name, value] : config_["environment"].items()) {
    root.environment.push_back(absl::StrCat(name, "=", value.get<std::string>()));
  }
  for (const auto& [name, reference] : config_["secretEnvironment"].items()) {
    PURSER_RETURN_IF_ERROR(add_secret(name, reference));
  }
  // By the environment: arguments can be seen by everybody on the machine.
  for (const auto& [name, value] : input["variables"].items()) {
    root.environment.push_back(absl::StrCat(
        "TF_VAR_", name, "=", value.is_string() ? value.get<std::string>() : json::Dump(value)));
  }
  for (const auto& [name, reference] : input["secretVariables"].items()) {
    PURSER_RETURN_IF_ERROR(add_secret(absl::StrCat("TF_VAR_", name), reference));
  }
  return root;
}

absl::StatusOr<TerraformEnd> TerraformConnector::Run(const Root& root,
                                                     std::vector<std::string> arguments,
                                                     TerraformEvents* events, std::string* output,
                                                     CallContext& context) const {
  TerraformRun run;
  run.arguments = std::move(arguments);
  run.arguments.insert(run.arguments.begin(), config_["program"].get<std::string>());
  run.environment = root.environment;
  run.folder = root.folder;
  run.timeout = std::min(absl::Seconds(config_["timeoutSeconds"].get<double>()),
                         context.deadline() - clock_.Now());
  run.grace = absl::Seconds(config_["graceSeconds"].get<double>());
  run.stop = context.stop();
  run.on_line = [&](absl::string_view line) {
    if (events != nullptr) events->Add(root.Clean(line));
    if (output != nullptr && output->size() < static_cast<size_t>(kMaxPlanBytes)) {
      absl::StrAppend(output, line, "\n");
    }
  };
  absl::StatusOr<TerraformEnd> end = RunTerraform(run);
  if (end.ok()) end->errors = root.Clean(end->errors);
  return end;
}

absl::Status TerraformConnector::Explain(const Root& root, absl::string_view what,
                                         const TerraformEnd& end,
                                         const TerraformEvents& events) const {
  const std::string where = absl::StrCat("root ", root.name, ": ", what);
  if (events.lock_held()) {
    return absl::UnavailableError(absl::StrCat(
        where, ": the state is locked by ",
        events.lock().who.empty() ? "somebody" : events.lock().who, " (lock ", events.lock().id,
        "); when nobody works on it any more: terraform force-unlock ", events.lock().id));
  }
  if (events.stale()) {
    return absl::FailedPreconditionError(absl::StrCat(
        where,
        ": the state has changed since the plan was made, perhaps by an earlier try of this "
        "step; make and approve a new plan"));
  }
  std::string errors = events.Errors();
  if (errors.empty()) errors = base::EscapeForDisplay(absl::StripAsciiWhitespace(end.errors), 2000);
  if (end.interrupted) {
    return absl::CancelledError(
        absl::StrCat(where, ": was interrupted", errors.empty() ? "" : ": ", errors));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(where, " ended with ", end.exit_code, ": ", errors));
}

absl::Status TerraformConnector::Init(const Root& root, CallContext& context) const {
  std::vector<std::string> arguments = {
      "init", "-input=false", "-no-color", "-reconfigure",
      absl::StrCat("-lock-timeout=", config_["lockTimeout"].get<std::string>())};
  for (const auto& [name, value] : root.given["backend"].items()) {
    arguments.push_back(absl::StrCat("-backend-config=", name, "=", value.get<std::string>()));
  }
  TerraformEvents none([](action::LogLevel, absl::string_view) {});
  PURSER_ASSIGN_OR_RETURN(const TerraformEnd end,
                          Run(root, std::move(arguments), nullptr, nullptr, context));
  return end.exit_code == 0 ? absl::OkStatus() : Explain(root, "init", end, none);
}

absl::StatusOr<bool> TerraformConnector::PlanInto(const Root& root, const std::string& file,
                                                  std::vector<std::string> flags,
                                                  TerraformEvents* events,
                                                  CallContext& context) const {
  PURSER_RETURN_IF_ERROR(Init(root, context));
  std::vector<std::string> arguments = {"plan", "-input=false", "-json", "-detailed-exitcode",
                                        absl::StrCat("-out=", plans_, "/", file)};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  PURSER_ASSIGN_OR_RETURN(const TerraformEnd end,
                          Run(root, std::move(arguments), events, nullptr, context));
  if (end.exit_code != kExitNothing && end.exit_code != kExitChanges) {
    return Explain(root, "plan", end, *events);
  }
  return end.exit_code == kExitChanges;
}

absl::StatusOr<CallResult> TerraformConnector::MakePlan(const Root& root, bool destroy,
                                                        CallContext& context) const {
  TerraformEvents events(
      [&context](action::LogLevel level, absl::string_view line) { context.Log(level, line); });
  const std::string fresh = absl::StrCat(base::Sha256Hex(context.effect_key() + root.name), ".new");
  std::vector<std::string> flags = {
      absl::StrCat("-lock-timeout=", config_["lockTimeout"].get<std::string>())};
  if (destroy) flags.push_back("-destroy");
  PURSER_ASSIGN_OR_RETURN(const bool changed,
                          PlanInto(root, fresh, std::move(flags), &events, context));
  PURSER_ASSIGN_OR_RETURN(const base::Directory plans, base::Directory::Open(plans_));
  PURSER_ASSIGN_OR_RETURN(const std::string bytes, plans.ReadFile(fresh, kMaxPlanBytes));
  // Bound to the root: an approval for one root is none for another.
  const std::string hash = base::Sha256Hex(absl::StrCat(root.name, "\n", bytes));
  PURSER_RETURN_IF_ERROR(plans.Rename(fresh, hash + ".tfplan"));
  CallResult result;
  result.outputs = {{"root", root.name},
                    {"planHash", hash},
                    {"changed", changed},
                    {"summary", events.summary()},
                    {"changes", events.changes()}};
  return result;
}

absl::StatusOr<Json> TerraformConnector::ReadOutputs(const Root& root, CallContext& context) const {
  std::string text;
  TerraformEvents none([](action::LogLevel, absl::string_view) {});
  PURSER_ASSIGN_OR_RETURN(const TerraformEnd end,
                          Run(root, {"output", "-json", "-no-color"}, nullptr, &text, context));
  if (end.exit_code != 0) return Explain(root, "output", end, none);
  return json::Parse(text);
}

absl::StatusOr<CallResult> TerraformConnector::Apply(const Root& root, const std::string& hash,
                                                     CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const base::Directory plans, base::Directory::Open(plans_));
  const absl::StatusOr<std::string> bytes = plans.ReadFile(hash + ".tfplan", kMaxPlanBytes);
  if (absl::IsNotFound(bytes.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("root ", root.name, ": there is no stored plan ", hash));
  }
  if (!bytes.ok()) return bytes.status();
  if (base::Sha256Hex(absl::StrCat(root.name, "\n", *bytes)) != hash) {
    return absl::FailedPreconditionError(
        absl::StrCat("root ", root.name, ": the stored plan is not the one that has the hash ",
                     hash, ", or it was made for another root; nothing was done"));
  }
  PURSER_RETURN_IF_ERROR(Init(root, context));
  TerraformEvents events(
      [&context](action::LogLevel level, absl::string_view line) { context.Log(level, line); });
  PURSER_ASSIGN_OR_RETURN(
      const TerraformEnd end,
      Run(root,
          {"apply", "-input=false", "-json",
           absl::StrCat("-lock-timeout=", config_["lockTimeout"].get<std::string>()),
           PlanPath(hash)},
          &events, nullptr, context));
  Json outputs = events.outputs();
  if (end.exit_code != 0) {
    const absl::Status failed = Explain(root, "apply", end, events);
    if (!events.stale()) return failed;
    // A try of this step whose answer was lost may have applied it: then nothing is left to change.
    PURSER_ASSIGN_OR_RETURN(const CallResult now, MakePlan(root, /*destroy=*/false, context));
    if (now.outputs["changed"] == true) return failed;
    PURSER_ASSIGN_OR_RETURN(outputs, ReadOutputs(root, context));
  }
  CallResult result;
  result.outputs = root.given;
  result.outputs["root"] = root.name;
  result.outputs["planHash"] = hash;
  result.outputs["summary"] = events.summary();
  result.outputs["outputs"] = ShownOutputs(outputs, root.name);
  if (json::Dump(result.outputs).size() > kMaxTerraformOutputsBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("root ", root.name, ": its outputs are larger than ",
                     kMaxTerraformOutputsBytes, " bytes (kMaxTerraformOutputsBytes)"));
  }
  result.resources.push_back(
      {absl::StrCat("terraform:", root.name), "terraform-root", root.name, {{"root", root.name}}});
  // What Probe reads when our answer is lost.
  PURSER_RETURN_IF_ERROR(plans.WriteFile(base::Sha256Hex(context.effect_key()) + ".done",
                                         json::Dump(result.outputs), 0600, true));
  return result;
}

absl::StatusOr<CallResult> TerraformConnector::Call(absl::string_view operation,
                                                    const Json& raw_input, CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(const Root root, Prepare(input, context));
  base::MutexLock lock(LockOf(root.name));
  if (operation == "plan") {
    return MakePlan(root, input["destroy"].get<bool>(), context);
  }
  if (operation == "apply") return Apply(root, input["planHash"].get<std::string>(), context);
  PURSER_ASSIGN_OR_RETURN(const CallResult plan, MakePlan(root, true, context));
  CallResult result = plan;
  if (plan.outputs["changed"] == true) {
    PURSER_ASSIGN_OR_RETURN(result,
                            Apply(root, plan.outputs["planHash"].get<std::string>(), context));
    result.resources.clear();
  }
  return result;
}

absl::StatusOr<std::optional<CallResult>> TerraformConnector::Probe(absl::string_view operation,
                                                                    const Json& raw_input,
                                                                    CallContext& context) {
  if (operation != "apply") return Connector::Probe(operation, raw_input, context);
  PURSER_ASSIGN_OR_RETURN(const base::Directory plans, base::Directory::Open(plans_));
  const absl::StatusOr<std::string> text =
      plans.ReadFile(base::Sha256Hex(context.effect_key()) + ".done", kMaxPlanBytes);
  if (absl::IsNotFound(text.status())) return std::optional<CallResult>();
  if (!text.ok()) return text.status();
  PURSER_ASSIGN_OR_RETURN(Json outputs, json::Parse(*text));
  CallResult result;
  const std::string root = outputs.value("root", "");
  result.outputs = std::move(outputs);
  result.resources.push_back(
      {absl::StrCat("terraform:", root), "terraform-root", root, {{"root", root}}});
  return std::optional<CallResult>(std::move(result));
}

absl::StatusOr<Comparison> TerraformConnector::Compare(absl::string_view operation,
                                                       const Json& raw_input,
                                                       const CallResult& applied,
                                                       CallContext& context) {
  if (operation != "apply") return Connector::Compare(operation, raw_input, applied, context);
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(const Root root, Prepare(input, context));
  base::MutexLock lock(LockOf(root.name));
  TerraformEvents events([](action::LogLevel, absl::string_view) {});
  const std::string file = absl::StrCat(base::Sha256Hex(context.effect_key() + root.name), ".look");
  // Nobody who works on the root waits for a look, nor it for them.
  const absl::StatusOr<bool> differs = PlanInto(root, file, {"-lock=false"}, &events, context);
  PURSER_ASSIGN_OR_RETURN(const base::Directory plans, base::Directory::Open(plans_));
  const absl::Status removed = plans.Remove(file);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  if (!differs.ok()) return differs.status();
  if (!*differs) return Comparison{};
  std::string detail = absl::StrCat("root ", root.name, ": a plan would change ");
  const char* separator = "";
  for (const Json& change : events.changes()) {
    absl::StrAppend(&detail, separator, change.value("address", ""), " (",
                    change.value("action", ""), ")");
    separator = ", ";
  }
  return Comparison{Comparison::State::kDiffers, base::EscapeForDisplay(detail, 1000)};
}

}  // namespace purser::connectors
