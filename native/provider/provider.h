// Catalog entity providers: one C++ interface, two hosts (see action/action.h).
#ifndef PURSER_PROVIDER_PROVIDER_H_
#define PURSER_PROVIDER_PROVIDER_H_

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "action/action.h"
#include "catalog/diff.h"
#include "nlohmann/json.hpp"

namespace purser::provider {

struct Description {
  std::string id;  // "source-tree"; the catalog's provider name is "purser-<id>:<instance>"
  std::string description;
  action::Host host;
  nlohmann::json config_schema;  // of one instance below catalog.providers.purser.<id>.<instance>
  // True: the source keeps its own change log and implements Deltas; false: it gives snapshots.
  bool has_deltas = false;
};

// A piece of a source's change log; applied in order. `position` is opaque and says how far the
// portal is once it applied the piece.
struct DeltaChunk {
  catalog::Delta delta;
  std::string position;
};

struct Counts {
  int64_t read = 0;     // items seen in the source
  int64_t emitted = 0;  // entities given
  int64_t dropped = 0;  // items that could not become entities; each is logged
};

class Context {
 public:
  virtual ~Context() = default;
  virtual const nlohmann::json& config() const = 0;  // already checked against config_schema
  virtual std::stop_token stop() const = 0;
  virtual http::Transport& transport() = 0;
  virtual void Log(action::LogLevel level, absl::string_view line) = 0;
  // One entity of the snapshot; invalid ones are refused with all their problems and counted.
  virtual absl::Status Emit(const nlohmann::json& entity) = 0;
  // Items of the source that never became an entity to emit (an unreadable file); the provider has
  // logged why. They count in the summary; a host without snapshots has none.
  virtual void AddDropped(int64_t) {}
  // The source still has this location (as the entities' annotation
  // backstage.io/managed-by-location names it), but it cannot be read now: what the catalog holds
  // from there stays as it is, except for entities that were emitted in this round.
  virtual void KeepLocation(absl::string_view) {}
};

// A source. Snapshot gives everything the source holds now; a failure means "nothing is known", and
// the host then keeps what the catalog has. The host diffs, guards, chunks and remembers.
class Provider {
 public:
  virtual ~Provider() = default;
  virtual const Description& description() const = 0;
  // Providers with a change log need not implement it.
  virtual absl::Status Snapshot(Context& context);
  // Changes behind `position` ("" = everything), in chunks of at most catalog::kMaxDeltaEntities;
  // with `follow` it waits for more until stop. A status from `on_chunk` ends it.
  virtual absl::Status Deltas(Context& context, absl::string_view position, bool follow,
                              const std::function<absl::Status(const DeltaChunk&)>& on_chunk);
};

class Registry {
 public:
  absl::Status Add(std::unique_ptr<Provider> provider);
  Provider* Find(absl::string_view id) const;
  std::vector<const Description*> List() const;

 private:
  std::map<std::string, std::unique_ptr<Provider>, std::less<>> providers_;
};

nlohmann::json ToJson(const Description& description);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_PROVIDER_H_
