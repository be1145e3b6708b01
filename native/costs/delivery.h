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
#include "base/hash.h"
#include "costs/quarantine.h"
#include "costs/readers/focus_csv.h"
#include "costs/service.h"

namespace purser::costs {

inline constexpr size_t kMaxDistinctTexts = 5'000'000;  // services, subjects, tags of a delivery

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
  uint32_t tags;  // index into Delivery::tags
};

struct RollupKey {
  absl::CivilDay billing_period;
  absl::CivilDay day;
  uint32_t subject;
  uint32_t service;
  uint32_t category;
  uint32_t currency;
  friend bool operator==(const RollupKey&, const RollupKey&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const RollupKey& key) {
    return H::combine(std::move(state), key.billing_period, key.day, key.subject, key.service,
                      key.category, key.currency);
  }
};

struct Sums {
  base::Decimal billed;
  base::Decimal effective;
  int64_t charges = 0;
  // OUT_OF_RANGE when a sum no longer fits; nothing is added then.
  absl::Status Add(base::Decimal more_billed, base::Decimal more_effective, int64_t more_charges);
};

// One thread. The sums of all charges of some files.
class Delivery {
 public:
  explicit Delivery(const IngestRequest& request) : request_(request) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Reads all files. Bad rows go to `quarantine` or end it, as the request says. Fills the counts,
  // the hash, the problems and the quarantined money of `report`, and checks that what was read is
  // what was summed plus what was set aside.
  absl::Status Read(Quarantine& quarantine, IngestReport& report);

  const absl::flat_hash_map<RollupKey, Sums>& rollups() const { return rollups_; }
  const std::vector<StoredSubject>& subjects() const { return subjects_; }
  const std::vector<std::pair<Tags, std::string>>& tags() const { return tags_; }  // and as JSON
  const TextNumbers& texts() const { return texts_; }  // of services, categories, currencies

 private:
  absl::Status ReadFile(const std::string& path, base::Hasher& hasher, Quarantine& quarantine,
                        IngestReport& report);
  // The text of what is wrong with the row, "" when it was added.
  absl::StatusOr<std::string> AddCharge(const Charge& charge);
  absl::Status AddBad(const std::string& path, const BadRow& row, Quarantine& quarantine,
                      IngestReport& report);
  absl::Status CheckControlTotals(const IngestReport& report) const;

  const IngestRequest& request_;
  absl::flat_hash_map<RollupKey, Sums> rollups_;
  std::vector<StoredSubject> subjects_;
  absl::flat_hash_map<std::string, uint32_t> subject_numbers_;
  std::vector<std::pair<Tags, std::string>> tags_;
  absl::flat_hash_map<std::string, uint32_t> raw_tags_;   // as in the file → tags_
  absl::flat_hash_map<std::string, uint32_t> json_tags_;  // canonical → tags_
  TextNumbers texts_;
  std::string scratch_;
  // Control totals by currency, kept apart from rollups_.
  std::map<std::string, Sums> read_;
  std::map<std::string, Sums> set_aside_;
  int64_t bytes_before_ = 0;  // of the files already read
  int64_t total_bytes_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_DELIVERY_H_
