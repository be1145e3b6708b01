// Where an operation works: a path into a document, in one of three forms.
//
//   spec.template.containers[0].image        names and places
//   containers[name=web].image               the item whose member `name` is "web"
//   metadata.annotations["backstage.io/x"]   names with dots in quotes
//   resources[-]                             behind the last item
//   /spec/template/0                         a JSON pointer (RFC 6901)
//   ["spec", "template", 0]                  a list: names as they are, places as numbers
#ifndef PURSER_EDIT_PATH_H_
#define PURSER_EDIT_PATH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "edit/tree.h"

namespace purser::edit {

inline constexpr size_t kMaxPathSteps = 100;
inline constexpr size_t kMaxPathText = 4'096;

struct Step {
  enum class Kind : uint8_t {
    kName,
    kIndex,
    kEnd,    // "[-]": behind the last item
    kToken,  // of a JSON pointer: a name or a place, as the container is
    kMatch   // "[name=web]"
  };
  Kind kind = Kind::kName;
  std::string name;  // of kName, kToken; the member of kMatch
  std::string wanted;
  size_t index = 0;
};

struct Path {
  std::vector<Step> steps;
  std::string text;  // as written, for messages
};

// `path` is a string or a list. INVALID_ARGUMENT says what is wrong with it.
absl::StatusOr<Path> ParsePath(const Model& path);
absl::StatusOr<Path> ParsePath(absl::string_view path);
// RFC 6901 only: "" or "/…".
absl::StatusOr<Path> ParsePointer(absl::string_view pointer);

}  // namespace purser::edit

#endif  // PURSER_EDIT_PATH_H_
