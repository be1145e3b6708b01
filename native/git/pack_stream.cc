// Two threads make a pack: the one that sends it, and a helper that runs ahead of it by at most
// kWindowBytes. Whoever is free takes the next object; the sender takes the results in order.
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
#include "git/pack_writer.h"

namespace purser::git {
namespace {

// Below, a thread costs more than it saves.
constexpr int64_t kMinBytesForHelper = 512 << 10;

void AppendUint32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

// Type and size: four bits, then seven a byte, low ones first.
void AppendEntryHead(const PackItem& item, std::string& out) {
  auto size = static_cast<uint64_t>(item.size);
  auto byte = static_cast<unsigned char>(static_cast<unsigned>(item.type) << 4 | (size & 15));
  for (size >>= 4; size != 0; size >>= 7) {
    out += static_cast<char>(byte | 0x80);
    byte = static_cast<unsigned char>(size & 0x7F);
  }
  out += static_cast<char>(byte);
}

// The entry of the pack; lets go of the content.
absl::StatusOr<std::string> PackOne(PackItem& item, Deflater& deflater,
                                    const std::stop_token& stop) {
  std::string out;
  AppendEntryHead(item, out);
  if (!item.load) {
    const std::string content = std::exchange(item.content, {});
    PURSER_RETURN_IF_ERROR(deflater.Append(content, out, stop));
    return out;
  }
  PURSER_ASSIGN_OR_RETURN(const std::string content, item.load());
  // It was read once to be named: a pack with another content under that name would be refused by
  // the receiver as corrupt, with no word about the file.
  if (HashObject(item.type, content) != item.id) {
    return absl::FailedPreconditionError(
        absl::StrCat(item.name, " was changed while it was published; publish again"));
  }
  PURSER_RETURN_IF_ERROR(deflater.Append(content, out, stop));
  return out;
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
      PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> entry, Take());
      if (entry.has_value()) {
        Emit(*entry);
        ++emitted_;
      } else {
        const std::string sum = hasher_.Finish();
        out_ += sum;
        bytes_ += static_cast<int64_t>(sum.size());
        finished_ = true;
      }
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

  // The next free object may be taken: the first one always, others within the window.
  bool MayClaim() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return claimed_ < items_.size() &&
           (claimed_ == taken_ || under_way_ + items_[claimed_].size <= kWindowBytes);
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
        entry = PackOne(items_[index], deflater, stop_);
      } catch (const std::exception&) {
      }
      Put(index, std::move(entry));
    }
  }

  // The next entry in order; nullopt behind the last.
  absl::StatusOr<std::optional<std::string>> Take() {
    while (true) {
      size_t index = 0;
      {
        base::MutexLock lock(mutex_);
        if (taken_ == items_.size()) return std::nullopt;
        while (!(taken_ < claimed_ && packed_.front().has_value()) && !MayClaim()) {
          changed_.Wait(mutex_);
        }
        if (taken_ < claimed_ && packed_.front().has_value()) {
          Packed entry = *std::move(packed_.front());
          packed_.pop_front();
          under_way_ -= items_[taken_++].size;
          changed_.NotifyAll();
          PURSER_RETURN_IF_ERROR(entry.status());
          return *std::move(entry);
        }
        index = Claim();
      }
      Put(index, PackOne(items_[index], deflater_, stop_));
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
