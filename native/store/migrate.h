// Brings a component's tables up to date, in one transaction, on any database.
#ifndef PURSER_STORE_MIGRATE_H_
#define PURSER_STORE_MIGRATE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "store/store.h"

namespace purser::store {

// Runs within a transaction that no other migration runs beside. `where` names the database in
// messages, `run_script` executes statements separated by ';'.
absl::Status ApplyMigrations(Connection& connection, absl::string_view where,
                             absl::string_view component, absl::Span<const Migration> steps,
                             const std::function<absl::Status(absl::string_view)>& run_script);

}  // namespace purser::store

#endif  // PURSER_STORE_MIGRATE_H_
