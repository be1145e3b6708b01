// Any bytes are split into text and tags and the tags into tokens: in order, within the source, and
// a text said to hold no tag is one piece.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "template/lexer.h"
#include "template/scan.h"

namespace purser::tmpl {
namespace {

int Check(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view source(reinterpret_cast<const char*>(data) + 1, size - 1);
  Options options;
  if ((data[0] & 1) != 0) options.variable_start = "{{";
  if ((data[0] & 2) != 0) options.variable_start = "<<";
  options.trim_blocks = (data[0] & 4) != 0;
  options.lstrip_blocks = (data[0] & 8) != 0;
  Run run({}, {});
  std::deque<std::string> owned;
  Growing<Piece> pieces;
  const bool split = SplitTemplate(run, source, options, owned, &pieces);
  if (HoldsNoTag(source, options.variable_start)) {
    if (!split || pieces.size() > 1 || (pieces.size() == 1 && pieces[0].value() != source)) abort();
  }
  if (!split) return 0;
  Tokens tokens;
  uint32_t last = 0;
  for (const Piece& piece : pieces) {
    if (piece.offset < last || piece.offset > source.size()) abort();
    last = piece.offset;
    if (piece.kind == PieceKind::kText) continue;
    Run one({}, {});
    const auto value_offset = static_cast<uint32_t>(piece.data - source.data());
    if (!Tokenize(one, piece.value(), value_offset, &tokens)) continue;
    uint32_t at = value_offset;
    for (const Token& token : tokens.list) {
      if (token.offset < at || token.offset > source.size()) abort();
      at = token.offset;
    }
  }
  return 0;
}

}  // namespace
}  // namespace purser::tmpl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return purser::tmpl::Check(data, size);
}
