// Terraform's language (HCL 2) by structure: attributes, blocks and their places in the text.
//
// Expressions are kept as text here; only where they end is understood (brackets, strings with
// templates, heredocs, comments). hcl_expression.h reads them, hcl_document.h does both;
// edit/hcl.h changes files by these places.
//
//   PURSER_ASSIGN_OR_RETURN(HclBody body, ParseHcl(text, "main.tf"));
#ifndef PURSER_DOCUMENT_HCL_H_
#define PURSER_DOCUMENT_HCL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::document {

inline constexpr int64_t kMaxHclBytes = 4 << 20;
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

// True when a name may stand for an attribute or a block's type.
bool IsHclIdentifier(absl::string_view text);

// Of an identifier's first and later characters; bytes beyond ASCII count as letters.
bool IsHclIdentifierStart(char c);
bool IsHclIdentifierPart(char c);

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_HCL_H_
