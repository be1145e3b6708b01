// The inside of CsvIndex: what all its methods share. Included by one file per method, each
// compiled for its processors; so everything here is plain data or local to the including file.
#ifndef PURSER_COSTS_READERS_CSV_INDEX_SCAN_H_
#define PURSER_COSTS_READERS_CSV_INDEX_SCAN_H_

#include <cstddef>
#include <cstdint>

namespace purser::costs {

struct CsvScanState {
  uint32_t* ends = nullptr;  // with room for what comes, and for 64 more
  size_t count = 0;
  size_t records = 0;
  // Not zero when there is such a thing.
  uint64_t quoted_feeds = 0;
  uint64_t irregular = 0;
  uint64_t high = 0;
  uint64_t nul = 0;
  // What the last byte leaves to the next one: all bits or none for `inside`, else bit 0.
  uint64_t inside = 0;
  uint64_t after_border = 1;  // behind a separator or a closing quote: a quote may open
  uint64_t after_close = 0;   // behind a closing quote
  uint64_t after_return = 0;  // behind a carriage return that follows a closing quote
};

using CsvScanFunction = void (*)(CsvScanState&, const char*, size_t, size_t);
void ScanCsvPortable(CsvScanState& state, const char* text, size_t from, size_t to);
// On x86-64 only; for processors that have the instructions.
void ScanCsvAvx2(CsvScanState& state, const char* text, size_t from, size_t to);
void ScanCsvAvx512(CsvScanState& state, const char* text, size_t from, size_t to);

namespace {

// So many blocks are looked through before the places in them are written: both loops are short
// enough for the processor's registers then.
constexpr size_t kCsvRunBlocks = 64;

// What a block of 64 bytes holds, one bit a byte.
struct CsvMasks {
  uint64_t comma, feed, quote;
};

// `Block` finds the masks and spreads quotes; its Writer writes places, block after block, and its
// Watch tells whether any byte of many blocks was high or NUL. Returns the borders.
template <typename Block>
[[gnu::always_inline]] inline uint64_t CsvStep(CsvScanState& state, const char* text,
                                               const CsvMasks& masks, uint64_t valid) {
  // Set from each opening quote up to the byte before its closing one.
  const uint64_t inside = Block::PrefixXor(masks.quote) ^ state.inside;
  state.inside = static_cast<uint64_t>(static_cast<int64_t>(inside) >> 63);
  const uint64_t feeds = masks.feed & ~inside & valid;
  const uint64_t borders = (masks.comma & ~inside & valid) | feeds;
  const uint64_t open = masks.quote & inside;
  const uint64_t close = masks.quote & ~inside;
  // A quote opens at the begin of a field or as the second one of a pair; behind a closing one
  // stands a separator, a line end, or the second one of a pair.
  const uint64_t behind_border = ((borders | close) << 1) | state.after_border;
  const uint64_t behind_close = (close << 1) | state.after_close;
  state.irregular |= open & ~behind_border & valid;
  const uint64_t loose = behind_close & ~(borders | open) & valid;
  uint64_t close_return = 0;
  // Hardly ever, so that carriage returns are not looked for in vain.
  if (__builtin_expect((loose | state.after_return) != 0, 0)) {
    close_return = Block::Carriages(text) & behind_close;
    const uint64_t behind_return = (close_return << 1) | state.after_return;
    state.irregular |= (loose & ~close_return) | (behind_return & ~feeds & valid);
  }
  state.after_border = (borders | close) >> 63;
  state.after_close = close >> 63;
  state.after_return = close_return >> 63;
  state.records += static_cast<size_t>(__builtin_popcountll(feeds));
  state.quoted_feeds |= masks.feed & inside & valid;
  return borders;
}

template <typename Block>
[[gnu::always_inline]] inline void CsvRun(CsvScanState& shared, const char* text, size_t from,
                                          size_t to) {
  CsvScanState state = shared;  // in registers
  uint32_t* out = state.ends + state.count;
  typename Block::Watch watch;
  typename Block::Writer writer(static_cast<uint32_t>(from));
  const auto write = [&](uint64_t borders) {
    const int count = __builtin_popcountll(borders);
    writer.Write(borders, count, out);
    out += count;
  };
  const char* at = text + from;
  const char* const whole = at + (to - from) / 64 * 64;
  while (at != whole) {
    uint64_t borders[kCsvRunBlocks];
    const size_t left = static_cast<size_t>(whole - at) / 64;
    const size_t blocks = left < kCsvRunBlocks ? left : kCsvRunBlocks;
    for (size_t i = 0; i < blocks; ++i, at += 64) {
      const CsvMasks masks = Block::Find(at);
      watch.See(at);
      borders[i] = CsvStep<Block>(state, at, masks, ~uint64_t{0});
    }
    for (size_t i = 0; i < blocks; ++i) write(borders[i]);
  }
  state.high |= watch.High();
  state.nul |= watch.Nul(text + from, static_cast<size_t>(whole - text) - from);
  if (const size_t rest = (to - from) % 64; rest > 0) {
    const uint64_t valid = (uint64_t{1} << rest) - 1;
    CsvMasks masks = Block::Find(at);
    masks.quote &= valid;
    write(CsvStep<Block>(state, at, masks, valid));
    for (size_t i = 0; i < rest; ++i) {
      state.high |= static_cast<unsigned char>(at[i]) >> 7;
      state.nul |= at[i] == '\0';
    }
  }
  state.count = static_cast<size_t>(out - state.ends);
  shared = state;
}

}  // namespace
}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_INDEX_SCAN_H_
