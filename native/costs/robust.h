// Statistics that a few wild values do not move.
#ifndef PURSER_COSTS_ROBUST_H_
#define PURSER_COSTS_ROBUST_H_

#include <vector>

namespace purser::costs {

// A standard deviation is this many median absolute deviations of normally distributed values.
inline constexpr double kDeviationPerMad = 1.4826;

// 0 of no values.
double Median(std::vector<double> values);

// A series of days with single days, or few in a row, that are far out of line with their week and
// weekday put into line: what remains is what is usual. A change that lasts for most of a week
// stays, and so does everything where such days are frequent. Series shorter than two weeks are
// given back as they are.
std::vector<double> WithoutSpikes(std::vector<double> days);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ROBUST_H_
