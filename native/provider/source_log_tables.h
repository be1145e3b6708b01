// The tables of the change logs, for the files that implement SourceLog.
#ifndef PURSER_PROVIDER_SOURCE_LOG_TABLES_H_
#define PURSER_PROVIDER_SOURCE_LOG_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "store/store.h"

namespace purser::provider {

// How readers see a row with a body.
enum State : int64_t {
  kShown = 0,
  kHeld = 1,     // gone from the source, kept by the guard
  kWaiting = 2,  // another source shows the ref; readers never saw this one
  kYielded = 3,  // the same, but readers saw it: to them it is removed
};

const std::vector<store::Migration>& SourceLogMigrations();

// Rows of one statement. Few different sizes, so that the prepared ones are used again.
inline constexpr size_t kRowsPerStatement = 64;

// Calls `work` with pieces of 64, 8 and 1 of `items`, in order.
template <typename Item>
absl::Status ForEachPiece(absl::Span<const Item> items,
                          const std::function<absl::Status(absl::Span<const Item>)>& work) {
  while (!items.empty()) {
    const size_t size = items.size() >= kRowsPerStatement ? kRowsPerStatement
                        : items.size() >= 8               ? 8
                                                          : 1;
    if (absl::Status status = work(items.subspan(0, size)); !status.ok()) return status;
    items.remove_prefix(size);
  }
  return absl::OkStatus();
}

// "($1,$2),($3,$4),…": `rows` of `columns`, counted from `first`.
std::string RowPlaceholders(size_t first, size_t rows, size_t columns);

// What a writer gets when it moves the head of a source on.
struct Head {
  int64_t first = 0;  // the first new position
  int64_t priority = 0;
};

// Moves the head on; the row orders concurrent writers, so that positions become visible in their
// order. With an owner: ABORTED when that does not hold the lease.
absl::StatusOr<Head> Advance(store::Connection& connection, int64_t source, absl::string_view owner,
                             size_t by);

absl::StatusOr<int64_t> CountOf(store::Connection& connection, absl::string_view condition,
                                int64_t source);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_LOG_TABLES_H_
