// One rendering case a line in, one answer a line out: for conformance checkers and pipes.
//
//   {"id","variant","template","context","options"} → {"id","ok":true,"output"} or
//   {"id","ok":false,"error","code","line","column"}
//
// The code is "syntax_error", "evaluation_error" or "limit"; line and column stand where the error
// has a place.
//
// Variants: "backstage" (${{ }}), "cookiecutter" ({{ }} and Jinja's extras), "step-input" (the
// template may be any JSON value and keeps its types; undefined is {"$undefined": true}).
// Options: trimBlocks, lstripBlocks.
#ifndef PURSER_TEMPLATE_LINE_PROTOCOL_H_
#define PURSER_TEMPLATE_LINE_PROTOCOL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace purser::tmpl {

// The answer without a line end. A line that is no case gives an answer with "ok": false.
// Thread-safe.
std::string AnswerLine(absl::string_view json_line);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_LINE_PROTOCOL_H_
