// Writes the inventory's entities into its change log: each as it was put, with what other domains
// add to it.
#ifndef PURSER_INVENTORY_SHOWN_ENTITIES_H_
#define PURSER_INVENTORY_SHOWN_ENTITIES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "provider/source_log.h"
#include "store/store.h"

namespace purser::inventory {

// Thread-safe. All methods run inside the caller's transaction.
class ShownEntities {
 public:
  // `log` must outlive it; `source` is the inventory's.
  ShownEntities(provider::SourceLog& log, int64_t source) : log_(log), source_(source) {}

  // INVALID_ARGUMENT lists all problems.
  static absl::Status Check(const nlohmann::json& entity);
  // Content that is the same for those who follow is no change. Checks.
  absl::Status Put(store::Connection& connection, const nlohmann::json& entity);
  absl::Status Remove(store::Connection& connection, const std::string& ref);
  // As Inventory::PutOverlay.
  absl::Status PutOverlay(store::Connection& connection, const std::string& ref,
                          absl::string_view source, const nlohmann::json& overlay);
  // The entity as it was put.
  absl::StatusOr<std::optional<nlohmann::json>> Find(store::Connection& connection,
                                                     const std::string& ref);

 private:
  absl::Status Write(store::Connection& connection, const std::string& ref,
                     const nlohmann::json& own);
  absl::StatusOr<std::string> KnownHash(store::Connection& connection, const std::string& ref);

  provider::SourceLog& log_;
  const int64_t source_;
};

}  // namespace purser::inventory

#endif  // PURSER_INVENTORY_SHOWN_ENTITIES_H_
