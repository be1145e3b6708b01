// How many calls to one outside system an engine has under way at once.
//
// A lane is the part of a step's `uses` before the slash: the connector. Steps that find their lane
// full are not begun; they are due again a moment later, and hold neither a worker nor a lease.
#ifndef PURSER_WORKFLOW_LANES_H_
#define PURSER_WORKFLOW_LANES_H_

#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/rng.h"

namespace purser::workflow {

// Thread-safe.
class Lanes {
 public:
  // One place in a lane, kept while it lives unless it is given up before. Thread-safe.
  class Place {
   public:
    ~Place() { GiveUp(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    void GiveUp();

   private:
    friend class Lanes;
    Place(Lanes& lanes, std::string lane) : lanes_(lanes), lane_(std::move(lane)) {}
    Lanes& lanes_;
    const std::string lane_;
    bool given_up_ ABSL_GUARDED_BY(lanes_.mutex_) = false;
  };

  // Lane → calls at once; lanes that are not named have no limit.
  explicit Lanes(std::map<std::string, int> limits) : limits_(std::move(limits)) {}

  // False: the lane of this `uses` is full. `place` stays null in lanes without a limit. It must
  // not outlive the lanes.
  bool Enter(absl::string_view uses, std::shared_ptr<Place>* place);
  // When to try again.
  static absl::Duration Pause(base::Rng& rng);

 private:
  const std::map<std::string, int> limits_;
  base::Mutex mutex_;
  std::map<std::string, int> taken_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_LANES_H_
