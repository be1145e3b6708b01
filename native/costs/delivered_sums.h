// What a delivery's charges sum up to, by subject, in the form in which it is stored.
#ifndef PURSER_COSTS_DELIVERED_SUMS_H_
#define PURSER_COSTS_DELIVERED_SUMS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "costs/bill_scan.h"
#include "costs/facts.h"

namespace purser::costs {

inline constexpr size_t kMaxDistinctTexts = 5'000'000;  // subjects, tags and invoices of a delivery
inline constexpr size_t kMaxColumnBytes = 1'024;        // kept of a column of a subject

// Texts numbered by first appearance.
class TextNumbers {
 public:
  uint32_t NumberOf(absl::string_view text);
  const std::string& TextOf(uint32_t number) const { return *texts_[number]; }
  size_t size() const { return texts_.size(); }

 private:
  absl::flat_hash_map<absl::string_view, uint32_t> numbers_;
  std::vector<std::unique_ptr<const std::string>> texts_;
};

struct StoredSubject {
  std::string resource_id;
  std::string sub_account;
  // Numbers of texts, both JSON: the tags and the kept columns.
  uint32_t tags;
  uint32_t columns;
};

// What a subject was charged in one month of one billing period. Of its facts, Fact::item is an
// index into DeliveredSums::items, Fact::bill the number of a text, the invoice.
struct DeliveredMonth {
  absl::CivilDay billing_period;
  int64_t month = 0;        // of the charges' days, see MonthOf
  std::vector<Fact> facts;  // in the order of their keys, each once
};

// One thread.
class DeliveredSums {
 public:
  // `columns`: what is kept of subjects beside resource, sub account and tags.
  explicit DeliveredSums(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  DeliveredSums(const DeliveredSums&) = delete;
  DeliveredSums& operator=(const DeliveredSums&) = delete;

  // Sets what a scan must read and sum for Take.
  void Want(ScanRequest& scan) const;
  // Takes over what it read, once. RESOURCE_EXHAUSTED: more than kMaxRollups sums, kMaxItems items
  // or kMaxDistinctTexts texts.
  absl::Status Take(ScanResult& scanned);

  // Each subject once, by its number: its months in the order of billing periods, then months.
  // What is given is valid during the call; an error ends it.
  using OnSubject =
      std::function<absl::Status(uint32_t subject, const std::vector<DeliveredMonth>& months)>;
  absl::Status ForEachSubject(const OnSubject& on_subject) const;

  // Billing periods, with the first and the last day of their charges.
  const std::map<absl::CivilDay, std::pair<absl::CivilDay, absl::CivilDay>>& periods() const {
    return periods_;
  }
  const std::vector<ChargeItem>& items() const { return items_; }
  const std::vector<StoredSubject>& subjects() const { return subjects_; }
  const TextNumbers& texts() const { return texts_; }  // of tags, columns and invoices

  size_t size() const { return size_; }  // how many sums there are
  size_t bytes() const;                  // memory that holds them

 private:
  class Taking;
  // A subject's month: where its facts stand, encoded, in pages_.
  struct Row {
    absl::CivilDay period;
    uint32_t subject;
    uint32_t month;
    uint32_t page;
    uint32_t begin;
    uint32_t end;
  };

  const std::vector<std::string> columns_;
  std::vector<Row> rows_;  // by subject, billing period, month
  std::vector<std::string> pages_;
  std::map<absl::CivilDay, std::pair<absl::CivilDay, absl::CivilDay>> periods_;
  std::vector<ChargeItem> items_;
  std::vector<StoredSubject> subjects_;
  TextNumbers texts_;
  size_t size_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_DELIVERED_SUMS_H_
