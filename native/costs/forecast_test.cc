#include "costs/forecast.h"

#include <cmath>

#include "costs/robust.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

TEST(ForecastTest, TheBetterMethodIsChosen) {
  std::vector<double> weekly, growing;
  for (int day = 0; day < 70; ++day) {
    weekly.push_back(day % 7 < 5 ? 100 : 20);
    growing.push_back(100 + 2 * day + (day % 7 < 5 ? 30 : 0));
  }
  const auto steady = MakeForecast(weekly, 14);
  ASSERT_TRUE(steady.ok());
  EXPECT_EQ(steady->method, "seasonal-naive");
  EXPECT_NEAR(steady->days[0].expected, 100, 1e-9);
  EXPECT_NEAR(steady->days[5].expected, 20, 1e-9);
  EXPECT_NEAR(steady->error_percent, 0, 1e-9);
  const auto trend = MakeForecast(growing, 7);
  ASSERT_TRUE(trend.ok());
  EXPECT_EQ(trend->method, "holt-winters");
  EXPECT_LT(trend->error_percent, trend->other_error_percent);
  EXPECT_GT(trend->days[0].expected, growing[63]);
  EXPECT_LT(trend->days[0].low, trend->days[0].expected);
  EXPECT_EQ(MakeForecast({1, 2, 3}, 1).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(MakeForecast(weekly, 401).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ForecastTest, OneDayOutOfLineIsNotExpectedAgain) {
  std::vector<double> history;
  for (int day = 0; day < 84; ++day)
    history.push_back((day % 7 < 5 ? 5 : 3) + 0.2 * (day * 37 % 5));
  const auto usual = MakeForecast(history, 10);
  ASSERT_TRUE(usual.ok());
  for (const size_t day : {size_t{83}, size_t{80}, size_t{40}}) {
    std::vector<double> spiked = history;
    spiked[day] = 900;
    const auto forecast = MakeForecast(spiked, 10);
    ASSERT_TRUE(forecast.ok());
    for (size_t i = 0; i < 10; ++i) {
      EXPECT_NEAR(forecast->days[i].expected, usual->days[i].expected, 1) << day;
      EXPECT_LT(forecast->days[i].high, 10) << day;
    }
  }
}

TEST(ForecastTest, WhatLastsIsExpected) {
  std::vector<double> history;
  for (int day = 0; day < 84; ++day) history.push_back(day < 78 ? 5 + 0.1 * (day % 3) : 50);
  const auto forecast = MakeForecast(history, 7);
  ASSERT_TRUE(forecast.ok());
  double sum = 0;
  for (const ForecastPoint& day : forecast->days) sum += day.expected;
  EXPECT_GT(sum, 7 * 25);
  // An end as well.
  for (int day = 78; day < 84; ++day) history[static_cast<size_t>(day)] = 0;
  const auto ended = MakeForecast(history, 7);
  ASSERT_TRUE(ended.ok());
  EXPECT_LT(ended->days[0].expected, 4);
}

TEST(RobustTest, OnlySpikesAreTakenOut) {
  std::vector<double> days;
  for (int day = 0; day < 35; ++day) days.push_back((day % 7 < 5 ? 100 : 20) + day % 3);
  EXPECT_EQ(WithoutSpikes(days), days);
  std::vector<double> spiked = days;
  spiked[16] = 5000;
  spiked[17] = -400;
  spiked[34] = 900;
  const std::vector<double> usual = WithoutSpikes(spiked);
  for (size_t day = 0; day < days.size(); ++day) EXPECT_NEAR(usual[day], days[day], 5) << day;
  // Half of a week and more is a change.
  for (size_t day = 31; day < 35; ++day) days[day] = 400;
  EXPECT_GT(WithoutSpikes(days)[34], 300);
  // What began lately is not taken for a few spikes over nothing.
  std::vector<double> young(10, 0);
  for (int day = 0; day < 20; ++day) young.push_back(day % 7 < 5 ? 100 : 20);
  EXPECT_EQ(WithoutSpikes(young), young);
  // A bill once a month, and jobs that run now and then, are how it is.
  std::vector<double> monthly(180, 3);
  for (size_t day = 4; day < 180; day += 30) monthly[day] = 900;
  EXPECT_EQ(WithoutSpikes(monthly), monthly);
  EXPECT_EQ(WithoutSpikes({1, 900, 1}), (std::vector<double>{1, 900, 1}));
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
}

}  // namespace
}  // namespace purser::costs
