#include "rpc/cost_convert.h"

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::rpc::costs_convert {
namespace {

constexpr absl::Duration kLostClientPoll = absl::Milliseconds(500);

}  // namespace

absl::StatusOr<absl::CivilDay> ParseDay(const std::string& text, absl::string_view field) {
  absl::CivilDay day;
  if (!absl::ParseCivilTime(text, &day)) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": \"", base::EscapeForDisplay(text),
                                                   "\" is not a day like 2026-11-20"));
  }
  return day;
}

std::string DayText(absl::CivilDay day) { return absl::FormatCivilTime(day); }

absl::StatusOr<std::vector<costs::Filter>> Filters(
    const google::protobuf::RepeatedPtrField<purser::v1::CostFilter>& filters) {
  std::vector<costs::Filter> result;
  for (const purser::v1::CostFilter& filter : filters) {
    PURSER_ASSIGN_OR_RETURN(const costs::Dimension dimension,
                            costs::ParseDimension(filter.dimension()));
    result.push_back({dimension, {filter.values().begin(), filter.values().end()}});
  }
  return result;
}

absl::StatusOr<costs::Measure> MeasureOf(const std::string& name) {
  return name.empty() ? costs::Measure::kBilled : costs::ParseMeasure(name);
}

void FillRow(const costs::CostRow& row, purser::v1::CostRow& out) {
  for (const std::string& key : row.keys) out.add_keys(key);
  out.set_currency(row.currency);
  out.set_billed_cost(row.billed.ToString());
  out.set_effective_cost(row.effective.ToString());
  out.set_charges(row.charges);
  out.set_list_cost(row.list.ToString());
  out.set_contracted_cost(row.contracted.ToString());
}

CallerWatch::CallerWatch(grpc::ServerContext& context)
    : thread_([this, &context](std::stop_token ended) {
        while (base::Clock::System().SleepFor(kLostClientPoll, ended)) {
          if (context.IsCancelled()) stop_.request_stop();
        }
      }) {}

}  // namespace purser::rpc::costs_convert
