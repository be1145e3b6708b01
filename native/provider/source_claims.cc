#include "provider/source_claims.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "provider/source_log.h"
#include "store/placeholders.h"

namespace purser::provider {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

Ruling Judge(int64_t source, int64_t priority, absl::Span<const Claim> others,
             absl::Time abandoned_before) {
  Ruling ruling;
  const auto wait_for = [&](const Claim& claim) {
    ruling.may_show = false;
    if (ruling.obstacle == nullptr || claim.priority > ruling.obstacle->priority) {
      ruling.obstacle = &claim;
    }
  };
  for (const Claim& claim : others) {
    if (claim.followed_at < abandoned_before) continue;
    if (claim.removed) {
      if (claim.unread) wait_for(claim);
      continue;
    }
    const bool shows = claim.state == kShown || claim.state == kHeld;
    const bool goes_before = claim.priority > priority ||
                             (claim.priority == priority && (shows || claim.source < source));
    if (goes_before) {
      wait_for(claim);
    } else if (shows) {
      wait_for(claim);
      ruling.to_yield.push_back(&claim);
    } else if (claim.unread) {
      wait_for(claim);
    }
  }
  return ruling;
}

absl::StatusOr<Claims> ClaimsOfOthers(Connection& connection, int64_t source,
                                      absl::Span<const std::string> refs) {
  Claims claims;
  PURSER_RETURN_IF_ERROR(
      ForEachPiece<std::string>(refs, [&](absl::Span<const std::string> piece) -> absl::Status {
        std::vector<Value> parameters = {source};
        parameters.insert(parameters.end(), piece.begin(), piece.end());
        PURSER_ASSIGN_OR_RETURN(
            const Rows rows,
            connection.Query(
                absl::StrCat("SELECT e.ref, e.source, s.name, s.priority, e.state, "
                             "CASE WHEN e.body IS NULL THEN 1 ELSE 0 END, "
                             "CASE WHEN e.position > s.applied THEN 1 ELSE 0 END, s.followed_at "
                             "FROM catalog_entity e JOIN catalog_source s ON s.id = e.source "
                             "WHERE e.source <> $1 AND e.ref IN (",
                             store::Placeholders(2, piece.size()), ")"),
                parameters));
        for (const Row& row : rows) {
          Claim claim;
          claim.source = row.Int(1);
          claim.name = row.Text(2);
          claim.priority = row.Int(3);
          claim.state = static_cast<State>(row.Int(4));
          claim.removed = row.Int(5) != 0;
          claim.unread = row.Int(6) != 0 && (claim.removed || claim.state == kYielded);
          claim.followed_at = absl::FromUnixMicros(row.Int(7));
          claims[row.Text(0)].push_back(std::move(claim));
        }
        return absl::OkStatus();
      }));
  return claims;
}

namespace {

struct Waiting {
  std::vector<std::string> refs;
  int64_t priority = 0;
  Claims claims;
};

absl::Status ReadWaiting(Connection& connection, int64_t source, absl::string_view after,
                         int64_t limit, Waiting& waiting) {
  waiting = Waiting();
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          "SELECT ref FROM catalog_entity WHERE source = $1 AND state > 1 AND ref > $2 "
          "ORDER BY ref LIMIT $3",
          {source, std::string(after), limit}));
  for (const Row& row : rows) waiting.refs.push_back(row.Text(0));
  PURSER_ASSIGN_OR_RETURN(
      const Rows own,
      connection.Query("SELECT priority FROM catalog_source WHERE id = $1", {source}));
  if (!own.empty()) waiting.priority = own[0].Int(0);
  PURSER_ASSIGN_OR_RETURN(waiting.claims, ClaimsOfOthers(connection, source, waiting.refs));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SourceLog::Collision>> SourceLog::Collisions(int64_t source,
                                                                        int64_t limit) {
  Waiting waiting;
  PURSER_RETURN_IF_ERROR(database_.Read(
      [&](Connection& connection) { return ReadWaiting(connection, source, "", limit, waiting); }));
  std::vector<Collision> collisions;
  for (const std::string& ref : waiting.refs) {
    const Ruling ruling =
        Judge(source, waiting.priority, waiting.claims[ref], absl::InfinitePast());
    collisions.push_back({ref, ruling.obstacle == nullptr ? "" : ruling.obstacle->name});
  }
  return collisions;
}

absl::Status SourceLog::Yield(int64_t source, absl::Span<const std::string> refs) {
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const Head head, Advance(connection, source, "", refs.size()));
    int64_t position = head.first;
    for (const std::string& ref : refs) {
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          "UPDATE catalog_entity SET state = $4, position = $3 WHERE source = $1 AND ref = $2 AND "
          "state < $5 AND body IS NOT NULL",
          {source, ref, position++, int64_t{kYielded}, int64_t{kWaiting}}));
    }
    return absl::OkStatus();
  }));
  Committed(source);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SourceLog::ShowWaiting(int64_t source, absl::string_view owner,
                                               absl::Time abandoned_before, std::string* after) {
  Waiting waiting;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) {
    return ReadWaiting(connection, source, *after, kMaxSettledRefs, waiting);
  }));
  *after = waiting.refs.size() < kMaxSettledRefs ? "" : waiting.refs.back();
  std::map<int64_t, std::vector<std::string>> to_yield;
  std::vector<std::string> free;
  for (const std::string& ref : waiting.refs) {
    const Ruling ruling = Judge(source, waiting.priority, waiting.claims[ref], abandoned_before);
    if (ruling.may_show) free.push_back(ref);
    for (const Claim* claim : ruling.to_yield) to_yield[claim->source].push_back(ref);
  }
  for (const auto& [other, refs] : to_yield) PURSER_RETURN_IF_ERROR(Yield(other, refs));
  if (free.empty()) return 0;
  int64_t shown = 0;
  PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
    shown = 0;
    PURSER_ASSIGN_OR_RETURN(const Head head, Advance(connection, source, owner, free.size()));
    // Once more, now that nothing else is written: another source may have shown one since.
    PURSER_ASSIGN_OR_RETURN(Claims claims, ClaimsOfOthers(connection, source, free));
    int64_t position = head.first;
    for (const std::string& ref : free) {
      if (!Judge(source, waiting.priority, claims[ref], abandoned_before).may_show) continue;
      PURSER_ASSIGN_OR_RETURN(
          const int64_t changed,
          connection.Execute("UPDATE catalog_entity SET state = 0, position = $3 WHERE source = $1 "
                             "AND ref = $2 AND state > 1",
                             {source, ref, position++}));
      shown += changed;
    }
    return absl::OkStatus();
  }));
  Committed(source);
  return shown;
}

}  // namespace purser::provider
