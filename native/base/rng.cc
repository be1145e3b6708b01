#include "base/rng.h"

#include <sys/random.h>

#include <cstdlib>

namespace purser::base {
namespace {

class SystemRng final : public Rng {
 public:
  uint64_t Next() override {
    uint64_t value = 0;
    // Up to 256 bytes are never interrupted once the pool is seeded; a failure means no entropy at
    // all, and going on with guessable ids would be worse than ending.
    if (getrandom(&value, sizeof(value), 0) != sizeof(value)) std::abort();
    return value;
  }
};

}  // namespace

uint64_t Rng::Below(uint64_t bound) {
  // Rejects the values of the last, incomplete round, so that no result is likelier than another.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = Next();
  while (value >= limit) value = Next();
  return value % bound;
}

Rng& Rng::System() {
  static Rng& rng = *new SystemRng;
  return rng;
}

uint64_t SeededRng::Next() {
  MutexLock lock(mutex_);
  return engine_();
}

}  // namespace purser::base
