// Unpacks gzip members piece by piece: by Intel's ISA-L where the machine has it (three times as
// fast as zlib), else by zlib.
#ifndef PURSER_COSTS_READERS_INFLATER_H_
#define PURSER_COSTS_READERS_INFLATER_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

// What a method reads ahead.
inline constexpr std::ptrdiff_t kMostGivenBack = 8;

// One thread.
class Inflater {
 public:
  enum class State {
    kGoesOn,     // give more bytes or more room
    kMemberEnd,  // the member ended, its check sum is right; call Restart before another one
    kDamaged,
  };
  struct Step {
    // Of the packed bytes. Below zero, at most by kMostGivenBack: the last bytes of those taken
    // before were not needed (they are another member's) and must be given again.
    std::ptrdiff_t taken = 0;
    size_t made = 0;  // unpacked bytes
    State state = State::kGoesOn;
  };
  virtual ~Inflater() = default;
  // In front of `packed` stand, in memory, the last kMostGivenBack of the bytes given before.
  virtual Step Run(absl::string_view packed, char* out, size_t room) = 0;
  virtual void Restart() = 0;
  virtual absl::string_view problem() const = 0;  // once kDamaged
};

enum class InflateMethod { kBest, kZlib, kIsal };
// Null when the machine cannot do it by this method. RESOURCE_EXHAUSTED without memory.
absl::StatusOr<std::unique_ptr<Inflater>> NewInflater(InflateMethod method = InflateMethod::kBest);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_INFLATER_H_
