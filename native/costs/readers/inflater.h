// Unpacks gzip members piece by piece: by Intel's ISA-L where the machine has it (three times as
// fast as zlib), else by zlib.
#ifndef PURSER_COSTS_READERS_INFLATER_H_
#define PURSER_COSTS_READERS_INFLATER_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

// One thread.
class Inflater {
 public:
  enum class State {
    kGoesOn,     // give more bytes or more room
    kMemberEnd,  // the member ended, its check sum is right; call Restart before another one
    kDamaged,
  };
  struct Step {
    size_t taken = 0;  // of the packed bytes
    size_t made = 0;   // unpacked bytes
    State state = State::kGoesOn;
  };
  virtual ~Inflater() = default;
  virtual Step Run(absl::string_view packed, char* out, size_t room) = 0;
  virtual void Restart() = 0;
  virtual absl::string_view problem() const = 0;  // once kDamaged
};

enum class InflateMethod { kBest, kZlib, kIsal };
// Null when the machine cannot do it by this method. RESOURCE_EXHAUSTED without memory.
absl::StatusOr<std::unique_ptr<Inflater>> NewInflater(InflateMethod method = InflateMethod::kBest);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_INFLATER_H_
