// Changes Terraform's files (HCL 2; document/hcl.h finds the places): the bytes of what is set,
// added or taken away change, and nothing else; new attributes are aligned as their neighbours are.
#ifndef PURSER_EDIT_HCL_H_
#define PURSER_EDIT_HCL_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "document/hcl.h"
#include "edit/tree.h"

namespace purser::edit {

using document::CheckHclExpression;
using document::HclBody;
using document::HclItem;
using document::IsHclIdentifier;
using document::kMaxHclDepth;
using document::ParseHcl;

// A value as an HCL expression that begins on a line indented by `indent`: strings with ${ and %{
// escaped, objects and long lists over several lines, members in their order. INVALID_ARGUMENT for
// a
// "$expression" that is none.
absl::StatusOr<std::string> HclLiteral(const Model& value, int indent);

// One step of an edit. `block` names the block to work in: {"resource", "aws_s3_bucket", "logs"} is
// resource "aws_s3_bucket" "logs"; several of them lead inwards. Labels may be left out when one
// block only is meant.
struct HclOperation {
  enum class Kind : uint8_t {
    kSet,       // attribute `name` becomes `expression`; the block is made when `create`
    kDelete,    // attribute `name`; none is fine
    kAddBlock,  // a block `name` with `labels` and `body`, unless one with the same labels is there
    kRemoveBlock,  // all blocks `name` with `labels`; none is fine
  };
  Kind kind = Kind::kSet;
  std::vector<std::vector<std::string>> block;
  std::string name;
  std::vector<std::string> labels;
  Model value;  // of kSet; {"$expression": "var.x"} is an expression as it stands
  // Of kAddBlock: attributes as {"name": value}; {"$block": {…}} or {"$block": [{…}, …]} are nested
  // blocks, whose "$labels" are a list.
  Model body;
  bool create = false;     // of kSet: make the block when it is missing
  bool duplicate = false;  // of kAddBlock: even when such a block is there
};

inline constexpr char kExpressionKey[] = "$expression";
inline constexpr char kBlockKey[] = "$block";
inline constexpr char kLabelsKey[] = "$labels";

// Reads {"op": "set", "block": "resource.aws_s3_bucket.logs" | [..], "name", "value" |
// "expression", …}. INVALID_ARGUMENT begins with the pointer.
absl::StatusOr<std::vector<HclOperation>> ParseHclOperations(const Model& operations);

// Applies operations in order. FAILED_PRECONDITION when a block is missing or meant twice; errors
// name the operation. CANCELLED on stop.
absl::StatusOr<std::string> EditHcl(absl::string_view text, absl::string_view file,
                                    const std::vector<HclOperation>& operations,
                                    std::stop_token stop = {});

// Attributes and nested blocks as lines, each indented by `indent` spaces, "=" aligned.
absl::StatusOr<std::string> HclBodyText(const Model& body, int indent);

// As a quoted string that holds no template.
std::string HclQuote(absl::string_view text);

}  // namespace purser::edit

#endif  // PURSER_EDIT_HCL_H_
