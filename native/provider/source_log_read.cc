#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "provider/source_log.h"
#include "provider/source_log_tables.h"

namespace purser::provider {
namespace {

using store::Connection;
using store::Row;
using store::Rows;

constexpr absl::Duration kLongestWait = absl::Minutes(1);
// A writer in another process on a shared store cannot wake us: look again this often.
constexpr absl::Duration kLookAgain = absl::Seconds(1);

}  // namespace

absl::Status SourceLog::ForEach(int64_t source,
                                const std::function<void(absl::string_view, absl::string_view,
                                                         absl::string_view, bool)>& visit) {
  return database_.Read([&](Connection& connection) {
    return connection.ForEach(
        "SELECT ref, hash, part, state FROM catalog_entity WHERE source = $1 AND body IS NOT NULL",
        {source}, [&](const Row& row) {
          visit(row.Text(0), row.Text(1), row.Text(2), row.Int(3) == kHeld);
          return absl::OkStatus();
        });
  });
}

absl::StatusOr<std::vector<std::string>> SourceLog::Held(int64_t source, int64_t limit) {
  std::vector<std::string> refs;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    refs.clear();
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query("SELECT ref FROM catalog_entity WHERE source = $1 AND state = 1 ORDER BY "
                         "ref LIMIT $2",
                         {source, limit}));
    for (const Row& row : rows) refs.push_back(row.Text(0));
    return absl::OkStatus();
  }));
  return refs;
}

absl::StatusOr<LogPage> SourceLog::Changes(int64_t source, absl::string_view position,
                                           int max_entities) {
  if (max_entities < 1 || max_entities > kMaxPageEntities) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_entities must be 1 to ", kMaxPageEntities, ", not ", max_entities));
  }
  const LogPosition behind = LogPosition::Parse(position);
  LogPage page;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    page = LogPage();
    PURSER_ASSIGN_OR_RETURN(
        const Rows head,
        connection.Query(
            "SELECT epoch, position, floor, complete FROM catalog_source WHERE id = $1", {source}));
    if (head.empty()) return absl::NotFoundError("this source is not known");
    const std::string& epoch = head[0].Text(0);
    const bool ours = behind.epoch == epoch;
    page.full = !ours || behind.full || behind.number < head[0].Int(2);
    const int64_t after = ours && (behind.full || !page.full) ? behind.number : 0;
    // Who begins holds nothing of this log; who goes on may hold what was removed meanwhile.
    const bool begins = page.full && !(ours && behind.full);
    int64_t last = after;
    size_t bytes = 0;
    int count = 0;
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query(
            absl::StrCat(
                "SELECT position, ref, body, state FROM catalog_entity WHERE source = $1 "
                "AND position > $2 AND ",
                begins ? "state < 2 AND body <> ''" : "state <> 2 AND (body IS NULL OR body <> '')",
                " ORDER BY position LIMIT $3"),
            {source, after, static_cast<int64_t>(max_entities) + 1}));
    for (const Row& row : rows) {
      const bool is_gone = row.IsNull(2) || row.Int(3) == kYielded;
      const std::string& text = row.Text(is_gone ? 1 : 2);
      if (count == max_entities || (count > 0 && bytes + text.size() > kMaxPageBytes)) {
        page.more = true;
        break;
      }
      (is_gone ? page.removed : page.upserts).push_back(text);
      bytes += text.size();
      ++count;
      last = row.Int(0);
    }
    // At the end: behind everything, also what is hidden from readers.
    if (!page.more) last = std::max(last, head[0].Int(1));
    page.full_end = page.full && !page.more && head[0].Int(3) != 0;
    page.position = absl::StrCat(epoch, "/", last, page.full && !page.full_end ? "/full" : "");
    return absl::OkStatus();
  }));
  return page;
}

void SourceLog::Committed(int64_t source) {
  base::MutexLock lock(mutex_);
  ++generations_[source];
  changed_.NotifyAll();
}

void SourceLog::Wait(int64_t source, absl::string_view position, absl::Duration timeout,
                     std::stop_token stop) {
  const LogPosition behind = LogPosition::Parse(position);
  const std::stop_callback wake(stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  const absl::Duration until = base::Clock::System().Monotonic() + std::min(timeout, kLongestWait);
  while (!stop.stop_requested()) {
    uint64_t seen = 0;
    {
      base::MutexLock lock(mutex_);
      seen = generations_[source];
    }
    bool moved = false;
    const absl::Status read = database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(
          const Rows rows,
          connection.Query("SELECT position, epoch FROM catalog_source WHERE id = $1", {source}));
      moved = rows.empty() || rows[0].Int(0) > behind.number || rows[0].Text(1) != behind.epoch ||
              behind.full;
      return absl::OkStatus();
    });
    // A store that cannot be read is waited out as well, so that readers do not spin.
    if (read.ok() && moved) return;
    const absl::Duration look_again =
        database_.IsShared() ? std::min(until, base::Clock::System().Monotonic() + kLookAgain)
                             : until;
    base::MutexLock lock(mutex_);
    while (generations_[source] == seen && !stop.stop_requested()) {
      const absl::Duration left = look_again - base::Clock::System().Monotonic();
      if (left <= absl::ZeroDuration()) break;
      changed_.WaitFor(mutex_, left);
    }
    if (base::Clock::System().Monotonic() >= until) return;
  }
}

}  // namespace purser::provider
