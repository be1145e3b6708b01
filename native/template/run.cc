#include "template/run.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"

namespace purser::tmpl {
namespace {

constexpr int64_t kLookEvery = 1024;
constexpr size_t kMaxExcerptBytes = 160;

int64_t MonotonicNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Lowest usable address of this thread's stack; asked once per thread.
thread_local uintptr_t stack_low = 0;

uintptr_t StackLow() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 1;
  void* address = nullptr;
  size_t size = 0;
  uintptr_t low = 1;
  if (pthread_attr_getstack(&attributes, &address, &size) == 0) {
    low = reinterpret_cast<uintptr_t>(address);
  }
  pthread_attr_destroy(&attributes);
  return low;
}

}  // namespace

thread_local Meter* Meter::current = nullptr;

Run::Run(const Limits& limits, std::stop_token stop)
    : limits_(limits),
      stop_(std::move(stop)),
      outer_(Meter::current),
      next_look_(0),
      deadline_ns_(MonotonicNanos() + limits.max_wall_ms * 1'000'000) {
  if (stack_low == 0) stack_low = StackLow();
  stack_floor_ = stack_low + kMinStackBytes;
  Meter::current = &meter_;
}

Run::~Run() { Meter::current = outer_; }

bool Run::Look() {
  if (failed_) return false;
  if (steps_ > limits_.max_steps) return FailLimit("max_steps", limits_.max_steps);
  if (meter_.live > limits_.max_memory_bytes) {
    return FailLimit("max_memory_bytes", limits_.max_memory_bytes);
  }
  if (stop_.stop_requested()) {
    code_ = absl::StatusCode::kCancelled;
    return Fail("rendering was cancelled");
  }
  if (MonotonicNanos() > deadline_ns_) return FailLimit("max_wall_ms", limits_.max_wall_ms);
  next_look_ = std::min(steps_ + kLookEvery, limits_.max_steps + 1);
  return true;
}

bool Run::RegexLimit() { return FailLimit("max_regex_steps", limits_.max_regex_steps); }

bool Run::Reserve(int64_t bytes) {
  if (failed_) return false;
  if (bytes > limits_.max_memory_bytes - meter_.live) {
    return FailLimit("max_memory_bytes", limits_.max_memory_bytes);
  }
  return true;
}

bool Run::StackLimit() {
  return FailLimit("max_nesting (stack of the thread)", limits_.max_nesting);
}

bool Run::Fail(std::string message) {
  if (!failed_) {
    failed_ = true;
    message_ = std::move(message);
    next_look_ = 0;
  }
  return false;
}

bool Run::FailLimit(absl::string_view limit, int64_t value) {
  if (!failed_) code_ = absl::StatusCode::kResourceExhausted;
  return Fail(absl::StrCat("the limit ", limit, " of ", value, " was exceeded"));
}

void Run::Locate(uint32_t offset) {
  if (!offset_.has_value()) offset_ = offset + shift_;
}

void Run::Context(absl::string_view context) {
  if (code_ == absl::StatusCode::kInvalidArgument) message_ = absl::StrCat(context, ": ", message_);
}

std::optional<Run::Failure> Run::TakeFailure() {
  if (!failed_ || code_ != absl::StatusCode::kInvalidArgument || !offset_.has_value()) {
    return std::nullopt;
  }
  Failure taken{*offset_, std::move(message_)};
  failed_ = false;
  message_.clear();
  offset_.reset();
  return taken;
}

bool Run::Postpone() {
  if (postponed_.size() + 1 >= kMaxToldErrors) return false;
  std::optional<Failure> failure = TakeFailure();
  if (!failure.has_value()) return false;
  postponed_.push_back(*std::move(failure));
  return true;
}

absl::Status Run::ToStatus(absl::string_view name, absl::string_view source) const {
  std::vector<std::string> told;
  for (const Failure& failure : postponed_) {
    told.push_back(DescribeAt(name, source, failure.offset, failure.message));
  }
  if (failed_) {
    told.push_back(offset_.has_value()
                       ? DescribeAt(name, source, *offset_, message_)
                       : absl::StrCat(base::EscapeForDisplay(name), ": ", message_));
  }
  if (told.empty()) return absl::OkStatus();
  return absl::Status(code_, absl::StrJoin(told, "\n"));
}

std::string DescribeAt(absl::string_view name, absl::string_view source, uint32_t offset,
                       absl::string_view message) {
  const size_t at = std::min<size_t>(offset, source.size());
  const auto lines = std::count(source.begin(), source.begin() + at, '\n');
  const size_t before = source.substr(0, at).rfind('\n');
  const size_t start = before == absl::string_view::npos ? 0 : before + 1;
  const size_t end = std::min(source.find('\n', at), source.size());
  // Editors count UTF-16 units, as Backstage's engine does; the mark counts characters.
  size_t column = 1, characters = 0;
  for (size_t i = start; i < at; ++i) {
    const auto byte = static_cast<unsigned char>(source[i]);
    if ((byte & 0xc0) != 0x80) ++characters, ++column;
    if (byte >= 0xf0) ++column;
  }
  std::string out =
      absl::StrCat(base::EscapeForDisplay(name), ":", lines + 1, ":", column, ": ", message);
  // Long lines are cut around the column; the mark is only drawn where it can be right.
  absl::string_view line = source.substr(start, end - start);
  const bool whole = line.size() <= kMaxExcerptBytes;
  if (!whole) line = line.substr(0, kMaxExcerptBytes);
  absl::StrAppend(&out, "\n  ", base::EscapeForDisplay(line, kMaxExcerptBytes));
  if (whole) absl::StrAppend(&out, "\n  ", std::string(characters, ' '), "^");
  return out;
}

}  // namespace purser::tmpl
