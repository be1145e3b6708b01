#include "costs/budgets.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "costs/forecast.h"
#include "costs/known_days.h"
#include "costs/readers/days.h"
#include "costs/split.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr Dimension kBudgetDimensions[] = {
    Dimension::kEntity, Dimension::kOwner,   Dimension::kGroup,      Dimension::kSystem,
    Dimension::kDomain, Dimension::kProduct, Dimension::kEnvironment};
// What a forecast looks back on: enough seasons, and no long gone past.
constexpr int kForecastHistoryDays = 182;
constexpr int kNothingAllowed = 999'999;

class BudgetParser {
 public:
  BudgetParser(const document::Document& document, absl::string_view file)
      : document_(document), file_(file) {}

  absl::StatusOr<std::vector<Budget>> Run() {
    const nlohmann::json& root = document_.value;
    if (!root.is_object() || !root.contains("budgets") || !root["budgets"].is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(
          document_.Where(file_, ""), ": the file has the form {budgets: [{name: …}]}"));
    }
    if (root["budgets"].size() > kMaxBudgets) {
      return absl::InvalidArgumentError(
          absl::StrCat(file_, ": more than ", kMaxBudgets, " budgets (kMaxBudgets)"));
    }
    for (size_t i = 0; i < root["budgets"].size(); ++i) {
      Read(root["budgets"][i], absl::StrCat("/budgets/", i));
    }
    if (!problems_.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems_, "\n"));
    return std::move(budgets_);
  }

 private:
  void Problem(const std::string& pointer, absl::string_view text) {
    problems_.push_back(absl::StrCat(document_.Where(file_, pointer), ": ", text));
  }

  void Read(const nlohmann::json& value, const std::string& at) {
    if (!value.is_object()) {
      Problem(at, "a budget is a map with name, amount, currency and what it is of");
      return;
    }
    Budget budget;
    std::set<std::string> known = {"name",    "amount",     "currency", "period",
                                   "measure", "thresholds", "forecast"};
    const auto text = [&](const char* name) -> std::string {
      if (!value.contains(name)) return "";
      if (value[name].is_string()) return value[name].get<std::string>();
      Problem(absl::StrCat(at, "/", name), absl::StrCat(name, " must be a text"));
      return "";
    };
    budget.name = text("name");
    if (budget.name.empty()) Problem(at, "a budget needs a name");
    if (!names_.insert(budget.name).second) {
      Problem(at, absl::StrCat("two budgets are named ", base::EscapeForDisplay(budget.name)));
    }
    int of = 0;
    for (const Dimension dimension : kBudgetDimensions) {
      const std::string name(DimensionName(dimension));
      known.insert(name);
      if (!value.contains(name)) continue;
      ++of;
      budget.dimension = dimension;
      budget.of = text(name.c_str());
      if (dimension == Dimension::kProduct || dimension == Dimension::kEnvironment) continue;
      const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(budget.of);
      if (ref.ok()) {
        budget.of = ref->ToString();
      } else {
        Problem(absl::StrCat(at, "/", name), ref.status().message());
      }
    }
    if (of != 1) {
      Problem(at,
              "a budget has exactly one of entity, owner, group, system, domain, product, "
              "environment");
    }
    for (const auto& [key, unused] : value.items()) {
      if (!known.contains(key)) {
        Problem(absl::StrCat(at, "/", json::PointerToken(key)),
                absl::StrCat("unknown field \"", base::EscapeForDisplay(key), "\"; known are ",
                             absl::StrJoin(known, ", ")));
      }
    }
    ReadAmount(value, at, text("currency"), budget);
    const std::string period = text("period");
    const std::map<std::string, BudgetPeriod> periods = {{"", BudgetPeriod::kMonth},
                                                         {"month", BudgetPeriod::kMonth},
                                                         {"quarter", BudgetPeriod::kQuarter},
                                                         {"year", BudgetPeriod::kYear}};
    if (const auto found = periods.find(period); found != periods.end()) {
      budget.period = found->second;
    } else {
      Problem(at + "/period", "period must be month, quarter or year");
    }
    if (value.contains("measure")) {
      const absl::StatusOr<Measure> measure = ParseMeasure(text("measure"));
      if (measure.ok()) {
        budget.measure = *measure;
      } else {
        Problem(at + "/measure", measure.status().message());
      }
    }
    if (value.contains("thresholds")) ReadThresholds(value["thresholds"], at, budget);
    if (value.contains("forecast")) {
      if (value["forecast"].is_boolean()) {
        budget.forecast = value["forecast"];
      } else {
        Problem(at + "/forecast", "forecast must be true or false");
      }
    }
    budgets_.push_back(std::move(budget));
  }

  void ReadAmount(const nlohmann::json& value, const std::string& at, std::string currency,
                  Budget& budget) {
    if (!value.contains("amount")) {
      Problem(at, "a budget needs an amount");
    } else {
      const nlohmann::json& amount = value["amount"];
      const absl::StatusOr<base::Decimal> parsed =
          base::Decimal::Parse(amount.is_string() ? amount.get<std::string>() : json::Dump(amount));
      if (parsed.ok() && !parsed->IsNegative()) {
        budget.amount = *parsed;
      } else {
        Problem(at + "/amount", "amount must be a number not below 0");
      }
    }
    budget.currency = std::move(currency);
    if (budget.currency.size() != 3 ||
        !std::all_of(budget.currency.begin(), budget.currency.end(), absl::ascii_isupper)) {
      Problem(at, "a budget needs a currency like EUR");
    }
  }

  void ReadThresholds(const nlohmann::json& value, const std::string& at, Budget& budget) {
    budget.thresholds.clear();
    bool good = value.is_array() && value.size() <= kMaxThresholds;
    for (size_t i = 0; good && i < value.size(); ++i) {
      good = value[i].is_number_integer() && value[i] > 0 && value[i] <= 1'000;
      if (good) budget.thresholds.push_back(value[i]);
    }
    if (!good) {
      Problem(at + "/thresholds", absl::StrCat("thresholds are at most ", kMaxThresholds,
                                               " whole percents from 1 to 1000"));
    }
    std::sort(budget.thresholds.begin(), budget.thresholds.end());
  }

  const document::Document& document_;
  absl::string_view file_;
  std::vector<std::string> problems_;
  std::set<std::string> names_;
  std::vector<Budget> budgets_;
};

std::string OwnerOf(const EntityGraph& graph, const Budget& budget) {
  switch (budget.dimension) {
    case Dimension::kGroup:
    case Dimension::kOwner:
      return budget.of;
    case Dimension::kEntity:
      return graph.Of(budget.of).owner;
    case Dimension::kSystem:
    case Dimension::kDomain: {
      const GraphEntity* entity = graph.Find(budget.of);
      return entity == nullptr ? "" : entity->owner;
    }
    default:
      // The owner of a product's or environment's first entity that says so.
      for (const auto& [ref, entity] : graph.entities()) {
        const std::string& label =
            budget.dimension == Dimension::kProduct ? entity.product : entity.environment;
        if (label == budget.of && !entity.owner.empty()) return entity.owner;
      }
      return "";
  }
}

base::Decimal MeasureOf(const CostRow& row, Measure measure) {
  return Measures{row.billed, row.effective, row.list, row.contracted, row.charges}.Of(measure);
}

struct Spending {
  std::vector<base::Decimal> days;  // one value per day
  std::set<std::string> sources;    // that charged something of late
};

// From `from` to `to` in the budget's currency.
absl::StatusOr<Spending> SpendingOf(CostService& costs, const Budget& budget, absl::CivilDay from,
                                    absl::CivilDay to) {
  QueryRequest request{.from = from,
                       .to = to,
                       .group_by = {Dimension::kDay, Dimension::kSource},
                       .filters = {{budget.dimension, {budget.of}}}};
  PURSER_ASSIGN_OR_RETURN(std::vector<CostRow> rows, costs.Sums(request));
  const bool foreign = std::any_of(rows.begin(), rows.end(), [&](const CostRow& row) {
    return row.currency != budget.currency;
  });
  if (foreign) {
    request.currency = budget.currency;
    PURSER_ASSIGN_OR_RETURN(rows, costs.Sums(request));
  }
  Spending spending;
  spending.days.resize(static_cast<size_t>(to - from) + 1);
  for (const CostRow& row : rows) {
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.keys[0]));
    base::Decimal& sum = spending.days[static_cast<size_t>(day - from)];
    if (!base::Decimal::Add(sum, MeasureOf(row, budget.measure), &sum)) {
      return absl::OutOfRangeError("the sum of what is spent does not fit");
    }
    if (to - day < kEndedAfterDays) spending.sources.insert(row.keys[1]);
  }
  return spending;
}

// Of the period: what is known of it, and the forecast of its other days.
void AddForecast(const Spending& spending, absl::CivilDay first, absl::CivilDay until,
                 BudgetState& state) {
  std::vector<double> history;
  base::Decimal sum;
  for (absl::CivilDay day = first; day <= until; ++day) {
    const base::Decimal amount = spending.days[static_cast<size_t>(day - first)];
    history.push_back(amount.ToDouble());
    // What is spent altogether fits.
    if (day >= state.from) base::Decimal::Add(sum, amount, &sum);
  }
  if (history.size() > static_cast<size_t>(kForecastHistoryDays)) {
    history.erase(history.begin(), history.end() - kForecastHistoryDays);
  }
  const int ahead = static_cast<int>(state.to - until);
  if (ahead < 1 || until < state.from - 1) return;
  const absl::StatusOr<Forecast> forecast = MakeForecast(history, ahead);
  if (!forecast.ok()) return;
  double rest = 0;
  for (const ForecastPoint& point : forecast->days) rest += point.expected;
  const absl::StatusOr<base::Decimal> more =
      base::Decimal::Parse(absl::StrFormat("%.2f", std::max(0.0, rest)));
  if (!more.ok() || !base::Decimal::Add(sum, *more, &sum)) return;
  state.forecast = std::max(sum, state.spent);
  state.forecast_method = forecast->method;
}

// Fills in what is spent and expected in the state's period.
absl::Status Judge(CostService& costs, const KnownDays& known, absl::CivilDay as_of,
                   const std::pair<absl::CivilDay, absl::CivilDay>& data, BudgetState& state) {
  const Budget& budget = state.budget;
  const absl::CivilDay until = std::min(as_of, data.second);
  const absl::CivilDay first =
      std::max(data.first, std::min(state.from, until - kForecastHistoryDays + 1));
  Spending spending;
  if (first <= until) {
    PURSER_ASSIGN_OR_RETURN(spending, SpendingOf(costs, budget, first, until));
  }
  for (absl::CivilDay day = std::max(state.from, first); day <= until; ++day) {
    if (!base::Decimal::Add(state.spent, spending.days[static_cast<size_t>(day - first)],
                            &state.spent)) {
      return absl::OutOfRangeError("the sum of what is spent does not fit");
    }
  }
  if (budget.amount.IsZero()) {
    state.spent_percent =
        base::Decimal::FromInteger(state.spent > base::Decimal() ? kNothingAllowed : 0);
  } else {
    state.spent_percent = Percent(state.spent, budget.amount);
  }
  for (const int threshold : budget.thresholds) {
    // In money, not in rounded percent: amount * threshold / 100 <= spent.
    base::Decimal limit, spent;
    if (base::Decimal::Multiply(budget.amount, base::Decimal::FromInteger(threshold), &limit) &&
        base::Decimal::Multiply(state.spent, base::Decimal::FromInteger(100), &spent) &&
        spent >= limit && state.spent > base::Decimal()) {
      state.crossed = threshold;
    }
  }
  if (until < state.from) return absl::OkStatus();
  AddForecast(spending, first, std::min(until, known.Until(spending.sources).value_or(until)),
              state);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Budget>> ParseBudgets(absl::string_view yaml, absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(yaml, file));
  return BudgetParser(document, file).Run();
}

std::pair<absl::CivilDay, absl::CivilDay> PeriodOf(BudgetPeriod period, absl::CivilDay day) {
  switch (period) {
    case BudgetPeriod::kMonth: {
      const absl::CivilMonth month(day);
      return {absl::CivilDay(month), absl::CivilDay(month + 1) - 1};
    }
    case BudgetPeriod::kQuarter: {
      const absl::CivilMonth first(day.year(), (day.month() - 1) / 3 * 3 + 1);
      return {absl::CivilDay(first), absl::CivilDay(first + 3) - 1};
    }
    case BudgetPeriod::kYear:
      break;
  }
  return {absl::CivilDay(day.year(), 1, 1), absl::CivilDay(day.year(), 12, 31)};
}

absl::string_view BudgetPeriodName(BudgetPeriod period) {
  switch (period) {
    case BudgetPeriod::kMonth:
      return "month";
    case BudgetPeriod::kQuarter:
      return "quarter";
    case BudgetPeriod::kYear:
      break;
  }
  return "year";
}

absl::StatusOr<std::vector<BudgetState>> BudgetStates(CostService& costs,
                                                      const std::vector<Budget>& budgets,
                                                      absl::CivilDay as_of) {
  PURSER_ASSIGN_OR_RETURN(const auto data, costs.DataDays());
  PURSER_ASSIGN_OR_RETURN(const KnownDays known, KnownDays::Of(costs));
  const std::shared_ptr<const EntityGraph> graph = costs.graph();
  std::vector<BudgetState> states;
  for (const Budget& budget : budgets) {
    BudgetState state;
    state.budget = budget;
    std::tie(state.from, state.to) = PeriodOf(budget.period, as_of);
    state.owner = OwnerOf(*graph, budget);
    BudgetState judged = state;
    // Without any data nothing is spent: the budgets are there all the same.
    const absl::Status status =
        Judge(costs, known, as_of, data.value_or(std::make_pair(as_of + 1, as_of)), judged);
    if (status.ok()) {
      state = std::move(judged);
    } else if (absl::IsFailedPrecondition(status) || absl::IsOutOfRange(status)) {
      state.problem = std::string(status.message());
    } else {
      return status;
    }
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace purser::costs
