// Measures the template engine on files already in memory, in CPU time of this one thread.
//
//   render_engine <cases.json>
//
// Cases: {"context": {…}, "cases": [{"name", "files": [paths], "times", "runs", "write": folder}]}.
// One run compiles and renders every file `times` times; the least of the runs counts. Prints one
// JSON object: by case CPU milliseconds, input and output bytes, SHA-256 of the outputs, and what
// copying the input within memory and writing it to files takes, which no engine can beat.
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "nlohmann/json.hpp"
#include "template/template.h"

namespace purser {
namespace {

using nlohmann::json;

double CpuMs() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The least CPU milliseconds of `runs` calls.
template <typename Work>
double Least(int runs, Work work) {
  double least = std::numeric_limits<double>::max();
  for (int run = 0; run < runs; ++run) {
    const double before = CpuMs();
    work();
    least = std::min(least, CpuMs() - before);
  }
  return least;
}

// Reads a byte of each cache line, so that no copy may be left out.
size_t Touch(const std::string& bytes) {
  size_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 64) sum += static_cast<unsigned char>(bytes[i]);
  return sum;
}

absl::Status Measure(const json& one, const tmpl::Context& context, json* out) {
  std::vector<std::string> sources;
  size_t bytes = 0;
  for (const json& path : one.at("files")) {
    bytes += sources.emplace_back(ReadAll(path.get<std::string>())).size();
  }
  const int times = one.value("times", 1), runs = one.value("runs", 3);
  const tmpl::Options options;
  tmpl::Limits limits;
  limits.max_source_bytes = limits.max_output_bytes = 512 << 20;
  limits.max_wall_ms = std::numeric_limits<int32_t>::max();  // valgrind takes its time
  absl::Status failure;
  size_t rendered = 0;
  const double cpu = Least(runs, [&] {
    for (int i = 0; i < times && failure.ok(); ++i) {
      for (const std::string& source : sources) {
        const auto text = tmpl::Template::RenderOnce(source, options, context, limits);
        if (!text.ok()) {
          failure = text.status();
          return;
        }
        rendered += text->size();
      }
    }
  });
  if (!failure.ok()) return failure;
  size_t sum = 0;
  const double copy = Least(runs, [&] {
    for (const std::string& source : sources) sum += Touch(std::string(source));
  });
  base::Hasher hasher(base::HashKind::kSha256);
  for (const std::string& source : sources) {
    hasher.Update(*tmpl::Template::RenderOnce(source, options, context, limits));
  }
  *out = {{"name", one.at("name")},
          {"cpuMs", cpu},
          {"bytes", bytes * static_cast<size_t>(times)},
          {"outputBytes", rendered / static_cast<size_t>(runs)},
          {"copyMs", copy * times},
          {"sha256", base::ToHex(hasher.Finish())},
          {"checked", sum}};
  return absl::OkStatus();
}

// CPU milliseconds of writing the files of a case into one folder with plain system calls.
double WriteMs(const json& one, const std::string& folder) {
  std::vector<std::string> sources;
  for (const json& path : one.at("files")) sources.push_back(ReadAll(path.get<std::string>()));
  return Least(1, [&] {
    for (size_t i = 0; i < sources.size(); ++i) {
      const std::string place = absl::StrCat(folder, "/", i);
      const int file = open(place.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
      const ssize_t written = write(file, sources[i].data(), sources[i].size());
      if (close(file) != 0 || written != static_cast<ssize_t>(sources[i].size())) {
        std::fprintf(stderr, "could not write %s\n", place.c_str());
        return;
      }
    }
  });
}

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: render_engine <cases.json>\n");
    return 2;
  }
  const json all = json::parse(ReadAll(argv[1]));
  const auto context = tmpl::Context::FromText(all.at("context").dump());
  if (!context.ok()) {
    std::fprintf(stderr, "%s\n", context.status().ToString().c_str());
    return 1;
  }
  json results = json::array();
  for (const json& one : all.at("cases")) {
    json result;
    const absl::Status status = Measure(one, *context, &result);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
    if (one.contains("write")) result["writeMs"] = WriteMs(one, one.at("write").get<std::string>());
    results.push_back(std::move(result));
  }
  std::printf("%s\n", results.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace purser

int main(int argc, char** argv) { return purser::Main(argc, argv); }
