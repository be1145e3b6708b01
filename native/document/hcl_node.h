// The tree behind HclExpression; nobody outside this folder includes this.
#ifndef PURSER_DOCUMENT_HCL_NODE_H_
#define PURSER_DOCUMENT_HCL_NODE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "document/hcl_expression.h"
#include "nlohmann/json.hpp"

namespace purser::document {

// Immutable once parsed. At most kMaxHclExpressionDepth deep, so that walks may recurse.
struct HclExpression::Node {
  enum class Kind : uint8_t {
    kLiteral,      // value
    kName,         // text
    kMember,       // children[0].text
    kIndex,        // children[0][children[1]]
    kSplat,        // children[0][*]
    kTemplate,     // children joined; a template of one part is that part's value
    kDirective,    // %{ … }: children are read, the value is not known
    kCall,         // text(children…)
    kUnary,        // text children[0]
    kBinary,       // children[0] text children[1]
    kConditional,  // children[0] ? children[1] : children[2]
    kTuple,        // [children…]
    kObject,       // keys and values alternate in children
    kFor,          // children[0] is what is walked; `names` are bound in the others
  };
  Kind kind = Kind::kLiteral;
  bool expands = false;  // of kCall: the last argument ends in "…"
  int depth = 1;
  nlohmann::json value;
  std::string text;
  std::vector<std::string> names;
  std::vector<std::shared_ptr<const Node>> children;
};

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_HCL_NODE_H_
