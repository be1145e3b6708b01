// The plain subset of YAML that manifests are mostly written in, read in a fraction of the time
// that libyaml takes: block mappings and sequences, scalars on one line (plain, in single or double
// quotes), lists of such in brackets on one line, [] and {}, comments, several documents.
//
// Whatever else a text has, or may have, is left to libyaml as a whole: this reader never guesses,
// and has no errors. What it does read is what ParseYaml would give, positions included.
#ifndef PURSER_DOCUMENT_YAML_PLAIN_H_
#define PURSER_DOCUMENT_YAML_PLAIN_H_

#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "document/yaml.h"

namespace purser::document {

// Deeper texts are left to libyaml.
inline constexpr int kMaxPlainYamlDepth = 32;
// Longer keys are no keys to libyaml.
inline constexpr size_t kMaxPlainYamlKeyBytes = 256;

// Nothing when the text is not surely of the subset, or exceeds a limit.
std::optional<std::vector<Document>> ReadPlainYaml(absl::string_view text, const Limits& limits);

// What ParseYaml does with all other texts; declared here to be compared with.
absl::StatusOr<std::vector<Document>> ReadYamlByLibyaml(absl::string_view text,
                                                        absl::string_view file,
                                                        const Limits& limits);

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_YAML_PLAIN_H_
