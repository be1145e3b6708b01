// Reads billing files and sums them: costs_bench FILE… [--group-by COLUMN]…; one JSON line out.
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>

#include "costs/aggregate.h"

int main(int argc, char** argv) {
  purser::costs::AggregateRequest request;
  request.bad_rows = purser::costs::BadRows::kQuarantine;
  double bytes = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--group-by" && i + 1 < argc) {
      request.group_by.push_back(argv[++i]);
      continue;
    }
    std::error_code error;
    bytes += static_cast<double>(std::filesystem::file_size(word, error));
    request.paths.push_back(word);
  }
  if (request.paths.empty()) {
    std::cerr << "usage: costs_bench FILE… [--group-by COLUMN]…\n";
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto result = purser::costs::Aggregate(request);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!result.ok()) {
    std::cerr << result.status() << "\n";
    return 1;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  std::cout << "{\"rows\":" << result->rows_read << ",\"bad\":" << result->rows_bad
            << ",\"groups\":" << result->rows.size() << ",\"seconds\":" << seconds
            << ",\"cpuSeconds\":" << cpu
            << ",\"rowsPerCpuSecond\":" << static_cast<double>(result->rows_read) / cpu
            << ",\"megabytesPerCpuSecond\":" << bytes / 1e6 / cpu
            << ",\"peakRssKilobytes\":" << usage.ru_maxrss << "}\n";
  return 0;
}
