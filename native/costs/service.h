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
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "costs/allocation.h"
#include "costs/currencies.h"
#include "costs/entity_graph.h"
#include "costs/measures.h"
#include "costs/metrics.h"
#include "costs/resource_index.h"
#include "store/store.h"

namespace purser::costs {

struct BillFormat;
class Engine;
struct Options;

inline constexpr size_t kMaxSourceBytes = 63;        // [a-z0-9-]
inline constexpr size_t kMaxScopeBytes = 200;        // [A-Za-z0-9._=/-]
inline constexpr size_t kMaxDeliveryFiles = 10'000;  // of one Ingest
inline constexpr size_t kMaxProblems = 100;          // listed in a report; all are counted
// Groups one query may consist of.
inline constexpr size_t kMaxRollups = 3'000'000;
inline constexpr int kDefaultPageSize = 500;
inline constexpr int kMaxPageSize = 5'000;
inline constexpr int kMaxSummaryDays = 400;
inline constexpr size_t kMaxFilterValues = 1'000;
inline constexpr size_t kMaxGroupBy = 7;
inline constexpr int kMaxTop = 1'000;
inline constexpr int kDefaultKeptDeliveries = 10;
inline constexpr int kMaxListedDeliveries = 1'000;

// "aws-main", or "aws-main/payer-2" for one of several bills that a source delivers for the same
// periods. Characters that a scope cannot have make it another one by a part of its hash.
std::string SourceOf(absl::string_view name, absl::string_view scope);
// "aws-main" of either.
absl::string_view SourceName(absl::string_view source);

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
  // A source's name, or one and a scope, see SourceOf: what is stored is replaced by (source,
  // scope, billing period).
  std::string source;
  // Files of one delivery: FOCUS CSV, .csv or .csv.gz. The caller decides what may be read.
  std::vector<std::string> paths = {};
  BadRows bad_rows = BadRows::kRefuse;
  // What the files are, see readers/column_map.h; null: told by their columns.
  std::shared_ptr<const BillFormat> format = nullptr;
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
  bool unchanged = false;  // the same content, read alike, is what is stored; nothing was done
  // Over the content of all files in order, and what was looked at of it beyond the usual: a map of
  // columns, further columns that rules name.
  std::string sha256;
  int64_t rows_read = 0;  // = rows_stored + rows_quarantined
  int64_t rows_stored = 0;
  int64_t rows_quarantined = 0;
  std::vector<QuarantinedMoney> quarantined_money;
  int64_t quarantined_without_money = 0;  // rows whose cost or currency could not be read
  int64_t rounded_numbers = 0;            // costs with more than 18 digits behind the point
  std::vector<IngestTotal> totals;
  std::string quarantine_path;        // "" when no row was set aside
  std::vector<std::string> problems;  // at most kMaxProblems, "file:line: column X: …"
};

// What costs can be grouped and filtered by. The catalog's dimensions are entity, owner (direct),
// group (a group with the groups below it), system, domain (with those below it), product and
// environment; group and domain overlap, so their rows add up to more than everything.
enum class Dimension {
  kDay,
  kMonth,
  kEntity,
  kService,
  kSource,
  kChargeCategory,
  kBillingPeriod,
  kOwner,
  kGroup,
  kSystem,
  kDomain,
  kProduct,
  kEnvironment,
  kRegion,
  kSku,
  kKind,  // "usage", "tax", … see KindOf
  kAccount,
  kInvoice,
  kPool,  // of shares: the pool; "" for direct cost
};
// "day", "month", "entity", "service", "source", "charge_category", "billing_period", "owner", …
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
  // Not "": amounts in other currencies are converted at the rate of their day. A rate that is not
  // there is FAILED_PRECONDITION.
  std::string currency = {};
};

// One group. Currencies are never added together: currency is always a part of the key.
struct CostRow {
  std::vector<std::string> keys;  // in the order of group_by; the entity is kUnallocated if none
  std::string currency;
  base::Decimal billed = {};
  base::Decimal effective = {};
  int64_t charges = 0;
  base::Decimal list = {};  // 0 where the bill has no such column
  base::Decimal contracted = {};
};

struct QueryPage {
  std::vector<CostRow> rows;    // ordered by keys, then currency
  std::string next_page_token;  // "" on the last page
};

// How far a source's data reaches, charges dated ahead of their delivery aside.
struct SourceFreshness {
  std::string source;  // see SourceOf
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

struct TopRequest {
  absl::CivilDay from;
  absl::CivilDay to;
  Dimension dimension = Dimension::kEntity;
  Measure measure = Measure::kBilled;
  int limit = 20;  // 1..kMaxTop, per currency
  std::vector<Filter> filters = {};
  std::string currency = {};  // as in QueryRequest
};
struct TopResult {
  std::vector<CostRow> rows;  // by currency, then largest first; keys = {value}
  // Per currency: what is not among the rows, and everything. keys are empty.
  std::vector<CostRow> rest;
  std::vector<CostRow> total;
};

struct CompareRequest {
  absl::CivilDay from;
  absl::CivilDay to;
  absl::CivilDay before_from;
  absl::CivilDay before_to;
  Dimension dimension = Dimension::kService;
  std::vector<Filter> filters = {};
  std::string currency = {};
};
struct ComparedRow {
  std::string key;
  std::string currency;
  base::Decimal before;  // billed
  base::Decimal after;
  base::Decimal change;          // after - before
  base::Decimal change_percent;  // of the size of `before`, two digits; 0 when that is nothing
};

// One invoice of one billing period. billed = entities + shared + unallocated, to the last digit.
struct ReconciledInvoice {
  std::string source;
  absl::CivilDay billing_period;
  std::string invoice;  // "" where the bill names none
  std::string currency;
  base::Decimal billed;       // summed from what was read
  base::Decimal entities;     // what entities got, shares included
  base::Decimal shared;       // what pools could not give away, idle included
  base::Decimal unallocated;  // what no rule took
  base::Decimal difference;   // billed less the three; 0
  base::Decimal coverage;     // entities in percent of billed, two digits
};

struct ExplainRequest {
  // Of the charge; columns by their FOCUS names, "Tags" as JSON.
  std::map<std::string, std::string> columns;
};
struct Explanation {
  Decision decision;
  std::vector<RuleTrace> rules;  // looked at, in order
};

// One delivery's part in one billing period.
struct StoredDelivery {
  int64_t id = 0;  // of the delivery; larger is later
  std::string source;
  absl::CivilDay billing_period;
  absl::Time at = absl::UnixEpoch();
  std::string sha256;
  int64_t rows = 0;  // stored, of all its billing periods
  // Of this period, by currency; allocated_billed is as it was when it was stored.
  std::vector<IngestTotal> totals;
  bool current = false;   // its data is what is stored now
  bool replaced = false;  // what it replaced is kept: it can be compared with the one before
};

struct DiffRequest {
  std::string source;
  absl::CivilDay billing_period;  // first day
  // Ids of deliveries. 0: the current one, and the one before `after`.
  int64_t before = 0;
  int64_t after = 0;
  // day, service, account, charge_category, region, sku, kind or invoice.
  std::vector<Dimension> group_by = {Dimension::kService, Dimension::kAccount,
                                     Dimension::kChargeCategory};
};
// What changed of one group; currencies are never added together.
struct DiffRow {
  std::vector<std::string> keys;  // in the order of group_by
  std::string currency;
  base::Decimal billed;  // after less before
  base::Decimal effective;
  int64_t charges = 0;  // rows after less rows before
  int64_t changed = 0;  // how many stored sums differ: there may be some that cancel out
};
struct DeliveryDiff {
  StoredDelivery before;
  StoredDelivery after;
  std::vector<DiffRow> rows;  // by currency, the largest change of billed first
};

// Which rule takes a charge, and why not the ones before.
absl::StatusOr<Explanation> ExplainCharge(const Allocation& allocation, ResourceIndex& resources,
                                          const ExplainRequest& request);

// Why an entity has its cost: what each rule gave it in a month, and from which charges.
struct AllocatedPart {
  std::string rule;  // "share of <pool>" for what was split
  std::string currency;
  base::Decimal billed;
  base::Decimal effective;
  std::string resource_id;  // the largest charge's subject
  int64_t subjects = 0;
};

// Something that is told once: that a budget's threshold was crossed in a period, an anomaly.
struct CostAlert {
  int64_t sequence = 0;               // given by RecordAlert
  std::string kind;                   // "budget", "budget-forecast", "anomaly"
  std::string subject;                // the budget's name, the anomaly's id
  std::string scope;                  // see watch.h
  std::string detail;                 // JSON
  absl::Time at = absl::UnixEpoch();  // given by RecordAlert
};

struct Options {
  store::Database* database;                     // outlives the service
  ResourceIndex* resources;                      // outlives the service
  base::Clock* clock;                            // outlives the service
  std::shared_ptr<const Allocation> allocation;  // null: by resource id only
  std::string quarantine_folder;                 // made when needed
  // What costs roll up along until PutGraph is called; null: what the store has.
  std::shared_ptr<const EntityGraph> graph = nullptr;
  std::shared_ptr<const Rates> rates = nullptr;  // null: nothing can be converted
  // Of what else answers depend on: rates, budgets, prices. Another one is another version of the
  // data.
  std::string policy_fingerprint = "";
  // Of each billing period: how many deliveries can be compared with the one they replaced.
  int keep_deliveries = kDefaultKeptDeliveries;
  // What keeps and adds up charges, see engine.h; called once, with options that outlive the
  // engine. Empty: the store itself.
  std::function<absl::StatusOr<std::unique_ptr<Engine>>(const Options&)> engine = nullptr;
  // Months with data, counted back from the newest; older ones are forgotten. 0: all.
  int keep_months = 0;
  // The libduckdb that reads Parquet which is not read here, see readers/duckdb; "": none.
  std::string duckdb_library = "";
};

// Thread-safe. Ingest runs on the caller's thread and may take minutes; ingests of one service
// queue at their end only (the store).
class CostService {
 public:
  // FAILED_PRECONDITION: the store's costs are with another engine; a libduckdb does not load.
  // Brings the tables up to date and allocates anew when the rules changed since the last start.
  static absl::StatusOr<std::unique_ptr<CostService>> Open(Options options);
  virtual ~CostService() = default;

  // INVALID_ARGUMENT: the request, or (policy refuse) the first bad row; NOT_FOUND: a file;
  // RESOURCE_EXHAUSTED: a limit or the disk. Nothing is stored unless OK.
  virtual absl::StatusOr<IngestReport> Ingest(const IngestRequest& request) = 0;
  virtual absl::StatusOr<QueryPage> Query(const QueryRequest& request) = 0;
  virtual absl::StatusOr<EntityCostSummary> EntitySummary(const EntitySummaryRequest& request) = 0;
  // As Query, all rows at once; page size and token are not looked at.
  virtual absl::StatusOr<std::vector<CostRow>> Sums(const QueryRequest& request) = 0;
  virtual absl::StatusOr<TopResult> Top(const TopRequest& request) = 0;
  virtual absl::StatusOr<std::vector<ComparedRow>> Compare(const CompareRequest& request) = 0;
  // All invoices of billing periods that begin in these days.
  virtual absl::StatusOr<std::vector<ReconciledInvoice>> Reconcile(absl::CivilDay from,
                                                                   absl::CivilDay to) = 0;
  virtual absl::StatusOr<Explanation> Explain(const ExplainRequest& request) = 0;
  // `month` as 202611. Largest first.
  virtual absl::StatusOr<std::vector<AllocatedPart>> ExplainEntity(absl::string_view entity_ref,
                                                                   int64_t month) = 0;
  // Of a source (of all when "", of a name in all its scopes), the latest first, at most `limit`,
  // one for each billing period.
  virtual absl::StatusOr<std::vector<StoredDelivery>> Deliveries(const std::string& source,
                                                                 int limit) = 0;
  // What changed between two deliveries of a billing period. NOT_FOUND: no such delivery;
  // FAILED_PRECONDITION: what came between them is no longer kept.
  virtual absl::StatusOr<DeliveryDiff> Diff(const DiffRequest& request) = 0;
  // Replaces what costs roll up along, durably; what is stored is rolled up anew when it differs.
  // Entities that have cost, groups, systems and domains that `graph` no longer has keep what they
  // rolled up to: what is deleted from a catalog was somebody's all the same.
  virtual absl::Status PutGraph(std::shared_ptr<const EntityGraph> graph) = 0;
  virtual std::shared_ptr<const EntityGraph> graph() = 0;
  // Replaces all metrics (for splits and unit costs) that were put so, durably; allocates anew when
  // pools use them.
  virtual absl::Status PutMetrics(const std::vector<MetricValue>& values) = 0;
  // Adds values beside those, durably; one that is known of metric, entity and day is replaced.
  virtual absl::Status AddMetrics(const std::vector<MetricValue>& values) = 0;
  virtual absl::StatusOr<std::vector<MetricValue>> Metrics(absl::string_view metric,
                                                           absl::string_view entity,
                                                           absl::CivilDay from,
                                                           absl::CivilDay to) = 0;
  // Changes whenever answers may: an ETag is made of it and the query.
  virtual absl::StatusOr<int64_t> DataVersion() = 0;
  // First and last day with data; nothing when there is none. Days of charges that were dated ahead
  // of their delivery do not count.
  virtual absl::StatusOr<std::optional<std::pair<absl::CivilDay, absl::CivilDay>>> DataDays() = 0;
  // How far the data of each source reaches, by its name and scope.
  virtual absl::StatusOr<std::vector<SourceFreshness>> Freshness() = 0;
  // Remembers that something was told, durably: true for the first with this kind, subject and
  // scope.
  virtual absl::StatusOr<bool> RecordAlert(const CostAlert& alert) = 0;
  // What was recorded with this kind, subject and scope.
  virtual absl::StatusOr<std::optional<CostAlert>> FindAlert(const std::string& kind,
                                                             const std::string& subject,
                                                             const std::string& scope) = 0;
  // Recorded alerts behind `after`, oldest first, at most `limit`.
  virtual absl::StatusOr<std::vector<CostAlert>> Alerts(int64_t after, int limit) = 0;

  // Allocates everything stored by the rules and resources of now; call it when resources were
  // recorded. Returns how many subjects went to another entity.
  virtual absl::StatusOr<int64_t> Reallocate() = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SERVICE_H_
