// Records one behind the other: the first ones in memory, many of them in a file without a name.
//
//   Spool spool(/*held_bytes=*/1 << 20);
//   PURSER_RETURN_IF_ERROR(spool.Add("a record"));
//   PURSER_RETURN_IF_ERROR(spool.ForEach([](absl::string_view record) { … }));
#ifndef PURSER_COSTS_SPOOL_H_
#define PURSER_COSTS_SPOOL_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/temporary_folder.h"

namespace purser::costs {

// One thread at a time.
class Spool {
 public:
  // `held_bytes`: kept in memory before they are written to the system's temporary folder.
  explicit Spool(size_t held_bytes) : held_bytes_(held_bytes) {}

  // RESOURCE_EXHAUSTED: the disk is full.
  absl::Status Add(absl::string_view record);
  // In their order. A record is valid during the call; an error ends it. May be called again.
  absl::Status ForEach(const std::function<absl::Status(absl::string_view)>& on_record) const;

  size_t bytes() const { return held_.capacity(); }  // memory in use between calls
  size_t written() const { return written_; }        // bytes in the file

 private:
  const size_t held_bytes_;
  std::string held_;  // each record behind its size
  base::TemporaryFile file_;
  size_t written_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SPOOL_H_
