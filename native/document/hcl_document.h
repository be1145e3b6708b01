// A whole file of HCL: blocks with labels, and attributes whose expressions are read; native syntax
// and Terraform's JSON syntax alike.
//
//   PURSER_ASSIGN_OR_RETURN(HclBlock root, ReadHcl(text, "main.tf"));
//   for (const HclBlock& block : root.blocks) …
#ifndef PURSER_DOCUMENT_HCL_DOCUMENT_H_
#define PURSER_DOCUMENT_HCL_DOCUMENT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "document/hcl_expression.h"
#include "document/yaml.h"

namespace purser::document {

struct HclAttribute {
  std::string name;
  HclExpression value;
  std::string text;  // of the expression as it stands; of JSON syntax the value as JSON
  Position at;
};

struct HclBlock {
  std::string type;  // "" of the file itself
  std::vector<std::string> labels;
  std::vector<HclAttribute> attributes;
  std::vector<HclBlock> blocks;
  Position at;

  // The first of that name, or nullptr.
  const HclAttribute* Attribute(absl::string_view name) const;
  const HclBlock* Block(absl::string_view block_type) const;
  // The literal value of an attribute when it is a string, else "".
  std::string Text(absl::string_view name) const;
};

// How many labels a type of block has: {"resource", 2}. JSON syntax does not tell blocks from
// attributes by itself.
using HclLabelCounts = std::map<std::string, int, std::less<>>;

// INVALID_ARGUMENT "file:line:column: …"; RESOURCE_EXHAUSTED for a limit of hcl.h,
// hcl_expression.h.
absl::StatusOr<HclBlock> ReadHcl(absl::string_view text, absl::string_view file);
// JSON syntax (*.tf.json). Members at the top that `labels` does not name are attributes; members
// of blocks are attributes, objects too (Attribute, not Block). Comments ("//") are left out.
// Positions are those of the JSON values.
absl::StatusOr<HclBlock> ReadHclJson(absl::string_view text, absl::string_view file,
                                     const HclLabelCounts& labels);

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_HCL_DOCUMENT_H_
