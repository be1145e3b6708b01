#include "workflow/fault.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"

namespace purser::workflow {
namespace {

struct Armed {
  std::string name;
  int64_t pass = 0;  // 0: not armed
};

Armed Parse(absl::string_view value) {
  Armed result;
  const size_t colon = value.rfind(':');
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(value.substr(colon + 1), &result.pass)) {
    result.pass = 0;
    return result;
  }
  result.name = std::string(value.substr(0, colon));
  return result;
}

Armed& ArmedPoint() {
  // Never destroyed: workers may pass points while the process ends.
  static Armed& armed = *new Armed([] {
    const char* text = std::getenv("PURSER_FAULT_KILL");
    return text == nullptr ? Armed() : Parse(text);
  }());
  return armed;
}

}  // namespace

void PassFaultPoint(absl::string_view name) {
  static std::atomic<int64_t> passes{0};
  const Armed& armed = ArmedPoint();
  if (armed.pass == 0 || name != armed.name) return;
  if (passes.fetch_add(1) + 1 == armed.pass) {
    // SIGKILL, not abort(): nothing may run on the way out, as when the power goes.
    kill(getpid(), SIGKILL);
  }
}

void ArmFaultPoint(absl::string_view value) { ArmedPoint() = Parse(value); }

const std::vector<absl::string_view>& FaultPoints() {
  static const auto& points =
      *new std::vector<absl::string_view>{"begin.in-transaction", "begin.after-commit",
                                          "claim.in-transaction", "claim.after-commit",
                                          "call.before",          "call.after",
                                          "probe.before",         "observe.before",
                                          "observe.after",        "result.in-transaction",
                                          "result.after-commit",  "undo.before",
                                          "undo.after",           "control.in-transaction",
                                          "control.after-commit", "recover.in-transaction"};
  return points;
}

}  // namespace purser::workflow
