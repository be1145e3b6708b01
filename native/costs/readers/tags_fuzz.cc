// Whatever a Tags column holds, it is tags or an error; tags written as JSON are the same tags.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "costs/readers/tags.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tags =
      purser::costs::ParseTags(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!tags.ok()) return 0;
  const auto again = purser::costs::ParseTags(purser::costs::TagsToJson(*tags));
  if (!again.ok() || *again != *tags) abort();
  for (const auto& [key, value] : *tags) {
    const std::string* const found = purser::costs::FindTag(*tags, key);
    if (found == nullptr || *found != value) abort();
  }
  return 0;
}
