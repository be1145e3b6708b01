// Bills as JSON: one object a line (BigQuery's export of Google Cloud's billing tables; others,
// when they are FOCUS), or one document with the answer of OpenCost's or Kubecost's allocation API.
#ifndef PURSER_COSTS_READERS_JSON_FILE_H_
#define PURSER_COSTS_READERS_JSON_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "costs/readers/bill_file.h"

namespace purser::costs {

inline constexpr size_t kMaxJsonDocumentBytes = 64 << 20;

// Objects are flattened: "service.description", "window.start". Lists of keys and values, and the
// objects named labels or Tags, become one text in the form of the Tags column; of credits,
// "credits.amount" is their sum. Numbers keep their digits. One thread reads; plain or gzip.
absl::StatusOr<std::unique_ptr<BillFile>> OpenJson(const std::string& path,
                                                   const BillFile::Options& options);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_JSON_FILE_H_
