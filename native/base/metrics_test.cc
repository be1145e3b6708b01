#include "base/metrics.h"

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, PrometheusText) {
  Metrics metrics;
  metrics.Counter("calls_total", "Calls.", {{"method", "a\"b\\c\nd"}}).Increment(2);
  metrics.Gauge("depth", "Depth.").Set(1.5);
  metrics.Callback("age_seconds", "Age.", [] { return 7.0; });
  metrics.Histogram("took_seconds", "Took.").Observe(0.02);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE calls_total counter\n"
                              "calls_total{method=\"a\\\"b\\\\c\\nd\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("depth 1.5\n"));
  EXPECT_THAT(text, HasSubstr("age_seconds 7\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{le=\"0.01\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_count 1\n"));
}

TEST(MetricsTest, SeriesAreLimited) {
  Metrics metrics;
  for (size_t i = 0; i < Metrics::kMaxSeriesPerName + 5; ++i) {
    metrics.Counter("n_total", "N.", {{"i", absl::StrCat(i)}}).Increment();
  }
  EXPECT_THAT(metrics.Text(), HasSubstr("n_total{overflow=\"true\"} 5\n"));
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("i=\"1003\"")));
}

TEST(MetricsTest, ManyThreadsCount) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&metrics] {
        for (int i = 0; i < 1000; ++i) metrics.Counter("n_total", "N.").Increment();
      });
    }
  }
  EXPECT_EQ(metrics.Counter("n_total", "N.").value(), 4000);
}

}  // namespace
}  // namespace purser::base
