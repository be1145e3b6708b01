#include "costs/rank.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {
namespace {

constexpr size_t kDays = 31;
constexpr size_t kMeasures = 2;
constexpr size_t kCurrencyBytes = 3;
constexpr size_t kKeyBytes = 4 + kCurrencyBytes;
// A day's value begins with the power of ten that its amounts are multiples of, in units of 10^-18,
// and with how many bytes an amount has: real amounts fit into half of what the largest need.
constexpr size_t kHeadBytes = 2;
constexpr size_t kNarrow = sizeof(int64_t);
constexpr size_t kWide = sizeof(__int128);
constexpr int kMaxPower = base::Decimal::kScale;

absl::Status Damaged() { return absl::DataLossError("stored rankings are damaged: allocate anew"); }

__int128 PowerOfTen(int power) {
  __int128 value = 1;
  for (int i = 0; i < power; ++i) value *= 10;
  return value;
}

// How the amounts of a month are written.
struct Form {
  int power = kMaxPower;
  size_t width = kNarrow;

  void Fit(__int128 units) {
    while (power > 0 && units % PowerOfTen(power) != 0) --power;
  }
  void Widen(__int128 units) {
    const __int128 value = units / PowerOfTen(power);
    if (value != static_cast<int64_t>(value)) width = kWide;
  }
};

__int128 ValueAt(const char* bytes, size_t width) {
  if (width == kNarrow) {
    int64_t value;
    std::memcpy(&value, bytes, kNarrow);
    return value;
  }
  __int128 value;
  std::memcpy(&value, bytes, kWide);
  return value;
}

}  // namespace

absl::Status RankWriter::Add(uint32_t node, const std::vector<Fact>& facts,
                             const Numbers& numbers) {
  std::map<absl::string_view, std::vector<base::Decimal>> by_currency;
  for (const Fact& fact : facts) {
    std::vector<base::Decimal>& days = by_currency[numbers.items[fact.item].currency];
    days.resize(kDays * kMeasures);
    const size_t at = (static_cast<size_t>(fact.day) - 1) * kMeasures;
    for (size_t i = 0; i < kMeasures; ++i) {
      if (!base::Decimal::Add(days[at + i], fact.sums.Of(kRankMeasures[i]), &days[at + i])) {
        return absl::OutOfRangeError("a sum of costs does not fit");
      }
    }
  }
  for (auto& [currency, days] : by_currency) {
    for (size_t at = kMeasures; at < days.size(); ++at) {
      if (!base::Decimal::Add(days[at], days[at - kMeasures], &days[at])) {
        return absl::OutOfRangeError("a sum of costs does not fit");
      }
    }
    entries_.push_back({node, std::string(currency), std::move(days)});
  }
  return absl::OkStatus();
}

absl::Status RankWriter::Store(store::Connection& connection) {
  const int64_t kind = static_cast<int64_t>(kind_);
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      "DELETE FROM cost_rank_keys WHERE kind = $1 AND month = $2", {kind, month_}));
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      "DELETE FROM cost_rank_days WHERE kind = $1 AND month = $2", {kind, month_}));
  if (entries_.empty()) return absl::OkStatus();
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.node, a.currency) < std::tie(b.node, b.currency);
  });
  Form form;
  for (const Entry& entry : entries_) {
    for (const base::Decimal amount : entry.by_day) form.Fit(amount.units());
  }
  for (const Entry& entry : entries_) {
    for (const base::Decimal amount : entry.by_day) form.Widen(amount.units());
  }
  const __int128 divisor = PowerOfTen(form.power);
  store::Blob keys;
  for (const Entry& entry : entries_) {
    char key[kKeyBytes] = {};
    std::memcpy(key, &entry.node, 4);
    std::memcpy(key + 4, entry.currency.data(), std::min(kCurrencyBytes, entry.currency.size()));
    keys.bytes.append(key, kKeyBytes);
  }
  PURSER_RETURN_IF_ERROR(
      connection.ExecuteLater("INSERT INTO cost_rank_keys (kind, month, keys) VALUES ($1, $2, $3)",
                              {kind, month_, std::move(keys)}));
  for (size_t day = 0; day < kDays; ++day) {
    store::Blob sums;
    sums.bytes.reserve(kHeadBytes + entries_.size() * kMeasures * form.width);
    sums.bytes.push_back(static_cast<char>(form.power));
    sums.bytes.push_back(static_cast<char>(form.width));
    bool changed = day == 0;
    for (const Entry& entry : entries_) {
      for (size_t i = 0; i < kMeasures; ++i) {
        // Little-endian: the narrow form is the beginning of the wide one.
        const __int128 value = entry.by_day[day * kMeasures + i].units() / divisor;
        sums.bytes.append(reinterpret_cast<const char*>(&value), form.width);
        changed =
            changed || entry.by_day[day * kMeasures + i] != entry.by_day[(day - 1) * kMeasures + i];
      }
    }
    // A day without charges has the sums of the day before.
    if (!changed) continue;
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_rank_days (kind, month, day, sums) VALUES ($1, $2, $3, $4)",
        {kind, month_, static_cast<int64_t>(day) + 1, std::move(sums)}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Ranked>> ReadRanks(store::Connection& connection, NodeKind kind,
                                              absl::CivilDay from, absl::CivilDay to) {
  // One slot per node; further currencies of a node are rare and kept apart.
  std::vector<Ranked> slots;
  std::vector<uint32_t> slot_of;  // by node, plus one
  std::map<std::pair<uint32_t, std::string>, size_t> others;
  const int64_t number = static_cast<int64_t>(kind);
  for (int64_t month = MonthOf(from); month <= MonthOf(to); month = NextMonth(month)) {
    std::string keys;
    PURSER_RETURN_IF_ERROR(
        connection.ForEach("SELECT keys FROM cost_rank_keys WHERE kind = $1 AND month = $2",
                           {number, month}, [&](const store::Row& row) {
                             keys = row.Text(0);
                             return absl::OkStatus();
                           }));
    if (keys.empty()) continue;
    if (keys.size() % kKeyBytes != 0) return Damaged();
    const size_t entries = keys.size() / kKeyBytes;
    std::vector<size_t> slot(entries);
    for (size_t i = 0; i < entries; ++i) {
      uint32_t node;
      std::memcpy(&node, keys.data() + i * kKeyBytes, 4);
      const absl::string_view currency(keys.data() + i * kKeyBytes + 4, kCurrencyBytes);
      if (node >= kMaxItems) return Damaged();
      if (node >= slot_of.size()) slot_of.resize(node + 1 + slot_of.size() / 2);
      if (slot_of[node] == 0) {
        slots.push_back({node, std::string(currency), {}, {}});
        slot_of[node] = static_cast<uint32_t>(slots.size());
      }
      slot[i] = slot_of[node] - 1;
      if (slots[slot[i]].currency == currency) continue;
      const auto [at, added] = others.try_emplace({node, std::string(currency)}, slots.size());
      if (added) slots.push_back({node, std::string(currency), {}, {}});
      slot[i] = at->second;
    }
    // Sums up to `day`, with a sign; nothing was charged before the first stored day.
    const auto add = [&](int day, bool negative) -> absl::Status {
      return connection.ForEach(
          "SELECT sums FROM cost_rank_days WHERE kind = $1 AND month = $2 AND day <= $3 "
          "ORDER BY day DESC LIMIT 1",
          {number, month, static_cast<int64_t>(day)}, [&](const store::Row& row) -> absl::Status {
            const std::string& sums = row.Text(0);
            if (sums.size() < kHeadBytes) return Damaged();
            const int power = sums[0];
            const size_t width = static_cast<size_t>(sums[1]);
            if (power < 0 || power > kMaxPower || (width != kNarrow && width != kWide) ||
                sums.size() != kHeadBytes + entries * kMeasures * width) {
              return Damaged();
            }
            const __int128 factor = PowerOfTen(power);
            for (size_t i = 0; i < entries; ++i) {
              const char* at = sums.data() + kHeadBytes + i * kMeasures * width;
              Ranked& ranked = slots[slot[i]];
              const base::Decimal billed = base::Decimal::FromUnits(ValueAt(at, width) * factor);
              const base::Decimal effective =
                  base::Decimal::FromUnits(ValueAt(at + width, width) * factor);
              if (!(negative ? base::Decimal::Subtract(ranked.billed, billed, &ranked.billed)
                             : base::Decimal::Add(ranked.billed, billed, &ranked.billed)) ||
                  !(negative
                        ? base::Decimal::Subtract(ranked.effective, effective, &ranked.effective)
                        : base::Decimal::Add(ranked.effective, effective, &ranked.effective))) {
                return absl::OutOfRangeError("a sum of costs does not fit");
              }
            }
            return absl::OkStatus();
          });
    };
    const absl::CivilDay first = FirstDay(month);
    const absl::CivilDay last = FirstDay(NextMonth(month)) - 1;
    PURSER_RETURN_IF_ERROR(add(std::min(last, to).day(), false));
    if (from > first) PURSER_RETURN_IF_ERROR(add(from.day() - 1, true));
  }
  return slots;
}

}  // namespace purser::costs
