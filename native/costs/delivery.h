// One delivery in memory: its files read, its charges summed by what is stored.
#ifndef PURSER_COSTS_DELIVERY_H_
#define PURSER_COSTS_DELIVERY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/decimal.h"
#include "costs/bill_scan.h"
#include "costs/facts.h"
#include "costs/quarantine.h"
#include "costs/service.h"

namespace purser::costs {

inline constexpr size_t kMaxDistinctTexts = 5'000'000;  // services, subjects, tags of a delivery

inline constexpr size_t kMaxColumnBytes = 1'024;  // kept of a column of a subject

// Texts numbered by first appearance.
class TextNumbers {
 public:
  uint32_t NumberOf(absl::string_view text);
  const std::string& TextOf(uint32_t number) const { return *texts_[number]; }
  size_t size() const { return texts_.size(); }

 private:
  absl::flat_hash_map<std::string, uint32_t> numbers_;
  std::vector<std::unique_ptr<std::string>> texts_;
};

struct StoredSubject {
  std::string resource_id;
  std::string sub_account;
  uint32_t tags;     // index into Delivery::tags
  uint32_t columns;  // number of a text of Delivery::texts: the kept columns as JSON
};

struct RollupKey {
  absl::CivilDay billing_period;
  absl::CivilDay day;
  uint32_t subject;
  uint32_t item;     // index into Delivery::items
  uint32_t invoice;  // number of a text
  friend bool operator==(const RollupKey&, const RollupKey&) = default;
};

struct Sums {
  base::Decimal billed;
  base::Decimal effective;
  int64_t charges = 0;
  // OUT_OF_RANGE when a sum no longer fits; nothing is added then.
  absl::Status Add(base::Decimal more_billed, base::Decimal more_effective, int64_t more_charges);
};

// The sums of all charges of some files. One thread, but for the reading, which uses all cores.
class Delivery {
 public:
  // `extra_columns`: what is kept of a charge's subject beside kSubjectColumns; `duckdb_library`:
  // see ScanRequest.
  Delivery(const IngestRequest& request, const std::vector<std::string>& extra_columns,
           std::string duckdb_library);
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Reads all files; for a folder those that its manifest names, and as many rows as that counts
  // (see manifest.h). Bad rows go to `quarantine` or end it, as the request says. Fills the counts,
  // the hash, the problems and the quarantined money of `report`, and checks that what was read is
  // what was summed plus what was set aside.
  absl::Status Read(Quarantine& quarantine, IngestReport& report);

  // Each key once, in the order of billing period, month, subject, item, invoice and day.
  const std::vector<std::pair<RollupKey, Measures>>& rollups() const { return rollups_; }
  const std::vector<ChargeItem>& items() const { return items_; }
  const std::vector<StoredSubject>& subjects() const { return subjects_; }
  const std::vector<std::pair<Tags, std::string>>& tags() const { return tags_; }  // and as JSON
  const TextNumbers& texts() const { return texts_; }  // of columns and invoices

 private:
  std::string Reading() const;
  absl::Status FindFiles(std::vector<std::string>& paths, int64_t* rows) const;
  absl::Status Fill(const ScanResult& scanned);
  void AddSubject(const GroupTable& table, const GroupTable::CodedRow& row);
  absl::Status AddBad(const std::string& path, const BadRow& row, Quarantine& quarantine,
                      IngestReport& report);
  absl::Status CheckControlTotals(const ScanResult& scanned) const;

  const IngestRequest& request_;
  const std::string duckdb_library_;
  std::vector<std::string> columns_;  // kept of subjects
  std::vector<std::pair<RollupKey, Measures>> rollups_;
  std::vector<ChargeItem> items_;
  std::vector<StoredSubject> subjects_;
  std::vector<std::pair<Tags, std::string>> tags_;
  TextNumbers texts_;
  std::map<std::string, Sums> set_aside_;  // by currency
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_DELIVERY_H_
