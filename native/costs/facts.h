// Facts: sums of charges by day, by what was bought (an item) and by who was billed (a bill), and
// the compact form in which a month of them is stored.
//
// Items and bills are numbered by the store, append-only. A stored month of one subject or one node
// of the catalog is one value: reading a group's year is reading twelve of them.
#ifndef PURSER_COSTS_FACTS_H_
#define PURSER_COSTS_FACTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "costs/measures.h"

namespace purser::costs {

// Different items, and different bills, a store may hold.
inline constexpr uint32_t kMaxItems = 1u << 24;

// What was bought.
struct ChargeItem {
  std::string service;   // ServiceName
  std::string region;    // RegionId
  std::string sku;       // SkuId
  std::string category;  // ChargeCategory
  std::string kind;      // see KindOf
  std::string currency;  // BillingCurrency
  std::string pool;      // of a share: the pool it is a part of; "" for direct cost

  friend bool operator==(const ChargeItem&, const ChargeItem&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const ChargeItem& i) {
    return H::combine(std::move(state), i.service, i.region, i.sku, i.category, i.kind, i.currency,
                      i.pool);
  }
};

// Who was billed, by whom.
struct Bill {
  std::string source;
  absl::CivilDay billing_period;  // first day
  std::string sub_account;        // SubAccountId
  std::string invoice;            // InvoiceId

  friend bool operator==(const Bill&, const Bill&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Bill& b) {
    return H::combine(std::move(state), b.source, b.billing_period, b.sub_account, b.invoice);
  }
};

// What kind of charge FOCUS's columns make it: "usage", "commitment-used", "commitment-unused",
// "purchase", "tax", "credit", "adjustment", and for corrections of closed periods "refund" (below
// zero) or "correction".
std::string KindOf(absl::string_view category, absl::string_view charge_class,
                   absl::string_view commitment_status, bool negative);

struct Fact {
  uint32_t item = 0;
  uint32_t bill = 0;
  int day = 0;  // of the month, from 1
  Measures sums;

  uint64_t key() const {
    return static_cast<uint64_t>(item) << 32 | static_cast<uint64_t>(bill) << 8 |
           static_cast<uint64_t>(day);
  }
};

// Sorted by key, equal keys added together.
absl::Status Normalise(std::vector<Fact>& facts);

std::string EncodeFacts(const std::vector<Fact>& facts);
// DATA_LOSS when `bytes` was not made by EncodeFacts. `on_fact` must not fail; it is called for
// each fact in its order.
absl::Status DecodeFacts(absl::string_view bytes, const std::function<void(const Fact&)>& on_fact);

// Facts as they are stored, a fifth of the memory of those that are at work. One thread.
class FactList {
 public:
  void Add(const Fact& fact);
  void Add(const std::vector<Fact>& facts);
  // Makes `facts` what was added, in that order.
  void Read(std::vector<Fact>& facts) const;
  bool empty() const { return bytes_.empty(); }
  void Clear() { std::string().swap(bytes_); }        // an assignment keeps the memory
  size_t bytes() const { return bytes_.capacity(); }  // memory in use
  size_t size() const { return bytes_.size(); }       // of it, what was added

 private:
  std::string bytes_;
};

// 202611 for a day of November 2026, and back to the first day.
int64_t MonthOf(absl::CivilDay day);
absl::CivilDay FirstDay(int64_t month);
absl::CivilDay DayOf(int64_t month, int day);
int64_t NextMonth(int64_t month);

}  // namespace purser::costs

#endif  // PURSER_COSTS_FACTS_H_
