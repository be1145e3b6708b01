// Range queries of Prometheus, and of what speaks its HTTP API.
#ifndef PURSER_COSTS_SOURCES_PROMETHEUS_CLIENT_H_
#define PURSER_COSTS_SOURCES_PROMETHEUS_CLIENT_H_

#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/decimal.h"
#include "http/transport.h"

namespace purser::costs {

inline constexpr int64_t kMaxPrometheusBytes = 256 << 20;  // of one answer

struct Series {
  std::map<std::string, std::string> labels;  // without __name__
  // By time. NaN and infinities are left out.
  std::vector<std::pair<absl::Time, base::Decimal>> points;

  // "" when it has no such label.
  const std::string& Label(const std::string& name) const;
};

struct PrometheusOptions {
  std::string url = {};        // without /api/v1
  http::Headers headers = {};  // of every request, e.g. Authorization
};

// Thread-compatible.
class PrometheusClient {
 public:
  // `transport` outlives it.
  PrometheusClient(PrometheusOptions options, http::Transport& transport);

  // The values at from, from + step, … up to `to`. INVALID_ARGUMENT: what Prometheus says of the
  // query; UNAVAILABLE: it cannot answer now; an answer with warnings is one that lacks something
  // and is UNAVAILABLE too.
  absl::StatusOr<std::vector<Series>> Range(absl::string_view query, absl::Time from, absl::Time to,
                                            absl::Duration step, std::stop_token stop);

 private:
  const PrometheusOptions options_;
  http::Transport& transport_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_PROMETHEUS_CLIENT_H_
