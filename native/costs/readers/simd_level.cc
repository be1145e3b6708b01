#include "costs/readers/simd_level.h"

#include <cstdlib>

namespace purser::costs {

SimdLevel MachineSimdLevel() {
#if defined(__x86_64__)
  // As the files of each level are compiled for.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("popcnt");
  if (!avx2) return SimdLevel::kBaseline;
  const bool avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2");
  return avx512 ? SimdLevel::kAvx512 : SimdLevel::kAvx2;
#else
  return SimdLevel::kBaseline;
#endif
}

SimdLevel LimitedSimdLevel(SimdLevel level, absl::string_view name) {
  for (const SimdLevel lower : {SimdLevel::kBaseline, SimdLevel::kAvx2}) {
    if (lower < level && name == SimdLevelName(lower)) return lower;
  }
  return level;
}

SimdLevel UsedSimdLevel() {
  static const SimdLevel used = [] {
    const char* const name = std::getenv("PURSER_SIMD");
    return LimitedSimdLevel(MachineSimdLevel(), name == nullptr ? "" : name);
  }();
  return used;
}

absl::string_view SimdLevelName(SimdLevel level) {
  switch (level) {
    case SimdLevel::kBaseline:
      return "baseline";
    case SimdLevel::kAvx2:
      return "avx2";
    case SimdLevel::kAvx512:
      return "avx512";
  }
  return "";
}

}  // namespace purser::costs
