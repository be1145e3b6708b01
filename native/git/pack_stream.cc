// Two threads make a pack: the one that sends it, and a helper that runs ahead of it by at most
// kWindowBytes. Whoever is free takes the next object; the sender takes the results in order. A
// large object is made by the sender alone, when its turn comes, piece by piece.
#include <deque>
#include <exception>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "git/deflate.h"
#include "git/pack_entry.h"
#include "git/pack_writer.h"

namespace purser::git {
namespace {

// Below, a thread costs more than it saves.
constexpr int64_t kMinBytesForHelper = 512 << 10;

void AppendUint32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

}  // namespace

class PackStream::State {
 public:
  State(std::string head, std::vector<PackItem> items, const PackWriterLimits& limits,
        std::stop_token stop)
      : items_(std::move(items)), limits_(limits), stop_(std::move(stop)), out_(std::move(head)) {
    std::string header = "PACK";
    AppendUint32(header, 2);
    AppendUint32(header, static_cast<uint32_t>(items_.size()));
    Emit(header);
    int64_t total = 0;
    for (const PackItem& item : items_) total += item.size;
    if (total >= kMinBytesForHelper) {
      try {
        helper_ = std::jthread([this](std::stop_token end) { Help(std::move(end)); });
      } catch (const std::system_error&) {
        // No thread to be had: the sender does it all.
      }
    }
  }
  ~State() {
    helper_.request_stop();
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  }

  absl::StatusOr<std::string> Next() {
    while (out_.size() < kPieceBytes && !finished_) {
      if (stop_.stop_requested()) return absl::CancelledError("the push was stopped");
      std::string bytes;
      if (large_ == nullptr) {
        PURSER_ASSIGN_OR_RETURN(const bool more, Take(bytes));
        if (!more) {
          bytes = hasher_.Finish();
          finished_ = true;
        }
      } else {
        PURSER_ASSIGN_OR_RETURN(const bool more, large_->Next(bytes));
        if (!more) {
          large_.reset();
          ++emitted_;
        }
      }
      Emit(bytes);
      if (bytes_ > limits_.max_pack_bytes) {
        return absl::ResourceExhaustedError(absl::StrCat("the push is larger than ",
                                                         limits_.max_pack_bytes,
                                                         " bytes compressed (max_pack_bytes)"));
      }
    }
    return std::exchange(out_, {});
  }

  int64_t bytes() const { return bytes_; }
  int64_t objects() const { return emitted_; }

 private:
  using Packed = absl::StatusOr<std::string>;

  void Emit(absl::string_view bytes) {
    hasher_.Update(bytes);
    out_.append(bytes.data(), bytes.size());
    bytes_ += static_cast<int64_t>(bytes.size());
  }

  // The next free object may be made by either thread: the first one always, others within the
  // window, a large one never.
  bool MayClaim() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return claimed_ < items_.size() && !IsStreamed(items_[claimed_]) &&
           (claimed_ == taken_ || under_way_ + items_[claimed_].size <= kWindowBytes);
  }
  bool IsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return taken_ < claimed_ && packed_.front().has_value();
  }
  bool LargeIsNext() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return taken_ == claimed_ && IsStreamed(items_[taken_]);
  }
  size_t Claim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    under_way_ += items_[claimed_].size;
    packed_.emplace_back();
    return claimed_++;
  }
  void Put(size_t index, Packed entry) {
    base::MutexLock lock(mutex_);
    packed_[index - taken_] = std::move(entry);
    changed_.NotifyAll();
  }

  void Help(std::stop_token end) {
    Deflater deflater;
    while (true) {
      size_t index = 0;
      {
        base::MutexLock lock(mutex_);
        while (!end.stop_requested() && !MayClaim() && claimed_ < items_.size()) {
          changed_.Wait(mutex_);
        }
        if (end.stop_requested() || claimed_ == items_.size()) return;
        index = Claim();
      }
      // An exception must not leave a thread: it would end the whole process.
      Packed entry = absl::ResourceExhaustedError("no memory to make the pack");
      try {
        entry = PackEntry(items_[index], deflater);
      } catch (const std::exception&) {
      }
      Put(index, std::move(entry));
    }
  }

  // Appends the next entry in order, or makes ready to stream it; false behind the last.
  absl::StatusOr<bool> Take(std::string& out) {
    while (true) {
      size_t index = 0;
      bool large = false;
      {
        base::MutexLock lock(mutex_);
        if (taken_ == items_.size()) return false;
        while (!IsReady() && !MayClaim() && !LargeIsNext()) changed_.Wait(mutex_);
        if (IsReady()) {
          Packed entry = *std::move(packed_.front());
          packed_.pop_front();
          under_way_ -= items_[taken_++].size;
          changed_.NotifyAll();
          PURSER_RETURN_IF_ERROR(entry.status());
          out = *std::move(entry);
          ++emitted_;
          return true;
        }
        large = LargeIsNext();
        if (large) {
          index = taken_++;
          ++claimed_;  // the helper goes on behind it
          changed_.NotifyAll();
        } else {
          index = Claim();
        }
      }
      if (large) {
        PURSER_ASSIGN_OR_RETURN(large_, EntryStream::Open(items_[index], deflater_));
        return true;
      }
      Put(index, PackEntry(items_[index], deflater_));
    }
  }

  std::vector<PackItem> items_;  // each is touched by the thread that claimed it
  const PackWriterLimits limits_;
  const std::stop_token stop_;
  Deflater deflater_;
  base::Hasher hasher_{base::HashKind::kSha1};
  std::string out_;
  int64_t bytes_ = 0;
  int64_t emitted_ = 0;
  bool finished_ = false;
  std::unique_ptr<EntryStream> large_;  // the object that is being streamed

  base::Mutex mutex_;
  base::CondVar changed_;
  size_t claimed_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::optional<Packed>> packed_ ABSL_GUARDED_BY(mutex_);  // of [taken_, claimed_)
  std::jthread helper_;  // last: ends before what it uses
};

PackStream::PackStream(std::string head, std::vector<PackItem> items,
                       const PackWriterLimits& limits, std::stop_token stop)
    : state_(std::make_unique<State>(std::move(head), std::move(items), limits, std::move(stop))) {}
PackStream::~PackStream() = default;

absl::StatusOr<std::string> PackStream::Next() { return state_->Next(); }
int64_t PackStream::bytes() const { return state_->bytes(); }
int64_t PackStream::objects() const { return state_->objects(); }

}  // namespace purser::git
