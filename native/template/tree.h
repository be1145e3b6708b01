// Renders a folder of templates into a folder: the work of Backstage's fetch:template.
//
// Names and contents are templates; a name that renders to nothing drops the entry and all below
// it. Contents are rendered and written by several threads, beside the target first; only when all
// of it went well are the files moved to their places, and moved back if that fails. So a tree is
// there whole or not at all.
#ifndef PURSER_TEMPLATE_TREE_H_
#define PURSER_TEMPLATE_TREE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "template/template.h"
#include "template/tree_links.h"

namespace purser::tmpl {

struct TreeLimits {
  int64_t max_entries = 200'000;
  int64_t max_file_bytes = 256 << 20;          // a text has Limits::max_source_bytes as well
  int64_t max_total_bytes = int64_t{4} << 30;  // written
  int max_threads = 4;
};

// Another engine, for texts that use filters or globals which only it has.
struct ForeignEngine {
  std::vector<std::string> names;  // of those filters and globals
  // Renders with the same values and options as ours. Called from any thread.
  std::function<absl::StatusOr<std::string>(absl::string_view name, absl::string_view source,
                                            std::stop_token stop)>
      render;
};

struct TreeCounts {
  int64_t files = 0;               // written, links included
  int64_t folders = 0;             // made
  int64_t bytes = 0;               // written
  int64_t rendered = 0;            // files whose contents were rendered
  int64_t copied = 0;              // files and links that were copied as they are
  int64_t foreign = 0;             // of the rendered: by the foreign engine
  int64_t skipped = 0;             // dropped names, existing files, links that lead out
  std::vector<std::string> paths;  // of the files, below the target, sorted
};

struct TreeOptions {
  // Nothing is rendered, neither names nor contents; what is there is overwritten; files and new
  // folders get exactly the modes of the source. As Backstage's fetch:plain.
  bool verbatim = false;
  bool cookiecutter_compat = false;
  bool trim_blocks = false;
  bool lstrip_blocks = false;
  // Existing files are overwritten; otherwise they stay as they are.
  bool replace = false;
  // Contents of what these patterns match are copied (see glob.h); names are rendered all the same.
  std::vector<std::string> copy_without_templating = {};
  // Only files with this suffix (".njk") are rendered, and lose it. Empty: all are rendered.
  std::string template_file_extension = "";
  std::map<std::string, std::string> scm_hosts = {};
  ForeignEngine foreign = {};
  // A name in the workspace for the files on their way; what stands there is removed.
  std::string stage_name = ".purser-stage";
  Limits file_limits = {};
  TreeLimits limits = {};
  // Told what will be there, once, when all is rendered and nothing is in its place yet; an error
  // ends it. May be empty.
  std::function<absl::Status(const TreeCounts& counts)> before_publishing = {};
};

// Renders `source` into the folder `target` of `workspace` ("" is the workspace itself). `progress`
// (may be empty) is called from any thread, one at a time, with the number of files done.
// Errors name the file; INVALID_ARGUMENT for a wrong template, PERMISSION_DENIED for a name that
// leads out of the target, CANCELLED on stop. After an error the workspace is as it was; after a
// death in the middle, the same call makes it whole.
absl::StatusOr<TreeCounts> RenderTree(const base::Directory& source,
                                      const base::Directory& workspace, absl::string_view target,
                                      const Context& context, const TreeOptions& options,
                                      std::stop_token stop = {},
                                      const std::function<void(int64_t)>& progress = {});

// Renders one text to the file `target` of `workspace`, whole or not at all; counts as above. A new
// file gets 0666 less the umask, an existing one is kept (skipped) or, with `replace`, overwritten
// under its mode. As Backstage's fetch:template:file.
absl::StatusOr<TreeCounts> RenderFile(absl::string_view name, absl::string_view source,
                                      const base::Directory& workspace, absl::string_view target,
                                      const Context& context, const TreeOptions& options,
                                      std::stop_token stop = {});

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TREE_H_
