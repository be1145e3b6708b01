#include "git/test_repository.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "git/process.h"
#include "gtest/gtest.h"

namespace purser::git {

TempFolder::TempFolder() {
  std::string pattern = absl::StrCat(testing::TempDir(), "/purser-git-XXXXXX");
  path_ = mkdtemp(pattern.data());
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string GitRaw(const std::vector<std::string>& arguments, absl::string_view input) {
  ProcessRequest request;
  // Nothing of the machine's or user's configuration may change what a test sees.
  request.arguments = {"env", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "git"};
  request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
  request.input = input;
  const absl::StatusOr<ProcessResult> result = RunProcess(request);
  std::string problem;
  if (!result.ok()) {
    problem = std::string(result.status().message());
  } else if (result->exit_code != 0) {
    problem = absl::StrCat("code ", result->exit_code, ": ", result->errors);
  }
  if (!problem.empty()) {
    ADD_FAILURE() << "git " << (arguments.empty() ? "" : arguments[0]) << ": " << problem;
    return absl::StrCat("<failed: ", problem, ">");
  }
  return result->output;
}

std::string Git(const std::vector<std::string>& arguments, absl::string_view input) {
  return std::string(absl::StripTrailingAsciiWhitespace(GitRaw(arguments, input)));
}

std::string MakeBareRepository(const std::string& folder, const std::string& name) {
  std::string path = absl::StrCat(folder, "/", name);
  Git({"init", "-q", "--bare", "-b", "main", path});
  Git({"-C", path, "config", "http.receivepack", "true"});
  // The strictest a server may be.
  Git({"-C", path, "config", "receive.fsckObjects", "true"});
  return path;
}

void WriteHook(const std::string& repository, const std::string& name, const std::string& script) {
  const std::string path = absl::StrCat(repository, "/hooks/", name);
  std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
  chmod(path.c_str(), 0755);
}

absl::StatusOr<http::Response> CgiTransport::Send(const http::Request& request,
                                                  const http::CallOptions& options) {
  http::Response response;
  if (!required_authorization.empty() &&
      http::FindHeader(request.headers, "authorization") != required_authorization) {
    response.status = 401;
    return response;
  }
  const size_t start = request.url.find('/', request.url.find("://") + 3);
  const std::pair<std::string, std::string> target =
      absl::StrSplit(request.url.substr(start), absl::MaxSplits('?', 1));
  ProcessRequest process;
  process.arguments = {
      "env",
      "GIT_CONFIG_NOSYSTEM=1",
      "GIT_CONFIG_GLOBAL=/dev/null",
      "GIT_HTTP_EXPORT_ALL=1",
      absl::StrCat("GIT_PROJECT_ROOT=", root_),
      absl::StrCat("PATH_INFO=", target.first),
      absl::StrCat("QUERY_STRING=", target.second),
      absl::StrCat("REQUEST_METHOD=", request.method),
      absl::StrCat("CONTENT_TYPE=", http::FindHeader(request.headers, "content-type")),
      absl::StrCat("CONTENT_LENGTH=", request.body.size()),
      "git",
      "http-backend"};
  process.input = request.body;
  process.timeout = options.timeout;
  process.stop = options.stop;
  process.max_output_bytes = options.max_response_bytes;
  PURSER_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess(process));
  received += static_cast<int64_t>(result.output.size());
  const size_t head = result.output.find("\r\n\r\n");
  if (head == std::string::npos) return absl::UnavailableError("http-backend gave no answer");
  response.status = 200;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(result.output).substr(0, head), "\r\n")) {
    const std::pair<std::string, std::string> header =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (header.first == "Status") {
      EXPECT_TRUE(absl::SimpleAtoi(header.second.substr(0, 3), &response.status));
    }
    response.headers.push_back(header);
  }
  response.body = result.output.substr(head + 4);
  return response;
}

absl::StatusOr<std::string> HookedRemote::Advertise(Service service,
                                                    const ExchangeOptions& options) {
  return inner_.Advertise(service, options);
}

absl::StatusOr<std::string> HookedRemote::Exchange(Service service, std::string request,
                                                   const ExchangeOptions& options) {
  if (before) before(service);
  absl::StatusOr<std::string> answer = inner_.Exchange(service, std::move(request), options);
  if (answer.ok() && after) after(service, *answer);
  return answer;
}

absl::StatusOr<std::string> HookedRemote::Push(http::BodySource& request,
                                               const ExchangeOptions& options) {
  if (before) before(Service::kReceivePack);
  absl::StatusOr<std::string> answer = inner_.Push(request, options);
  if (answer.ok() && after) after(Service::kReceivePack, *answer);
  return answer;
}

}  // namespace purser::git
