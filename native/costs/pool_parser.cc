// The YAML form of pools of shared cost.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "costs/allocation_document.h"
#include "json/json.h"

namespace purser::costs {
namespace {

class PoolParser {
 public:
  explicit PoolParser(AllocationDocument& document) : document_(document) {}

  std::vector<Pool> Read(const nlohmann::json& pools) {
    std::vector<Pool> read;
    if (!pools.is_array() || pools.size() > kMaxPools) {
      document_.Problem("/spec/pools",
                        absl::StrCat("pools are a list of at most ", kMaxPools, " (kMaxPools)"));
      return read;
    }
    for (size_t i = 0; i < pools.size(); ++i) {
      const std::string pointer = absl::StrCat("/spec/pools/", i);
      if (!pools[i].is_object()) {
        document_.Problem(pointer, "a pool is an object with name and split");
        continue;
      }
      Pool pool = ReadPool(pools[i], pointer);
      if (!names_.insert(pool.name).second) {
        document_.Problem(pointer,
                          absl::StrCat("two pools are named ", base::EscapeForDisplay(pool.name)));
      }
      read.push_back(std::move(pool));
    }
    return read;
  }

 private:
  Pool ReadPool(const nlohmann::json& value, const std::string& pointer) {
    Pool pool;
    document_.CheckKeys(
        value, {"name", "split", "measure", "shares", "metric", "capacity", "among"}, pointer);
    pool.name = document_.TextAt(value, "name", pointer);
    if (pool.name.empty() || pool.name != NamePart(pool.name)) {
      document_.Problem(pointer, "a pool needs a name of a-z, 0-9, '.', '_' and '-'");
    }
    const std::string split = document_.TextAt(value, "split", pointer);
    const std::map<std::string, Split> splits = {{"even", Split::kEven},
                                                 {"proportional", Split::kProportional},
                                                 {"fixed", Split::kFixed},
                                                 {"metric", Split::kMetric}};
    const auto found = splits.find(split);
    if (found == splits.end()) {
      document_.Problem(pointer, "split must be even, proportional, fixed or metric");
      return pool;
    }
    pool.split = found->second;
    if (value.contains("measure")) {
      const absl::StatusOr<Measure> measure =
          ParseMeasure(document_.TextAt(value, "measure", pointer));
      if (measure.ok()) {
        pool.measure = *measure;
      } else {
        document_.Problem(pointer + "/measure", measure.status().message());
      }
    }
    pool.metric = document_.TextAt(value, "metric", pointer);
    pool.capacity = document_.TextAt(value, "capacity", pointer);
    if ((pool.split == Split::kMetric) != value.contains("metric")) {
      document_.Problem(pointer, "split: metric goes together with metric");
    }
    if (value.contains("capacity") && pool.split != Split::kMetric) {
      document_.Problem(pointer + "/capacity", "capacity belongs to split: metric");
    }
    if ((pool.split == Split::kFixed) != value.contains("shares")) {
      document_.Problem(pointer, "split: fixed goes together with shares");
    }
    if (value.contains("shares")) ReadShares(value["shares"], pointer + "/shares", pool);
    if (value.contains("among")) ReadAmong(value["among"], pointer + "/among", pool);
    return pool;
  }

  void ReadShares(const nlohmann::json& shares, const std::string& pointer, Pool& pool) {
    if (!shares.is_object()) {
      document_.Problem(pointer, "shares is a map from entity refs to percents");
      return;
    }
    base::Decimal sum;
    for (const auto& [ref, percent] : shares.items()) {
      const std::string at = absl::StrCat(pointer, "/", json::PointerToken(ref));
      const absl::StatusOr<base::Decimal> number = base::Decimal::Parse(
          percent.is_string() ? percent.get<std::string>() : json::Dump(percent));
      if (!number.ok() || number->IsNegative() || !base::Decimal::Add(sum, *number, &sum)) {
        document_.Problem(at, "a percent from 0 to 100 is expected");
        continue;
      }
      pool.fixed[document_.CheckedRef(ref, at)] = *number;
    }
    if (sum > base::Decimal::FromInteger(100)) {
      document_.Problem(pointer,
                        absl::StrCat("the shares are ", sum.ToString(), " %, more than all"));
    }
  }

  void ReadAmong(const nlohmann::json& among, const std::string& pointer, Pool& pool) {
    if (!among.is_object()) {
      document_.Problem(pointer, "among is a map with kinds, owners, systems or entities");
      return;
    }
    document_.CheckKeys(among, {"kinds", "owners", "systems", "entities"}, pointer);
    if (among.contains("kinds")) {
      pool.kinds = document_.TextsOf(among["kinds"], pointer + "/kinds", "kinds");
      for (std::string& kind : pool.kinds) kind = absl::AsciiStrToLower(kind);
      std::sort(pool.kinds.begin(), pool.kinds.end());
    }
    const std::pair<const char*, std::vector<std::string>*> lists[] = {
        {"owners", &pool.owners}, {"systems", &pool.systems}, {"entities", &pool.entities}};
    for (const auto& [name, list] : lists) {
      if (!among.contains(name)) continue;
      const std::string at = absl::StrCat(pointer, "/", name);
      for (const std::string& text : document_.TextsOf(among[name], at, "entity refs")) {
        list->push_back(document_.CheckedRef(text, at));
      }
      std::sort(list->begin(), list->end());
    }
  }

  AllocationDocument& document_;
  std::set<std::string> names_;
};

}  // namespace

std::vector<Pool> ReadPools(AllocationDocument& document, const nlohmann::json& pools) {
  return PoolParser(document).Read(pools);
}

}  // namespace purser::costs
