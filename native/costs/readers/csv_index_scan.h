// The inside of CsvIndex: what all its levels share. Included by one file per level, each compiled
// for its processors; so everything here is plain data or local to the including file.
#ifndef PURSER_COSTS_READERS_CSV_INDEX_SCAN_H_
#define PURSER_COSTS_READERS_CSV_INDEX_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace purser::costs {

struct CsvScanState {
  uint32_t* ends = nullptr;  // with room for what comes, and for 64 more
  size_t count = 0;
  size_t feeds = 0;
  bool irregular = false;
  bool high = false;
  bool nul = false;
  // What the last byte leaves to the next one.
  bool inside = false;
  bool after_structure = true;  // behind a separator or a quote: a quote may open
  bool after_close = false;     // behind a closing quote
  bool after_return = false;    // behind a carriage return that follows a closing quote
};

// Goes on with the bytes [from, to) of a text.
using CsvScanFunction = void (*)(CsvScanState&, const char*, size_t, size_t);
void ScanCsvBaseline(CsvScanState& state, const char* text, size_t from, size_t to);
// On x86-64 only; for processors that have the instructions.
void ScanCsvAvx2(CsvScanState& state, const char* text, size_t from, size_t to);
void ScanCsvAvx512(CsvScanState& state, const char* text, size_t from, size_t to);

namespace {

// So many blocks are looked through before the next step is done with all of them: each loop is
// short enough for the processor's registers then, and does not wait for what was only just
// written in other units.
constexpr size_t kCsvRunBlocks = 64;

// What a block of 64 bytes holds, one bit a byte.
struct CsvMasks {
  uint64_t separators;  // commas and line feeds
  uint64_t quotes;
};

// A level's Block has:
//   Words          the masks of some blocks, side by side
//   Behind(a, b)   a's bits one place on; the first one is the last one of b, which comes before
//   LastBits(a)    a bit for each word: its last one
//   Spread(bits)   the other way round: all bits of each word, or none
//   Any(a)         whether any bit is set
//   Equal(text, c) where a block of text has a byte
//   Find(text)     its masks
//   Watch          notes what kinds of bytes there were
//   Writer         writes the places of the bits of block after block, and returns the end of them

// Which separators are borders, that is, outside quotes. As many blocks are looked at side by side
// as Block::Words holds.
template <typename Block>
class CsvBorders {
 public:
  using Words = typename Block::Words;
  static constexpr size_t kLanes = sizeof(Words) / sizeof(uint64_t);

  explicit CsvBorders(const CsvScanState& state)
      : inside_(state.inside ? kAll : 0),
        returned_(state.after_return),
        structure_(LastBit(state.after_structure)),
        close_(LastBit(state.after_close)) {}

  // Leaves the borders of the separators of kLanes blocks, which are the first ones of `size` bytes
  // of `text`.
  void Find(const char* text, size_t size, uint64_t* separators, const uint64_t* quotes) {
    const Words separator = Load(separators), quote = Load(quotes);
    const Words inside = Inside(quote);
    const Words borders = separator & ~inside;
    std::memcpy(separators, &borders, sizeof(Words));
    // A quote opens at the begin of a field or as the second one of a pair; behind a closing one
    // stands a separator, a line end, or the second one of a pair. A byte in front of a quote that
    // opens is outside quotes, and one behind a quote that closes, too: they need not be told from
    // the same ones inside.
    const Words structure = separator | quote;
    const Words close = quote & ~inside;
    const Words loose = Block::Behind(close, close_) & ~structure;
    irregular_ |= quote & inside & ~Block::Behind(structure, structure_);
    structure_ = structure;
    close_ = close;
    // Hardly ever, so that carriage returns are not looked for in vain.
    if (__builtin_expect(Block::Any(loose) || returned_, 0)) SeeReturns(text, size, loose);
  }
  bool inside() const { return inside_ != 0; }  // behind the last one
  bool irregular() const { return Block::Any(irregular_) || irregular_return_; }

 private:
  static constexpr unsigned kAll = (1u << kLanes) - 1;
  static Words Load(const uint64_t* from) {
    Words words;
    std::memcpy(&words, from, sizeof(Words));
    return words;
  }
  static Words LastBit(bool bit) {
    uint64_t words[kLanes] = {};
    words[kLanes - 1] = uint64_t{bit} << 63;
    return Load(words);
  }
  // Set from each opening quote up to the byte before its closing one.
  Words Inside(Words quotes) {
    Words each = quotes;
    each ^= each << 1;
    each ^= each << 2;
    each ^= each << 4;
    each ^= each << 8;
    each ^= each << 16;
    each ^= each << 32;
    // Blocks with an odd number of quotes turn those behind them over.
    unsigned odd = Block::LastBits(each);
    for (size_t lanes = 1; lanes < kLanes; lanes *= 2) odd ^= odd << lanes;
    const unsigned turned = ((odd << 1) ^ inside_) & kAll;
    inside_ ^= (odd >> (kLanes - 1) & 1) != 0 ? kAll : 0;
    return each ^ Block::Spread(turned);
  }
  // Loose bytes are carriage returns in front of line feeds, or not what RFC 4180 allows.
  [[gnu::noinline]] void SeeReturns(const char* text, size_t size, Words words) {
    uint64_t loose[kLanes];
    std::memcpy(loose, &words, sizeof(loose));
    for (size_t lane = 0; lane < kLanes && lane * 64 < size; ++lane) {
      const char* const block = text + lane * 64;
      const uint64_t valid = size - lane * 64 < 64 ? ~(~uint64_t{0} << size % 64) : ~uint64_t{0};
      const uint64_t returns = loose[lane] & Block::Equal(block, '\r');
      const uint64_t behind = (returns << 1 | uint64_t{returned_}) & valid;
      irregular_return_ |= ((loose[lane] & ~returns) | (behind & ~Block::Equal(block, '\n'))) != 0;
      returned_ = returns >> 63 != 0;
    }
  }

  unsigned inside_;  // a bit for each lane, all or none
  bool returned_;
  bool irregular_return_ = false;
  Words structure_, close_;  // of the blocks before
  Words irregular_ = {};
};

// What a Block looks at by vectors of bytes. Level::Bits gives a bit for each byte that is all ones
// (the others are zero), Level::Least the lesser one of each two bytes.
template <typename Level>
struct CsvVectorBlock {
  using Bytes = typename Level::Bytes;
  static constexpr size_t kParts = 64 / sizeof(Bytes);

  static Bytes Part(const char* text, size_t part) {
    Bytes bytes;
    std::memcpy(&bytes, text + part * sizeof(Bytes), sizeof(Bytes));
    return bytes;
  }
  // A bit for each byte of a block of which `found` says all ones.
  template <typename Found>
  [[gnu::always_inline]] static uint64_t Bits(const char* text, const Found& found) {
    uint64_t bits = 0;
    for (size_t i = 0; i < kParts; ++i) {
      bits |= Level::Bits(reinterpret_cast<Bytes>(found(Part(text, i)))) << i * sizeof(Bytes);
    }
    return bits;
  }
  static uint64_t Equal(const char* text, char c) {
    return Bits(text, [&](Bytes bytes) { return bytes == c; });
  }
  static CsvMasks Find(const char* text) {
    return {Bits(text, [](Bytes bytes) { return (bytes == ',') | (bytes == '\n'); }),
            Equal(text, '"')};
  }
  class Watch {
   public:
    void See(const char* text) {
      Bytes least = Part(text, 0);
      for (size_t i = 0; i < kParts; ++i) {
        const Bytes bytes = Part(text, i);
        least = Level::Least(least, bytes);
        run_[i % 2] -= reinterpret_cast<Bytes>(bytes == '\n');
      }
      least_ = Level::Least(least_, least);
    }
    void EndRun() {
      uint8_t counts[sizeof(run_)];
      std::memcpy(counts, run_, sizeof(run_));
      for (const uint8_t count : counts) feeds_ += count;
      run_[0] = run_[1] = Bytes{};
    }
    size_t Feeds() const { return feeds_; }
    bool High() const { return Level::Bits(least_ < 0) != 0; }
    bool Nul(const char* text, size_t size) const {
      // High bytes are less than NUL here and may hide one.
      return Level::Bits(least_ == 0) != 0 || (High() && std::memchr(text, 0, size) != nullptr);
    }

   private:
    Bytes least_ = Bytes{} + 0x7f;
    Bytes run_[2] = {};  // feeds by place, of at most kCsvRunBlocks blocks
    size_t feeds_ = 0;
  };
};

// See CsvScanFunction.
template <typename Block>
[[gnu::always_inline]] inline void ScanCsv(CsvScanState& state, const char* text, size_t from,
                                           size_t to) {
  if (from == to) return;
  CsvBorders<Block> finder(state);
  typename Block::Watch watch;
  typename Block::Writer writer(static_cast<uint32_t>(from));
  uint32_t* out = state.ends + state.count;
  alignas(64) uint64_t separators[kCsvRunBlocks], quotes[kCsvRunBlocks];
  const auto look = [&](const char* block, size_t i) {
    const CsvMasks masks = Block::Find(block);
    watch.See(block);
    separators[i] = masks.separators;
    quotes[i] = masks.quotes;
  };
  for (size_t at = from; at < to;) {
    constexpr size_t kMost = kCsvRunBlocks * 64;
    const size_t bytes = to - at < kMost ? to - at : kMost;
    const size_t whole = bytes / 64, rest = bytes % 64;
    for (size_t i = 0; i < whole; ++i) look(text + at + i * 64, i);
    size_t blocks = whole;
    if (rest > 0) {
      char tail[64];
      std::memset(tail, ' ', sizeof(tail));
      std::memcpy(tail, text + at + whole * 64, rest);
      look(tail, blocks);
      separators[blocks++] |= ~uint64_t{0} << rest;  // so that nothing there is loose
    }
    for (; blocks % CsvBorders<Block>::kLanes != 0; ++blocks) {
      separators[blocks] = ~uint64_t{0};
      quotes[blocks] = 0;
    }
    for (size_t i = 0; i < blocks; i += CsvBorders<Block>::kLanes) {
      finder.Find(text + at + i * 64, bytes - i * 64, separators + i, quotes + i);
    }
    for (size_t i = 0; i < whole; ++i) out = writer.Write(separators[i], out);
    if (rest > 0) out = writer.Write(separators[whole] & ~(~uint64_t{0} << rest), out);
    watch.EndRun();
    at += bytes;
  }
  state.count = static_cast<size_t>(out - state.ends);
  state.feeds += watch.Feeds();
  state.irregular |= finder.irregular();
  state.high |= watch.High();
  state.nul |= watch.Nul(text + from, to - from);
  state.inside = finder.inside();
  const char last = text[to - 1];
  const bool behind_close = to - from > 1 ? text[to - 2] == '"' : state.after_close;
  state.after_return = last == '\r' && behind_close && !state.inside;
  state.after_close = last == '"' && !state.inside;
  state.after_structure = last == ',' || last == '\n' || last == '"';
}

}  // namespace
}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_INDEX_SCAN_H_
