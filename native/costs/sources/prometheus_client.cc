#include "costs/sources/prometheus_client.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr absl::Duration kQueryTimeout = absl::Minutes(2);

absl::Status Wrong(absl::string_view query, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("Prometheus's answer to ", query, ": ", why));
}

const nlohmann::json* Member(const nlohmann::json& value, const char* name) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(name);
  return found == value.end() ? nullptr : &*found;
}

// [seconds, "value"]; false for a point that has no amount.
absl::StatusOr<bool> ReadPoint(const nlohmann::json& point, Series& series) {
  if (!point.is_array() || point.size() != 2 || !point[0].is_number() || !point[1].is_string()) {
    return absl::InvalidArgumentError("a point is not [time, \"value\"]");
  }
  const std::string& text = point[1].get_ref<const std::string&>();
  if (text == "NaN" || absl::EndsWith(text, "Inf")) return false;
  PURSER_ASSIGN_OR_RETURN(const base::Decimal value, base::Decimal::Parse(text));
  series.points.emplace_back(absl::UnixEpoch() + absl::Seconds(point[0].get<double>()), value);
  return true;
}

absl::StatusOr<Series> ReadSeries(const nlohmann::json& result) {
  Series series;
  const nlohmann::json* const metric = Member(result, "metric");
  const nlohmann::json* const values = Member(result, "values");
  if (metric == nullptr || values == nullptr || !values->is_array()) {
    return absl::InvalidArgumentError("a series has no values");
  }
  for (const auto& [name, value] : metric->items()) {
    if (name != "__name__" && value.is_string()) series.labels[name] = value.get<std::string>();
  }
  for (const nlohmann::json& point : *values) {
    PURSER_RETURN_IF_ERROR(ReadPoint(point, series).status());
  }
  return series;
}

}  // namespace

const std::string& Series::Label(const std::string& name) const {
  static const std::string* const none = new std::string;
  const auto found = labels.find(name);
  return found == labels.end() ? *none : found->second;
}

PrometheusClient::PrometheusClient(PrometheusOptions options, http::Transport& transport)
    : options_(std::move(options)), transport_(transport) {}

absl::StatusOr<std::vector<Series>> PrometheusClient::Range(absl::string_view query,
                                                            absl::Time from, absl::Time to,
                                                            absl::Duration step,
                                                            std::stop_token stop) {
  http::Request request{
      .method = "POST",
      .url = absl::StrCat(absl::StripSuffix(options_.url, "/"), "/api/v1/query_range"),
      .headers = options_.headers};
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body =
      absl::StrCat("query=", http::EncodeComponent(query), "&start=", absl::ToUnixSeconds(from),
                   "&end=", absl::ToUnixSeconds(to), "&step=", absl::ToInt64Seconds(step));
  http::CallOptions options;
  options.timeout = kQueryTimeout;
  options.max_response_bytes = kMaxPrometheusBytes;
  options.stop = stop;
  options.repeatable = true;  // a question
  PURSER_ASSIGN_OR_RETURN(const http::Response response, transport_.Send(request, options));
  const absl::StatusOr<nlohmann::json> answer =
      json::Parse(response.body, {.max_bytes = kMaxPrometheusBytes});
  if (!answer.ok()) {
    return Wrong(query, absl::StrCat("status ", response.status, ", no JSON"));
  }
  const nlohmann::json* const status = Member(*answer, "status");
  if (response.status != 200 || status == nullptr || *status != "success") {
    const nlohmann::json* const error = Member(*answer, "error");
    const std::string why =
        absl::StrCat("status ", response.status, " ",
                     error != nullptr && error->is_string()
                         ? base::EscapeForDisplay(error->get_ref<const std::string&>(), 500)
                         : std::string("without an error"));
    if (response.status == 400 || response.status == 422) {
      return absl::InvalidArgumentError(absl::StrCat("Prometheus refuses ", query, ": ", why));
    }
    return Wrong(query, why);
  }
  const nlohmann::json* const warnings = Member(*answer, "warnings");
  if (warnings != nullptr && warnings->is_array() && !warnings->empty()) {
    return Wrong(query, absl::StrCat("it lacks something: ",
                                     base::EscapeForDisplay(json::Dump((*warnings)[0]), 500)));
  }
  const nlohmann::json* const data = Member(*answer, "data");
  const nlohmann::json* const type = data == nullptr ? nullptr : Member(*data, "resultType");
  const nlohmann::json* const result = data == nullptr ? nullptr : Member(*data, "result");
  if (type == nullptr || *type != "matrix" || result == nullptr || !result->is_array()) {
    return Wrong(query, "no matrix");
  }
  std::vector<Series> all;
  all.reserve(result->size());
  for (const nlohmann::json& one : *result) {
    absl::StatusOr<Series> series = ReadSeries(one);
    if (!series.ok()) return Wrong(query, series.status().message());
    all.push_back(*std::move(series));
  }
  return all;
}

}  // namespace purser::costs
