// Any bytes as an archive: refused, or entries within the limits whose paths stay inside.
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "scaffolder-actions/archive/entries.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view archive(reinterpret_cast<const char*>(data), size);
  const purser::actions::EntrySink sink = [](purser::actions::Entry entry) {
    if (entry.path.empty() || entry.path[0] == '/' || entry.path == ".." ||
        absl::StartsWith(entry.path, "../") || absl::StrContains(entry.path, "/../") ||
        absl::EndsWith(entry.path, "/..")) {
      __builtin_trap();
    }
    return absl::OkStatus();
  };
  purser::actions::ReadZip(archive, sink, {}).IgnoreError();
  purser::actions::ReadTar(archive, sink, {}).IgnoreError();
  return 0;
}
