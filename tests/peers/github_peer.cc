// The GitHub of the C++ tests (fake_github.h) as a program, so that it outlives whoever speaks to
// it.
//
// Prints its URL, then answers one line of JSON to each line of its input: "merge NUMBER" as people
// do, "pulls", "files BRANCH", "requests BEGIN" (how many requests began with that), "token TEXT".
// Ends with its input.
#include <iostream>
#include <string>

#include "absl/strings/numbers.h"
#include "connectors/github/fake_github.h"
#include "json/json.h"

int main() {
  purser::connectors::FakeGithub github;
  std::cout << github.url() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    const size_t space = line.find(' ');
    const std::string verb = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    nlohmann::json answer = true;
    if (verb == "merge") {
      int number = 0;
      answer = absl::SimpleAtoi(rest, &number);
      if (answer) github.MergePull(number);
    } else if (verb == "pulls") {
      answer = github.pulls();
    } else if (verb == "files") {
      answer = github.Files(rest);
    } else if (verb == "requests") {
      answer = github.Requests(rest);
    } else if (verb == "token") {
      github.RequireToken(rest);
    } else {
      answer = false;
    }
    std::cout << purser::json::Dump(answer) << std::endl;
  }
  return 0;
}
