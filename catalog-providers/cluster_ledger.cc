#include "catalog-providers/cluster_ledger.h"

#include <algorithm>
#include <utility>

#include "catalog/entity.h"

namespace purser::catalog_providers {

using Json = nlohmann::json;

void ClusterLedger::Put(const std::string& partition, const std::string& key, uint64_t generation,
                        std::vector<MappedEntity> entities, std::vector<Change>* changes) {
  Object& object = objects_[key];
  object.partition = partition;
  object.generation = generation;
  std::vector<std::string> refs;
  for (MappedEntity& mapped : entities) {
    std::string ref = catalog::RefOf(mapped.entity).ToString();
    if (std::find(refs.begin(), refs.end(), ref) != refs.end()) continue;
    Entry& entry = refs_[ref];
    Claimant claimant{key, partition, mapped.rank,
                      std::make_shared<const Json>(std::move(mapped.entity)), mapped.shared};
    const auto known = Find(entry, key);
    if (known != entry.claimants.end()) {
      *known = std::move(claimant);
    } else {
      entry.claimants.push_back(std::move(claimant));
    }
    Settle(ref, entry, key, changes);
    refs.push_back(std::move(ref));
  }
  for (const std::string& ref : object.refs) {
    if (std::find(refs.begin(), refs.end(), ref) == refs.end()) Disclaim(ref, key, changes);
  }
  object.refs = std::move(refs);
}

void ClusterLedger::Touch(const std::string& key, uint64_t generation) {
  const auto found = objects_.find(key);
  if (found != objects_.end()) found->second.generation = generation;
}

void ClusterLedger::Delete(const std::string& key, std::vector<Change>* changes) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return;
  for (const std::string& ref : found->second.refs) Disclaim(ref, key, changes);
  objects_.erase(found);
}

std::vector<std::string> ClusterLedger::Missing(const std::string& partition,
                                                uint64_t generation) const {
  std::vector<std::string> missing;
  for (const auto& [key, object] : objects_) {
    if (object.partition == partition && object.generation != generation) missing.push_back(key);
  }
  return missing;
}

std::vector<ClusterLedger::Claimant>::iterator ClusterLedger::Find(Entry& entry,
                                                                   const std::string& key) {
  return std::find_if(entry.claimants.begin(), entry.claimants.end(),
                      [&key](const Claimant& claimant) { return claimant.key == key; });
}

void ClusterLedger::Settle(const std::string& ref, Entry& entry, const std::string& changed,
                           std::vector<Change>* changes) {
  Claimant* best = nullptr;
  for (Claimant& claimant : entry.claimants) {
    // One that was alone when it came is known by the catalog only.
    if (claimant.entity == nullptr && claimant.key != entry.shown) continue;
    if (best == nullptr || claimant.Beats(*best)) best = &claimant;
  }
  if (best == nullptr) {
    changes->push_back({Action::kRemove, ref, entry.partition, nullptr});
    entry.shown.clear();
    return;
  }
  if (best->key == entry.shown && best->key != changed) return;
  // A ref belongs to one partition at a time.
  if (!entry.shown.empty() && entry.partition != best->partition) {
    changes->push_back({Action::kMove, ref, entry.partition, nullptr});
  }
  changes->push_back({Action::kEmit, ref, best->partition, best->entity});
  entry.shown = best->key;
  entry.partition = best->partition;
  if (entry.claimants.size() == 1 && !best->shared) best->entity = nullptr;
}

void ClusterLedger::Disclaim(const std::string& ref, const std::string& key,
                             std::vector<Change>* changes) {
  const auto found = refs_.find(ref);
  if (found == refs_.end()) return;
  Entry& entry = found->second;
  const auto claimant = Find(entry, key);
  if (claimant == entry.claimants.end()) return;
  const bool shown = entry.shown == key;
  entry.claimants.erase(claimant);
  if (shown) Settle(ref, entry, "", changes);
  if (entry.claimants.empty()) refs_.erase(found);
}

}  // namespace purser::catalog_providers
