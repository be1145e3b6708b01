// What the catalog was told of clusters, object by object, and which object stands for an entity
// that several claim.
#ifndef PURSER_CATALOG_PROVIDERS_CLUSTER_LEDGER_H_
#define PURSER_CATALOG_PROVIDERS_CLUSTER_LEDGER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "catalog-providers/cluster_source.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers {

// Objects are named by keys, unique over all partitions. Each call adds what the catalog must hear
// of to `changes`, in order. Keeps refs, and the entities of refs that several claim. Not
// thread-safe.
class ClusterLedger {
 public:
  enum class Action { kEmit, kRemove, kMove };  // kMove: removed here, to be emitted elsewhere
  struct Change {
    Action action;
    std::string ref;
    std::string partition;
    std::shared_ptr<const nlohmann::json> entity;
  };

  // The object `key` of `partition` now stands for just these entities.
  void Put(const std::string& partition, const std::string& key, uint64_t generation,
           std::vector<MappedEntity> entities, std::vector<Change>* changes);
  // It is still there, as it was.
  void Touch(const std::string& key, uint64_t generation);
  void Delete(const std::string& key, std::vector<Change>* changes);
  // The objects of the partition that the list of this generation did not show.
  std::vector<std::string> Missing(const std::string& partition, uint64_t generation) const;

 private:
  struct Object {
    std::string partition;
    uint64_t generation = 0;
    std::vector<std::string> refs;
  };
  struct Claimant {
    std::string key;
    std::string partition;
    int64_t rank = 0;
    // Kept where several claim a ref; most are alone, and their entity is in the catalog only.
    std::shared_ptr<const nlohmann::json> entity;
    bool shared = false;

    // The highest rank, then the first key: the same whatever came first.
    bool Beats(const Claimant& other) const {
      return rank != other.rank ? rank > other.rank : key < other.key;
    }
  };
  struct Entry {
    std::vector<Claimant> claimants;
    std::string shown;  // key of the one in the catalog
    std::string partition;
  };

  static std::vector<Claimant>::iterator Find(Entry& entry, const std::string& key);
  // Shows the best claimant, of which `changed` is new.
  static void Settle(const std::string& ref, Entry& entry, const std::string& changed,
                     std::vector<Change>* changes);
  void Disclaim(const std::string& ref, const std::string& key, std::vector<Change>* changes);

  absl::flat_hash_map<std::string, Object> objects_;
  absl::flat_hash_map<std::string, Entry> refs_;
};

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CLUSTER_LEDGER_H_
