// Any text: refused, or read without a fault; references and values are asked of every expression,
// with names that stand for values made of themselves.
#include <cstddef>
#include <cstdint>
#include <string>

#include "document/hcl.h"
#include "document/hcl_document.h"

namespace {

using purser::document::HclBlock;

void Use(const HclBlock& block) {
  for (const auto& attribute : block.attributes) {
    // A value cannot be known when it reads something and nothing is known.
    const bool reads = !attribute.value.references().empty();
    const auto value = attribute.value.Evaluate(
        [](const purser::document::HclPath& path) -> std::optional<nlohmann::json> {
          if (path.size() > 1) return std::nullopt;
          return nlohmann::json{path[0], {{"a", 1}}};
        });
    if (value.has_value() && !reads && !attribute.value.Literal().has_value()) __builtin_trap();
    attribute.value.Elements();
    attribute.value.Members();
  }
  for (const HclBlock& inner : block.blocks) Use(inner);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto native = purser::document::ReadHcl(text, "f.tf");
  if (native.ok()) Use(*native);
  // Whatever is read has the structure that the editor sees.
  if (native.ok() && !purser::document::ParseHcl(text, "f.tf").ok()) __builtin_trap();
  const auto json = purser::document::ReadHclJson(text, "f.tf.json",
                                                  {{"resource", 2}, {"module", 1}, {"locals", 0}});
  if (json.ok()) Use(*json);
  return 0;
}
