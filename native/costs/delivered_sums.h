// What a delivery's charges sum up to, by subject, in the form in which it is stored: a bounded
// part of it in memory, however many subjects there are.
#ifndef PURSER_COSTS_DELIVERED_SUMS_H_
#define PURSER_COSTS_DELIVERED_SUMS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "costs/bill_scan.h"
#include "costs/facts.h"
#include "costs/numbers.h"
#include "costs/spool.h"

namespace purser::costs {

inline constexpr size_t kMaxDeliverySums = 20'000'000;
inline constexpr size_t kMaxInvoices = 1'000'000;  // of a delivery
inline constexpr size_t kMaxColumnBytes = 1'024;   // kept of a column of a subject
// Of a delivery's sums, beyond which they are in a temporary file.
inline constexpr size_t kHeldSumsBytes = 8 << 20;

// What a subject was charged in one month of one billing period. Of its facts, Fact::item is an
// index into DeliveredSums::items, Fact::bill one into DeliveredSums::invoices.
struct DeliveredMonth {
  absl::CivilDay billing_period;
  int64_t month = 0;        // of the charges' days, see MonthOf
  std::vector<Fact> facts;  // in the order of their keys, each once
};

struct DeliveredSubject {
  std::string resource_id;
  std::string sub_account;
  std::string tags;                    // JSON
  std::string columns;                 // JSON
  std::vector<DeliveredMonth> months;  // in the order of billing periods, then months
};

// The days of a billing period's charges.
struct DeliveredDays {
  absl::CivilDay first;
  absl::CivilDay last;
  // The last one that is not ahead of the delivery: a charge may be dated ahead, as what is paid in
  // advance is, and says nothing of the days until then.
  std::optional<absl::CivilDay> known;
};

// One thread.
class DeliveredSums {
 public:
  // `columns`: what is kept of subjects beside resource, sub account and tags. `today`: of the
  // delivery.
  DeliveredSums(std::vector<std::string> columns, absl::CivilDay today)
      : columns_(std::move(columns)), today_(today) {}
  DeliveredSums(const DeliveredSums&) = delete;
  DeliveredSums& operator=(const DeliveredSums&) = delete;

  // Sets what a scan must read and sum for Take.
  void Want(ScanRequest& scan) const;
  // Takes over what it read, once. RESOURCE_EXHAUSTED: more than kMaxDeliverySums sums, kMaxItems
  // items or kMaxInvoices invoices.
  absl::Status Take(ScanResult& scanned);

  // Each subject once, numbered from 0 in the order in which they come. What is given is valid
  // during the call; an error ends it.
  using OnSubject = std::function<absl::Status(uint32_t number, const DeliveredSubject& subject)>;
  absl::Status ForEachSubject(const OnSubject& on_subject) const;

  // By billing period.
  const std::map<absl::CivilDay, DeliveredDays>& periods() const { return periods_; }
  const std::vector<ChargeItem>& items() const { return items_; }
  const Numbering<std::string>& invoices() const { return invoices_; }

  size_t subjects() const { return subjects_; }  // how many there are
  size_t size() const { return size_; }          // how many sums
  // Memory that holds subjects and sums, and how much of them is in a file.
  size_t bytes() const { return spool_.bytes(); }
  size_t bytes_in_file() const { return spool_.written(); }

 private:
  class Taking;

  const std::vector<std::string> columns_;
  const absl::CivilDay today_;
  Spool spool_{kHeldSumsBytes};  // of subjects
  std::map<absl::CivilDay, DeliveredDays> periods_;
  std::vector<ChargeItem> items_;
  Numbering<std::string> invoices_;
  uint32_t subjects_ = 0;
  size_t size_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_DELIVERED_SUMS_H_
