#include "costs/forecast.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "absl/strings/str_cat.h"
#include "costs/robust.h"

namespace purser::costs {
namespace {

constexpr double kNormalQuantile = 1.6448536269514722;  // of kIntervalProbability, two-sided
constexpr double kSmoothing[] = {0.05, 0.1, 0.2, 0.35, 0.5, 0.8};
constexpr double kTrendSmoothing[] = {0.0, 0.02, 0.1};
constexpr double kSeasonSmoothing[] = {0.05, 0.2, 0.4};
// Trends do not last: each day ahead adds less of it.
constexpr double kDamping = 0.97;

using Series = std::vector<double>;

// The value of the same weekday before.
Series SeasonalNaive(const Series& history, int days) {
  Series forecast;
  for (int i = 0; i < days; ++i) {
    forecast.push_back(
        history[history.size() - kSeasonDays + static_cast<size_t>(i % kSeasonDays)]);
  }
  return forecast;
}

struct HoltWinters {
  double level = 0;
  double trend = 0;
  double season[kSeasonDays] = {};
  size_t next = 0;  // of the season
  double squared_error = 0;

  // Additive, damped; goes through the history once, summing the errors of one day ahead.
  HoltWinters(const Series& history, double alpha, double beta, double gamma) {
    for (int i = 0; i < kSeasonDays; ++i) level += history[static_cast<size_t>(i)] / kSeasonDays;
    for (int i = 0; i < kSeasonDays; ++i) season[i] = history[static_cast<size_t>(i)] - level;
    for (size_t t = kSeasonDays; t < history.size(); ++t) {
      double& here = season[t % kSeasonDays];
      const double expected = level + kDamping * trend + here;
      const double error = history[t] - expected;
      squared_error += error * error;
      const double before = level;
      level = alpha * (history[t] - here) + (1 - alpha) * (level + kDamping * trend);
      trend = beta * (level - before) + (1 - beta) * kDamping * trend;
      here = gamma * (history[t] - level) + (1 - gamma) * here;
    }
    next = history.size();
  }

  Series Ahead(int days) const {
    Series forecast;
    double growth = 0, damping = 1;
    for (int i = 0; i < days; ++i) {
      damping *= kDamping;
      growth += damping * trend;
      forecast.push_back(level + growth + season[(next + static_cast<size_t>(i)) % kSeasonDays]);
    }
    return forecast;
  }
};

Series HoltWintersForecast(const Series& history, int days) {
  double best = -1;
  Series forecast;
  for (const double alpha : kSmoothing) {
    for (const double beta : kTrendSmoothing) {
      for (const double gamma : kSeasonSmoothing) {
        const HoltWinters model(history, alpha, beta, gamma);
        if (best >= 0 && model.squared_error >= best) continue;
        best = model.squared_error;
        forecast = model.Ahead(days);
      }
    }
  }
  return forecast;
}

struct Backtest {
  double error_percent = 0;
  double deviation = 0;  // of one day
};

// Holds back the last days several times and compares them with what would have been said.
Backtest Test(const Series& history, const std::function<Series(const Series&, int)>& method) {
  constexpr int kFolds = 4;
  double absolute = 0, squared = 0, mean = 0;
  int count = 0;
  for (int fold = kFolds; fold >= 1; --fold) {
    const int known = static_cast<int>(history.size()) - fold * kSeasonDays;
    if (known < kMinForecastDays - kSeasonDays) continue;
    const Series forecast = method(Series(history.begin(), history.begin() + known), kSeasonDays);
    for (int i = 0; i < kSeasonDays; ++i) {
      const double truth = history[static_cast<size_t>(known + i)];
      const double error = truth - forecast[static_cast<size_t>(i)];
      absolute += std::fabs(error);
      squared += error * error;
      mean += std::fabs(truth);
      ++count;
    }
  }
  Backtest result;
  if (count == 0) return result;
  result.error_percent = mean > 0 ? 100 * absolute / mean : (absolute > 0 ? 100 : 0);
  result.deviation = std::sqrt(squared / count);
  return result;
}

}  // namespace

absl::StatusOr<Forecast> MakeForecast(const std::vector<double>& known, int days) {
  if (days < 1 || days > kMaxForecastDays) {
    return absl::InvalidArgumentError(
        absl::StrCat(days, " days ahead: 1 to ", kMaxForecastDays, " are possible"));
  }
  if (known.size() > static_cast<size_t>(kMaxHistoryDays)) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than ", kMaxHistoryDays, " days of history (kMaxHistoryDays)"));
  }
  if (known.size() < static_cast<size_t>(kMinForecastDays)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a forecast needs ", kMinForecastDays, " days of history, there are ", known.size()));
  }
  // What happened once does not go on.
  const Series history = WithoutSpikes(known);
  const Backtest naive = Test(history, SeasonalNaive);
  const Backtest smooth = Test(history, HoltWintersForecast);
  // The simpler one unless the other is better.
  const bool use_smooth = smooth.error_percent < naive.error_percent;
  Forecast forecast;
  forecast.method = use_smooth ? "holt-winters" : "seasonal-naive";
  forecast.error_percent = use_smooth ? smooth.error_percent : naive.error_percent;
  forecast.other_error_percent = use_smooth ? naive.error_percent : smooth.error_percent;
  const Series expected =
      use_smooth ? HoltWintersForecast(history, days) : SeasonalNaive(history, days);
  const double deviation = use_smooth ? smooth.deviation : naive.deviation;
  for (int i = 0; i < days; ++i) {
    // The backtest looked up to a season ahead; beyond it uncertainty grows with time's root.
    const double width =
        kNormalQuantile * deviation * std::sqrt(std::max(1.0, (i + 1.0) / kSeasonDays));
    const double value = expected[static_cast<size_t>(i)];
    forecast.days.push_back({value, value - width, value + width});
  }
  return forecast;
}

}  // namespace purser::costs
