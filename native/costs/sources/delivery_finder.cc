#include "costs/sources/delivery_finder.h"

#include <algorithm>
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

// The key up to the part that names the period; the manifest's folder when no part does.
std::string GroupOf(absl::string_view key) {
  const std::vector<absl::string_view> parts = absl::StrSplit(key, '/');
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    if (NamesPeriod(parts[i])) {
      return absl::StrJoin(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i) + 1, "/");
    }
  }
  return std::string(key.substr(0, key.rfind('/') == absl::string_view::npos ? 0 : key.rfind('/')));
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
      FoundDelivery& delivery = found[GroupOf(rest)];
      if (delivery.manifest == nullptr || delivery.manifest->modified < object.modified ||
          (delivery.manifest->modified == object.modified && delivery.manifest->key < object.key)) {
        delivery.manifest = &object;
      }
      continue;
    }
    if (!IsDataFile(object.key)) continue;
    const std::vector<absl::string_view> parts = absl::StrSplit(rest, '/', absl::SkipEmpty());
    if (static_cast<int>(parts.size()) <= options.depth) continue;
    found[absl::StrJoin(parts.begin(), parts.begin() + options.depth, "/")].files.push_back(
        &object);
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
