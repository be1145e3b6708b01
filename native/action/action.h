// Scaffolder actions: one C++ interface, two hosts.
//
// A portal action runs in the addon on a native thread (CPU and workspace work); a sidecar action
// runs in purserd (outside systems, durable work) and is reached over one streaming gRPC method.
// Both hosts list what they hold; the TypeScript module registers either the same way. Adding an
// action touches its folder and one line of scaffolder-actions/registry.
#ifndef PURSER_ACTION_ACTION_H_
#define PURSER_ACTION_ACTION_H_

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "http/transport.h"
#include "nlohmann/json.hpp"

namespace purser::action {

enum class Host { kPortal, kSidecar };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct Example {
  std::string description;
  std::string yaml;  // a template's `steps:` excerpt, as shown on Backstage's actions page
};

struct Description {
  std::string id;  // "purser:noun:verb"
  std::string description;
  Host host;
  nlohmann::json input_schema;    // JSON Schema draft-07, authored beside the action
  nlohmann::json output_schema;   // with examples/defaults, so that a dry run can be honest
  std::vector<Example> examples;  // at least three
  bool supports_dry_run = false;
};

// What a run may see and do. Methods may be called from the action's own threads at any time until
// Run returns.
class Context {
 public:
  virtual ~Context() = default;
  virtual const nlohmann::json& input() const = 0;  // already checked against input_schema
  // Absolute path of the task's workspace; empty for sidecar actions.
  virtual const std::string& workspace() const = 0;
  // Values whose text must never reach logs, outputs or errors, by name (e.g. "token").
  virtual const std::map<std::string, std::string>& secrets() const = 0;
  // "task/step/inputHash": the same for a repeat of the same step.
  virtual const std::string& idempotency_key() const = 0;
  // Entity ref of who started it, e.g. "user:default/guest"; empty when a service did.
  virtual const std::string& user() const = 0;
  virtual bool dry_run() const = 0;
  virtual std::stop_token stop() const = 0;
  // With stop: true when a person cancelled the task, false when only the call to this host broke
  // off and durable work must go on.
  virtual bool cancelled_by_user() const { return stop().stop_requested(); }
  virtual http::Transport& transport() = 0;
  // Whole lines; the host batches them and hides secrets.
  virtual void Log(LogLevel level, absl::string_view line) = 0;
  virtual void Output(absl::string_view name, nlohmann::json value) = 0;
};

// One object for the life of the host; Run may be called from several threads at once.
class Action {
 public:
  virtual ~Action() = default;
  virtual const Description& description() const = 0;
  // CANCELLED when stop was requested; UNAVAILABLE when a repeat may help.
  virtual absl::Status Run(Context& context) = 0;
};

// The actions of one host. Built once at start, read-only afterwards.
class Registry {
 public:
  // An id that is there already, or fewer than three examples, is a programming error: INTERNAL.
  absl::Status Add(std::unique_ptr<Action> action);
  Action* Find(absl::string_view id) const;      // nullptr when unknown
  std::vector<const Description*> List() const;  // by id

 private:
  std::map<std::string, std::unique_ptr<Action>, std::less<>> actions_;
};

// {"id","description","host","schema":{"input","output"},"examples":[{"description","example"}],
// "supportsDryRun"}: what both hosts hand to TypeScript.
nlohmann::json ToJson(const Description& description);

}  // namespace purser::action

#endif  // PURSER_ACTION_ACTION_H_
