// Parquet's hybrid of runs and packed bits, in which levels, numbers of dictionary entries and
// truth values are written.
#ifndef PURSER_COSTS_READERS_PARQUET_RUN_READER_H_
#define PURSER_COSTS_READERS_PARQUET_RUN_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace purser::costs::parquet {

// Numbers of `width` bits (0 to 32), some at a time. The bytes have slack (bits.h) and outlive the
// reader. All functions check that what they read lies in the bytes.
class RunReader {
 public:
  RunReader() = default;
  RunReader(absl::string_view bytes, int width) : bytes_(bytes), width_(width) {}

  // The next `count` numbers. False when they are cut, or have more bits than `out`.
  bool Take(size_t count, uint32_t* out) { return TakeInto(count, out); }
  bool Take(size_t count, uint8_t* out) { return width_ <= 8 && TakeInto(count, out); }
  // The number that the next `count` are in one run; none when they are not. Nothing is taken.
  std::optional<uint32_t> Same(size_t count);
  // Whether they are `value` in one run; then they are taken.
  bool TakeSame(size_t count, uint32_t value);

 private:
  template <typename Number>
  bool TakeInto(size_t count, Number* out);
  template <typename Number>
  void TakePacked(size_t count, Number* out);
  // Goes on to the next run when this one is empty.
  bool Begin();

  absl::string_view bytes_;
  int width_ = 0;
  size_t left_ = 0;  // of the run
  bool packed_ = false;
  uint32_t value_ = 0;          // of a run that is not packed
  const char* bits_ = nullptr;  // of a packed one
  size_t done_ = 0;             // numbers taken of it
};

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_RUN_READER_H_
