// Renders one text of a tree: by our engine, or by the portal's where it uses names that only the
// portal has.
#ifndef PURSER_TEMPLATE_TREE_RENDER_H_
#define PURSER_TEMPLATE_TREE_RENDER_H_

#include <stop_token>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "template/tree.h"

namespace purser::tmpl {

// Immutable: several threads may render at once.
class TextRenderer {
 public:
  // All given must outlive it.
  TextRenderer(const Context& context, const TreeOptions& options, std::stop_token stop);

  // `name` stands for the source in errors. `*foreign` is set when the portal rendered it.
  absl::StatusOr<std::string> Render(absl::string_view name, std::string source,
                                     bool* foreign = nullptr) const;

 private:
  const Context& context_;
  const TreeOptions& options_;
  const std::stop_token stop_;
  absl::flat_hash_set<absl::string_view> foreign_names_;
};

// Whether a tag of `source` holds one of `names` as a whole word, be it in a string: a file that is
// rendered by the portal without need comes out right all the same.
bool UsesAny(absl::string_view source, const absl::flat_hash_set<absl::string_view>& names);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TREE_RENDER_H_
