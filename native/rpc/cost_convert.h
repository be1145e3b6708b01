// Between messages and the costs domain.
#ifndef PURSER_RPC_COST_CONVERT_H_
#define PURSER_RPC_COST_CONVERT_H_

#include <grpcpp/grpcpp.h>

#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "costs/service.h"
#include "purser/v1/costs.pb.h"

namespace purser::rpc::costs_convert {

// INVALID_ARGUMENT names the field.
absl::StatusOr<absl::CivilDay> ParseDay(const std::string& text, absl::string_view field);
std::string DayText(absl::CivilDay day);
absl::StatusOr<std::vector<costs::Filter>> Filters(
    const google::protobuf::RepeatedPtrField<purser::v1::CostFilter>& filters);
// "" is billed.
absl::StatusOr<costs::Measure> MeasureOf(const std::string& name);
void FillRow(const costs::CostRow& row, purser::v1::CostRow& out);

// Reading may take minutes; a caller that went away must not keep it going.
class CallerWatch {
 public:
  // `context` outlives it.
  explicit CallerWatch(grpc::ServerContext& context);
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::jthread thread_;
};

}  // namespace purser::rpc::costs_convert

#endif  // PURSER_RPC_COST_CONVERT_H_
