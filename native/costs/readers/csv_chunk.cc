#include "costs/readers/csv_chunk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_finder.h"

namespace purser::costs {
namespace {

constexpr size_t kFirstHeaderBytes = 64 << 10;

}  // namespace

absl::string_view CsvChunk::Raw(size_t row) const {
  const uint32_t* const ends = index_ends_ + row * stride_;
  const size_t begin = static_cast<uint32_t>(ends[-1] + 1);
  size_t end = ends[columns_ - 1];
  if (end > begin && bytes_[end - 1] == '\r') --end;
  return {bytes_.data() + begin, end - begin};
}

CsvPlace CsvChunk::Place(size_t row) const {
  if (scanned_) return scanned_places_[row];
  const uint32_t* const ends = index_ends_ + row * stride_;
  const size_t begin = static_cast<uint32_t>(ends[-1] + 1);
  return {base_ + static_cast<int64_t>(begin), place_.row + static_cast<int64_t>(row),
          place_.line + std::count(bytes_.data() + begin_, bytes_.data() + begin, '\n')};
}

// A plain file: each thread reads the pieces it works on.
class PlainCsvFile final : public CsvFile {
 public:
  PlainCsvFile(int fd, std::string path, int64_t size, const Options& options)
      : fd_(fd), size_(size), options_(options) {
    path_ = std::move(path);
    total_bytes_ = size;
  }
  ~PlainCsvFile() override { close(fd_); }

  absl::Status Start() {
    CsvChunk chunk;
    for (size_t want = kFirstHeaderBytes;; want *= 2) {
      PURSER_RETURN_IF_ERROR(Load(chunk, want));
      PURSER_ASSIGN_OR_RETURN(
          const bool whole,
          ReadCsvHeader({chunk.bytes_.data(), chunk.have_}, chunk.last_, path_, columns_, place_));
      if (whole) return absl::OkStatus();
    }
  }

  absl::StatusOr<bool> Next(CsvChunk& chunk) override {
    while (true) {
      const int64_t number = next_.fetch_add(1, std::memory_order_relaxed);
      const int64_t piece = static_cast<int64_t>(options_.chunk_bytes);
      const int64_t base = number * piece;
      if (base >= size_ || stopped_.load(std::memory_order_relaxed)) return false;
      chunk.base_ = base;
      chunk.have_ = 0;
      chunk.rows_ = 0;
      chunk.broken_.clear();
      absl::Status status = Load(chunk, options_.chunk_bytes + kCsvOverlapBytes);
      CsvPlace place;
      if (!WaitForTurn(number, &place)) return false;
      CsvPlace after = place;
      if (status.ok() && place.offset < base + piece) {
        status = FindIn(chunk, place, base + piece, &after);
      } else {
        chunk.begin_ = chunk.end_ = 0;
      }
      if (!status.ok()) {
        Stop();
        return status;
      }
      EndTurn(number, after);
      if (options_.hash) AddDigest(number, chunk);
      if (chunk.rows_ > 0 || !chunk.broken_.empty()) return true;
    }
  }

  int64_t bytes_read() const override {
    return std::min(
        size_, next_.load(std::memory_order_relaxed) * static_cast<int64_t>(options_.chunk_bytes));
  }

  std::string Digest() override {
    base::MutexLock lock(mutex_);
    base::Hasher all(base::HashKind::kSha256);
    for (const std::string& digest : digests_) all.Update(digest);
    return all.Finish();
  }

 private:
  // Has at least `want` bytes from the piece's begin, or all there are.
  absl::Status Load(CsvChunk& chunk, size_t want) {
    const int64_t rest = size_ - chunk.base_;
    want = static_cast<size_t>(std::min<int64_t>(rest, static_cast<int64_t>(want)));
    if (chunk.bytes_.size() < want + kCsvIndexSlack + 1) {
      chunk.bytes_.resize(want + kCsvIndexSlack + 1);
    }
    while (chunk.have_ < want) {
      const ssize_t count = pread(fd_, chunk.bytes_.data() + chunk.have_, want - chunk.have_,
                                  chunk.base_ + static_cast<int64_t>(chunk.have_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return base::ErrnoStatus(errno, absl::StrCat("read billing file ", path_));
      if (count == 0) {
        return absl::AbortedError(
            absl::StrCat(path_, " became shorter while it was read; is it still being written?"));
      }
      chunk.have_ += static_cast<size_t>(count);
    }
    chunk.last_ = chunk.base_ + static_cast<int64_t>(want) == size_;
    return absl::OkStatus();
  }

  absl::Status FindIn(CsvChunk& chunk, const CsvPlace& place, int64_t limit, CsvPlace* after) {
    CsvFinder finder(chunk, path_, columns_);
    if (chunk.last_) limit = size_ + 1;
    for (size_t want = options_.chunk_bytes + kCsvOverlapBytes;;) {
      PURSER_ASSIGN_OR_RETURN(const bool found, finder.Find(place, limit, after));
      if (found) return absl::OkStatus();
      want *= 2;
      PURSER_RETURN_IF_ERROR(Load(chunk, want));
    }
  }

  bool WaitForTurn(int64_t number, CsvPlace* place) {
    base::MutexLock lock(mutex_);
    while (turn_ != number) {
      if (stopped_.load(std::memory_order_relaxed)) return false;
      turned_.Wait(mutex_);
    }
    *place = place_;
    return true;
  }
  void EndTurn(int64_t number, const CsvPlace& after) {
    base::MutexLock lock(mutex_);
    turn_ = number + 1;
    place_ = after;
    turned_.NotifyAll();
  }
  void Stop() {
    base::MutexLock lock(mutex_);
    stopped_.store(true, std::memory_order_relaxed);
    turned_.NotifyAll();
  }
  void AddDigest(int64_t number, const CsvChunk& chunk) {
    const int64_t bytes = std::min(static_cast<int64_t>(options_.chunk_bytes), size_ - chunk.base_);
    std::string digest = base::Sha256({chunk.bytes_.data(), static_cast<size_t>(bytes)});
    base::MutexLock lock(mutex_);
    if (digests_.size() <= static_cast<size_t>(number)) digests_.resize(number + 1);
    digests_[number] = std::move(digest);
  }

  const int fd_;
  const int64_t size_;
  const Options options_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> stopped_{false};
  base::Mutex mutex_;
  base::CondVar turned_;
  int64_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
  CsvPlace place_;  // where the record behind the last turn begins; guarded once threads run
  std::vector<std::string> digests_ ABSL_GUARDED_BY(mutex_);
};

// Bytes that come one after another: unpacking is one thread's work at a time, and whoever unpacked
// a piece works on it.
class StreamCsvFile final : public CsvFile {
 public:
  explicit StreamCsvFile(const Options& options)
      : options_(options), hasher_(options.chunk_bytes) {}

  absl::Status Start(const std::string& path) {
    base::MutexLock lock(mutex_);
    path_ = path;
    PURSER_ASSIGN_OR_RETURN(file_, FileSource::Open(path, options_.hash ? &hasher_ : nullptr));
    total_bytes_ = file_->total_bytes();
    PURSER_ASSIGN_OR_RETURN(bytes_, Unpacked(*file_, path));
    CsvChunk chunk;
    for (size_t want = kFirstHeaderBytes;; want *= 2) {
      PURSER_RETURN_IF_ERROR(Load(chunk, want));
      PURSER_ASSIGN_OR_RETURN(
          const bool whole,
          ReadCsvHeader({chunk.bytes_.data(), chunk.have_}, chunk.last_, path_, columns_, place_));
      if (whole) break;
    }
    Keep(chunk);
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Next(CsvChunk& chunk) override {
    base::MutexLock lock(mutex_);
    while (!done_) {
      // What the piece before left, then fresh bytes behind it.
      chunk.base_ = place_.offset;
      chunk.have_ = kept_.size();
      chunk.last_ = false;
      chunk.rows_ = 0;
      chunk.broken_.clear();
      if (chunk.bytes_.size() < kept_.size()) chunk.bytes_.resize(kept_.size());
      std::copy(kept_.begin(), kept_.end(), chunk.bytes_.begin());
      size_t want = options_.chunk_bytes + kCsvOverlapBytes;
      CsvPlace after;
      CsvFinder finder(chunk, path_, columns_);
      while (true) {
        absl::Status status = Load(chunk, want);
        if (status.ok()) {
          const int64_t limit =
              chunk.base_ +
              static_cast<int64_t>(chunk.last_ ? chunk.have_ + 1 : options_.chunk_bytes);
          const absl::StatusOr<bool> found = finder.Find(place_, limit, &after);
          if (found.ok() && *found) break;
          status = found.status();
        }
        if (!status.ok()) {
          done_ = true;
          return status;
        }
        want *= 2;
      }
      place_ = after;
      Keep(chunk);
      done_ = chunk.last_;
      if (chunk.rows_ > 0 || !chunk.broken_.empty()) return true;
    }
    return false;
  }

  int64_t bytes_read() const override { return read_.load(std::memory_order_relaxed); }
  std::string Digest() override {
    base::MutexLock lock(mutex_);
    return hasher_.Finish();
  }

 private:
  absl::Status Load(CsvChunk& chunk, size_t want) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (chunk.bytes_.size() < want + kCsvIndexSlack + 1) {
      chunk.bytes_.resize(want + kCsvIndexSlack + 1);
    }
    while (chunk.have_ < want && !chunk.last_) {
      PURSER_ASSIGN_OR_RETURN(const size_t count,
                              bytes_->Read(chunk.bytes_.data() + chunk.have_, want - chunk.have_));
      chunk.have_ += count;
      chunk.last_ = count == 0;
    }
    read_.store(file_->bytes_read(), std::memory_order_relaxed);
    return absl::OkStatus();
  }
  // The bytes from place_ on, for the next piece.
  void Keep(const CsvChunk& chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t from = std::min(static_cast<size_t>(place_.offset - chunk.base_), chunk.have_);
    kept_.assign(chunk.bytes_.begin() + static_cast<std::ptrdiff_t>(from),
                 chunk.bytes_.begin() + static_cast<std::ptrdiff_t>(chunk.have_));
  }

  const Options options_;
  PieceHasher hasher_;
  std::unique_ptr<FileSource> file_;
  base::Mutex mutex_;
  std::unique_ptr<ByteSource> bytes_ ABSL_GUARDED_BY(mutex_);
  std::vector<char> kept_ ABSL_GUARDED_BY(mutex_);
  CsvPlace place_ ABSL_GUARDED_BY(mutex_);
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<int64_t> read_{0};
};

absl::StatusOr<std::unique_ptr<CsvFile>> CsvFile::Open(const std::string& path,
                                                       const Options& options) {
  // A pipe that nobody writes would make the open wait for ever.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return base::ErrnoStatus(errno, absl::StrCat("open billing file ", path));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat("billing file ", path, " is not a regular file"));
  }
  unsigned char magic[2] = {};
  const bool gzip = pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  if (gzip) {
    close(fd);
    auto file = std::make_unique<StreamCsvFile>(options);
    PURSER_RETURN_IF_ERROR(file->Start(path));
    return file;
  }
  auto file = std::make_unique<PlainCsvFile>(fd, path, info.st_size, options);
  PURSER_RETURN_IF_ERROR(file->Start());
  return file;
}

}  // namespace purser::costs
