#include "costs/price_book.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/split.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr int kMonthDays = 30;

std::string TextOf(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : json::Dump(value);
}

// "disk.sizeGb" of {"disk": {"sizeGb": 5}}; null when it is not there.
const nlohmann::json* Member(const nlohmann::json& parameters, absl::string_view path) {
  const nlohmann::json* at = &parameters;
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(part));
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

class BookParser {
 public:
  BookParser(const document::Document& document, absl::string_view file)
      : document_(document), file_(file) {}

  absl::StatusOr<std::map<std::string, Price>> Run() {
    const nlohmann::json& root = document_.value;
    if (!root.is_object() || !root.contains("prices") || !root["prices"].is_array() ||
        root["prices"].size() > kMaxPrices) {
      return absl::InvalidArgumentError(
          absl::StrCat(document_.Where(file_, ""),
                       ": the file has the form {prices: [{product: …}]}, at most ", kMaxPrices));
    }
    for (size_t i = 0; i < root["prices"].size(); ++i) {
      Read(root["prices"][i], absl::StrCat("/prices/", i));
    }
    if (!problems_.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems_, "\n"));
    return std::move(prices_);
  }

 private:
  void Problem(const std::string& pointer, absl::string_view text) {
    problems_.push_back(absl::StrCat(document_.Where(file_, pointer), ": ", text));
  }

  base::Decimal Amount(const nlohmann::json& value, const std::string& at) {
    const absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(TextOf(value));
    if (amount.ok()) return *amount;
    Problem(at, "a number is expected");
    return base::Decimal();
  }

  void CheckKeys(const nlohmann::json& value, const std::set<std::string>& known,
                 const std::string& at) {
    for (const auto& [key, unused] : value.items()) {
      if (known.contains(key)) continue;
      Problem(absl::StrCat(at, "/", json::PointerToken(key)),
              absl::StrCat("unknown field; known are ", absl::StrJoin(known, ", ")));
    }
  }

  void Read(const nlohmann::json& value, const std::string& at) {
    if (!value.is_object() || !value.contains("product") || !value["product"].is_string() ||
        !value.contains("currency") || !value["currency"].is_string()) {
      Problem(at, "a price is a map with product, currency, base and options");
      return;
    }
    CheckKeys(value, {"product", "currency", "base", "options"}, at);
    Price price;
    price.product = value["product"];
    price.currency = value["currency"];
    if (price.currency.size() != 3) Problem(at + "/currency", "a currency like EUR is expected");
    if (value.contains("base")) price.base = Amount(value["base"], at + "/base");
    if (value.contains("options")) ReadOptions(value["options"], at + "/options", price);
    const std::string product = price.product;
    if (!prices_.emplace(product, std::move(price)).second) {
      Problem(at, absl::StrCat("a second price of ", base::EscapeForDisplay(product)));
    }
  }

  void ReadOptions(const nlohmann::json& options, const std::string& at, Price& price) {
    if (!options.is_object() || options.size() > kMaxPriceOptions) {
      Problem(at, absl::StrCat("options are a map of at most ", kMaxPriceOptions));
      return;
    }
    for (const auto& [name, value] : options.items()) {
      const std::string here = absl::StrCat(at, "/", json::PointerToken(name));
      if (!value.is_object() ||
          value.contains("values") == (value.contains("each") || value.contains("metric"))) {
        Problem(here, "an option has either values, or each, metric or both");
        continue;
      }
      CheckKeys(value, {"values", "each", "free", "metric", "service"}, here);
      PriceOption option;
      for (const auto& [key, text] :
           {std::make_pair("metric", &option.metric), std::make_pair("service", &option.service)}) {
        if (!value.contains(key)) continue;
        if (value[key].is_string()) {
          *text = value[key].get<std::string>();
        } else {
          Problem(absl::StrCat(here, "/", key), absl::StrCat(key, " must be a text"));
        }
      }
      if (value.contains("each")) option.each = Amount(value["each"], here + "/each");
      if (value.contains("free")) option.free = Amount(value["free"], here + "/free");
      if (value.contains("values")) {
        if (!value["values"].is_object()) {
          Problem(here + "/values", "values is a map from texts to numbers");
          continue;
        }
        for (const auto& [text, amount] : value["values"].items()) {
          option.values[text] =
              Amount(amount, absl::StrCat(here, "/values/", json::PointerToken(text)));
        }
      }
      price.options[name] = std::move(option);
    }
  }

  const document::Document& document_;
  absl::string_view file_;
  std::vector<std::string> problems_;
  std::map<std::string, Price> prices_;
};

// What is left out of a sum is seen.
EstimateLine WithoutPrice(const std::string& name, const nlohmann::json& value) {
  return {
      absl::StrCat(name, " = ", base::EscapeForDisplay(TextOf(value), 80), ": no price is known"),
      {}};
}

// What `option` adds for the value.
absl::StatusOr<EstimateLine> LineOf(const std::string& name, const Price& price,
                                    const PriceOption& option, const nlohmann::json& value,
                                    const UnitCosts& units) {
  if (!option.each.has_value() && option.metric.empty()) {
    const auto found = option.values.find(TextOf(value));
    if (found == option.values.end()) return WithoutPrice(name, value);
    return EstimateLine{absl::StrCat(name, " = ", base::EscapeForDisplay(TextOf(value), 80)),
                        found->second};
  }
  const absl::StatusOr<base::Decimal> count = base::Decimal::Parse(TextOf(value));
  if (!count.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("parameter ", name, ": ",
                                                   base::EscapeForDisplay(TextOf(value), 80),
                                                   " is no number, and has a price by number"));
  }
  std::optional<base::Decimal> each = option.each;
  absl::string_view why;
  if (!option.metric.empty() && units) {
    PURSER_ASSIGN_OR_RETURN(const std::optional<base::Decimal> known, units(price, option));
    if (known.has_value()) {
      each = known;
      why = ", as of late";
    }
  }
  if (!each.has_value()) return WithoutPrice(name, value);
  base::Decimal paid, monthly;
  if (!base::Decimal::Subtract(*count, option.free, &paid)) {
    return absl::OutOfRangeError(absl::StrCat("parameter ", name, ": too large"));
  }
  if (paid.IsNegative()) paid = base::Decimal();
  if (!base::Decimal::Multiply(paid, *each, &monthly)) {
    return absl::OutOfRangeError(absl::StrCat("parameter ", name, ": too large for its price"));
  }
  return EstimateLine{absl::StrCat(name, ": ", paid.ToString(), " × ", each->ToString(), why),
                      monthly};
}

// The last days with data, a month of them.
absl::StatusOr<std::optional<std::pair<absl::CivilDay, absl::CivilDay>>> LastMonth(
    CostService& costs) {
  PURSER_ASSIGN_OR_RETURN(const auto data, costs.DataDays());
  if (!data.has_value()) return std::nullopt;
  return std::make_pair(data->second - kMonthDays + 1, data->second);
}

// Effective cost of those entities of the product that have values of the metric, by those values.
absl::StatusOr<std::optional<base::Decimal>> UnitCostOf(CostService& costs, const Price& price,
                                                        const PriceOption& option) {
  PURSER_ASSIGN_OR_RETURN(const auto days, LastMonth(costs));
  if (!days.has_value()) return std::nullopt;
  TopRequest like{.from = days->first,
                  .to = days->second,
                  .dimension = Dimension::kEntity,
                  .measure = Measure::kEffective,
                  .limit = static_cast<int>(kMaxLikeEntities),
                  .filters = {{Dimension::kProduct, {price.product}}}};
  if (!option.service.empty()) like.filters.push_back({Dimension::kService, {option.service}});
  PURSER_ASSIGN_OR_RETURN(TopResult top, costs.Top(like));
  const auto foreign = [&](const CostRow& row) { return row.currency != price.currency; };
  if (std::any_of(top.rows.begin(), top.rows.end(), foreign)) {
    like.currency = price.currency;
    absl::StatusOr<TopResult> converted = costs.Top(like);
    // Without a rate nothing is known in this currency.
    if (absl::IsFailedPrecondition(converted.status())) return std::nullopt;
    PURSER_ASSIGN_OR_RETURN(top, std::move(converted));
  }
  base::Decimal cost, units;
  for (const CostRow& row : top.rows) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<MetricValue> values,
                            costs.Metrics(option.metric, row.keys[0], days->first, days->second));
    if (values.empty()) continue;
    bool fits = base::Decimal::Add(cost, row.effective, &cost);
    for (const MetricValue& value : values) {
      fits = fits && base::Decimal::Add(units, value.value, &units);
    }
    if (!fits) return absl::OutOfRangeError("a sum of costs or units does not fit");
  }
  // A value is of a day: so much is one unit of it through a month.
  base::Decimal each;
  if (units.IsZero() || !Divide(cost, units, &each) ||
      !base::Decimal::Multiply(each, base::Decimal::FromInteger(kMonthDays), &each)) {
    return std::nullopt;
  }
  return each;
}

absl::StatusOr<std::vector<ObservedCost>> Observe(CostService& costs, absl::string_view product) {
  std::vector<ObservedCost> observed;
  PURSER_ASSIGN_OR_RETURN(const auto days, LastMonth(costs));
  if (!days.has_value()) return observed;
  QueryRequest request{.from = days->first,
                       .to = days->second,
                       .group_by = {Dimension::kEntity, Dimension::kDay},
                       .filters = {{Dimension::kProduct, {std::string(product)}}}};
  PURSER_ASSIGN_OR_RETURN(const std::vector<CostRow> rows, costs.Sums(request));
  struct Sum {
    base::Decimal effective;
    int days = 0;
  };
  std::map<std::string, std::map<std::string, Sum>> sums;  // by currency and entity
  for (const CostRow& row : rows) {
    Sum& sum = sums[row.currency][row.keys[0]];
    ++sum.days;
    if (!base::Decimal::Add(sum.effective, row.effective, &sum.effective)) {
      return absl::OutOfRangeError("a sum of costs does not fit");
    }
  }
  for (const auto& [currency, entities] : sums) {
    std::vector<base::Decimal> whole;
    for (const auto& [entity, sum] : entities) {
      // What was made or ended in between says nothing about a month.
      if (sum.days == kMonthDays) whole.push_back(sum.effective);
    }
    if (whole.empty()) continue;
    std::sort(whole.begin(), whole.end());
    observed.push_back({currency, static_cast<int64_t>(whole.size()), whole[whole.size() / 2],
                        whole.back(), days->first, days->second});
  }
  return observed;
}

}  // namespace

absl::StatusOr<PriceBook> PriceBook::Parse(absl::string_view yaml, absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(yaml, file));
  PriceBook book;
  PURSER_ASSIGN_OR_RETURN(book.prices_, BookParser(document, file).Run());
  return book;
}

absl::StatusOr<Estimate> PriceBook::Quote(absl::string_view product,
                                          const nlohmann::json& parameters,
                                          const UnitCosts& units) const {
  Estimate estimate;
  estimate.product = std::string(product);
  const auto found = prices_.find(estimate.product);
  if (found == prices_.end()) return estimate;
  const Price& price = found->second;
  estimate.currency = price.currency;
  estimate.lines.push_back({"base", price.base});
  for (const auto& [name, option] : price.options) {
    const nlohmann::json* value = Member(parameters, name);
    if (value == nullptr || value->is_null()) continue;
    PURSER_ASSIGN_OR_RETURN(EstimateLine line, LineOf(name, price, option, *value, units));
    estimate.lines.push_back(std::move(line));
  }
  for (const EstimateLine& line : estimate.lines) {
    if (!base::Decimal::Add(estimate.monthly, line.monthly, &estimate.monthly)) {
      return absl::OutOfRangeError("the estimate does not fit");
    }
  }
  return estimate;
}

absl::StatusOr<Estimate> EstimateCost(CostService& costs, const PriceBook& book,
                                      absl::string_view product, const nlohmann::json& parameters) {
  PURSER_ASSIGN_OR_RETURN(
      Estimate estimate,
      book.Quote(product, parameters, [&](const Price& price, const PriceOption& option) {
        return UnitCostOf(costs, price, option);
      }));
  PURSER_ASSIGN_OR_RETURN(estimate.observed, Observe(costs, product));
  if (estimate.currency.empty() && estimate.observed.empty()) {
    return absl::NotFoundError(
        absl::StrCat("neither the price book nor the costs of the last month know the product ",
                     base::EscapeForDisplay(product)));
  }
  return estimate;
}

}  // namespace purser::costs
