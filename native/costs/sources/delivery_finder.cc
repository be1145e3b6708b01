#include "costs/sources/delivery_finder.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/hash.h"

namespace purser::costs {
namespace {

bool IsManifest(absl::string_view key) {
  return absl::EndsWith(absl::AsciiStrToLower(key), "manifest.json");
}

// Six digits in a row, or four and two with '-' between: a year and a month.
bool NamesPeriod(absl::string_view part) {
  const auto digits = [&](size_t at, size_t count) {
    if (at + count > part.size()) return false;
    return std::all_of(part.begin() + at, part.begin() + at + count, absl::ascii_isdigit);
  };
  for (size_t i = 0; i < part.size(); ++i) {
    if (i > 0 && absl::ascii_isdigit(part[i - 1])) continue;
    if (digits(i, 6)) return true;
    if (digits(i, 4) && i + 4 < part.size() && part[i + 4] == '-' && digits(i + 5, 2)) return true;
  }
  return false;
}

// What people call something: no period, no identifier in hexadecimal digits, and not what exports
// call the folders in which they keep files and manifests apart.
bool IsName(absl::string_view part) {
  if (NamesPeriod(part) || part == "data" || part == "metadata") return false;
  return std::any_of(part.begin(), part.end(),
                     [](char c) { return absl::ascii_isalpha(c) && !absl::ascii_isxdigit(c); });
}

struct Place {
  std::string name;
  std::string scope;
};

// Of a manifest: the key up to the part that names the period, and names behind it (of exports;
// executions have identifiers); the manifest's folder when no part names a period.
Place PlaceOf(absl::string_view key) {
  std::vector<absl::string_view> parts = absl::StrSplit(key, '/');
  parts.pop_back();
  const auto period = std::find_if(parts.begin(), parts.end(), NamesPeriod);
  if (period == parts.end()) return {absl::StrJoin(parts, "/"), ""};
  std::vector<absl::string_view> name(parts.begin(), period + 1), scope;
  std::copy_if(period + 1, parts.end(), std::back_inserter(name), IsName);
  std::copy_if(name.begin(), name.end(), std::back_inserter(scope), IsName);
  return {absl::StrJoin(name, "/"), absl::StrJoin(scope, "/")};
}

// Of a file, told by the first parts of its key: those that are no dates.
std::string ScopeOf(const std::vector<absl::string_view>& name) {
  std::vector<absl::string_view> scope;
  std::copy_if(name.begin(), name.end(), std::back_inserter(scope), [](absl::string_view part) {
    return !NamesPeriod(part) && part.find_first_not_of("0123456789-") != absl::string_view::npos;
  });
  return absl::StrJoin(scope, "/");
}

std::string Version(const std::vector<const ObjectInfo*>& objects) {
  std::string text;
  for (const ObjectInfo* object : objects) {
    absl::StrAppend(&text, object->key, "\x1f", object->etag, "\x1f", object->size, "\x1f",
                    absl::ToUnixNanos(object->modified), "\x1e");
  }
  return base::Sha256Hex(text);
}

}  // namespace

bool IsDataFile(absl::string_view key) {
  const std::string name = absl::AsciiStrToLower(key);
  if (IsManifest(name)) return false;
  for (const char* const end : {".csv", ".gz", ".parquet", ".json", ".jsonl"}) {
    if (absl::EndsWith(name, end)) return true;
  }
  return false;
}

std::vector<FoundDelivery> FindDeliveries(const std::vector<ObjectInfo>& objects,
                                          const FinderOptions& options) {
  std::map<std::string, FoundDelivery> found;
  for (const ObjectInfo& object : objects) {
    if (!absl::StartsWith(object.key, options.prefix)) continue;
    const absl::string_view rest = absl::string_view(object.key).substr(options.prefix.size());
    if (options.manifests) {
      if (!IsManifest(object.key)) continue;
      Place place = PlaceOf(rest);
      FoundDelivery& delivery = found[place.name];
      delivery.scope = std::move(place.scope);
      if (delivery.manifest == nullptr || delivery.manifest->modified < object.modified ||
          (delivery.manifest->modified == object.modified && delivery.manifest->key < object.key)) {
        delivery.manifest = &object;
      }
      continue;
    }
    if (!IsDataFile(object.key)) continue;
    const std::vector<absl::string_view> parts = absl::StrSplit(rest, '/', absl::SkipEmpty());
    if (static_cast<int>(parts.size()) <= options.depth) continue;
    const std::vector<absl::string_view> name(parts.begin(), parts.begin() + options.depth);
    FoundDelivery& delivery = found[absl::StrJoin(name, "/")];
    delivery.scope = ScopeOf(name);
    delivery.files.push_back(&object);
  }
  std::vector<FoundDelivery> deliveries;
  for (auto& [name, delivery] : found) {
    delivery.name = name;
    delivery.version =
        Version(delivery.manifest != nullptr ? std::vector<const ObjectInfo*>{delivery.manifest}
                                             : delivery.files);
    deliveries.push_back(std::move(delivery));
  }
  return deliveries;
}

}  // namespace purser::costs
