// Terraform's language (HCL 2) by structure: attributes, blocks and their places in the text.
//
// Expressions are kept as text; only where they end is understood (brackets, strings with
// templates, heredocs, comments). Editing changes the bytes of what is set, added or taken away,
// and nothing else; new attributes are aligned as their neighbours are.
//
//   PURSER_ASSIGN_OR_RETURN(HclBody body, ParseHcl(text, "main.tf"));
#ifndef PURSER_EDIT_HCL_H_
#define PURSER_EDIT_HCL_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "edit/tree.h"

namespace purser::edit {

inline constexpr int kMaxHclDepth = 50;       // blocks, and brackets and templates of an expression
inline constexpr int kMaxHclItems = 100'000;  // attributes and blocks of a file

struct HclItem;

struct HclBody {
  std::vector<HclItem> items;
  size_t begin = 0;  // behind "{", or of the text
  size_t end = 0;    // of "}", or of the text
};

struct HclItem {
  bool block = false;
  std::string name;                 // of the attribute, or the block's type
  std::vector<std::string> labels;  // unescaped
  size_t begin = 0;
  size_t end = 0;         // behind the expression or "}"
  size_t equals = 0;      // of an attribute: the "="
  size_t value = 0;       // and where its expression begins
  HclBody body;           // of a block
  bool one_line = false;  // a block of one line
};

// INVALID_ARGUMENT "file:line:column: …"; RESOURCE_EXHAUSTED for a limit.
absl::StatusOr<HclBody> ParseHcl(absl::string_view text, absl::string_view file);

// OK when `text` is one expression.
absl::Status CheckHclExpression(absl::string_view text);

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

// True when a name may stand for an attribute or a block's type.
bool IsHclIdentifier(absl::string_view text);
// As a quoted string that holds no template.
std::string HclQuote(absl::string_view text);

}  // namespace purser::edit

#endif  // PURSER_EDIT_HCL_H_
