#include "costs/clickhouse/segment_writer.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/id.h"
#include "base/rng.h"
#include "base/status.h"
#include "costs/clickhouse/sums.h"
#include "costs/month_allocator.h"
#include "costs/readers/days.h"
#include "costs/readers/tags.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

constexpr size_t kPieceBytes = 8 << 20;
// Charges read together: what is known of their subjects is held, some 700 bytes of each.
constexpr int64_t kChargesTogether = 100'000;
// Of a subject's key, as many hexadecimal digits as ranges are told apart by.
constexpr int kRangeDigits = 4;
constexpr int64_t kRanges = 1 << (4 * kRangeDigits);

// What a segment must hold when it arrived as a whole.
struct Control {
  int64_t rows = 0;
  Measures sums;
};

std::string NewSegment(const Options& options) {
  return base::NewId("", *options.clock, base::Rng::System());
}

// Compares what the servers hold of a segment with what was sent.
absl::Status CheckArrived(const ClickHouseClient& client, const char* table,
                          const std::string& segment, const char* count, const Control& sent) {
  Control arrived;
  PURSER_RETURN_IF_ERROR(client.Select(
      absl::StrCat("SELECT ", count, ", ", kSumsOfColumns, " FROM ", client.Everywhere(table),
                   " WHERE segment = ", ClickHouseText(segment)),
      [&](const std::vector<std::string>& row) -> absl::Status {
        if (!absl::SimpleAtoi(row[0], &arrived.rows)) {
          return absl::DataLossError("ClickHouse gives no count");
        }
        return ReadSums(row, 1, arrived.sums);
      }));
  if (arrived.rows == sent.rows && arrived.sums == sent.sums) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("of ", sent.rows, " rows sent to ", table, ", ClickHouse holds ", arrived.rows,
                   arrived.rows == sent.rows ? " with other sums" : "", "; nothing was stored"));
}

void AddSums(const Measures& sums, TabSeparatedRows& row) {
  row.Add(sums.billed).Add(sums.effective).Add(sums.list).Add(sums.contracted).Add(sums.charges);
}

// Columns of charges as allocation reads them; amounts and counts only where they are added up.
constexpr char kChargeSubjectColumns[] = "subject, resource, account, tags, labels";
constexpr char kItemColumns[] = "service, region, sku, category, kind, currency";
constexpr size_t kSubjectFields = 5;
constexpr size_t kItemFields = 6;

ChargeItem ItemOf(const std::vector<std::string>& row, size_t at) {
  return {row[at], row[at + 1], row[at + 2], row[at + 3], row[at + 4], row[at + 5], ""};
}

// Decides of a row that begins with kChargeSubjectColumns and kItemColumns, once for each subject
// (and item, when the rules look at items).
class Decider {
 public:
  explicit Decider(const Options& options) : options_(options) {}

  // Valid as long as this object.
  absl::StatusOr<const Decision*> Of(const std::vector<std::string>& row) {
    std::string key = row[0];
    if (options_.allocation->by_item()) {
      for (size_t i = 0; i < kItemFields; ++i) {
        absl::StrAppend(&key, "\x1f", row[kSubjectFields + i]);
      }
    }
    const auto [at, added] = known_.try_emplace(std::move(key));
    if (!added) return &at->second;
    PURSER_ASSIGN_OR_RETURN(const Tags tags, ParseTags(row[3]));
    PURSER_ASSIGN_OR_RETURN(const Tags columns, ParseTags(row[4]));
    const ChargeItem item = ItemOf(row, kSubjectFields);
    Subject subject{row[1], row[2], &tags, &columns};
    if (options_.allocation->by_item()) subject.item = &item;
    PURSER_ASSIGN_OR_RETURN(at->second, options_.allocation->Decide(subject, *options_.resources));
    return &at->second;
  }

 private:
  const Options& options_;
  std::map<std::string, Decision> known_;
};

std::string WhereCharges(const ClickHouseClient& client, const ClickHouseState& state,
                         int64_t month, const SubjectRange& range) {
  return absl::StrCat(" FROM ", client.Everywhere(kChargesTable), " WHERE segment IN ",
                      ClickHouseTexts(state.ChargeIds(month)), " AND toYYYYMM(day) = ", month,
                      range.condition);
}

// What a rule gave to an entity of a subject's charges in one currency.
struct DecidedKey {
  std::string entity, rule, subject, resource, currency;
  friend bool operator<(const DecidedKey& a, const DecidedKey& b) {
    return std::tie(a.entity, a.rule, a.subject, a.resource, a.currency) <
           std::tie(b.entity, b.rule, b.subject, b.resource, b.currency);
  }
};

class MonthWriter {
 public:
  MonthWriter(const ClickHouseClient& client, const Options& options, const EntityGraph& graph,
              const MetricSums& metrics, int64_t month)
      : client_(client),
        month_(month),
        segment_(NewSegment(options)),
        options_(options),
        decisions_(client, kDecisionsTable),
        allocator_(*options.allocation, graph, metrics, numbers_) {}

  const std::string& segment() const { return segment_; }

  // A range of subjects after the other.
  absl::Status Read(const ClickHouseState& state, const SubjectRange& range) {
    Decider decider(options_);
    Decided decided;
    PURSER_RETURN_IF_ERROR(client_.Select(
        absl::StrCat("SELECT ", kChargeSubjectColumns, ", ", kItemColumns,
                     ", source, billing_period, invoice, day, ", kMeasureColumns,
                     WhereCharges(client_, state, month_, range)),
        [&](const std::vector<std::string>& row) { return Add(row, decider, decided); }));
    return WriteDecisions(decided);
  }

  absl::Status Write() {
    PURSER_RETURN_IF_ERROR(CheckDecisions());
    PURSER_RETURN_IF_ERROR(allocator_.Split());
    ShardedRows rollups(client_, kRollupsTable);
    Control sent;
    PURSER_RETURN_IF_ERROR(
        allocator_.RollUp([&](uint32_t number, const std::vector<Fact>& facts) -> absl::Status {
          const Node& node = numbers_.nodes[number];
          for (const Fact& fact : facts) {
            AddRollup(node, fact, rollups.RowsOf(node.name));
            PURSER_RETURN_IF_ERROR(rollups.Sent());
            ++sent.rows;
            PURSER_RETURN_IF_ERROR(sent.sums.Add(fact.sums));
          }
          return absl::OkStatus();
        }));
    PURSER_RETURN_IF_ERROR(rollups.Finish());
    PURSER_RETURN_IF_ERROR(
        CheckArrived(client_, kRollupsTable, segment_, "toInt64(sum(parts))", sent));
    return CheckArrived(client_, kDailyTable, segment_, "toInt64(sum(parts))", sent);
  }

 private:
  using Decided = std::map<DecidedKey, Measures>;

  absl::Status Add(const std::vector<std::string>& row, Decider& decider, Decided& decided) {
    constexpr size_t kBill = kSubjectFields + kItemFields;
    PURSER_ASSIGN_OR_RETURN(const Decision* const decision, decider.Of(row));
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay period, ParseDay(row[kBill + 1]));
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row[kBill + 3]));
    Fact fact;
    fact.item = numbers_.items.NumberOf(ItemOf(row, kSubjectFields));
    fact.bill = numbers_.bills.NumberOf({row[kBill], period, row[2], row[kBill + 2]});
    fact.day = day.day();
    PURSER_RETURN_IF_ERROR(ReadMeasures(row, kBill + 4, fact.sums));
    allocator_.Add(allocator_.PlaceOf(decision->entity_ref), fact);
    Measures& sums =
        decided[{decision->entity_ref, decision->rule, row[0], row[1], row[kBill - 1]}];
    return sums.Add(fact.sums);
  }

  void AddRollup(const Node& node, const Fact& fact, TabSeparatedRows& row) const {
    const ChargeItem& item = numbers_.items[fact.item];
    const Bill& bill = numbers_.bills[fact.bill];
    row.Add(segment_).Add(month_).Add(static_cast<int64_t>(node.kind)).Add(node.name);
    row.Add(DayOf(month_, fact.day)).Add(bill.source).Add(bill.billing_period);
    row.Add(bill.sub_account).Add(bill.invoice).Add(item.service).Add(item.region).Add(item.sku);
    row.Add(item.category).Add(item.kind).Add(item.currency).Add(item.pool);
    AddSums(fact.sums, row);
    row.Add(int64_t{1}).EndRow();
  }

  absl::Status WriteDecisions(const Decided& decided) {
    for (const auto& [key, sums] : decided) {
      TabSeparatedRows& row = decisions_.RowsOf(key.subject);
      row.Add(segment_).Add(month_).Add(key.entity).Add(key.rule).Add(key.subject);
      row.Add(key.resource).Add(key.currency).Add(sums.billed).Add(sums.effective).Add(int64_t{1});
      row.EndRow();
      PURSER_RETURN_IF_ERROR(decisions_.Sent());
    }
    decisions_sent_ += static_cast<int64_t>(decided.size());
    return absl::OkStatus();
  }

  absl::Status CheckDecisions() {
    PURSER_RETURN_IF_ERROR(decisions_.Finish());
    int64_t arrived = 0;
    PURSER_RETURN_IF_ERROR(client_.Select(
        absl::StrCat("SELECT toInt64(sum(parts)) FROM ", client_.Everywhere(kDecisionsTable),
                     " WHERE segment = ", ClickHouseText(segment_)),
        [&](const std::vector<std::string>& row) {
          return absl::SimpleAtoi(row[0], &arrived)
                     ? absl::OkStatus()
                     : absl::DataLossError("ClickHouse gives no count");
        }));
    if (arrived == decisions_sent_) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(
        "of ", decisions_sent_, " decisions ClickHouse holds ", arrived, "; nothing was stored"));
  }

  const ClickHouseClient& client_;
  const int64_t month_;
  const std::string segment_;
  const Options& options_;
  ShardedRows decisions_;
  int64_t decisions_sent_ = 0;
  Numbers numbers_;
  MonthAllocator allocator_;
};

// Writes the delivery's charges of one billing period as the segment, whose months it fills.
absl::Status WriteSegment(const ClickHouseClient& client, const DeliveredSums& sums,
                          ChargeSegment& segment) {
  ShardedRows rows(client, kChargesTable);
  Control sent;
  PURSER_RETURN_IF_ERROR(
      sums.ForEachSubject([&](uint32_t /*number*/, const auto& subject) -> absl::Status {
        std::string key;
        for (const DeliveredMonth& month : subject.months) {
          if (month.billing_period != segment.period) continue;
          if (key.empty()) key = SubjectKey(subject);
          segment.months.insert(month.month);
          for (const Fact& fact : month.facts) {
            const ChargeItem& item = sums.items()[fact.item];
            TabSeparatedRows& row = rows.RowsOf(key);
            row.Add(segment.id).Add(segment.source).Add(segment.period).Add(subject.sub_account);
            row.Add(sums.invoices()[fact.bill]).Add(DayOf(month.month, fact.day));
            row.Add(key).Add(subject.resource_id).Add(subject.tags).Add(subject.columns);
            row.Add(item.service).Add(item.region);
            row.Add(item.sku).Add(item.category).Add(item.kind).Add(item.currency);
            AddSums(fact.sums, row);
            row.EndRow();
            PURSER_RETURN_IF_ERROR(rows.Sent());
            ++sent.rows;
            PURSER_RETURN_IF_ERROR(sent.sums.Add(fact.sums));
          }
        }
        return absl::OkStatus();
      }));
  PURSER_RETURN_IF_ERROR(rows.Finish());
  return CheckArrived(client, kChargesTable, segment.id, "toInt64(count())", sent);
}

}  // namespace

TabSeparatedRows& ShardedRows::RowsOf(absl::string_view key) {
  if (shards_.size() == 1) return shards_[0];
  uint32_t hash = 2166136261;  // FNV-1a: the same in every process
  for (const char c : key) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619;
  return shards_[hash % shards_.size()];
}

absl::Status ShardedRows::Sent() {
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].text().size() < kPieceBytes) continue;
    PURSER_RETURN_IF_ERROR(client_.Insert(i, table_, shards_[i].Take()));
  }
  return absl::OkStatus();
}

absl::Status ShardedRows::Finish() {
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].text().empty()) continue;
    PURSER_RETURN_IF_ERROR(client_.Insert(i, table_, shards_[i].Take()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ChargeSegment>> WriteCharges(const ClickHouseClient& client,
                                                        const Options& options,
                                                        const ReadDelivery& read) {
  const DeliveredSums& sums = read.sums;
  for (const auto& [period, days] : sums.periods()) {
    if (std::max(period, days.last) <= kLastDate) continue;
    return absl::OutOfRangeError(
        absl::StrCat("a charge of ", DayText(days.last), " in the billing period ", DayText(period),
                     ": ClickHouse keeps dates until ", DayText(kLastDate)));
  }
  // A statement writes to one partition, so that the server has no more of them than there are.
  std::vector<ChargeSegment> segments;
  std::set<std::string> begun;
  for (const auto& [period, days] : sums.periods()) {
    segments.push_back({read.request.source, period, NewSegment(options), {}});
    begun.insert(segments.back().id);
    const absl::Status written = WriteSegment(client, sums, segments.back());
    if (written.ok()) continue;
    RemoveSegments(client, begun).IgnoreError();
    return written;
  }
  return segments;
}

absl::StatusOr<std::string> WriteMonth(const ClickHouseClient& client, const Options& options,
                                       const EntityGraph& graph, const ClickHouseState& state,
                                       int64_t month) {
  MetricSums metrics;
  PURSER_RETURN_IF_ERROR(options.database->Read([&](store::Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(metrics, LoadMetrics(connection, month));
    return absl::OkStatus();
  }));
  PURSER_ASSIGN_OR_RETURN(const std::vector<SubjectRange> ranges,
                          SubjectRanges(client, state, {month}));
  MonthWriter writer(client, options, graph, metrics, month);
  absl::Status written;
  for (const SubjectRange& range : ranges) {
    written = writer.Read(state, range);
    if (!written.ok()) break;
  }
  if (written.ok()) written = writer.Write();
  if (!written.ok()) {
    RemoveSegments(client, {writer.segment()}).IgnoreError();
    return written;
  }
  return writer.segment();
}

absl::StatusOr<std::vector<SubjectRange>> SubjectRanges(const ClickHouseClient& client,
                                                        const ClickHouseState& state,
                                                        const std::set<int64_t>& months) {
  int64_t charges = 0;
  for (const int64_t month : months) {
    PURSER_RETURN_IF_ERROR(client.Select(
        absl::StrCat("SELECT toInt64(count())", WhereCharges(client, state, month, {})),
        [&](const std::vector<std::string>& row) -> absl::Status {
          int64_t of_month = 0;
          if (!absl::SimpleAtoi(row[0], &of_month)) {
            return absl::DataLossError("ClickHouse gives no count");
          }
          charges = std::max(charges, of_month);
          return absl::OkStatus();
        }));
  }
  const int64_t count = std::clamp<int64_t>(charges / kChargesTogether + 1, 1, kRanges);
  std::vector<SubjectRange> ranges;
  const auto bound = [&](int64_t i) {
    return absl::StrFormat("%0*x", kRangeDigits, i * kRanges / count);
  };
  for (int64_t i = 0; i < count; ++i) {
    SubjectRange& range = ranges.emplace_back();
    if (i > 0) absl::StrAppend(&range.condition, " AND subject >= ", ClickHouseText(bound(i)));
    if (i + 1 < count) {
      absl::StrAppend(&range.condition, " AND subject < ", ClickHouseText(bound(i + 1)));
    }
  }
  return ranges;
}

absl::Status DecideAnew(const ClickHouseClient& client, const Options& options,
                        const ClickHouseState& state, int64_t month, const SubjectRange& range,
                        const std::function<absl::Status(const ChargeSubject&)>& on_subject) {
  Decider decider(options);
  return client.Select(absl::StrCat("SELECT DISTINCT ", kChargeSubjectColumns, ", ", kItemColumns,
                                    WhereCharges(client, state, month, range)),
                       [&](const std::vector<std::string>& row) -> absl::Status {
                         PURSER_ASSIGN_OR_RETURN(const Decision* const decision, decider.Of(row));
                         return on_subject({row[0], *decision});
                       });
}

}  // namespace purser::costs
