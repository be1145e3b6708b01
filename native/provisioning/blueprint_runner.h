// Tries a blueprint without any outside system: its connectors answer by a script, its waits take
// no time. docs/blueprints.md describes the file.
#ifndef PURSER_PROVISIONING_BLUEPRINT_RUNNER_H_
#define PURSER_PROVISIONING_BLUEPRINT_RUNNER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::provisioning {

struct CaseResult {
  std::string name;
  // What was not as expected, each with where; empty: it passed.
  std::vector<std::string> failures;
};

// Runs the cases of a file of kind BlueprintTest. INVALID_ARGUMENT lists the faults of either file,
// each with file:line:column.
absl::StatusOr<std::vector<CaseResult>> RunBlueprintTests(absl::string_view test_text,
                                                          absl::string_view test_file,
                                                          absl::string_view blueprint_text,
                                                          absl::string_view blueprint_file);

// The blueprint that a test file names, relative to it.
absl::StatusOr<std::string> BlueprintOfTest(absl::string_view test_text,
                                            absl::string_view test_file);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_BLUEPRINT_RUNNER_H_
