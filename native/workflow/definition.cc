#include "workflow/definition.h"

#include <algorithm>
#include <map>

#include "base/strings.h"

namespace purser::workflow {

const StepDefinition* Definition::Find(absl::string_view id) const {
  for (const StepDefinition& step : steps) {
    if (step.id == id) return &step;
  }
  return nullptr;
}

std::vector<std::string> FindCycle(const std::vector<StepDefinition>& steps) {
  std::map<std::string, const StepDefinition*, std::less<>> by_id;
  for (const StepDefinition& step : steps) by_id.emplace(step.id, &step);

  enum class Mark { kNew, kOpen, kDone };
  std::map<const StepDefinition*, Mark> marks;
  // Depth first with an explicit stack: (step, index of the next need to look at).
  for (const StepDefinition& root : steps) {
    if (marks[&root] != Mark::kNew) continue;
    std::vector<std::pair<const StepDefinition*, size_t>> path = {{&root, 0}};
    marks[&root] = Mark::kOpen;
    while (!path.empty()) {
      auto& [step, next] = path.back();
      if (next == step->needs.size()) {
        marks[step] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const auto found = by_id.find(step->needs[next++]);
      if (found == by_id.end()) continue;
      const StepDefinition* need = found->second;
      if (marks[need] == Mark::kNew) {
        marks[need] = Mark::kOpen;
        path.emplace_back(need, 0);
      } else if (marks[need] == Mark::kOpen) {
        std::vector<std::string> cycle;
        auto at = std::find_if(path.begin(), path.end(),
                               [need](const auto& entry) { return entry.first == need; });
        for (; at != path.end(); ++at) cycle.push_back(at->first->id);
        cycle.push_back(need->id);
        return cycle;
      }
    }
  }
  return {};
}

}  // namespace purser::workflow
