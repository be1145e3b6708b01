// Takes the needed fields out of an object's JSON text and leaves the rest unparsed.
//
//   FieldSelection fields;
//   fields.Add({"metadata"});
//   fields.Drop({"metadata", "managedFields"});
//   PURSER_ASSIGN_OR_RETURN(nlohmann::json object, fields.Read(text));
#ifndef PURSER_CONNECTORS_KUBERNETES_FIELD_SELECTION_H_
#define PURSER_CONNECTORS_KUBERNETES_FIELD_SELECTION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

inline constexpr int kMaxSelectionDepth = 32;  // of the paths asked for
inline constexpr int kMaxValueDepth = 200;     // of the values read

// Which fields of objects are wanted; no field at first. Immutable while in use, then thread-safe.
class FieldSelection {
 public:
  using Path = std::vector<std::string>;

  // Wants the value at `path` with all below it; {} is everything. A path goes through lists: it
  // means the members of each item.
  void Add(const Path& path);
  // Leaves out what a path above asked for.
  void Drop(const Path& path);
  // The same fields below a member: of an object that stands inside an event.
  FieldSelection Below(const std::string& member) const;

  // `text` is one JSON object. What is not wanted is skipped unchecked, so only faults in the
  // wanted fields (and the brackets around them) are found: INVALID_ARGUMENT.
  absl::StatusOr<nlohmann::json> Read(absl::string_view text) const;

 private:
  struct Node {
    std::string name;
    bool all = false;
    bool drop = false;
    std::vector<Node> members;

    Node* Make(const std::string& member);
    const Node* Find(absl::string_view member) const;
    void Widen();
  };
  class Reader;
  Node* At(const Path& path);

  Node root_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_FIELD_SELECTION_H_
