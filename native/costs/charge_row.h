// One charge of a bill of any format, as rules see it.
#ifndef PURSER_COSTS_CHARGE_ROW_H_
#define PURSER_COSTS_CHARGE_ROW_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace purser::costs {

struct BillFormat;

struct ChargeRowRequest {
  std::string path = {};
  int64_t row = 1;  // from 1, the header not counted
  // What the file is, see readers/column_map.h; null: told by its columns.
  std::shared_ptr<const BillFormat> format = nullptr;
  // Beside those that are kept of any charge, see Allocation::extra_columns.
  std::vector<std::string> extra_columns = {};
};

// Its columns by their FOCUS names, Tags as JSON, and the file's own x_ columns; those without a
// value are left out. NOT_FOUND: the file has no such row; INVALID_ARGUMENT: the row is bad.
absl::StatusOr<std::map<std::string, std::string>> ReadChargeRow(const ChargeRowRequest& request);

}  // namespace purser::costs

#endif  // PURSER_COSTS_CHARGE_ROW_H_
