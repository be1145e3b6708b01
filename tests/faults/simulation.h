// Three engines, one store, one outside world and one clock in a single thread: everything that may
// happen between them happens in an order that one seed decides.
//
// What may happen: an engine takes a task, a call's answer comes, is lost or fails, results are
// stored, the store refuses or answers that it refused what it stored, engines beat, stand still
// past their lease, die and are replaced, time passes, the wall clock jumps by up to an hour.
#ifndef PURSER_TESTS_FAULTS_SIMULATION_H_
#define PURSER_TESTS_FAULTS_SIMULATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "store/store.h"

namespace purser::faults {

struct SimulationOptions {
  int engines = 3;
  int runs = 20;
  int steps = 400;  // of the scheduler, with faults; then all is calm until the runs have ended
  // What the controls take away: each must make the simulation find a fault.
  bool keys = true;
  bool probes = true;
  bool fence = true;
  bool time = true;  // what engines know of one another's
};

struct SimulationResult {
  uint64_t trace = 0;  // a hash over everything that happened: equal for equal seeds
  int doubled = 0;
  int lost = 0;
  int early = 0;     // looks before their time
  int repeated = 0;  // calls of steps that had completed
  int crashes = 0;
  int64_t refused = 0;
  std::string unfinished;  // a run that did not end, and its state

  bool good() const { return unfinished.empty() && doubled + lost + early + repeated == 0; }
};

// `database` is emptied of what the simulation before left. Not thread-safe.
SimulationResult Simulate(store::Database& database, uint64_t seed,
                          const SimulationOptions& options);

}  // namespace purser::faults

#endif  // PURSER_TESTS_FAULTS_SIMULATION_H_
