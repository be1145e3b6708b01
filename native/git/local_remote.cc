#include "git/local_remote.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/process.h"

namespace purser::git {
namespace {

constexpr size_t kMaxErrorText = 1000;

}  // namespace

LocalRemote::LocalRemote(std::string url, std::string path, std::string git_program)
    : url_(std::move(url)), path_(std::move(path)), git_program_(std::move(git_program)) {}

absl::StatusOr<std::string> LocalRemote::Run(Service service, bool advertise,
                                             absl::string_view input, http::BodySource* more_input,
                                             const ExchangeOptions& options) {
  ProcessRequest process;
  process.arguments = {git_program_,
                       service == Service::kUploadPack ? "upload-pack" : "receive-pack",
                       "--stateless-rpc"};
  if (advertise) process.arguments.push_back("--advertise-refs");
  process.arguments.push_back("--");
  process.arguments.push_back(path_);
  process.input = input;
  process.more_input = more_input;
  process.timeout = options.timeout;
  process.stop = options.stop;
  process.max_output_bytes = advertise ? kMaxAdvertisementBytes : kMaxAnswerBytes;
  absl::StatusOr<ProcessResult> result = RunProcess(process);
  if (!result.ok()) {
    if (result.status().code() == absl::StatusCode::kNotFound) {
      return absl::FailedPreconditionError(
          absl::StrCat("repository ", url_, ": the program \"", git_program_,
                       "\" is not installed; local repositories need it (apt install git)"));
    }
    absl::Status status = base::Annotate(result.status(), absl::StrCat("repository ", url_));
    if (!advertise && service == Service::kReceivePack) base::SetOutcomeUnknown(status);
    return status;
  }
  // With an answer on its output git may still end with an error (a refused ref): the answer tells.
  if (result->exit_code != 0 && result->output.empty()) {
    const std::string said =
        base::EscapeForDisplay(absl::StripAsciiWhitespace(result->errors), kMaxErrorText);
    return absl::FailedPreconditionError(absl::StrCat("repository ", url_, ": git ended with code ",
                                                      result->exit_code, said.empty() ? "" : ": ",
                                                      said));
  }
  return std::move(result->output);
}

absl::StatusOr<std::string> LocalRemote::Advertise(Service service,
                                                   const ExchangeOptions& options) {
  return Run(service, true, "", nullptr, options);
}

absl::StatusOr<std::string> LocalRemote::Exchange(Service service, std::string request,
                                                  const ExchangeOptions& options) {
  return Run(service, false, request, nullptr, options);
}

absl::StatusOr<std::string> LocalRemote::Push(http::BodySource& request,
                                              const ExchangeOptions& options) {
  return Run(Service::kReceivePack, false, "", &request, options);
}

}  // namespace purser::git
