// Answers rendering cases, one JSON line each (see template/line_protocol.h), for check-vectors.
#include <iostream>
#include <string>

#include "template/line_protocol.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << purser::tmpl::AnswerLine(line) << '\n' << std::flush;
  }
  return 0;
}
