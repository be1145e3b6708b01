// Which of the processor's vector instructions the readers use. All levels give the same answers.
#ifndef PURSER_COSTS_READERS_SIMD_LEVEL_H_
#define PURSER_COSTS_READERS_SIMD_LEVEL_H_

#include "absl/strings/string_view.h"

namespace purser::costs {

// Each has what those before it have; the first one what every processor of the kind has.
enum class SimdLevel { kBaseline, kAvx2, kAvx512 };

// The highest one the processor has.
SimdLevel MachineSimdLevel();
// The one in use: the machine's, or the lower one that PURSER_SIMD names. It is read once.
SimdLevel UsedSimdLevel();

// "baseline", "avx2" or "avx512".
absl::string_view SimdLevelName(SimdLevel level);
// The level of this name when it is lower than `level`, else that.
SimdLevel LimitedSimdLevel(SimdLevel level, absl::string_view name);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_SIMD_LEVEL_H_
