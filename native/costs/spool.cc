#include "costs/spool.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {
namespace {

using Size = uint32_t;
constexpr size_t kReadBytes = 256 << 10;

absl::Status Cannot(const char* what) {
  return base::ErrnoStatus(errno, absl::StrCat(what, " what does not fit into memory"));
}

// Takes whole records from the front of `bytes`; `*rest` is what is left of them.
absl::Status TakeRecords(absl::string_view bytes,
                         const std::function<absl::Status(absl::string_view)>& on_record,
                         absl::string_view* rest) {
  Size size;
  while (bytes.size() >= sizeof size) {
    std::memcpy(&size, bytes.data(), sizeof size);
    if (bytes.size() - sizeof size < size) break;
    PURSER_RETURN_IF_ERROR(on_record(bytes.substr(sizeof size, size)));
    bytes.remove_prefix(sizeof size + size);
  }
  *rest = bytes;
  return absl::OkStatus();
}

}  // namespace

absl::Status Spool::Add(absl::string_view record) {
  const Size size = static_cast<Size>(record.size());
  if (size != record.size()) return absl::ResourceExhaustedError("a record has more than 4 GB");
  held_.append(reinterpret_cast<const char*>(&size), sizeof size);
  held_.append(record.data(), record.size());
  if (held_.size() < held_bytes_) return absl::OkStatus();
  if (file_ == nullptr) {
    PURSER_ASSIGN_OR_RETURN(file_, base::OpenTemporaryFile("what does not fit into memory"));
  }
  size_t done = 0;
  while (done < held_.size()) {
    const ssize_t count = write(fileno(file_.get()), held_.data() + done, held_.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Cannot("write");
    done += static_cast<size_t>(count);
  }
  written_ += held_.size();
  held_.clear();
  return absl::OkStatus();
}

absl::Status Spool::ForEach(const std::function<absl::Status(absl::string_view)>& on_record) const {
  std::string block;
  absl::string_view rest;
  for (size_t at = 0; at < written_;) {
    // What is left of a record, then more; larger ones take larger blocks.
    const size_t kept = rest.size();
    if (kept > 0) std::memmove(block.data(), rest.data(), kept);
    if (block.size() < kReadBytes + kept) block.resize(kReadBytes + 2 * kept);
    const ssize_t count = pread(fileno(file_.get()), block.data() + kept, block.size() - kept,
                                static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) {
      rest = absl::string_view(block).substr(0, kept);
      continue;
    }
    if (count == 0) errno = EIO;  // it ends too early
    if (count <= 0) return Cannot("read back");
    at += static_cast<size_t>(count);
    PURSER_RETURN_IF_ERROR(TakeRecords(
        absl::string_view(block).substr(0, kept + static_cast<size_t>(count)), on_record, &rest));
  }
  return TakeRecords(held_, on_record, &rest);
}

}  // namespace purser::costs
