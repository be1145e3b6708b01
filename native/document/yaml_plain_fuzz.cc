// Any text: left to libyaml, or read as libyaml reads it, with the same positions.
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "document/yaml_plain_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using purser::document::Comparison;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  std::string difference;
  // Once as it comes, and once with limits that are met soon.
  for (const purser::document::Limits& limits :
       {purser::document::Limits(),
        purser::document::Limits{.max_depth = 3, .max_nodes = 12, .max_documents = 2}}) {
    if (purser::document::Compare(text, limits, &difference) == Comparison::kDiffers) {
      std::fputs(difference.c_str(), stderr);
      __builtin_trap();
    }
  }
  return 0;
}
