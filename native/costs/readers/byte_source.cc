#include "costs/readers/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {
namespace {

constexpr size_t kCompressedChunk = 128 << 10;

// The bytes that were looked at to tell the format, then the rest.
class PrefixedSource final : public ByteSource {
 public:
  PrefixedSource(std::string prefix, ByteSource& rest) : prefix_(std::move(prefix)), rest_(rest) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (used_ == prefix_.size()) return rest_.Read(buffer, size);
    const size_t count = std::min(size, prefix_.size() - used_);
    std::memcpy(buffer, prefix_.data() + used_, count);
    used_ += count;
    return count;
  }

 private:
  std::string prefix_;
  size_t used_ = 0;
  ByteSource& rest_;
};

class GzipSource final : public ByteSource {
 public:
  GzipSource(std::unique_ptr<ByteSource> inner, std::string name)
      : inner_(std::move(inner)), name_(std::move(name)), input_(kCompressedChunk) {}
  ~GzipSource() override {
    if (open_) inflateEnd(&stream_);
  }

  absl::Status Start() {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) {
      return absl::ResourceExhaustedError("no memory to unpack gzip");
    }
    open_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    while (true) {
      if (stream_.avail_in == 0 && !ended_) {
        PURSER_ASSIGN_OR_RETURN(const size_t count, inner_->Read(input_.data(), input_.size()));
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(count);
        ended_ = count == 0;
        packed_bytes_ += static_cast<int64_t>(count);
      }
      if (member_done_) {
        if (stream_.avail_in == 0) return size_t{0};
        // Another member follows; what is none fails as a header.
        if (inflateReset(&stream_) != Z_OK) return Damaged("cannot start the next member");
        member_done_ = false;
      }
      stream_.next_out = reinterpret_cast<Bytef*>(buffer);
      stream_.avail_out = static_cast<uInt>(std::min<size_t>(size, 1 << 30));
      const uInt room = stream_.avail_out;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      const size_t count = room - stream_.avail_out;
      bytes_ += static_cast<int64_t>(count);
      if (code == Z_STREAM_END) {
        member_done_ = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return Damaged(stream_.msg != nullptr ? stream_.msg : "not a gzip stream");
      } else if (count == 0 && ended_) {
        return Damaged("it ends in the middle, so that rows are missing; fetch it again");
      }
      PURSER_RETURN_IF_ERROR(CheckSize());
      if (count > 0) return count;
    }
  }

 private:
  absl::Status Damaged(absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": damaged gzip file: ", why));
  }
  absl::Status CheckSize() const {
    if (bytes_ > kMaxInflatedBytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          name_, ": unpacks to more than ", kMaxInflatedBytes, " bytes (kMaxInflatedBytes)"));
    }
    if (bytes_ > kFreeInflatedBytes && bytes_ / kMaxInflateRatio > packed_bytes_) {
      return absl::ResourceExhaustedError(
          absl::StrCat(name_, ": unpacks to more than ", kMaxInflateRatio,
                       " times its size (kMaxInflateRatio), as no billing file does"));
    }
    return absl::OkStatus();
  }

  std::unique_ptr<ByteSource> inner_;
  std::string name_;
  std::vector<char> input_;
  z_stream stream_ = {};
  bool open_ = false;
  bool ended_ = false;
  bool member_done_ = false;
  int64_t packed_bytes_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace

absl::StatusOr<size_t> StringSource::Read(char* buffer, size_t size) {
  const size_t count = std::min(size, rest_.size());
  std::memcpy(buffer, rest_.data(), count);
  rest_.remove_prefix(count);
  return count;
}

absl::StatusOr<std::unique_ptr<FileSource>> FileSource::Open(const std::string& path,
                                                             base::Hasher* hasher) {
  // A pipe that nobody writes would make the open wait for ever.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return base::ErrnoStatus(errno, absl::StrCat("open billing file ", path));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat("billing file ", path, " is not a regular file"));
  }
  return std::unique_ptr<FileSource>(new FileSource(fd, path, info.st_size, hasher));
}

FileSource::~FileSource() { close(fd_); }

absl::StatusOr<size_t> FileSource::Read(char* buffer, size_t size) {
  ssize_t count;
  do {
    count = read(fd_, buffer, size);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return base::ErrnoStatus(errno, absl::StrCat("read billing file ", path_));
  if (hasher_ != nullptr) hasher_->Update({buffer, static_cast<size_t>(count)});
  bytes_read_ += count;
  return static_cast<size_t>(count);
}

absl::StatusOr<std::unique_ptr<ByteSource>> Unpacked(ByteSource& inner, absl::string_view name) {
  std::string magic(2, '\0');
  size_t have = 0;
  while (have < magic.size()) {
    PURSER_ASSIGN_OR_RETURN(const size_t count,
                            inner.Read(magic.data() + have, magic.size() - have));
    if (count == 0) break;
    have += count;
  }
  magic.resize(have);
  const bool gzip = magic == "\x1f\x8b";
  auto whole = std::make_unique<PrefixedSource>(std::move(magic), inner);
  if (!gzip) return whole;
  auto source = std::make_unique<GzipSource>(std::move(whole), std::string(name));
  PURSER_RETURN_IF_ERROR(source->Start());
  return source;
}

}  // namespace purser::costs
