// Puts a delivery's subjects and facts in the place of what the store has of its billing periods,
// some subjects at a time: what the store had of them is looked up, and only what differs is
// written. Memory does not grow with the delivery, but for one bit a subject.
#ifndef PURSER_COSTS_DELIVERY_WRITER_H_
#define PURSER_COSTS_DELIVERY_WRITER_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "costs/decisions.h"
#include "costs/delivered_sums.h"
#include "costs/numbers.h"
#include "store/store.h"

namespace purser::costs {

// Subjects looked up at once.
inline constexpr size_t kWrittenTogether = 256;

// Use once, inside one transaction. The arguments outlive it.
class DeliveryWriter {
 public:
  // `ingest` is the delivery's id, `numbers` the store's.
  DeliveryWriter(store::Connection& connection, const std::string& source, int64_t ingest,
                 const DeliveredSums& sums, const DecidedSubjects& decisions, Numbers& numbers)
      : connection_(connection),
        source_(source),
        ingest_(ingest),
        sums_(sums),
        decisions_(decisions),
        numbers_(numbers) {}

  absl::Status Write();

  // Those of facts that changed.
  const std::set<int64_t>& months() const { return months_; }
  // Subjects whose charges, of whichever month, go elsewhere than before.
  const std::vector<int64_t>& moved() const { return moved_; }
  // Whether something that was stored is not any more.
  bool removed() const { return removed_; }

 private:
  using Part = std::pair<absl::CivilDay, int64_t>;  // a billing period and a month
  // One of those that are written next.
  struct Pending {
    std::string key;
    DeliveredSubject subject;  // without its months
    std::set<uint32_t> items;
    Decisions decisions;
    std::vector<std::pair<Part, std::string>> facts;  // encoded
    int64_t id = 0;
    bool is_new = false;
  };
  // A subject as it is stored.
  struct Stored {
    int64_t id;
    std::string items;
    std::string decisions;
  };

  absl::Status Add(uint32_t number, const DeliveredSubject& subject);
  absl::Status WritePending();
  absl::StatusOr<absl::flat_hash_map<std::string, Stored>> FindPending();
  absl::Status WriteSubject(Pending& pending, const Stored* before);
  absl::Status WriteFacts();
  absl::Status WriteRow(const Part& part, int64_t subject, const std::string* before,
                        const std::string& facts);
  // What the delivery does not name any more.
  absl::Status RemoveOthers();
  // Under the delivery's number, what stood there before; no bytes: nothing.
  absl::Status Remember(const Part& part, int64_t subject, std::string facts);

  store::Connection& connection_;
  const std::string& source_;
  const int64_t ingest_;
  const DeliveredSums& sums_;
  const DecidedSubjects& decisions_;
  Numbers& numbers_;
  std::vector<uint32_t> item_numbers_;      // the store's, by the delivery's
  std::set<absl::CivilDay> known_periods_;  // delivered before
  int64_t next_id_ = 0;
  std::vector<Pending> pending_;
  std::map<Part, std::vector<bool>> named_;  // of known periods: by subject's id
  std::set<int64_t> months_;
  std::vector<int64_t> moved_;
  bool removed_ = false;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_DELIVERY_WRITER_H_
