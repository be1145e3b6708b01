#include "connectors/kubernetes/object_watcher.h"

#include <atomic>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "json/fields.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

std::string NameOf(const Json& object) { return json::TextAt(object, {"metadata", "name"}); }

FieldSelection WholeObjects() {
  FieldSelection fields;
  fields.Add({});
  fields.Drop({"metadata", "managedFields"});
  return fields;
}

// That it will not get better soon by itself.
bool IsHopeless(const absl::Status& why) {
  return absl::IsPermissionDenied(why) || absl::IsResourceExhausted(why) ||
         absl::IsInvalidArgument(why) || absl::IsUnimplemented(why);
}

}  // namespace

// The objects of one kind in one namespace, and who waits for which of them.
class ObjectWatcher::Place final : public KindObserver {
 public:
  Place(KubernetesReader& reader, KindQuery query, ListGate& gate, base::Clock& clock,
        base::Rng& rng)
      : reader_(reader),
        query_(std::move(query)),
        gate_(gate),
        clock_(clock),
        rng_(rng),
        needed_(clock.Monotonic()) {}
  ~Place() override {
    RequestStop();
    if (thread_.joinable()) thread_.join();
  }

  void Start() {
    thread_ = std::thread([this] {
      const FollowOptions options{.clock = clock_,
                                  .rng = rng_,
                                  .gate = gate_,
                                  .stop = stop_.get_token(),
                                  .max_objects = kMaxWatchedObjects};
      FollowKind(reader_, query_, WholeObjects(), *this, options).IgnoreError();
      ended_ = true;
    });
  }
  void RequestStop() { stop_.request_stop(); }
  bool ended() const { return ended_; }
  bool hopeless() const { return hopeless_; }

  Answer Expect(const std::string& name, const std::string& who, Settled settled, Wake wake) {
    base::MutexLock lock(mutex_);
    needed_ = clock_.Monotonic();
    if (ended_) return Answer::kPolled;
    const auto known = waits_.find(who);
    if (known == waits_.end() && waits_.size() >= kMaxExpectations) return Answer::kPolled;
    // A wait that goes on has missed nothing since it began.
    const bool goes_on = known != waits_.end() && known->second.name == name;
    if (known != waits_.end() && !goes_on) Erase(known);
    waits_[who] = {name, std::move(settled), std::move(wake), needed_};
    by_name_[name].insert(who);
    if (!reading_) return Answer::kPolled;
    return goes_on || !began_ ? Answer::kWatched : Answer::kMissed;
  }
  bool idle() const {
    base::MutexLock lock(mutex_);
    return waits_.empty();
  }

  absl::Status OnListBegin() override {
    base::MutexLock lock(mutex_);
    began_ = true;
    listed_.clear();
    return absl::OkStatus();
  }
  absl::Status OnObject(Json object) override {
    std::string name = NameOf(object);
    Tell(name, &object);
    base::MutexLock lock(mutex_);
    if (by_name_.contains(name)) listed_.insert(std::move(name));
    return absl::OkStatus();
  }
  absl::Status OnListEnd() override {
    std::vector<std::string> absent;
    {
      base::MutexLock lock(mutex_);
      reading_ = true;
      for (const auto& [name, unused] : by_name_) {
        if (!listed_.contains(name)) absent.push_back(name);
      }
      listed_.clear();
    }
    for (const std::string& name : absent) Tell(name, nullptr);
    return Tidy();
  }
  absl::Status OnPut(Json object) override {
    Tell(NameOf(object), &object);
    return absl::OkStatus();
  }
  absl::Status OnDelete(Json object) override {
    Tell(NameOf(object), nullptr);
    return absl::OkStatus();
  }
  void OnAlive() override {
    if (!Tidy().ok()) RequestStop();
  }
  void OnFailure(const absl::Status& why, absl::Duration) override {
    if (IsHopeless(why)) {
      hopeless_ = true;
      RequestStop();
    }
    base::MutexLock lock(mutex_);
    reading_ = false;
  }

 private:
  struct Wait {
    std::string name;
    Settled settled;
    Wake wake;
    absl::Duration renewed;
  };

  void Tell(const std::string& name, const Json* object) {
    std::vector<Wake> wakes;
    {
      base::MutexLock lock(mutex_);
      const auto found = by_name_.find(name);
      if (found == by_name_.end()) return;
      const std::set<std::string> all = found->second;
      for (const std::string& who : all) {
        const auto wait = waits_.find(who);
        if (!wait->second.settled(object)) continue;
        wakes.push_back(std::move(wait->second.wake));
        Erase(wait);
      }
    }
    for (const Wake& wake : wakes) wake();
  }

  // Forgets waits that are over; a status when nobody has needed the watch for a while.
  absl::Status Tidy() {
    base::MutexLock lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    for (auto wait = waits_.begin(); wait != waits_.end();) {
      const auto next = std::next(wait);
      if (now - wait->second.renewed > kExpectationLifetime) Erase(wait);
      wait = next;
    }
    if (!waits_.empty() || now - needed_ < kIdleWatch) return absl::OkStatus();
    return absl::CancelledError("nobody waits");
  }

  void Erase(std::map<std::string, Wait>::iterator wait) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto same_name = by_name_.find(wait->second.name);
    same_name->second.erase(wait->first);
    if (same_name->second.empty()) by_name_.erase(same_name);
    waits_.erase(wait);
  }

  KubernetesReader& reader_;
  const KindQuery query_;
  ListGate& gate_;
  base::Clock& clock_;
  base::Rng& rng_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> hopeless_{false};
  mutable base::Mutex mutex_;
  std::map<std::string, Wait> waits_ ABSL_GUARDED_BY(mutex_);                     // by who
  std::map<std::string, std::set<std::string>> by_name_ ABSL_GUARDED_BY(mutex_);  // name → who
  std::set<std::string> listed_ ABSL_GUARDED_BY(mutex_);  // of those waited for, by the list
  absl::Duration needed_ ABSL_GUARDED_BY(mutex_);
  bool began_ ABSL_GUARDED_BY(mutex_) = false;   // the first list may have been taken
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;  // no failure since the last list
  std::stop_source stop_;  // not a jthread's: the thread itself asks for its end
  std::thread thread_;
};

ObjectWatcher::ObjectWatcher(base::Clock& clock, base::Rng& rng, size_t max_places)
    : clock_(clock), rng_(rng), max_places_(max_places) {}

ObjectWatcher::~ObjectWatcher() {
  base::MutexLock lock(mutex_);
  // All at once, then one after the other.
  for (const auto& [key, place] : places_) place->RequestStop();
  places_.clear();
}

size_t ObjectWatcher::places() const {
  base::MutexLock lock(mutex_);
  size_t standing = 0;
  for (const auto& [key, place] : places_) standing += place->ended() ? 0 : 1;
  return standing;
}

ObjectWatcher::Answer ObjectWatcher::Expect(KubernetesReader& reader, const ObjectRef& ref,
                                            const std::string& who, Settled settled, Wake wake) {
  // They can only be read one by one.
  if (ref.api_version == "v1" && ref.kind == "Secret") return Answer::kPolled;
  const Key key = {&reader, absl::StrCat(ref.api_version, " ", ref.kind, " ", ref.namespace_name)};
  base::MutexLock lock(mutex_);
  for (auto place = places_.begin(); place != places_.end();) {
    if (!place->second->ended()) {
      ++place;
      continue;
    }
    if (place->second->hopeless()) {
      unwatchable_[place->first] = clock_.Monotonic() + kUnwatchablePause;
    }
    place = places_.erase(place);
  }
  const auto barred = unwatchable_.find(key);
  if (barred != unwatchable_.end()) {
    if (clock_.Monotonic() < barred->second) return Answer::kPolled;
    unwatchable_.erase(barred);
  }
  auto place = places_.find(key);
  if (place == places_.end()) {
    if (places_.size() >= max_places_) {
      // Makes room for the next one: its thread needs a moment to end.
      for (const auto& [other, one] : places_) {
        if (one->idle()) one->RequestStop();
      }
      return Answer::kPolled;
    }
    std::unique_ptr<ListGate>& gate = gates_[&reader];
    if (gate == nullptr) gate = std::make_unique<ListGate>();
    KindQuery query{
        .api_version = ref.api_version, .kind = ref.kind, .namespace_name = ref.namespace_name};
    place =
        places_.emplace(key, std::make_unique<Place>(reader, std::move(query), *gate, clock_, rng_))
            .first;
    const Answer answer = place->second->Expect(ref.name, who, std::move(settled), std::move(wake));
    place->second->Start();
    return answer;
  }
  return place->second->Expect(ref.name, who, std::move(settled), std::move(wake));
}

}  // namespace purser::connectors
