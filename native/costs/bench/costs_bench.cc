// Reads billing files and sums them: costs_bench FILE… [--by COLUMN,…] [--out FILE] [--threads N];
// one JSON line out. With --read-only it only reads (and unpacks) them: what the machine allows; of
// Parquet, the columns that --columns names.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "costs/aggregate.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/parquet/metadata.h"
#include "costs/readers/simd_level.h"

namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

bool ReadOnly(const std::string& path) {
  const auto file = purser::costs::FileSource::Open(path, nullptr);
  if (!file.ok()) return false;
  const auto bytes = purser::costs::Unpacked(**file, path);
  if (!bytes.ok()) return false;
  std::vector<char> buffer(256 << 10);
  while (true) {
    const auto count = (*bytes)->Read(buffer.data(), buffer.size());
    if (!count.ok()) return false;
    if (*count == 0) return true;
  }
}

// The pages of some columns.
bool UnpackOnly(const std::string& path, const std::vector<std::string>& wanted) {
  namespace parquet = purser::costs::parquet;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const off_t size = lseek(file, 0, SEEK_END);
  uint32_t bytes = 0;
  if (size < 12 || pread(file, &bytes, 4, size - 8) != 4 || bytes > size - 12) return false;
  std::string footer(bytes, '\0');
  if (pread(file, footer.data(), bytes, size - 8 - bytes) != bytes) return false;
  const auto metadata = parquet::ParseMetadata(footer, size);
  if (!metadata.ok()) return false;
  for (const parquet::Column& column : metadata->columns) {
    if (std::find(wanted.begin(), wanted.end(), column.name) == wanted.end()) continue;
    for (const int leaf : {column.leaf, column.value}) {
      if (leaf < 0) continue;
      const auto number = static_cast<size_t>(leaf);
      parquet::LeafReader reader(file, metadata->leaves[number]);
      for (const parquet::RowGroup& group : metadata->groups) {
        reader.Start(group.chunks[number], path);
        while (true) {
          const auto more = reader.NextPage();
          if (!more.ok()) return false;
          if (!*more) break;
        }
      }
    }
  }
  close(file);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  purser::costs::AggregateRequest request;
  request.leave_out_bad_rows = true;
  double bytes = 0;
  std::string out;
  bool read_only = false;
  std::vector<std::string> columns;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--by" && i + 1 < argc) {
      request.group_by = absl::StrSplit(argv[++i], ',');
      continue;
    }
    if (word == "--out" && i + 1 < argc) {
      out = argv[++i];
      continue;
    }
    if (word == "--threads" && i + 1 < argc) {
      if (!absl::SimpleAtoi(argv[++i], &request.threads)) return 2;
      continue;
    }
    if (word == "--columns" && i + 1 < argc) {
      columns = absl::StrSplit(argv[++i], ',');
      continue;
    }
    if (word == "--read-only") {
      read_only = true;
      continue;
    }
    std::error_code error;
    bytes += static_cast<double>(std::filesystem::file_size(word, error));
    request.paths.push_back(word);
  }
  if (request.paths.empty()) {
    std::cerr << "usage: costs_bench FILE… [--by COLUMN,…] [--out FILE] [--threads N]\n";
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  if (read_only) {
    for (const std::string& path : request.paths) {
      if (!(columns.empty() ? ReadOnly(path) : UnpackOnly(path, columns))) return 1;
    }
    std::cout << "{\"seconds\":" << seconds() << ",\"cpuSeconds\":" << CpuSeconds() << "}\n";
    return 0;
  }
  const auto result = purser::costs::Aggregate(request);
  if (!result.ok()) {
    std::cerr << result.status() << "\n";
    return 1;
  }
  const double read_seconds = seconds(), read_cpu = CpuSeconds();
  int64_t groups = 0;
  std::vector<__int128> totals(request.measures.size());
  FILE* const file = out.empty() ? nullptr : std::fopen(out.c_str(), "w");
  const absl::Status written = result->ForEach([&](const purser::costs::AggregateRow& row) {
    std::string line;
    ++groups;
    if (file != nullptr) line = absl::StrJoin(row.keys, ",");
    for (size_t i = 0; i < totals.size(); ++i) {
      totals[i] += row.sums[i].units();
      if (file != nullptr) absl::StrAppend(&line, ",", row.sums[i].ToString());
    }
    if (file != nullptr) std::fprintf(file, "%s\n", line.c_str());
    return absl::OkStatus();
  });
  if (file != nullptr) std::fclose(file);
  if (!written.ok()) return 1;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double cpu = CpuSeconds();
  std::cout << "{\"simd\":\"" << purser::costs::SimdLevelName(purser::costs::UsedSimdLevel())
            << "\",\"rows\":" << result->rows_read << ",\"bad\":" << result->rows_bad
            << ",\"groups\":" << groups << ",\"seconds\":" << seconds() << ",\"cpuSeconds\":" << cpu
            << ",\"readSeconds\":" << read_seconds << ",\"readCpuSeconds\":" << read_cpu
            << ",\"rowsPerCpuSecond\":" << static_cast<double>(result->rows_read) / cpu
            << ",\"megabytesPerCpuSecond\":" << bytes / 1e6 / cpu
            << ",\"peakRssKilobytes\":" << usage.ru_maxrss << ",\"sums\":[";
  for (size_t i = 0; i < totals.size(); ++i) {
    std::cout << (i > 0 ? "," : "") << "\""
              << purser::base::Decimal::FromUnits(totals[i]).ToString() << "\"";
  }
  std::cout << "]}\n";
  return 0;
}
