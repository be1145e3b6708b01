// Which of the processor's vector instructions the readers use. All levels give the same answers.
#ifndef PURSER_COSTS_READERS_SIMD_LEVEL_H_
#define PURSER_COSTS_READERS_SIMD_LEVEL_H_

#include "absl/strings/string_view.h"

namespace purser::costs {

// Each has what those before it have; the first one what every processor of the kind has.
enum class SimdLevel { kBaseline, kAvx2, kAvx512 };

// The highest one the processor has.
SimdLevel MachineSimdLevel();
// The one in use: the machine's, or what PURSER_SIMD names ("baseline", "avx2" or "avx512") when
// that is lower. The variable is read once.
SimdLevel UsedSimdLevel();

absl::string_view SimdLevelName(SimdLevel level);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_SIMD_LEVEL_H_
