// Counters, gauges and histograms, and their Prometheus text.
//
//   metrics.Counter("purser_runs_total", "Runs ended, by state.", {{"state",
//   "succeeded"}}).Increment();
#ifndef PURSER_BASE_METRICS_H_
#define PURSER_BASE_METRICS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace purser::base {

// Only ever grows. Thread-safe.
class Counter {
 public:
  void Increment(int64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Goes up and down. Thread-safe.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Durations in seconds in fixed buckets from 1 ms to 60 s. Thread-safe.
class Histogram {
 public:
  void Observe(double seconds);

 private:
  friend class Metrics;
  static constexpr double kBounds[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60};
  static constexpr size_t kBuckets = std::size(kBounds) + 1;
  std::atomic<int64_t> buckets_[kBuckets] = {};
  std::atomic<int64_t> sum_micros_{0};
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// All metrics of a process. Thread-safe; returned references live as long as the registry. One name
// has one kind; the first help text stays. Labels must come from small closed sets: the series of
// one name beyond kMaxSeriesPerName fall into one with the label overflow="true".
class Metrics {
 public:
  static constexpr size_t kMaxSeriesPerName = 1000;

  base::Counter& Counter(absl::string_view name, absl::string_view help, const Labels& labels = {});
  base::Gauge& Gauge(absl::string_view name, absl::string_view help, const Labels& labels = {});
  base::Histogram& Histogram(absl::string_view name, absl::string_view help,
                             const Labels& labels = {});
  // A gauge read when asked for. `read` must be thread-safe and quick.
  void Callback(absl::string_view name, absl::string_view help, std::function<double()> read);

  // Prometheus text exposition format 0.0.4, names and series in order.
  std::string Text() const;

 private:
  struct Family {
    std::string help;
    std::map<std::string, std::unique_ptr<base::Counter>> counters;  // by label text
    std::map<std::string, std::unique_ptr<base::Gauge>> gauges;
    std::map<std::string, std::unique_ptr<base::Histogram>> histograms;
    std::function<double()> callback;
  };
  template <typename Series>
  Series& Find(std::map<std::string, std::unique_ptr<Series>> Family::* series,
               absl::string_view name, absl::string_view help, const Labels& labels);

  mutable Mutex mutex_;
  std::map<std::string, Family> families_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::base

#endif  // PURSER_BASE_METRICS_H_
