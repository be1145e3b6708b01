// Between methods.cc and methods_array.cc.
#ifndef PURSER_TEMPLATE_METHODS_H_
#define PURSER_TEMPLATE_METHODS_H_

#include <vector>

#include "template/builtins.h"

namespace purser::tmpl {

bool CallArrayMethod(Run& run, const Value& receiver, absl::string_view name,
                     const std::vector<Value>& args, bool cookiecutter, Value* out);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_METHODS_H_
