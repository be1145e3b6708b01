// Whatever a billing file holds, reading it ends in sums or in an error, and the sums do not depend
// on how the file was cut into pieces.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "costs/aggregate.h"

namespace {

std::string Sums(const std::string& path, size_t piece, int threads) {
  const auto result = purser::costs::Aggregate({.paths = {path},
                                                .group_by = {"day", "ServiceName", "tag:team"},
                                                .measures = {"BilledCost"},
                                                .leave_out_bad_rows = true,
                                                .threads = threads,
                                                .chunk_bytes = piece});
  if (!result.ok()) return absl::StrCat("error ", static_cast<int>(result.status().code()));
  std::string text = absl::StrCat(result->rows_read, " ", result->rows_bad, "\n");
  const absl::Status status = result->ForEach([&](const purser::costs::AggregateRow& row) {
    for (const absl::string_view key : row.keys) absl::StrAppend(&text, key, "|");
    absl::StrAppend(&text, row.currency, " ", row.sums[0].ToString(), "\n");
    return absl::OkStatus();
  });
  return status.ok() ? text : std::string(status.message());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("bill", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) abort();
  const std::string path = absl::StrCat("/proc/self/fd/", file);
  // Threads take longer to begin than such a file takes to be read.
  const int threads = size % 16 == 0 ? 2 : 1;
  if (Sums(path, 0, 1) != Sums(path, 64, threads)) abort();
  close(file);
  return 0;
}
