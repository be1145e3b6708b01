// What has become of files that a step wrote, for Connector::Compare.
#ifndef PURSER_CONNECTORS_FILE_COMPARISON_H_
#define PURSER_CONNECTORS_FILE_COMPARISON_H_

#include <string>

#include "absl/strings/string_view.h"
#include "connectors/connector.h"

namespace purser::connectors {

enum class FileFound { kSame, kOther, kMissing };

// Not thread-safe.
class FileComparison {
 public:
  // `where` the files are, for people: "folder app".
  explicit FileComparison(std::string where);

  void Note(absl::string_view path, FileFound found);
  // Gone when files were looked for and none is there; different where one is missing or is other
  // than it was written, with the paths.
  Comparison Result() const;

 private:
  const std::string where_;
  std::string differing_;
  size_t looked_at_ = 0;
  size_t missing_ = 0;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_FILE_COMPARISON_H_
