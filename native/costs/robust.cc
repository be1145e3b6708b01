#include "costs/robust.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace purser::costs {
namespace {

constexpr size_t kWeek = 7;
// Out of line is what is further from its week's usual than this many deviations. Costs have long
// tails: with fewer, ordinary days would be taken for spikes.
constexpr double kSpikeDeviations = 8;
// Even where all other days are equal, a day may differ by this part of them.
constexpr double kSteadyPart = 0.1;
// More than three, or than one in so many days, and they are how the series is: bills that come by
// the month, jobs that run now and then.
constexpr size_t kDaysPerSpike = 40;

// The median of the week around the day; at the ends, of the first and the last week. A whole week
// has each weekday once, so that weekends do not pull it.
double LevelAround(const std::vector<double>& days, size_t day) {
  const size_t first = std::min(day < kWeek / 2 ? 0 : day - kWeek / 2, days.size() - kWeek);
  const auto begin = days.begin() + static_cast<std::ptrdiff_t>(first);
  return Median({begin, begin + kWeek});
}

}  // namespace

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle),
                   values.end());
  const double upper = values[middle];
  if (values.size() % 2 == 1) return upper;
  return (upper +
          *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle))) /
         2;
}

std::vector<double> WithoutSpikes(std::vector<double> all_days) {
  // Nothing was usual before the first charge.
  const auto first =
      std::find_if(all_days.begin(), all_days.end(), [](double v) { return v != 0; });
  const std::vector<double> days(first, all_days.end());
  if (days.size() < 2 * kWeek) return all_days;
  std::vector<double> levels;
  std::vector<double> of_weekday[kWeek];
  for (size_t day = 0; day < days.size(); ++day) {
    levels.push_back(LevelAround(days, day));
    of_weekday[day % kWeek].push_back(days[day] - levels[day]);
  }
  double season[kWeek];
  for (size_t weekday = 0; weekday < kWeek; ++weekday) {
    season[weekday] = Median(of_weekday[weekday]);
  }
  std::vector<double> distances;
  for (size_t day = 0; day < days.size(); ++day) {
    distances.push_back(std::fabs(days[day] - levels[day] - season[day % kWeek]));
  }
  const double deviation = kDeviationPerMad * Median(distances);
  std::vector<size_t> spikes;
  for (size_t day = 0; day < days.size(); ++day) {
    const double allowed =
        std::max(kSpikeDeviations * deviation, kSteadyPart * std::fabs(levels[day]));
    if (distances[day] > allowed) spikes.push_back(day);
  }
  if (spikes.size() > std::max<size_t>(3, days.size() / kDaysPerSpike)) return all_days;
  for (const size_t day : spikes) {
    *(first + static_cast<std::ptrdiff_t>(day)) = levels[day] + season[day % kWeek];
  }
  return all_days;
}

}  // namespace purser::costs
