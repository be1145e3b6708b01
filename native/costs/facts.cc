#include "costs/facts.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {
namespace {

constexpr char kFormat = 1;
constexpr size_t kUsualBytes = 24;  // of a fact
// How the three other costs of a fact are written, two bits each.
enum Form : uint8_t { kZero = 0, kAsBilled = 1, kOwn = 2 };

// More than a fact takes: an amount is written as if all its bytes were needed.
constexpr size_t kMostBytes = 128;

char* PutVarint(uint64_t value, char* out) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

// Zigzag, then as many bytes as it takes behind their number.
char* PutAmount(base::Decimal amount, char* out) {
  const __int128 units = amount.units();
  unsigned __int128 bits = static_cast<unsigned __int128>(units) << 1;
  if (units < 0) bits = ~bits;
  const auto width = [](uint64_t word) {
    return (static_cast<size_t>(std::bit_width(word)) + 7) / 8;
  };
  const uint64_t high = static_cast<uint64_t>(bits >> 64);
  const size_t size = high != 0 ? 8 + width(high) : width(static_cast<uint64_t>(bits));
  *out++ = static_cast<char>(size);
  // Little-endian, as every platform we build for.
  std::memcpy(out, &bits, sizeof bits);
  return out + size;
}

Form FormOf(base::Decimal amount, base::Decimal billed) {
  if (amount.IsZero()) return kZero;
  return amount == billed ? kAsBilled : kOwn;
}

void PutFact(const Fact& fact, std::string& out) {
  char bytes[kMostBytes];
  char* end = PutVarint(fact.item, bytes);
  end = PutVarint(fact.bill, end);
  *end++ = static_cast<char>(fact.day);
  const Form effective = FormOf(fact.sums.effective, fact.sums.billed);
  const Form list = FormOf(fact.sums.list, fact.sums.billed);
  const Form contracted = FormOf(fact.sums.contracted, fact.sums.billed);
  *end++ = static_cast<char>(effective | list << 2 | contracted << 4);
  end = PutVarint(static_cast<uint64_t>(fact.sums.charges), end);
  end = PutAmount(fact.sums.billed, end);
  if (effective == kOwn) end = PutAmount(fact.sums.effective, end);
  if (list == kOwn) end = PutAmount(fact.sums.list, end);
  if (contracted == kOwn) end = PutAmount(fact.sums.contracted, end);
  out.append(bytes, static_cast<size_t>(end - bytes));
}

class Reader {
 public:
  explicit Reader(absl::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool done() const { return at_ == end_; }
  bool Byte(uint8_t* out) {
    if (at_ == end_) return false;
    *out = static_cast<uint8_t>(*at_++);
    return true;
  }
  bool Varint(uint64_t* out) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        *out = value;
        return true;
      }
    }
    return false;
  }
  bool Amount(base::Decimal* out) {
    uint8_t size = 0;
    if (!Byte(&size) || size > 16 || end_ - at_ < size) return false;
    unsigned __int128 bits = 0;
    std::memcpy(&bits, at_, size);
    at_ += size;
    const unsigned __int128 half = bits >> 1;
    *out = base::Decimal::FromUnits(static_cast<__int128>((bits & 1) != 0 ? ~half : half));
    return true;
  }
  bool Take(Fact* fact) {
    uint64_t item, bill, charges;
    uint8_t day, forms;
    if (!Varint(&item) || !Varint(&bill) || !Byte(&day) || !Byte(&forms) || !Varint(&charges) ||
        !Amount(&fact->sums.billed) ||
        !Amount(forms & 3, fact->sums.billed, &fact->sums.effective) ||
        !Amount(forms >> 2 & 3, fact->sums.billed, &fact->sums.list) ||
        !Amount(forms >> 4 & 3, fact->sums.billed, &fact->sums.contracted) || item > UINT32_MAX ||
        bill > UINT32_MAX) {
      return false;
    }
    fact->item = static_cast<uint32_t>(item);
    fact->bill = static_cast<uint32_t>(bill);
    fact->day = day;
    fact->sums.charges = static_cast<int64_t>(charges);
    return true;
  }

 private:
  bool Amount(uint8_t form, base::Decimal billed, base::Decimal* out) {
    switch (form) {
      case kZero:
        *out = base::Decimal();
        return true;
      case kAsBilled:
        *out = billed;
        return true;
      case kOwn:
        return Amount(out);
      default:
        return false;
    }
  }

  const char* at_;
  const char* end_;
};

}  // namespace

std::string KindOf(absl::string_view category, absl::string_view charge_class,
                   absl::string_view commitment_status, bool negative) {
  if (charge_class == "Correction") return negative ? "refund" : "correction";
  if (category == "Tax") return "tax";
  if (category == "Credit") return "credit";
  if (category == "Purchase") return "purchase";
  if (category == "Adjustment") return "adjustment";
  if (commitment_status == "Used") return "commitment-used";
  if (commitment_status == "Unused") return "commitment-unused";
  return "usage";
}

absl::Status Normalise(std::vector<Fact>& facts) {
  const auto less = [](const Fact& a, const Fact& b) { return a.key() < b.key(); };
  if (!std::is_sorted(facts.begin(), facts.end(), less)) {
    std::sort(facts.begin(), facts.end(), less);
  }
  size_t kept = 0;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (kept > 0 && facts[kept - 1].key() == facts[i].key()) {
      if (!facts[kept - 1].sums.TryAdd(facts[i].sums)) {
        return facts[kept - 1].sums.Add(facts[i].sums);
      }
    } else {
      if (kept != i) facts[kept] = facts[i];
      ++kept;
    }
  }
  facts.resize(kept);
  return absl::OkStatus();
}

std::string EncodeFacts(const std::vector<Fact>& facts) {
  std::string out(1, kFormat);
  out.reserve(2 + facts.size() * kUsualBytes);
  for (const Fact& fact : facts) PutFact(fact, out);
  return out;
}

absl::Status DecodeFacts(absl::string_view bytes, const std::function<void(const Fact&)>& on_fact) {
  const auto damaged = [] {
    return absl::DataLossError("stored costs are damaged: read the source's files again");
  };
  if (bytes.empty() || bytes[0] != kFormat) return damaged();
  Reader reader(bytes.substr(1));
  Fact fact;
  while (!reader.done()) {
    if (!reader.Take(&fact) || fact.item >= kMaxItems || fact.bill >= kMaxItems || fact.day < 1 ||
        fact.day > 31) {
      return damaged();
    }
    on_fact(fact);
  }
  return absl::OkStatus();
}

void FactList::Add(const Fact& fact) { PutFact(fact, bytes_); }

void FactList::Add(const std::vector<Fact>& facts) {
  for (const Fact& fact : facts) PutFact(fact, bytes_);
}

void FactList::Read(std::vector<Fact>& facts) const {
  facts.clear();
  Reader reader(bytes_);
  while (!reader.done() && reader.Take(&facts.emplace_back())) {
  }
}

int64_t MonthOf(absl::CivilDay day) { return day.year() * 100 + day.month(); }

absl::CivilDay FirstDay(int64_t month) {
  return absl::CivilDay(month / 100, static_cast<int>(month % 100), 1);
}

absl::CivilDay DayOf(int64_t month, int day) { return FirstDay(month) + (day - 1); }

int64_t NextMonth(int64_t month) {
  return MonthOf(absl::CivilDay(absl::CivilMonth(FirstDay(month)) + 1));
}

}  // namespace purser::costs
