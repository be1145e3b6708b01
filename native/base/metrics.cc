#include "base/metrics.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace purser::base {
namespace {

std::string LabelText(const Labels& labels) {
  return absl::StrJoin(labels, ",", [](std::string* out, const auto& label) {
    absl::StrAppend(
        out, label.first, "=\"",
        absl::StrReplaceAll(label.second, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}), "\"");
  });
}

std::string Braced(const std::string& labels) {
  return labels.empty() ? "" : absl::StrCat("{", labels, "}");
}

std::string WithLabel(const std::string& labels, absl::string_view extra) {
  return absl::StrCat("{", labels, labels.empty() ? "" : ",", extra, "}");
}

}  // namespace

void Histogram::Observe(double seconds) {
  size_t bucket = 0;
  while (bucket < std::size(kBounds) && seconds > kBounds[bucket]) ++bucket;
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_micros_.fetch_add(static_cast<int64_t>(seconds * 1e6), std::memory_order_relaxed);
}

template <typename Series>
Series& Metrics::Find(std::map<std::string, std::unique_ptr<Series>> Family::* series,
                      absl::string_view name, absl::string_view help, const Labels& labels) {
  MutexLock lock(mutex_);
  Family& family = families_[std::string(name)];
  if (family.help.empty()) family.help = std::string(help);
  auto& all = family.*series;
  std::string text = LabelText(labels);
  if (all.size() >= kMaxSeriesPerName && all.find(text) == all.end()) text = "overflow=\"true\"";
  std::unique_ptr<Series>& found = all[text];
  if (found == nullptr) found = std::make_unique<Series>();
  return *found;
}

Counter& Metrics::Counter(absl::string_view name, absl::string_view help, const Labels& labels) {
  return Find(&Family::counters, name, help, labels);
}

Gauge& Metrics::Gauge(absl::string_view name, absl::string_view help, const Labels& labels) {
  return Find(&Family::gauges, name, help, labels);
}

Histogram& Metrics::Histogram(absl::string_view name, absl::string_view help,
                              const Labels& labels) {
  return Find(&Family::histograms, name, help, labels);
}

void Metrics::Callback(absl::string_view name, absl::string_view help,
                       std::function<double()> read) {
  MutexLock lock(mutex_);
  Family& family = families_[std::string(name)];
  family.help = std::string(help);
  family.callback = std::move(read);
}

std::string Metrics::Text() const {
  MutexLock lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    const char* const type = !family.counters.empty()     ? "counter"
                             : !family.histograms.empty() ? "histogram"
                                                          : "gauge";
    absl::StrAppend(&out, "# HELP ", name, " ", family.help, "\n# TYPE ", name, " ", type, "\n");
    for (const auto& [labels, counter] : family.counters) {
      absl::StrAppend(&out, name, Braced(labels), " ", counter->value(), "\n");
    }
    for (const auto& [labels, gauge] : family.gauges) {
      absl::StrAppend(&out, name, Braced(labels), " ", gauge->value(), "\n");
    }
    if (family.callback) absl::StrAppend(&out, name, " ", family.callback(), "\n");
    for (const auto& [labels, histogram] : family.histograms) {
      int64_t count = 0;
      for (size_t i = 0; i < base::Histogram::kBuckets; ++i) {
        count += histogram->buckets_[i].load(std::memory_order_relaxed);
        const std::string bound = i < std::size(base::Histogram::kBounds)
                                      ? absl::StrCat(base::Histogram::kBounds[i])
                                      : "+Inf";
        absl::StrAppend(&out, name, "_bucket",
                        WithLabel(labels, absl::StrCat("le=\"", bound, "\"")), " ", count, "\n");
      }
      absl::StrAppend(
          &out, name, "_sum", Braced(labels), " ",
          static_cast<double>(histogram->sum_micros_.load(std::memory_order_relaxed)) / 1e6, "\n",
          name, "_count", Braced(labels), " ", count, "\n");
    }
  }
  return out;
}

}  // namespace purser::base
