// The side file with rows that could not be counted: the rows as they were, and why.
#ifndef PURSER_COSTS_QUARANTINE_H_
#define PURSER_COSTS_QUARANTINE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/readers/bad_row.h"

namespace purser::costs {

// A CSV file: purser_file, purser_line, purser_row, purser_byte, purser_column, purser_value,
// purser_reason, purser_raw (the row's text). Written under a temporary name, so that it appears
// only when kept; what a process that died left under such a name goes a day later. One thread.
class Quarantine {
 public:
  // The file `name` in `folder`, which is made (mode 0700) when there is a first row.
  Quarantine(std::string folder, std::string name)
      : folder_(std::move(folder)), name_(std::move(name)) {}
  ~Quarantine();  // removes what was not kept
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;

  absl::Status Add(absl::string_view file, const BadRow& row);
  // Syncs and names the file; returns its path, "" when no row was added.
  absl::StatusOr<std::string> Keep();

 private:
  absl::Status Open();
  absl::Status Flush();

  const std::string folder_;
  const std::string name_;
  std::string pending_;
  int fd_ = -1;
};

// Of a delivery of the source, by an id of base::NewId.
std::string SideFileName(absl::string_view source, absl::string_view id);

// Removes side files of `folder`, a day old or older, that are not among `known`: those of
// deliveries that were forgotten. Paths are compared by their last part.
void RemoveForgotten(const std::string& folder, const std::vector<std::string>& known);

}  // namespace purser::costs

#endif  // PURSER_COSTS_QUARANTINE_H_
