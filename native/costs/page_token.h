// Tokens of pages: where the page before ended, and of which question it was.
#ifndef PURSER_COSTS_PAGE_TOKEN_H_
#define PURSER_COSTS_PAGE_TOKEN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/service.h"

namespace purser::costs {

// The filters as a part of a question: equal for equal filters.
std::string TextOf(const std::vector<Filter>& filters);

// `question` is the request without its page; `position` are texts that tell the last row apart.
std::string MakePageToken(absl::string_view question, const std::vector<std::string>& position);
// The position, of `size` texts. INVALID_ARGUMENT when the token is not one of this question.
absl::StatusOr<std::vector<std::string>> ReadPageToken(absl::string_view token,
                                                       absl::string_view question, size_t size);

}  // namespace purser::costs

#endif  // PURSER_COSTS_PAGE_TOKEN_H_
