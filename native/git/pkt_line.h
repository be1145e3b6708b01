// Pkt-lines: the framing of git's wire protocol (four hexadecimal digits of length, then bytes).
#ifndef PURSER_GIT_PKT_LINE_H_
#define PURSER_GIT_PKT_LINE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::git {

inline constexpr size_t kMaxPktPayload = 65516;

// `payload` must not be longer than kMaxPktPayload.
void AppendPkt(std::string& out, absl::string_view payload);
void AppendFlush(std::string& out);

// Walks over bytes that stay alive elsewhere.
class PktReader {
 public:
  enum class Kind { kData, kFlush, kEnd };
  struct Pkt {
    Kind kind;
    absl::string_view payload;  // kData only, as sent
    // Without one line break at its end.
    absl::string_view line() const;
  };

  explicit PktReader(absl::string_view bytes) : rest_(bytes), size_(bytes.size()) {}

  // INVALID_ARGUMENT with the offset when the framing is broken or cut.
  absl::StatusOr<Pkt> Next();
  // What has not been read.
  absl::string_view rest() const { return rest_; }
  size_t offset() const { return size_ - rest_.size(); }

 private:
  absl::string_view rest_;
  size_t size_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_PKT_LINE_H_
