// Compiles a template's source to a program.
#ifndef PURSER_TEMPLATE_PARSER_H_
#define PURSER_TEMPLATE_PARSER_H_

#include "template/ast.h"
#include "template/run.h"

namespace purser::tmpl {

// Fills `program`, whose options and source are set. A failure goes to `run`.
bool ParseTemplate(Run& run, ProgramData& program);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_PARSER_H_
