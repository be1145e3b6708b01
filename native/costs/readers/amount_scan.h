// The inside of ParseAmounts: what all its levels share. Included by files compiled for certain
// processors only, so everything here is plain data.
#ifndef PURSER_COSTS_READERS_AMOUNT_SCAN_H_
#define PURSER_COSTS_READERS_AMOUNT_SCAN_H_

#include <cstddef>
#include <cstdint>

namespace purser::costs {

inline constexpr uint64_t kPowersOfTen[] = {1u,
                                            10u,
                                            100u,
                                            1'000u,
                                            10'000u,
                                            100'000u,
                                            1'000'000u,
                                            10'000'000u,
                                            100'000'000u,
                                            1'000'000'000u,
                                            10'000'000'000u,
                                            100'000'000'000u,
                                            1'000'000'000'000u,
                                            10'000'000'000'000u,
                                            100'000'000'000'000u,
                                            1'000'000'000'000'000u,
                                            10'000'000'000'000'000u,
                                            100'000'000'000'000'000u,
                                            1'000'000'000'000'000'000u};

// A column of CSV text: row i's field stands between the separators at ends[i * stride - 1] and
// ends[i * stride].
struct AmountColumn {
  const char* text;  // with kAmountPadding bytes behind each field that may be read
  const uint32_t* ends;
  size_t stride;
  size_t rows;
};

// See ParseAmounts.
size_t ParseAmountsBaseline(const AmountColumn& column, __int128* units, uint32_t* others);
// On x86-64 only; for processors that have the instructions.
size_t ParseAmountsAvx2(const AmountColumn& column, __int128* units, uint32_t* others);
size_t ParseAmountsAvx512(const AmountColumn& column, __int128* units, uint32_t* others);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_AMOUNT_SCAN_H_
