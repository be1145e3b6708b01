// Any bytes compile to a template or fail with a place; nothing else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "template/template.h"

namespace purser::tmpl {
namespace {

int Check(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Options options;
  options.cookiecutter_compat = (data[0] & 1) != 0;
  options.trim_blocks = (data[0] & 4) != 0;
  options.lstrip_blocks = (data[0] & 8) != 0;
  const absl::string_view source(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto compiled = Template::Compile(source, options);
  if (!compiled.ok() && !absl::StartsWith(compiled.status().message(), "template:")) abort();
  return 0;
}

}  // namespace
}  // namespace purser::tmpl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return purser::tmpl::Check(data, size);
}
