// Forecasts of daily series: seasonal-naive and Holt-Winters, whichever did better on the days that
// are known. Estimates are statistics, not money: they are computed in floating point and rounded.
#ifndef PURSER_COSTS_FORECAST_H_
#define PURSER_COSTS_FORECAST_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace purser::costs {

inline constexpr int kSeasonDays = 7;         // the working week
inline constexpr int kMinForecastDays = 14;   // of history: two seasons
inline constexpr int kMaxForecastDays = 400;  // ahead
inline constexpr int kMaxHistoryDays = 1'500;
// Of the interval: nine times of ten the truth lies inside, if the future is like the past.
inline constexpr double kIntervalProbability = 0.9;

struct ForecastPoint {
  double expected;
  double low;  // of the interval
  double high;
};

struct Forecast {
  std::string method;  // "seasonal-naive" or "holt-winters"
  // Mean absolute error of each method on the held back days, in percent of their mean.
  double error_percent = 0;
  double other_error_percent = 0;
  std::vector<ForecastPoint> days;  // the first one follows the history's last day
};

// `history` has one value per day, oldest first, days without charges as 0. Single days out of line
// are taken as what happened once (robust.h) and not expected again. FAILED_PRECONDITION
// when there are fewer than kMinForecastDays; INVALID_ARGUMENT for `days` outside 1 to
// kMaxForecastDays or too much history.
absl::StatusOr<Forecast> MakeForecast(const std::vector<double>& history, int days);

}  // namespace purser::costs

#endif  // PURSER_COSTS_FORECAST_H_
