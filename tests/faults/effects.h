// An outside world that remembers, and an executor whose steps act on it: what the engine did can
// be counted after any death of the process that did it.
#ifndef PURSER_TESTS_FAULTS_EFFECTS_H_
#define PURSER_TESTS_FAULTS_EFFECTS_H_

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "workflow/executor.h"
#include "workflow/observer.h"

namespace purser::faults {

// What happened, by line. Thread-safe and, for the file, safe between processes.
class World {
 public:
  virtual ~World() = default;
  virtual void Append(const std::string& line) = 0;
  // Appends unless the line is there; as one act.
  virtual void AppendOnce(const std::string& line) = 0;
  virtual bool Has(const std::string& line) = 0;
};

class FileWorld final : public World {
 public:
  explicit FileWorld(std::string file) : file_(std::move(file)) {}
  void Append(const std::string& line) override { Write(line, /*once=*/false); }
  void AppendOnce(const std::string& line) override { Write(line, /*once=*/true); }
  bool Has(const std::string& line) override { return Lines(file_).contains(line); }

  // Each line and how often it stands there.
  static std::map<std::string, int> Lines(const std::string& file) {
    std::map<std::string, int> lines;
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) ++lines[line];
    return lines;
  }

 private:
  void Write(const std::string& line, bool once) {
    const int fd = open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    flock(fd, LOCK_EX);
    if (!once || !Has(line)) {
      const std::string text = line + "\n";
      if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(3);
    }
    close(fd);
  }

  const std::string file_;
};

// Operations, by `uses`; each but unsafe and fail is undone by a keyed effect of its own:
//   put     harmless to repeat: every call is a line
//   keyed   the peer refuses a second line with the same effect key
//   probe   every call is a line; only Probe can tell that it happened
//   slow    as keyed, ready at the second look
//   unsafe  every call is a line
//   fail    refuses
class EffectExecutor final : public workflow::StepExecutor {
 public:
  explicit EffectExecutor(World& world) : world_(world) {}
  // The controls: what a peer that does not honour keys, or cannot be probed, makes of it.
  bool keys_work = true;
  bool probes_work = true;
  // The other side cannot be reached: nothing happens, and that is known.
  bool unreachable = false;
  // How soon `slow` is looked at.
  absl::Duration poll = absl::Milliseconds(2);
  // Runs before an effect, for instance to wait.
  std::function<void(const workflow::StepCall&)> before_effect;

  static nlohmann::json Body(const std::vector<std::string>& uses) {
    nlohmann::json steps = nlohmann::json::array();
    for (size_t i = 0; i < uses.size(); ++i) {
      nlohmann::json step = {{"id", absl::StrCat(uses[i], i)}, {"uses", uses[i]}};
      // The first two side by side, the others one after another.
      if (i > 1) step["needs"] = {absl::StrCat(uses[i - 1], i - 1), absl::StrCat(uses[0], 0)};
      steps.push_back(std::move(step));
    }
    return {{"steps", std::move(steps)}};
  }
  static std::shared_ptr<const workflow::Definition> Build(const nlohmann::json& body) {
    auto definition = std::make_shared<workflow::Definition>();
    definition->name = "faults";
    definition->hash = base::Sha256Hex(body.dump());
    for (const nlohmann::json& text : body["steps"]) {
      workflow::StepDefinition step;
      step.id = text["id"];
      step.uses = text["uses"];
      step.needs = text.value("needs", std::vector<std::string>());
      step.retry.attempts = 50;
      step.retry.initial = absl::Milliseconds(1);
      step.retry.cap = absl::Milliseconds(4);
      step.timeout = absl::Hours(48);
      definition->steps.push_back(std::move(step));
    }
    return definition;
  }

  absl::StatusOr<std::shared_ptr<const workflow::Definition>> Parse(
      absl::string_view, absl::string_view body) override {
    return Build(nlohmann::json::parse(body.begin(), body.end()));
  }
  absl::StatusOr<workflow::StepTraits> Traits(const workflow::StepDefinition& step,
                                              workflow::Direction direction) override {
    workflow::StepTraits traits;
    traits.call_class = workflow::CallClass::kKeyed;
    if (direction == workflow::Direction::kUndo) return traits;
    if (step.uses == "put") traits.call_class = workflow::CallClass::kPut;
    if (step.uses == "probe") traits.call_class = workflow::CallClass::kProbe;
    if (step.uses == "unsafe") traits.call_class = workflow::CallClass::kUnsafe;
    traits.has_undo = step.uses != "unsafe" && step.uses != "fail";
    return traits;
  }
  absl::StatusOr<workflow::Prepared> Prepare(const workflow::RunView&,
                                             const workflow::StepDefinition&) override {
    return workflow::Prepared{false, nlohmann::json::object()};
  }
  absl::StatusOr<workflow::CallResult> Call(const workflow::StepCall& call,
                                            workflow::CallContext& context) override {
    if (unreachable) return NoRoute();
    if (before_effect) before_effect(call);
    workflow::CallResult result;
    if (call.direction == workflow::Direction::kUndo) {
      world_.AppendOnce(absl::StrCat("undo ", context.effect_key()));
      return result;
    }
    const std::string& uses = call.step.uses;
    if (uses == "fail") return absl::InvalidArgumentError("told to fail");
    const std::string line = absl::StrCat(uses, " ", context.effect_key());
    const bool once = (uses == "keyed" || uses == "slow") && keys_work;
    once ? world_.AppendOnce(line) : world_.Append(line);
    result.outputs = {{"key", context.effect_key()}};
    if (uses == "slow") {
      result.ready = false;
      result.poll_after = poll;
      result.progress = "one look to go";
    }
    return result;
  }
  absl::StatusOr<std::optional<workflow::CallResult>> Probe(
      const workflow::StepCall& call, workflow::CallContext& context) override {
    if (unreachable) return NoRoute();
    if (!probes_work || !world_.Has(absl::StrCat(call.step.uses, " ", context.effect_key()))) {
      return std::optional<workflow::CallResult>();
    }
    workflow::CallResult result;
    result.outputs = {{"key", context.effect_key()}};
    return std::optional<workflow::CallResult>(std::move(result));
  }
  absl::StatusOr<workflow::CallResult> Observe(const workflow::StepCall&,
                                               const workflow::CallResult& previous,
                                               workflow::CallContext&) override {
    if (unreachable) return NoRoute();
    workflow::CallResult result = previous;
    result.ready = previous.progress == "ready at the next look";
    result.progress = result.ready ? "" : "ready at the next look";
    result.poll_after = poll;
    return result;
  }
  absl::StatusOr<nlohmann::json> Finish(const workflow::RunView& run) override {
    return nlohmann::json(run.outputs);
  }

 private:
  static absl::Status NoRoute() { return absl::UnavailableError("no route"); }

  World& world_;
};

class NoObserver final : public workflow::RunObserver {
 public:
  absl::Status OnRunState(store::Connection&, const workflow::RunRecord&,
                          const workflow::RunView&) override {
    return absl::OkStatus();
  }
  absl::Status OnStepResult(store::Connection&, const workflow::RunRecord&,
                            const workflow::StepDefinition&, workflow::Direction,
                            const workflow::CallResult&) override {
    return absl::OkStatus();
  }
  void OnCommitted() override {}
};

// The kinds of runs the tests make, and what must hold of each when all is over.
inline const std::map<std::string, std::vector<std::string>>& Kinds() {
  static const auto& kinds = *new std::map<std::string, std::vector<std::string>>{
      {"good", {"put", "keyed", "probe", "slow"}},
      {"bad", {"keyed", "probe", "slow", "fail"}},
      {"risky", {"keyed", "unsafe"}}};
  return kinds;
}

struct Verdict {
  int lost = 0;     // effects that a finished run should have had
  int doubled = 0;  // effects that came twice
};

// `lines`: the world's; `state`: how the run ended; `cancelled`: somebody asked for it meanwhile.
inline Verdict Judge(const std::string& kind, const std::string& run_id, const std::string& state,
                     const std::map<std::string, int>& lines, bool cancelled = false) {
  Verdict verdict;
  const auto count = [&](const std::string& what, const std::string& step, const char* end) {
    const auto found = lines.find(absl::StrCat(what, " ", run_id, "/", step, "/1", end));
    return found == lines.end() ? 0 : found->second;
  };
  const std::vector<std::string>& uses = Kinds().at(kind);
  const bool ended_well = kind == "good"  ? state == "succeeded"
                          : kind == "bad" ? state == "failed"
                                          : state == "succeeded" || state == "needs-operator";
  const bool stopped = cancelled && state == "cancelled";
  if (!ended_well && !stopped && !(cancelled && state == "needs-operator")) ++verdict.lost;
  for (size_t i = 0; i < uses.size(); ++i) {
    const std::string step = absl::StrCat(uses[i], i);
    const int effects = count(uses[i], step, "");
    const int undone = count("undo", step, "/undo");
    if (uses[i] == "fail") continue;
    if (effects > 1 && uses[i] != "put") ++verdict.doubled;
    if (undone > 1) ++verdict.doubled;
    const bool parked = state == "needs-operator";
    if (effects == 0 && !parked && !stopped) ++verdict.lost;
    // A run that failed or was cancelled leaves nothing behind that can be undone.
    const bool to_undo = stopped ? effects > 0 && uses[i] != "unsafe" : kind == "bad" && !parked;
    if (to_undo && undone != 1) ++verdict.lost;
  }
  return verdict;
}

}  // namespace purser::faults

#endif  // PURSER_TESTS_FAULTS_EFFECTS_H_
