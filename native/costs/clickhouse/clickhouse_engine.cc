#include "costs/clickhouse/clickhouse_engine.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/clickhouse/reader.h"
#include "costs/clickhouse/segment_writer.h"
#include "costs/clickhouse/tables.h"
#include "costs/rollups.h"
#include "costs/state.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::costs {
namespace {

// How often work begins anew because other processes changed the data meanwhile.
constexpr int kMaxRounds = 5;

bool IsName(absl::string_view text) {
  return !text.empty() && text.size() <= 63 &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             absl::string_view::npos;
}

class ClickHouseEngine final : public Engine {
 public:
  ClickHouseEngine(const Options& options, ClickHouseOptions clickhouse, http::Transport& transport)
      : options_(options), client_(std::move(clickhouse), transport) {}

  absl::Status Start() {
    PURSER_RETURN_IF_ERROR(MigrateClickHouseState(*options_.database));
    PURSER_RETURN_IF_ERROR(MakeClickHouseTables(client_));
    return RemoveUnused(client_, *options_.database);
  }

  absl::string_view name() const override { return "clickhouse"; }
  absl::Status Read(const EntityGraph& graph,
                    const std::function<absl::Status(const CostReader&)>& work) override;
  absl::Status Store(const EntityGraph& graph, const ReadDelivery& read) override;
  absl::StatusOr<int64_t> Reallocate(const EntityGraph& graph) override;
  absl::Status AllocateMonths(const EntityGraph& graph) override;

 private:
  using Months = std::map<int64_t, std::string>;  // month → segment

  absl::StatusOr<ClickHouseState> State(const EntityGraph& graph) const;
  // Allocates the months by `state` and runs `commit` in a transaction in which the data is still
  // at its version, with the months' segments pointed to; ABORTED, with nothing left, otherwise.
  absl::Status Replace(const EntityGraph& graph, const ClickHouseState& state,
                       const std::set<int64_t>& months,
                       const std::function<absl::Status(store::Connection&)>& commit);
  // `work` on the state of now, again while it is ABORTED.
  absl::Status Repeat(const EntityGraph& graph,
                      const std::function<absl::Status(const ClickHouseState&)>& work) const;
  absl::Status StoreSegments(const EntityGraph& graph, const ReadDelivery& read,
                             const std::vector<ChargeSegment>& segments);
  absl::Status Commit(store::Connection& connection, const ReadDelivery& read,
                      const std::vector<ChargeSegment>& segments, int64_t first_month) const;
  // Which subjects of the month, of those in the range, belong elsewhere than they did.
  absl::StatusOr<std::set<std::string>> ChangedSubjects(const ClickHouseState& state, int64_t month,
                                                        const SubjectRange& range) const;

  const Options& options_;
  const ClickHouseClient client_;
};

absl::StatusOr<ClickHouseState> ClickHouseEngine::State(const EntityGraph& graph) const {
  ClickHouseState state;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(state,
                                ReadClickHouseState(connection, *options_.allocation, graph));
        return absl::OkStatus();
      }));
  return state;
}

absl::Status ClickHouseEngine::Repeat(
    const EntityGraph& graph,
    const std::function<absl::Status(const ClickHouseState&)>& work) const {
  absl::Status status;
  for (int round = 0; round < kMaxRounds; ++round) {
    PURSER_ASSIGN_OR_RETURN(const ClickHouseState state, State(graph));
    status = work(state);
    if (!absl::IsAborted(status)) return status;
  }
  return status;
}

absl::Status ClickHouseEngine::Read(const EntityGraph& graph,
                                    const std::function<absl::Status(const CostReader&)>& work) {
  return Repeat(graph, [&](const ClickHouseState& state) -> absl::Status {
    const absl::Status answered =
        work(ClickHouseReader(client_, *options_.database, state, graph, options_.rates.get()));
    // What the state points to is removed only once nothing points to it: an answer counts while
    // the data is still at that version.
    PURSER_RETURN_IF_ERROR(options_.database->Read(
        [&](store::Connection& connection) { return CheckVersion(connection, state.version); }));
    return answered;
  });
}

absl::Status ClickHouseEngine::Replace(
    const EntityGraph& graph, const ClickHouseState& state, const std::set<int64_t>& months,
    const std::function<absl::Status(store::Connection&)>& commit) {
  Months made;
  absl::Status status;
  for (const int64_t month : months) {
    if (month < state.first_month) continue;
    absl::StatusOr<std::string> segment = WriteMonth(client_, options_, graph, state, month);
    status = segment.status();
    if (!status.ok()) break;
    made[month] = *std::move(segment);
  }
  if (status.ok()) {
    status = options_.database->Transact([&](store::Connection& connection) -> absl::Status {
      PURSER_RETURN_IF_ERROR(CheckVersion(connection, state.version));
      for (const auto& [month, segment] : made) {
        PURSER_RETURN_IF_ERROR(PointToMonth(connection, month, segment, state.allocation));
      }
      PURSER_RETURN_IF_ERROR(commit(connection));
      return BumpDataVersion(connection);
    });
  }
  std::set<std::string> unused;
  if (status.ok()) {
    for (const auto& [month, segment] : made) {
      const auto before = state.months.find(month);
      if (before != state.months.end()) unused.insert(before->second);
    }
  } else if (!absl::IsUnavailable(status)) {
    // Of a commit whose outcome is not known the segments stay: the next start removes them when
    // nothing points to them.
    for (const auto& [month, segment] : made) unused.insert(segment);
  }
  // What is not removed now is removed by a later start.
  RemoveSegments(client_, unused).IgnoreError();
  return status;
}

absl::Status ClickHouseEngine::Store(const EntityGraph& graph, const ReadDelivery& read) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<ChargeSegment> segments,
                          WriteCharges(client_, options_, read));
  const absl::Status stored = StoreSegments(graph, read, segments);
  if (!stored.ok() && !absl::IsUnavailable(stored)) {
    std::set<std::string> unused;
    for (const ChargeSegment& segment : segments) unused.insert(segment.id);
    RemoveSegments(client_, unused).IgnoreError();
  }
  if (stored.ok()) RemoveUnused(client_, *options_.database).IgnoreError();
  return stored;
}

absl::Status ClickHouseEngine::StoreSegments(const EntityGraph& graph, const ReadDelivery& read,
                                             const std::vector<ChargeSegment>& segments) {
  const auto store = [&](const ClickHouseState& now) -> absl::Status {
    ClickHouseState next = now;
    std::set<int64_t> months = now.stale;
    for (const ChargeSegment& segment : segments) {
      std::erase_if(next.charges, [&](const ChargeSegment& before) {
        const bool replaced = before.source == segment.source && before.period == segment.period;
        if (replaced) months.insert(before.months.begin(), before.months.end());
        return replaced;
      });
      next.charges.push_back(segment);
      months.insert(segment.months.begin(), segment.months.end());
    }
    if (options_.keep_months > 0) {
      const int64_t now = MonthOf(Today(options_));
      int64_t newest = 0;
      for (const ChargeSegment& segment : next.charges) {
        const auto ahead = segment.months.upper_bound(now);
        if (ahead != segment.months.begin()) newest = std::max(newest, *std::prev(ahead));
      }
      if (newest > 0) {
        const absl::CivilMonth first =
            absl::CivilMonth(FirstDay(newest)) - (options_.keep_months - 1);
        next.first_month = std::max(next.first_month, MonthOf(absl::CivilDay(first)));
      }
    }
    return Replace(graph, next, months, [&](store::Connection& connection) {
      return Commit(connection, read, segments, next.first_month);
    });
  };
  return Repeat(graph, store);
}

absl::Status ClickHouseEngine::Commit(store::Connection& connection, const ReadDelivery& read,
                                      const std::vector<ChargeSegment>& segments,
                                      int64_t first_month) const {
  PURSER_ASSIGN_OR_RETURN(const int64_t ingest, NextId(connection, "cost_ingests"));
  PURSER_RETURN_IF_ERROR(
      StoreIngest(connection, read.request, read.report, ingest, options_.clock->Now()));
  for (const ChargeSegment& segment : segments) {
    PURSER_RETURN_IF_ERROR(PointToCharges(connection, ingest, segment));
    PURSER_RETURN_IF_ERROR(
        ForgetDeliveries(connection, segment.source, segment.period, options_.keep_deliveries));
  }
  PURSER_RETURN_IF_ERROR(StorePeriods(connection, read.request.source, read.sums, ingest));
  return first_month == 0 ? absl::OkStatus() : ForgetMonthsBefore(connection, first_month);
}

absl::StatusOr<std::set<std::string>> ClickHouseEngine::ChangedSubjects(
    const ClickHouseState& state, int64_t month, const SubjectRange& range) const {
  using Decided = std::map<std::string, std::set<std::pair<std::string, std::string>>>;
  Decided before, now;
  const auto segment = state.months.find(month);
  if (segment != state.months.end()) {
    PURSER_RETURN_IF_ERROR(client_.Select(
        absl::StrCat("SELECT DISTINCT subject, entity, rule FROM ",
                     client_.Everywhere(kDecisionsTable),
                     " WHERE segment = ", ClickHouseText(segment->second), range.condition),
        [&](const std::vector<std::string>& row) {
          before[row[0]].emplace(row[1], row[2]);
          return absl::OkStatus();
        }));
  }
  PURSER_RETURN_IF_ERROR(
      DecideAnew(client_, options_, state, month, range, [&](const ChargeSubject& subject) {
        now[subject.key].emplace(subject.decision.entity_ref, subject.decision.rule);
        return absl::OkStatus();
      }));
  std::set<std::string> changed;
  for (const auto& [subject, decided] : now) {
    const auto known = before.find(subject);
    if (known == before.end() || known->second != decided) changed.insert(subject);
  }
  return changed;
}

absl::StatusOr<int64_t> ClickHouseEngine::Reallocate(const EntityGraph& graph) {
  int64_t changed = 0;
  PURSER_RETURN_IF_ERROR(Repeat(graph, [&](const ClickHouseState& state) -> absl::Status {
    changed = 0;
    std::set<int64_t> months = state.stale, stored;
    for (const auto& [month, segment] : state.months) stored.insert(month);
    PURSER_ASSIGN_OR_RETURN(const std::vector<SubjectRange> ranges,
                            SubjectRanges(client_, state, stored));
    for (const SubjectRange& range : ranges) {
      std::set<std::string> of_range;
      for (const int64_t month : stored) {
        PURSER_ASSIGN_OR_RETURN(const std::set<std::string> of_month,
                                ChangedSubjects(state, month, range));
        if (!of_month.empty()) months.insert(month);
        of_range.insert(of_month.begin(), of_month.end());
      }
      changed += static_cast<int64_t>(of_range.size());
    }
    const std::string& rules = options_.allocation->fingerprint();
    if (months.empty()) {
      // Nothing that anybody could see is another: the answers stay what they are.
      if (state.decided_by == rules) return absl::OkStatus();
      return options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        PURSER_RETURN_IF_ERROR(CheckVersion(connection, state.version));
        return SetState(connection, "allocation", rules);
      });
    }
    return Replace(graph, state, months, [&](store::Connection& connection) {
      return SetState(connection, "allocation", rules);
    });
  }));
  return changed;
}

absl::Status ClickHouseEngine::AllocateMonths(const EntityGraph& graph) {
  return Repeat(graph, [&](const ClickHouseState& state) {
    if (state.stale.empty()) return absl::OkStatus();
    return Replace(graph, state, state.stale, [](store::Connection&) { return absl::OkStatus(); });
  });
}

}  // namespace

absl::StatusOr<ClickHouseOptions> ReadClickHouseOptions(
    const nlohmann::json& config,
    std::function<absl::StatusOr<std::string>(absl::string_view reference)> resolve_secret) {
  ClickHouseOptions options;
  for (const nlohmann::json& server : config.value("servers", nlohmann::json::array())) {
    const std::string url = server.get<std::string>();
    PURSER_ASSIGN_OR_RETURN(const http::Url parsed, http::ParseUrl(url));
    if (absl::StrContains(parsed.target, '?')) {
      return absl::InvalidArgumentError(
          absl::StrCat("costs.engine: the server ", url, " has a query; name the address alone"));
    }
    options.servers.push_back(url);
  }
  if (options.servers.empty() || options.servers.size() > kMaxClickHouseServers) {
    return absl::InvalidArgumentError(absl::StrCat(
        "costs.engine: name 1 to ", kMaxClickHouseServers, " servers (kMaxClickHouseServers)"));
  }
  options.cluster = config.value("cluster", "");
  if (options.servers.size() > 1 && options.cluster.empty()) {
    return absl::InvalidArgumentError(
        "costs.engine: several servers need the name of their cluster (remote_servers)");
  }
  options.database = config.value("database", options.database);
  options.user = config.value("user", options.user);
  for (const std::string& name : {options.database, options.cluster}) {
    if (name.empty() || IsName(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("costs.engine: ", name, " is no name of letters, digits and _"));
  }
  if (config.contains("password")) {
    options.password = [reference = config["password"].get<std::string>(),
                        resolve = std::move(resolve_secret)] { return resolve(reference); };
  }
  return options;
}

absl::StatusOr<std::unique_ptr<Engine>> OpenClickHouseEngine(const Options& options,
                                                             ClickHouseOptions clickhouse,
                                                             http::Transport& transport) {
  auto engine = std::make_unique<ClickHouseEngine>(options, std::move(clickhouse), transport);
  PURSER_RETURN_IF_ERROR(engine->Start());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace purser::costs
