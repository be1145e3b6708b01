// Changes of a text's bytes.
#ifndef PURSER_EDIT_SPLICES_H_
#define PURSER_EDIT_SPLICES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::edit {

// One change: bytes [begin, end) become `text`.
struct Splice {
  size_t begin = 0;
  size_t end = 0;
  std::string text;
};

// Groups in the order of their places, as long as they leave each other alone; ascending.
std::vector<Splice> AcceptGroups(std::vector<std::vector<Splice>> groups);

// FAILED_PRECONDITION when the splices do not ascend or leave the text: then whoever planned them
// did not understand the layout.
absl::StatusOr<std::string> Apply(absl::string_view text, const std::vector<Splice>& splices);

}  // namespace purser::edit

#endif  // PURSER_EDIT_SPLICES_H_
