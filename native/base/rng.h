// Randomness as a dependency: real for keys and ids, seeded for tests and simulations.
#ifndef PURSER_BASE_RNG_H_
#define PURSER_BASE_RNG_H_

#include <cstdint>
#include <random>

#include "base/mutex.h"

namespace purser::base {

// Thread-safe.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound); `bound` must be above 0.
  uint64_t Below(uint64_t bound);

  // The kernel's generator (getrandom); fit for tokens and ids; lives for ever.
  static Rng& System();
};

// The same numbers for the same seed. Not for secrets.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(uint64_t seed) : engine_(seed) {}
  uint64_t Next() override;

 private:
  Mutex mutex_;
  std::mt19937_64 engine_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::base

#endif  // PURSER_BASE_RNG_H_
