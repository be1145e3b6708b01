#include "costs/readers/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/inflater.h"

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
  GzipSource(std::unique_ptr<ByteSource> inner, std::unique_ptr<Inflater> inflater,
             std::string name)
      : inner_(std::move(inner)),
        inflater_(std::move(inflater)),
        name_(std::move(name)),
        input_(kMostGivenBack + kCompressedChunk) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    while (true) {
      if (packed_.empty() && !ended_) {
        // In front of the new bytes stay the last ones before them.
        char* const begin = input_.data() + kMostGivenBack;
        std::copy_n(begin + last_count_ - kMostGivenBack, kMostGivenBack, input_.data());
        PURSER_ASSIGN_OR_RETURN(const size_t count, inner_->Read(begin, kCompressedChunk));
        packed_ = absl::string_view(begin, count);
        last_count_ = count;
        ended_ = count == 0;
        packed_bytes_ += static_cast<int64_t>(count);
      }
      if (member_done_) {
        if (packed_.empty()) return size_t{0};
        // Another member follows; what is none fails as a header.
        inflater_->Restart();
        member_done_ = false;
      }
      const Inflater::Step step = inflater_->Run(packed_, buffer, size);
      packed_ = absl::string_view(packed_.data() + step.taken,
                                  packed_.size() - static_cast<size_t>(step.taken));
      bytes_ += static_cast<int64_t>(step.made);
      if (step.state == Inflater::State::kMemberEnd) {
        member_done_ = true;
      } else if (step.state == Inflater::State::kDamaged) {
        return Damaged(inflater_->problem());
      } else if (step.made == 0 && ended_) {
        return Damaged("it ends in the middle, so that rows are missing; fetch it again");
      }
      PURSER_RETURN_IF_ERROR(CheckSize());
      if (step.made > 0) return step.made;
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
  std::unique_ptr<Inflater> inflater_;
  std::string name_;
  std::vector<char> input_;
  absl::string_view packed_;  // not yet unpacked, in input_
  bool ended_ = false;
  bool member_done_ = false;
  size_t last_count_ = 0;  // read into input_ at last
  int64_t packed_bytes_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace

void PieceHasher::Update(absl::string_view bytes) {
  while (!bytes.empty()) {
    const absl::string_view part = bytes.substr(0, piece_bytes_ - in_piece_);
    piece_.Update(part);
    in_piece_ += part.size();
    bytes.remove_prefix(part.size());
    if (in_piece_ == piece_bytes_) {
      all_.Update(piece_.Finish());
      in_piece_ = 0;
    }
  }
}

std::string PieceHasher::Finish() {
  if (in_piece_ > 0) all_.Update(piece_.Finish());
  in_piece_ = 0;
  return all_.Finish();
}

absl::StatusOr<size_t> StringSource::Read(char* buffer, size_t size) {
  const size_t count = rest_.copy(buffer, size);
  rest_.remove_prefix(count);
  return count;
}

absl::StatusOr<std::unique_ptr<FileSource>> FileSource::Open(const std::string& path,
                                                             PieceHasher* hasher) {
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

absl::StatusOr<std::unique_ptr<ByteSource>> Unpacked(ByteSource& inner, absl::string_view name,
                                                     InflateMethod method) {
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
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<Inflater> inflater, NewInflater(method));
  if (inflater == nullptr) {
    return absl::UnimplementedError("this machine has no library for that way to unpack");
  }
  return std::make_unique<GzipSource>(std::move(whole), std::move(inflater), std::string(name));
}

}  // namespace purser::costs
