#include "costs/bill_scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "costs/readers/bill_file.h"
#include "costs/readers/duckdb/rewritten_file.h"

namespace purser::costs {
namespace {

// Less than this is not worth another thread.
constexpr int64_t kBytesPerThread = 4 << 20;

class Scan {
 public:
  explicit Scan(const ScanRequest& request) : request_(request) {
    for (const std::string& path : request.paths) {
      struct stat info;
      if (stat(path.c_str(), &info) == 0) total_bytes_ += info.st_size;
    }
    files_.resize(request.paths.size());
  }

  absl::StatusOr<ScanResult> Run() {
    threads_ = Threads();
    const int threads = threads_;
    std::vector<std::unique_ptr<Grouper>> groupers;
    for (int i = 0; i < threads; ++i) {
      groupers.push_back(std::make_unique<Grouper>(request_.parts, request_.wanted.amounts.size(),
                                                   request_.currency));
    }
    {
      std::vector<std::jthread> others;
      for (int i = 1; i < threads; ++i) {
        others.emplace_back([this, grouper = groupers[i].get()] { Work(*grouper, false); });
      }
      Work(*groupers[0], true);
    }
    base::MutexLock lock(mutex_);
    if (failure_.has_value()) return failure_->status;
    return Finish(groupers);
  }

 private:
  struct File {
    std::shared_ptr<BillFile> bill;  // once opened
    Binding binding;
    bool taken = false;
    bool exhausted = false;
  };
  struct Failure {
    size_t file;
    int64_t row;
    absl::Status status;
  };
  struct Worker {
    Grouper& grouper;
    const bool is_caller;
    std::vector<SourceDictionary> dictionaries;
    const Binding* binding = nullptr;
    int64_t batches = 0;
    size_t group_bytes = 0;  // its part of group_bytes_
  };

  int Threads() const {
    int threads = request_.threads;
    if (threads <= 0) {
      threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
      threads = static_cast<int>(std::min<int64_t>(threads, 1 + total_bytes_ / kBytesPerThread));
    }
    return std::min(threads, kMaxScanThreads);
  }

  void Fail(size_t file, int64_t row, absl::Status status) {
    base::MutexLock lock(mutex_);
    // The first one of the files, whichever thread met it.
    if (!failure_.has_value() || std::tie(file, row) < std::tie(failure_->file, failure_->row)) {
      failure_ = Failure{file, row, std::move(status)};
    }
    failed_.store(true, std::memory_order_relaxed);
  }

  void Work(Grouper& grouper, bool is_caller) {
    Worker worker{grouper, is_caller, {}};
    size_t file;
    while (!failed_.load(std::memory_order_relaxed) && Take(&file)) {
      int64_t row = 0;
      const absl::Status status = Read(worker, file, &row);
      if (!status.ok()) Fail(file, row, status);
    }
  }

  // A file of one's own, else one that another thread is reading.
  bool Take(size_t* number) {
    base::MutexLock lock(mutex_);
    for (size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].taken) continue;
      files_[i].taken = true;
      const absl::Status status = Open(i);
      if (!status.ok()) {
        if (!failure_.has_value() || i < failure_->file) failure_ = Failure{i, 0, status};
        failed_.store(true, std::memory_order_relaxed);
        return false;
      }
      *number = i;
      return true;
    }
    for (size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].exhausted || files_[i].bill == nullptr) continue;
      *number = i;
      return true;
    }
    return false;
  }

  absl::Status Open(size_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string& path = request_.paths[number];
    const BillFile::Options options{.chunk_bytes = request_.chunk_bytes, .hash = request_.hash};
    PURSER_ASSIGN_OR_RETURN(files_[number].bill, BillFile::Open(path, options));
    const absl::Status good = Fits(number);
    if (!absl::IsUnimplemented(good)) return good;
    if (request_.duckdb_library.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(good.message(), "; with a libduckdb it would be (costs.parquet.duckdb)"));
    }
    PURSER_ASSIGN_OR_RETURN(files_[number].bill,
                            OpenRewritten(request_.duckdb_library, path, options, request_.stop));
    return Fits(number);
  }
  absl::Status Fits(size_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    File& file = files_[number];
    PURSER_ASSIGN_OR_RETURN(file.binding, Bind(request_.paths[number], file.bill->columns(),
                                               request_.wanted, file.bill->maps()));
    return file.bill->Check(file.binding);
  }

  // Reads what is left of a file; `*row` is where it failed.
  absl::Status Read(Worker& worker, size_t number, int64_t* row) {
    std::shared_ptr<BillFile> bill;
    {
      base::MutexLock lock(mutex_);
      bill = files_[number].bill;
    }
    // Not changed any more, and files_ does not grow.
    const Binding& binding = files_[number].binding;
    if (worker.binding != &binding) {
      worker.binding = &binding;
      worker.grouper.Use(binding);
      const uint64_t epoch = ++epochs_;
      worker.dictionaries.assign(binding.texts.size(), SourceDictionary());
      for (SourceDictionary& dictionary : worker.dictionaries) dictionary.epoch = epoch << 32;
    }
    const std::unique_ptr<RowReader> reader = bill->NewReader(binding, worker.dictionaries);
    RowBatch batch;
    while (!failed_.load(std::memory_order_relaxed)) {
      if (request_.stop.stop_requested()) return absl::CancelledError("reading was cancelled");
      absl::StatusOr<bool> more = reader->Next(batch);
      *row = reader->first_row();
      if (!more.ok()) return std::move(more).status();
      if (!*more) {
        base::MutexLock lock(mutex_);
        files_[number].exhausted = true;
        break;
      }
      PURSER_RETURN_IF_ERROR(worker.grouper.Add(batch, worker.dictionaries));
      PURSER_RETURN_IF_ERROR(TellBadRows(number, *reader, batch, row));
      rows_.fetch_add(static_cast<int64_t>(batch.rows + reader->broken().size()),
                      std::memory_order_relaxed);
      PURSER_RETURN_IF_ERROR(KeepSmall(worker));
      if (worker.is_caller && ++worker.batches % 16 == 0) TellProgress();
    }
    return absl::OkStatus();
  }

  // Moves the thread's groups to a file when all threads together have too many, unless they are so
  // few that it would not help.
  absl::Status KeepSmall(Worker& worker) {
    const auto count = [&](size_t bytes) {
      group_bytes_ += bytes - std::exchange(worker.group_bytes, bytes);
      return group_bytes_.load(std::memory_order_relaxed);
    };
    const size_t bytes = worker.grouper.table().bytes();
    if (count(bytes) <= request_.group_bytes ||
        bytes <= request_.group_bytes / static_cast<size_t>(2 * threads_)) {
      return absl::OkStatus();
    }
    PURSER_RETURN_IF_ERROR(MoveToRun(worker.grouper));
    count(0);
    return absl::OkStatus();
  }
  absl::Status MoveToRun(Grouper& grouper) {
    {
      base::MutexLock lock(runs_mutex_);
      if (runs_ == nullptr) {
        runs_ = std::make_unique<GroupRuns>(request_.parts.size(), request_.wanted.amounts.size());
      }
      PURSER_RETURN_IF_ERROR(runs_->Add(grouper.table()));
    }
    grouper.table().Clear();
    grouper.ForgetTable();
    return absl::OkStatus();
  }

  absl::Status TellBadRows(size_t number, const RowReader& reader, const RowBatch& batch,
                           int64_t* row) {
    if (batch.problems.empty() && reader.broken().empty()) return absl::OkStatus();
    std::vector<BadRow> bad = reader.broken();
    const size_t at_most =
        request_.on_bad_row ? batch.problems.size() : std::min<size_t>(1, batch.problems.size());
    for (size_t i = 0; i < at_most; ++i) bad.push_back(reader.Describe(batch.problems[i]));
    std::sort(bad.begin(), bad.end(),
              [](const BadRow& a, const BadRow& b) { return a.row < b.row; });
    const std::string& path = request_.paths[number];
    *row = bad.front().row;
    if (!request_.on_bad_row) return absl::InvalidArgumentError(bad.front().ToString(path));
    base::MutexLock lock(mutex_);
    rows_bad_ += static_cast<int64_t>(bad.size());
    for (const BadRow& one : bad) PURSER_RETURN_IF_ERROR(request_.on_bad_row(path, one));
    return absl::OkStatus();
  }

  void TellProgress() {
    if (!request_.on_progress) return;
    ScanProgress progress{rows_.load(std::memory_order_relaxed), 0, total_bytes_};
    {
      base::MutexLock lock(mutex_);
      for (const File& file : files_) {
        if (file.bill != nullptr) progress.bytes += file.bill->bytes_read();
      }
    }
    request_.on_progress(progress);
  }

  absl::StatusOr<ScanResult> Finish(std::vector<std::unique_ptr<Grouper>>& groupers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ScanResult result;
    result.groups = std::make_unique<ScannedGroups>();
    for (const std::unique_ptr<Grouper>& grouper : groupers) {
      if (HaveRuns()) {
        PURSER_RETURN_IF_ERROR(MoveToRun(*grouper));
      } else {
        result.groups->tables.push_back(grouper->TakeTable());
      }
      for (const auto& [currency, total] : grouper->totals()) {
        ControlTotal& sum = result.totals[currency];
        sum.units.resize(total.units.size());
        sum.rows += total.rows;
        for (size_t i = 0; i < total.units.size(); ++i) {
          if (__builtin_add_overflow(sum.units[i], total.units[i], &sum.units[i])) {
            return absl::OutOfRangeError("the sum of all costs does not fit");
          }
        }
      }
      result.rows_added += grouper->rows_added();
      result.rounded += grouper->rounded();
    }
    {
      base::MutexLock runs_lock(runs_mutex_);
      result.groups->runs = std::move(runs_);
    }
    result.rows_bad = rows_bad_;
    if (request_.hash) {
      base::Hasher all(base::HashKind::kSha256);
      for (const File& file : files_) all.Update(file.bill->Digest());
      result.sha256 = base::ToHex(all.Finish());
    }
    if (request_.on_progress) {
      request_.on_progress({rows_.load(std::memory_order_relaxed), total_bytes_, total_bytes_});
    }
    return result;
  }

  bool HaveRuns() {
    base::MutexLock lock(runs_mutex_);
    return runs_ != nullptr;
  }

  const ScanRequest& request_;
  int threads_ = 1;
  base::Mutex runs_mutex_;
  std::unique_ptr<GroupRuns> runs_ ABSL_GUARDED_BY(runs_mutex_);
  int64_t total_bytes_ = 0;
  std::atomic<bool> failed_{false};
  std::atomic<int64_t> rows_{0};
  std::atomic<uint64_t> epochs_{0};
  std::atomic<size_t> group_bytes_{0};  // of all threads
  base::Mutex mutex_;
  std::vector<File> files_;  // what is in them is guarded until the file is taken
  std::optional<Failure> failure_ ABSL_GUARDED_BY(mutex_);
  int64_t rows_bad_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

absl::Status ScannedGroups::ForEachSorted(const OnGroup& on_group) const {
  if (runs != nullptr) return runs->ForEachSorted(on_group);
  std::vector<const GroupTable*> all;
  for (const std::unique_ptr<GroupTable>& table : tables) all.push_back(table.get());
  return purser::costs::ForEachSorted(all, on_group);
}

absl::StatusOr<ScanResult> ScanBills(const ScanRequest& request) { return Scan(request).Run(); }

}  // namespace purser::costs
