#include "costs/fact_sums.h"

#include <algorithm>

#include "base/status.h"

namespace purser::costs {

absl::Status FactSums::Add(absl::Span<const Fact> facts) {
  for (size_t begin = 0; begin < facts.size();) {
    const uint64_t run = RunOf(facts[begin]);
    size_t end = begin + 1;
    while (end < facts.size() && RunOf(facts[end]) == run) ++end;
    PURSER_RETURN_IF_ERROR(AddRun(run, facts.subspan(begin, end - begin)));
    begin = end;
  }
  return absl::OkStatus();
}

absl::Status FactSums::Add(const FactSums& other) {
  for (const auto& [run, facts] : other.runs_) PURSER_RETURN_IF_ERROR(AddRun(run, facts));
  return absl::OkStatus();
}

absl::Status FactSums::AddRun(uint64_t run, absl::Span<const Fact> facts) {
  std::vector<Fact>& sums = runs_[run];
  if (sums.empty()) {
    sums.assign(facts.begin(), facts.end());
    return absl::OkStatus();
  }
  size_t at = 0;
  for (const Fact& fact : facts) {
    while (at < sums.size() && sums[at].day < fact.day) ++at;
    if (at == sums.size() || sums[at].day != fact.day) {
      sums.insert(sums.begin() + static_cast<std::ptrdiff_t>(at), fact);
    } else if (!sums[at].sums.TryAdd(fact.sums)) {
      return sums[at].sums.Add(fact.sums);
    }
  }
  return absl::OkStatus();
}

std::vector<Fact> FactSums::InOrder() const {
  std::vector<std::pair<uint64_t, const std::vector<Fact>*>> runs;
  runs.reserve(runs_.size());
  size_t count = 0;
  for (const auto& [run, facts] : runs_) {
    runs.emplace_back(run, &facts);
    count += facts.size();
  }
  std::sort(runs.begin(), runs.end());
  std::vector<Fact> facts;
  facts.reserve(count);
  for (const auto& [run, of_run] : runs) facts.insert(facts.end(), of_run->begin(), of_run->end());
  return facts;
}

}  // namespace purser::costs
