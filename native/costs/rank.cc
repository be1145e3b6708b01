#include "costs/rank.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/status.h"

namespace purser::costs {
namespace {

// Two tables hold a kind's month, and a year is answered by reading little:
//   cost_rank_keys: for each currency its name (kCurrencyBytes), how many nodes have it, and these
//     nodes in order, each as its distance from the one before; numbers as varints.
//   cost_rank_days: for each day the sums of these nodes in the same order, billed and effective.
//     A value begins with the power of ten that its amounts are multiples of, in units of 10^-18,
//     and with how many bytes an amount has: real amounts fit into a third of what the largest
//     need. A day without charges has no value; it has the sums of the day before.
constexpr size_t kDays = 31;
constexpr size_t kMeasures = 2;
constexpr size_t kCurrencyBytes = 3;
constexpr size_t kHeadBytes = 2;
constexpr size_t kNarrow = sizeof(int64_t);
constexpr size_t kWide = sizeof(__int128);
constexpr int kMaxPower = base::Decimal::kScale;

absl::Status Damaged() { return absl::DataLossError("stored rankings are damaged: allocate anew"); }
absl::Status DoesNotFit() { return absl::OutOfRangeError("a sum of costs does not fit"); }

int64_t PowerOfTen(int power) {
  int64_t value = 1;
  for (int i = 0; i < power; ++i) value *= 10;
  return value;
}

void PutVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

bool TakeVarint(absl::string_view& bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const uint8_t byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// How the amounts of a month are written: the largest power of ten and the fewest bytes that do.
struct Form {
  int power = kMaxPower;
  int64_t factor = PowerOfTen(kMaxPower);
  size_t width = 1;

  void FitPower(__int128 units) {
    while (units / factor * factor != units) factor = PowerOfTen(--power);
  }
  void FitWidth(__int128 units) {
    const __int128 value = units / factor;
    if (value != static_cast<int64_t>(value)) {
      width = kWide;
      return;
    }
    const int64_t narrow = static_cast<int64_t>(value);
    while (width < kNarrow && narrow != ValueAt(reinterpret_cast<const char*>(&narrow), width)) {
      ++width;
    }
  }
  // Of 1 to 8 little-endian bytes; 8 are read.
  static int64_t ValueAt(const char* bytes, size_t width) {
    uint64_t value;
    std::memcpy(&value, bytes, kNarrow);
    const int unused = static_cast<int>(8 * (kNarrow - width));
    return static_cast<int64_t>(value << unused) >> unused;
  }
};

// What a kind's months sum up to.
class RankReader {
 public:
  // The nodes of a month, in whose order its sums come.
  absl::Status TakeKeys(absl::string_view keys) {
    if (keys == keys_) return absl::OkStatus();  // as in the month before
    keys_ = std::string(keys);
    places_.clear();
    while (!keys.empty()) {
      if (keys.size() < kCurrencyBytes) return Damaged();
      const absl::string_view currency = keys.substr(0, kCurrencyBytes);
      keys.remove_prefix(kCurrencyBytes);
      uint64_t count = 0, node = 0, step = 0;
      if (!TakeVarint(keys, &count) || count > keys.size()) return Damaged();
      const size_t ranking = RankingOf(currency);
      std::vector<uint32_t>& place_of = place_of_[ranking];
      for (uint64_t i = 0; i < count; ++i) {
        if (!TakeVarint(keys, &step) || step >= kMaxItems || (node += step) >= kMaxItems) {
          return Damaged();
        }
        if (node >= place_of.size()) place_of.resize(node + 1 + place_of.size() / 2);
        uint32_t& place = place_of[node];
        if (place == 0) {
          rankings_[ranking].nodes.push_back({static_cast<uint32_t>(node), {}, {}});
          place = static_cast<uint32_t>(rankings_[ranking].nodes.size());
        }
        places_.emplace_back(static_cast<uint32_t>(ranking), place - 1);
      }
    }
    return absl::OkStatus();
  }

  // Adds the sums up to a day, or takes them away.
  absl::Status TakeSums(absl::string_view stored, bool negative) {
    if (stored.size() < kHeadBytes) return Damaged();
    const int power = stored[0];
    const size_t width = static_cast<uint8_t>(stored[1]);
    stored.remove_prefix(kHeadBytes);
    if (power < 0 || power > kMaxPower || width < 1 || (width > kNarrow && width != kWide) ||
        stored.size() != places_.size() * kMeasures * width) {
      return Damaged();
    }
    const __int128 factor = PowerOfTen(power) * (negative ? -1 : 1);
    bool fits = true;
    if (width == kWide) {
      Sum(stored.data(), width, fits, [&](const char* at, __int128* units) {
        __int128 value;
        std::memcpy(&value, at, kWide);
        return !__builtin_mul_overflow(value, factor, units);
      });
    } else {
      // The last amount is read with what stands behind it.
      padded_.assign(stored.data(), stored.size());
      padded_.append(kNarrow, '\0');
      Sum(padded_.data(), width, fits, [&](const char* at, __int128* units) {
        *units = Form::ValueAt(at, width) * factor;
        return true;
      });
    }
    return fits ? absl::OkStatus() : DoesNotFit();
  }

  std::vector<Ranking> Finish() { return std::move(rankings_); }

 private:
  size_t RankingOf(absl::string_view currency) {
    for (size_t i = 0; i < rankings_.size(); ++i) {
      if (rankings_[i].currency == currency) return i;
    }
    rankings_.push_back({std::string(currency), {}});
    place_of_.emplace_back();
    return rankings_.size() - 1;
  }

  template <typename Read>
  void Sum(const char* at, size_t width, bool& fits, const Read& read) {
    for (const auto& [ranking, place] : places_) {
      Ranked& ranked = rankings_[ranking].nodes[place];
      for (base::Decimal* const sum : {&ranked.billed, &ranked.effective}) {
        __int128 units, total;
        fits = fits && read(at, &units) && !__builtin_add_overflow(sum->units(), units, &total);
        if (!fits) return;
        *sum = base::Decimal::FromUnits(total);
        at += width;
      }
    }
  }

  std::vector<Ranking> rankings_;
  std::vector<std::vector<uint32_t>> place_of_;  // by ranking, then node; plus one
  std::string keys_;
  std::vector<std::pair<uint32_t, uint32_t>> places_;  // ranking and place there, by keys_
  std::string padded_;
};

}  // namespace

const __int128* RankWriter::Entry::OfDay(size_t day) const {
  static constexpr __int128 kNothing[kMeasures] = {};
  const uint32_t until = days & static_cast<uint32_t>((uint64_t{2} << day) - 1);
  if (until == 0) return kNothing;
  return sums.data() + (static_cast<size_t>(std::popcount(until)) - 1) * kMeasures;
}

absl::Status RankWriter::Add(uint32_t node, const std::vector<Fact>& facts,
                             const Numbers& numbers) {
  struct Month {
    uint32_t days = 0;
    std::array<__int128, kDays * kMeasures> sums = {};
  };
  std::map<absl::string_view, Month> by_currency;
  Month* of_currency = nullptr;
  uint32_t item = 0;
  for (const Fact& fact : facts) {
    if (of_currency == nullptr || fact.item != item) {
      of_currency = &by_currency[numbers.items[item = fact.item].currency];
    }
    const size_t day = static_cast<size_t>(fact.day) - 1;
    of_currency->days |= 1u << day;
    __int128* const sums = of_currency->sums.data() + day * kMeasures;
    if (__builtin_add_overflow(sums[0], fact.sums.billed.units(), &sums[0]) ||
        __builtin_add_overflow(sums[1], fact.sums.effective.units(), &sums[1])) {
      return DoesNotFit();
    }
  }
  for (const auto& [currency, month] : by_currency) {
    // Most entities are charged on all days or on very few.
    std::vector<__int128> sums;
    sums.reserve(static_cast<size_t>(std::popcount(month.days)) * kMeasures);
    for (size_t day = 0; day < kDays; ++day) {
      if ((month.days >> day & 1) == 0) continue;
      for (size_t i = 0; i < kMeasures; ++i) {
        __int128 sum = month.sums[day * kMeasures + i];
        if (sums.size() >= kMeasures &&
            __builtin_add_overflow(sum, sums[sums.size() - kMeasures], &sum)) {
          return DoesNotFit();
        }
        sums.push_back(sum);
      }
    }
    auto entries = by_currency_.find(currency);
    if (entries == by_currency_.end()) {
      entries = by_currency_.emplace(std::string(currency), std::vector<Entry>()).first;
    }
    entries->second.push_back({node, month.days, std::move(sums)});
  }
  return absl::OkStatus();
}

absl::Status RankWriter::Store(store::Connection& connection) {
  const int64_t kind = static_cast<int64_t>(kind_);
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      "DELETE FROM cost_rank_keys WHERE kind = $1 AND month = $2", {kind, month_}));
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      "DELETE FROM cost_rank_days WHERE kind = $1 AND month = $2", {kind, month_}));
  if (by_currency_.empty()) return absl::OkStatus();
  std::vector<const Entry*> entries;
  store::Blob keys;
  for (auto& [currency, of_currency] : by_currency_) {
    std::sort(of_currency.begin(), of_currency.end(),
              [](const Entry& a, const Entry& b) { return a.node < b.node; });
    keys.bytes += currency;
    PutVarint(of_currency.size(), keys.bytes);
    uint32_t last = 0;
    for (const Entry& entry : of_currency) {
      PutVarint(entry.node - std::exchange(last, entry.node), keys.bytes);
      entries.push_back(&entry);
    }
  }
  Form form;
  for (const Entry* entry : entries) {
    for (const __int128 units : entry->sums) form.FitPower(units);
  }
  for (const Entry* entry : entries) {
    for (const __int128 units : entry->sums) form.FitWidth(units);
  }
  PURSER_RETURN_IF_ERROR(
      connection.ExecuteLater("INSERT INTO cost_rank_keys (kind, month, keys) VALUES ($1, $2, $3)",
                              {kind, month_, std::move(keys)}));
  for (size_t day = 0; day < kDays; ++day) {
    store::Blob sums;
    sums.bytes.reserve(kHeadBytes + entries.size() * kMeasures * form.width);
    sums.bytes.push_back(static_cast<char>(form.power));
    sums.bytes.push_back(static_cast<char>(form.width));
    bool changed = day == 0;
    for (const Entry* entry : entries) {
      const __int128* const of_day = entry->OfDay(day);
      const __int128* const before = day == 0 ? of_day : entry->OfDay(day - 1);
      for (size_t i = 0; i < kMeasures; ++i) {
        // Little-endian, as every platform we build for: a narrow form is the wide one's beginning.
        const __int128 value = of_day[i] / form.factor;
        sums.bytes.append(reinterpret_cast<const char*>(&value), form.width);
        changed = changed || of_day[i] != before[i];
      }
    }
    if (!changed) continue;
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_rank_days (kind, month, day, sums) VALUES ($1, $2, $3, $4)",
        {kind, month_, static_cast<int64_t>(day) + 1, std::move(sums)}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Ranking>> ReadRanks(store::Connection& connection, NodeKind kind,
                                               absl::CivilDay from, absl::CivilDay to) {
  RankReader reader;
  const int64_t number = static_cast<int64_t>(kind);
  for (int64_t month = MonthOf(from); month <= MonthOf(to); month = NextMonth(month)) {
    bool any = false;
    PURSER_RETURN_IF_ERROR(
        connection.ForEach("SELECT keys FROM cost_rank_keys WHERE kind = $1 AND month = $2",
                           {number, month}, [&](const store::Row& row) {
                             any = true;
                             return reader.TakeKeys(row.Text(0));
                           }));
    if (!any) continue;
    // Nothing was charged before the first stored day.
    const auto add = [&](int day, bool negative) {
      return connection.ForEach(
          "SELECT sums FROM cost_rank_days WHERE kind = $1 AND month = $2 AND day <= $3 "
          "ORDER BY day DESC LIMIT 1",
          {number, month, static_cast<int64_t>(day)},
          [&](const store::Row& row) { return reader.TakeSums(row.Text(0), negative); });
    };
    const absl::CivilDay first = FirstDay(month);
    const absl::CivilDay last = FirstDay(NextMonth(month)) - 1;
    PURSER_RETURN_IF_ERROR(add(std::min(last, to).day(), false));
    if (from > first) PURSER_RETURN_IF_ERROR(add(from.day() - 1, true));
  }
  return reader.Finish();
}

}  // namespace purser::costs
