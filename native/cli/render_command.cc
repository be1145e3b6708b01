#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "document/yaml.h"
#include "template/line_protocol.h"
#include "template/tree.h"

namespace purser::cli {
namespace {

constexpr int64_t kMaxValuesBytes = 16 << 20;

// One JSON case a line in, one answer a line out, until the input ends.
int LineProtocol() {
  std::string line;
  while (std::getline(std::cin, line)) {
    // Flushed a line at a time: the other side waits for each answer.
    std::cout << tmpl::AnswerLine(line) << std::endl;
  }
  return kOk;
}

}  // namespace
}  // namespace purser::cli
