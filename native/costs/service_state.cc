// What a service keeps beside the bills: relations, metrics, alerts.
#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "catalog/entity.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"
#include "costs/state.h"
#include "costs/stored_service.h"

namespace purser::costs {
namespace {

// What the day of a charge may be.
constexpr absl::CivilDay kFirstDay(1990, 1, 1);
constexpr absl::CivilDay kLastDay(2199, 12, 31);

// Changes no row of the same value.
constexpr char kStoreMetric[] =
    "INSERT INTO cost_metrics (metric, entity, day, value, of_file) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (metric, entity, day) DO UPDATE SET value = excluded.value, "
    "of_file = excluded.of_file WHERE cost_metrics.value <> excluded.value "
    "OR cost_metrics.of_file <> excluded.of_file";

constexpr char kAlertColumns[] = "id, kind, subject, scope, detail, at";

CostAlert ReadAlert(const store::Row& row) {
  return {row.Int(0),  row.Text(1), row.Text(2),
          row.Text(3), row.Text(4), absl::FromUnixMicros(row.Int(5))};
}

std::vector<store::Value> MetricRow(const MetricValue& value, bool of_file) {
  return {value.metric, value.entity, DayText(value.day), value.value.ToString(),
          int64_t{of_file ? 1 : 0}};
}

}  // namespace

absl::StatusOr<std::vector<AllocatedPart>> StoredCostService::ExplainEntity(
    absl::string_view entity_ref, int64_t month) {
  std::string name(entity_ref);
  if (absl::StrContains(entity_ref, '/')) {
    PURSER_ASSIGN_OR_RETURN(const catalog::EntityRef ref, catalog::EntityRef::Parse(entity_ref));
    name = ref.ToString();
  }
  if (month < 199001 || month > 219912 || month % 100 < 1 || month % 100 > 12) {
    return absl::InvalidArgumentError("the month is not one like 2026-11");
  }
  return Answer<std::vector<AllocatedPart>>(
      [&](const CostReader& reader) { return reader.ExplainEntity(name, month); });
}

absl::StatusOr<std::shared_ptr<const EntityGraph>> StoredCostService::WithGone(
    const std::shared_ptr<const EntityGraph>& graph, const EntityGraph& known) {
  std::vector<GraphEntity> gone;
  for (const auto& [ref, entity] : known.entities()) {
    if (graph->Find(ref) == nullptr) gone.push_back(entity);
  }
  if (gone.empty()) return graph;
  std::set<std::string> charged;
  // Asked for by name: they are few, and the history of all entities is long. Charges dated ahead
  // count, too.
  for (size_t first = 0; first < gone.size(); first += kMaxFilterValues) {
    QueryRequest request{.from = kFirstDay, .to = kLastDay, .group_by = {Dimension::kEntity}};
    Filter& names = request.filters.emplace_back(Filter{Dimension::kEntity, {}});
    for (size_t i = first; i < std::min(gone.size(), first + kMaxFilterValues); ++i) {
      names.values.push_back(gone[i].ref);
    }
    PURSER_ASSIGN_OR_RETURN(const std::vector<CostRow> rows, Sums(request));
    for (const CostRow& row : rows) charged.insert(row.keys[0]);
  }
  std::erase_if(gone, [&](const GraphEntity& entity) {
    const absl::string_view kind = KindOfRef(entity.ref);
    return kind != "group" && kind != "system" && kind != "domain" && !charged.contains(entity.ref);
  });
  const size_t room = kMaxGraphEntities - graph->entities().size();
  if (gone.empty() || gone.size() > room) return graph;
  for (const auto& [ref, entity] : graph->entities()) gone.push_back(entity);
  return EntityGraph::Create(std::move(gone));
}

absl::Status StoredCostService::PutGraph(std::shared_ptr<const EntityGraph> graph) {
  base::MutexLock allocation_lock(allocation_mutex_);
  const std::shared_ptr<const EntityGraph> known = this->graph();
  PURSER_ASSIGN_OR_RETURN(graph, WithGone(graph, *known));
  if (known->fingerprint() == graph->fingerprint()) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(options_.database->Transact(
      [&](store::Connection& connection) { return StoreGraph(connection, *graph); }));
  {
    base::MutexLock lock(mutex_);
    graph_ = std::move(graph);
  }
  return engine_->AllocateMonths(*this->graph());
}

bool StoredCostService::SplitsByMetric() const {
  return std::any_of(options_.allocation->pools().begin(), options_.allocation->pools().end(),
                     [](const Pool& pool) { return pool.split == Split::kMetric; });
}

absl::Status StoredCostService::PutMetrics(const std::vector<MetricValue>& values) {
  base::MutexLock allocation_lock(allocation_mutex_);
  base::Hasher hasher(base::HashKind::kSha256);
  for (const MetricValue& value : values) {
    hasher.Update(absl::StrCat(value.metric, "\x1f", value.entity, "\x1f", DayText(value.day),
                               "\x1f", value.value.ToString(), "\x1e"));
  }
  const std::string hash = base::ToHex(hasher.Finish());
  PURSER_RETURN_IF_ERROR(
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const std::string stored, GetState(connection, "metric values"));
        if (stored == hash) return absl::OkStatus();
        PURSER_RETURN_IF_ERROR(
            connection.ExecuteLater("DELETE FROM cost_metrics WHERE of_file = 1", {}));
        for (const MetricValue& value : values) {
          PURSER_RETURN_IF_ERROR(connection.ExecuteLater(kStoreMetric, MetricRow(value, true)));
        }
        PURSER_RETURN_IF_ERROR(SetState(connection, "metric values", hash));
        PURSER_RETURN_IF_ERROR(BumpDataVersion(connection));
        // Only splits make them a part of what is allocated.
        return SetState(connection, "metrics", SplitsByMetric() ? hash : "");
      }));
  return engine_->AllocateMonths(*this->graph());
}

absl::Status StoredCostService::AddMetrics(const std::vector<MetricValue>& values) {
  base::MutexLock allocation_lock(allocation_mutex_);
  PURSER_RETURN_IF_ERROR(
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        std::set<int64_t> months;
        for (const MetricValue& value : values) {
          PURSER_ASSIGN_OR_RETURN(const int64_t changed,
                                  connection.Execute(kStoreMetric, MetricRow(value, false)));
          if (changed > 0) months.insert(MonthOf(value.day));
        }
        if (months.empty()) return absl::OkStatus();
        PURSER_RETURN_IF_ERROR(BumpDataVersion(connection));
        if (!SplitsByMetric()) return absl::OkStatus();
        PURSER_ASSIGN_OR_RETURN(const auto known, MonthFingerprints(connection));
        for (const int64_t month : months) {
          if (!known.contains(month)) continue;
          PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, ""));
        }
        return absl::OkStatus();
      }));
  return engine_->AllocateMonths(*this->graph());
}

absl::StatusOr<std::vector<MetricValue>> StoredCostService::Metrics(absl::string_view metric,
                                                                    absl::string_view entity,
                                                                    absl::CivilDay from,
                                                                    absl::CivilDay to) {
  std::vector<MetricValue> values;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        return connection.ForEach(
            "SELECT day, value FROM cost_metrics WHERE metric = $1 AND entity = $2 AND day >= $3 "
            "AND day <= $4 ORDER BY day",
            {std::string(metric), std::string(entity), DayText(from), DayText(to)},
            [&](const store::Row& row) -> absl::Status {
              PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.Text(0)));
              PURSER_ASSIGN_OR_RETURN(const base::Decimal value, base::Decimal::Parse(row.Text(1)));
              values.push_back({std::string(metric), std::string(entity), day, value});
              return absl::OkStatus();
            });
      }));
  return values;
}

absl::StatusOr<int64_t> StoredCostService::DataVersion() {
  int64_t version = 0;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(version, costs::DataVersion(connection));
        return absl::OkStatus();
      }));
  return version;
}

absl::StatusOr<std::optional<std::pair<absl::CivilDay, absl::CivilDay>>>
StoredCostService::DataDays() {
  std::optional<std::pair<absl::CivilDay, absl::CivilDay>> days;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        return connection.ForEach(
            "SELECT min(first_day), max(known_day) FROM cost_periods WHERE known_day IS NOT NULL",
            {}, [&](const store::Row& row) -> absl::Status {
              if (row.IsNull(0)) return absl::OkStatus();
              PURSER_ASSIGN_OR_RETURN(const absl::CivilDay first, ParseDay(row.Text(0)));
              PURSER_ASSIGN_OR_RETURN(const absl::CivilDay last, ParseDay(row.Text(1)));
              days.emplace(first, last);
              return absl::OkStatus();
            });
      }));
  return days;
}

absl::StatusOr<std::vector<SourceFreshness>> StoredCostService::Freshness() {
  std::vector<SourceFreshness> sources;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        sources.clear();
        return connection.ForEach(
            "SELECT source, max(known_day) FROM cost_periods WHERE known_day IS NOT NULL "
            "GROUP BY source ORDER BY source",
            {}, [&](const store::Row& row) -> absl::Status {
              PURSER_ASSIGN_OR_RETURN(const absl::CivilDay last, ParseDay(row.Text(1)));
              sources.push_back({row.Text(0), last});
              return absl::OkStatus();
            });
      }));
  return sources;
}

absl::StatusOr<bool> StoredCostService::RecordAlert(const CostAlert& alert) {
  bool first = false;
  PURSER_RETURN_IF_ERROR(
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        first = false;
        PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                                connection.Query("SELECT max(id) FROM cost_alerts", {}));
        PURSER_ASSIGN_OR_RETURN(
            const int64_t stored,
            connection.Execute(
                "INSERT INTO cost_alerts (id, kind, subject, scope, detail, at) "
                "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, subject, scope) DO NOTHING",
                {rows[0].Int(0) + 1, alert.kind, alert.subject, alert.scope, alert.detail,
                 absl::ToUnixMicros(options_.clock->Now())}));
        first = stored > 0;
        return absl::OkStatus();
      }));
  return first;
}

absl::StatusOr<std::optional<CostAlert>> StoredCostService::FindAlert(const std::string& kind,
                                                                      const std::string& subject,
                                                                      const std::string& scope) {
  std::optional<CostAlert> alert;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(
            const store::Rows rows,
            connection.Query(absl::StrCat("SELECT ", kAlertColumns,
                                          " FROM cost_alerts WHERE kind = $1 AND subject = $2 "
                                          "AND scope = $3"),
                             {kind, subject, scope}));
        if (!rows.empty()) alert = ReadAlert(rows[0]);
        return absl::OkStatus();
      }));
  return alert;
}

absl::StatusOr<std::vector<CostAlert>> StoredCostService::Alerts(int64_t after, int limit) {
  if (limit < 1 || limit > kMaxPageSize) {
    return absl::InvalidArgumentError(absl::StrCat("limit ", limit, " is not 1 to ", kMaxPageSize));
  }
  std::vector<CostAlert> alerts;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        return connection.ForEach(
            absl::StrCat("SELECT ", kAlertColumns,
                         " FROM cost_alerts WHERE id > $1 ORDER BY id LIMIT $2"),
            {after, int64_t{limit}}, [&](const store::Row& row) {
              alerts.push_back(ReadAlert(row));
              return absl::OkStatus();
            });
      }));
  return alerts;
}

}  // namespace purser::costs
