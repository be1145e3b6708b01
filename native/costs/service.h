// Costs: billing files in, exact costs per catalog entity out.
//
//   costs::Options options{.database = db, .resources = index, .clock = clock,
//                          .allocation = *costs::Allocation::Load("allocation.yaml"),
//                          .quarantine_folder = "/var/lib/purser/quarantine"};
//   auto service = costs::CostService::Open(std::move(options));
//   auto report = (*service)->Ingest({.source = "aws-main", .paths = {"2026-11.csv.gz"}});
//   auto summary = (*service)->EntitySummary({.entity_ref = "resource:default/workspace-x"});
//
// A delivery (one or several files) replaces what the source delivered before for each billing
// period it contains, in one transaction: readers see the old or the new period, never a mixture.
// Charges belong to the day their charge period begins (UTC). Charges are kept by what allocation
// looks at (their "subject": resource id, sub account, tags), so that history is allocated anew
// without reading files again when rules or recorded resources change.
#ifndef PURSER_COSTS_SERVICE_H_
#define PURSER_COSTS_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "costs/allocation.h"
#include "costs/resource_index.h"
#include "store/store.h"

namespace purser::costs {

inline constexpr size_t kMaxSourceBytes = 63;        // [a-z0-9-]
inline constexpr size_t kMaxDeliveryFiles = 10'000;  // of one Ingest
inline constexpr size_t kMaxProblems = 100;          // listed in a report; all are counted
// Sums one delivery or one query may consist of.
inline constexpr size_t kMaxRollups = 3'000'000;
inline constexpr int kDefaultPageSize = 500;
inline constexpr int kMaxPageSize = 5'000;
inline constexpr int kMaxSummaryDays = 400;
inline constexpr size_t kMaxFilterValues = 1'000;

enum class BadRows {
  kRefuse,      // the first bad row refuses the delivery; nothing is stored
  kQuarantine,  // bad rows go to a side file and are counted
};

struct IngestProgress {
  int64_t rows = 0;
  int64_t bytes = 0;        // read from the files so far (compressed, if they are)
  int64_t total_bytes = 0;  // of all files
};

struct IngestRequest {
  std::string source;
  // Files of one delivery: FOCUS CSV, .csv or .csv.gz. The caller decides what may be read.
  std::vector<std::string> paths = {};
  BadRows bad_rows = BadRows::kRefuse;
  // Called on the ingesting thread every few megabytes; may be empty.
  std::function<void(const IngestProgress&)> on_progress = nullptr;
  std::stop_token stop = {};  // CANCELLED, nothing stored
};

// Of one billing period and currency.
struct IngestTotal {
  absl::CivilDay billing_period;  // its first day
  std::string currency;           // ISO 4217
  base::Decimal billed;
  base::Decimal effective;
  base::Decimal allocated_billed;  // the part of `billed` that belongs to entities
  int64_t charges = 0;
};

struct QuarantinedMoney {
  std::string currency;
  base::Decimal billed;  // of the rows whose cost and currency could be read
};

struct IngestReport {
  bool unchanged = false;  // the same content is what is stored; nothing was done
  std::string sha256;      // over the content of all files in order
  int64_t rows_read = 0;   // = rows_stored + rows_quarantined
  int64_t rows_stored = 0;
  int64_t rows_quarantined = 0;
  std::vector<QuarantinedMoney> quarantined_money;
  int64_t quarantined_without_money = 0;  // rows whose cost or currency could not be read
  int64_t rounded_numbers = 0;            // costs with more than 18 digits behind the point
  std::vector<IngestTotal> totals;
  std::string quarantine_path;        // "" when no row was set aside
  std::vector<std::string> problems;  // at most kMaxProblems, "file:line: column X: …"
};

enum class Dimension { kDay, kMonth, kEntity, kService, kSource, kChargeCategory, kBillingPeriod };
// "day", "month", "entity", "service", "source", "charge_category", "billing_period".
absl::StatusOr<Dimension> ParseDimension(absl::string_view name);
absl::string_view DimensionName(Dimension dimension);

struct Filter {
  Dimension dimension;
  std::vector<std::string> values;  // any of these; entities in any case
};

struct QueryRequest {
  absl::CivilDay from;  // first day
  absl::CivilDay to;    // last day, inclusive
  std::vector<Dimension> group_by = {};
  std::vector<Filter> filters = {};  // all must hold
  int page_size = 0;                 // 1..kMaxPageSize; 0: kDefaultPageSize
  std::string page_token = {};       // of the page before; "" for the first
};

// One group. Currencies are never added together: currency is always a part of the key.
struct CostRow {
  std::vector<std::string> keys;  // in the order of group_by; the entity is kUnallocated if none
  std::string currency;
  base::Decimal billed;
  base::Decimal effective;
  int64_t charges = 0;
};

struct QueryPage {
  std::vector<CostRow> rows;    // ordered by keys, then currency
  std::string next_page_token;  // "" on the last page
};

// How far a source's data reaches.
struct SourceFreshness {
  std::string source;
  absl::CivilDay last_day;
};

struct EntityCosts {
  std::string currency;
  base::Decimal billed;
  base::Decimal effective;
  std::vector<CostRow> by_day;      // keys = {day}, oldest first; days without charges left out
  std::vector<CostRow> by_service;  // keys = {service}, largest billed first
};

struct EntitySummaryRequest {
  std::string entity_ref;
  int days = 0;  // 1..kMaxSummaryDays; 0: 30
  // Last day of the window. Not given: the last day for which a source that charges the entity has
  // data (of any source when none does), so that a late delivery does not look like a free day.
  std::optional<absl::CivilDay> as_of = std::nullopt;
};

struct EntityCostSummary {
  std::string entity_ref;  // as stored, lower case
  // The window; not set when there are no costs at all and no `as_of` was given.
  std::optional<absl::CivilDay> from;
  std::optional<absl::CivilDay> to;
  bool to_is_last_day_with_data = false;  // the window was counted back from the data
  std::vector<SourceFreshness> sources;   // that charge the entity
  std::vector<EntityCosts> costs;         // one per currency, by its name; empty: nothing charged
};

struct Options {
  store::Database* database;                     // outlives the service
  ResourceIndex* resources;                      // outlives the service
  base::Clock* clock;                            // outlives the service
  std::shared_ptr<const Allocation> allocation;  // null: by resource id only
  std::string quarantine_folder;                 // made when needed
};

// Thread-safe. Ingest runs on the caller's thread and may take minutes; ingests of one service
// queue at their end only (the store).
class CostService {
 public:
  // Brings the tables up to date and allocates anew when the rules changed since the last start.
  static absl::StatusOr<std::unique_ptr<CostService>> Open(Options options);
  virtual ~CostService() = default;

  // INVALID_ARGUMENT: the request, or (policy refuse) the first bad row; NOT_FOUND: a file;
  // RESOURCE_EXHAUSTED: a limit or the disk. Nothing is stored unless OK.
  virtual absl::StatusOr<IngestReport> Ingest(const IngestRequest& request) = 0;
  virtual absl::StatusOr<QueryPage> Query(const QueryRequest& request) = 0;
  virtual absl::StatusOr<EntityCostSummary> EntitySummary(const EntitySummaryRequest& request) = 0;
  // Allocates everything stored by the rules and resources of now; call it when resources were
  // recorded. Returns how many subjects went to another entity.
  virtual absl::StatusOr<int64_t> Reallocate() = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SERVICE_H_
