#include "costs/currencies.h"

#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/days.h"
#include "costs/split.h"

namespace purser::costs {
namespace {

bool IsCurrency(absl::string_view text) {
  return text.size() == 3 && absl::ascii_isupper(text[0]) && absl::ascii_isupper(text[1]) &&
         absl::ascii_isupper(text[2]);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Rates>> Rates::Parse(absl::string_view csv,
                                                          absl::string_view file) {
  auto rates = std::make_shared<Rates>();
  size_t number = 0;
  size_t count = 0;
  for (absl::string_view line : absl::StrSplit(csv, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    const auto bad = [&](absl::string_view why) {
      return absl::InvalidArgumentError(absl::StrCat(file, ":", number, ": ", why));
    };
    if (number == 1) {
      if (line != "day,from,to,rate") return bad("the header must be day,from,to,rate");
      continue;
    }
    if (line.empty()) continue;
    if (++count > kMaxRates)
      return bad(absl::StrCat("more than ", kMaxRates, " rates (kMaxRates)"));
    const std::vector<std::string> fields = absl::StrSplit(line, ',');
    if (fields.size() != 4) return bad("the line has not four fields");
    const absl::StatusOr<absl::CivilDay> day = ParseDay(fields[0]);
    if (!day.ok()) return bad(absl::StrCat("day: ", day.status().message()));
    if (!IsCurrency(fields[1]) || !IsCurrency(fields[2])) {
      return bad("from and to are currencies like EUR");
    }
    const absl::StatusOr<base::Decimal> rate = base::Decimal::Parse(fields[3]);
    if (!rate.ok()) return bad(absl::StrCat("rate: ", rate.status().message()));
    if (*rate <= base::Decimal()) return bad("rate: must be above 0");
    if (!rates->rates_[{fields[1], fields[2]}].emplace(*day, *rate).second) {
      return bad(absl::StrCat("a second rate from ", fields[1], " to ", fields[2], " of that day"));
    }
  }
  return std::shared_ptr<const Rates>(std::move(rates));
}

bool Rates::Direct(const std::string& from, const std::string& to, absl::CivilDay day,
                   base::Decimal* rate) const {
  const auto at = [&](const std::string& a, const std::string& b, base::Decimal* out) {
    const auto series = rates_.find({a, b});
    if (series == rates_.end()) return false;
    auto next = series->second.upper_bound(day);
    if (next == series->second.begin()) return false;
    --next;
    if (day - next->first > kMaxRateAgeDays) return false;
    *out = next->second;
    return true;
  };
  if (at(from, to, rate)) return true;
  base::Decimal opposite;
  return at(to, from, &opposite) && Divide(base::Decimal::FromInteger(1), opposite, rate);
}

absl::StatusOr<base::Decimal> Rates::Find(const std::string& from, const std::string& to,
                                          absl::CivilDay day) const {
  if (from == to) return base::Decimal::FromInteger(1);
  base::Decimal rate;
  if (Direct(from, to, day, &rate)) return rate;
  std::set<std::string> others;
  for (const auto& [pair, unused] : rates_) others.insert({pair.first, pair.second});
  for (const std::string& other : others) {
    base::Decimal first, second;
    if (Direct(from, other, day, &first) && Direct(other, to, day, &second) &&
        base::Decimal::Multiply(first, second, &rate)) {
      return rate;
    }
  }
  return absl::FailedPreconditionError(
      absl::StrCat("there is no rate from ", base::EscapeForDisplay(from), " to ",
                   base::EscapeForDisplay(to), " for ", absl::FormatCivilTime(day), " or the ",
                   kMaxRateAgeDays, " days before: add it to the file of costs.rates"));
}

absl::StatusOr<base::Decimal> Rates::Convert(base::Decimal amount, const std::string& from,
                                             const std::string& to, absl::CivilDay day) const {
  if (from == to) return amount;
  PURSER_ASSIGN_OR_RETURN(const base::Decimal rate, Find(from, to, day));
  base::Decimal converted;
  if (base::Decimal::Multiply(amount, rate, &converted)) return converted;
  return absl::OutOfRangeError(
      absl::StrCat(amount.ToString(), " ", from, " does not fit when converted to ", to));
}

}  // namespace purser::costs
