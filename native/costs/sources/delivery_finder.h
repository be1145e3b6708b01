// Which deliveries lie in a store, told by names alone.
#ifndef PURSER_COSTS_SOURCES_DELIVERY_FINDER_H_
#define PURSER_COSTS_SOURCES_DELIVERY_FINDER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "costs/sources/object_store.h"

namespace purser::costs {

struct FinderOptions {
  std::string prefix = {};  // of keys; names of deliveries are what follows it
  // Clouds' exports: a manifest, written last, says what belongs to a delivery. Otherwise the files
  // below the first `depth` parts of their keys behind the prefix are one delivery (0: all files).
  bool manifests = true;
  int depth = 0;
};

struct FoundDelivery {
  std::string name = {};     // stays the same from one delivery of a period to the next
  std::string version = {};  // changes with the content
  // Whose bill it is, when several exports lie below one prefix: what the key says beside the
  // period, e.g. the export's name. Deliveries of one period replace each other only in one scope.
  std::string scope = {};
  const ObjectInfo* manifest = nullptr;  // null without manifests, which say what the files are
  std::vector<const ObjectInfo*> files = {};  // empty with a manifest
};

// Of several deliveries of one period (executions of one export, each with a manifest of its own)
// the one whose manifest is the newest. A period is told by a part of the key such as
// BILLING_PERIOD=2026-11 or 20261101-20261130. `objects` outlives the answer.
std::vector<FoundDelivery> FindDeliveries(const std::vector<ObjectInfo>& objects,
                                          const FinderOptions& options);

// Whether a file holds charges, told by its name: .csv, .csv.gz, .gz, .parquet, .json, .jsonl.
bool IsDataFile(absl::string_view key);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_DELIVERY_FINDER_H_
