// Values as text, in the manner of the file they go into.
#ifndef PURSER_EDIT_RENDER_H_
#define PURSER_EDIT_RENDER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "edit/tree.h"

namespace purser::edit {

// How a file is written; found by looking at it.
struct Manner {
  std::string line_end = "\n";
  // YAML: spaces by which a mapping stands inside another, and a list inside its mapping.
  int indent = 2;
  int list_indent = 2;
  char quote = '"';
  // False in a file without a line end at its end, where a literal block would lose its own.
  bool literals = true;
  // JSON: what a line is indented by; whether containers are spread over lines; blank behind : and
  // ,
  std::string unit = "  ";
  bool spread = true;
  bool blanks = true;
};

Manner MannerOf(const Tree& tree);

// A value in two parts: what stands on the line of its key, and whole lines below, each with a line
// end before it.
struct Rendered {
  std::string head;
  std::string body;
};

// A YAML string on one line; `wished` is kept when it can hold the text.
std::string YamlScalar(const Model& value, Style wished, const Manner& manner);
std::string YamlKey(absl::string_view key, const Manner& manner);
// On one line, for [ … ] and { … }.
std::string YamlFlow(const Model& value, const Manner& manner);
// The value of a key that stands at `column`.
Rendered YamlMember(const Model& value, int column, Style wished, const Manner& manner);
// A value whose first line begins at `column` (behind "- ", or at the start of a document).
Rendered YamlItem(const Model& value, int column, Style wished, const Manner& manner);

// JSON; `indent` is the indentation of the line on which the value begins.
std::string JsonText(const Model& value, absl::string_view indent, const Manner& manner);

}  // namespace purser::edit

#endif  // PURSER_EDIT_RENDER_H_
