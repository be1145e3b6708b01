#include "costs/sources/fetching_source.h"

#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/transient.h"
#include "costs/readers/formats.h"
#include "costs/readers/manifest.h"

namespace purser::costs {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownBytes = 1'000;  // of an error in the log

std::string LastPart(absl::string_view key) {
  const size_t slash = key.rfind('/');
  return std::string(slash == absl::string_view::npos ? key : key.substr(slash + 1));
}

absl::string_view FolderOf(absl::string_view key) {
  const size_t slash = key.rfind('/');
  return slash == absl::string_view::npos ? absl::string_view() : key.substr(0, slash + 1);
}

// "s3://bucket/key" and "https://account/container/key" as "key" or what may end in it.
absl::string_view WithoutScheme(absl::string_view name) {
  const size_t scheme = name.find("://");
  if (scheme == absl::string_view::npos) return name;
  name.remove_prefix(scheme + 3);
  const size_t slash = name.find('/');
  return slash == absl::string_view::npos ? name : name.substr(slash + 1);
}

FetchResult ResultOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return FetchResult::kWaiting;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return FetchResult::kRefused;
    case absl::StatusCode::kResourceExhausted:
      return base::IsTransient(status) ? FetchResult::kFailed : FetchResult::kRefused;
    default:
      return FetchResult::kFailed;
  }
}

}  // namespace

FetchingSource::FetchingSource(FetchingOptions options, std::unique_ptr<ObjectStore> store,
                               CostService& costs, FetchLog log, base::Clock& clock)
    : options_(std::move(options)),
      store_(std::move(store)),
      costs_(costs),
      log_(log),
      clock_(clock) {}

absl::StatusOr<std::vector<FetchedDelivery>> FetchingSource::Round(bool force,
                                                                   std::stop_token stop) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<ObjectInfo> objects, store_->List(stop));
  PURSER_ASSIGN_OR_RETURN(const auto known, log_.Read(options_.name));
  ByKey by_key;
  for (const ObjectInfo& object : objects) by_key.emplace(object.key, &object);
  std::vector<FetchedDelivery> fetched;
  for (const FoundDelivery& delivery : FindDeliveries(objects, options_.finder)) {
    const auto before = known.find(delivery.name);
    // Another map of the same columns reads another bill.
    const std::string version =
        options_.format == nullptr
            ? delivery.version
            : base::Sha256Hex(absl::StrCat(delivery.version, "\n", options_.format->fingerprint));
    if (!force && before != known.end() && before->second.version == version &&
        (before->second.delivery.result == FetchResult::kStored ||
         before->second.delivery.result == FetchResult::kRefused)) {
      fetched.push_back(before->second.delivery);
      if (fetched.back().result == FetchResult::kStored) {
        fetched.back().result = FetchResult::kUnchanged;
      }
      continue;
    }
    FetchedDelivery outcome{.name = delivery.name, .at = clock_.Now()};
    const absl::StatusOr<IngestReport> report = Fetch(delivery, by_key, stop);
    if (stop.stop_requested()) return absl::CancelledError("the round was cancelled");
    if (report.ok()) {
      outcome.result = FetchResult::kStored;
      outcome.rows = report->rows_stored;
      if (report->rows_quarantined > 0) {
        outcome.detail = absl::StrCat(
            report->rows_quarantined, " of ", report->rows_read, " rows were set aside",
            report->quarantine_path.empty() ? "" : ": ", report->quarantine_path);
      }
    } else {
      outcome.result = ResultOf(report.status());
      outcome.detail =
          base::EscapeForDisplay(report.status().message().substr(0, kShownBytes), kShownBytes);
    }
    PURSER_RETURN_IF_ERROR(log_.Write(options_.name, {version, outcome}));
    fetched.push_back(std::move(outcome));
  }
  return fetched;
}

absl::StatusOr<IngestReport> FetchingSource::Fetch(const FoundDelivery& delivery,
                                                   const ByKey& objects, std::stop_token stop) {
  const std::string folder = absl::StrCat(options_.spool_folder, "/", options_.name, "-",
                                          base::Sha256Hex(delivery.name).substr(0, 16));
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat(folder, ": ", error.message()));
  absl::StatusOr<IngestReport> report = FetchInto(folder, delivery, objects, stop);
  fs::remove_all(folder, error);
  return report;
}

absl::StatusOr<IngestReport> FetchingSource::FetchInto(const std::string& folder,
                                                       const FoundDelivery& delivery,
                                                       const ByKey& objects, std::stop_token stop) {
  std::vector<const ObjectInfo*> files = delivery.files;
  if (delivery.manifest != nullptr) {
    // Under one name, whatever it was: a folder has one manifest.
    const std::string path = folder + "/manifest.json";
    PURSER_RETURN_IF_ERROR(store_->Fetch(*delivery.manifest, path, stop));
    PURSER_ASSIGN_OR_RETURN(files, FilesOf(*delivery.manifest, path, objects));
  }
  IngestRequest request;
  request.source = SourceOf(options_.name, delivery.scope);
  request.bad_rows = options_.bad_rows;
  request.format = options_.format;
  request.stop = stop;
  std::set<std::string> names;
  for (size_t i = 0; i < files.size(); ++i) {
    // A manifest names its files by their last parts; without one, keys may share those.
    const std::string name = delivery.manifest != nullptr
                                 ? LastPart(files[i]->key)
                                 : absl::StrCat(i, "-", LastPart(files[i]->key));
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(delivery.name, ": two files of the delivery are called ", name));
    }
    const std::string path = absl::StrCat(folder, "/", name);
    PURSER_RETURN_IF_ERROR(store_->Fetch(*files[i], path, stop));
    if (delivery.manifest == nullptr) request.paths.push_back(path);
  }
  if (delivery.manifest != nullptr) request.paths.push_back(folder);
  return costs_.Ingest(request);
}

absl::StatusOr<std::vector<const ObjectInfo*>> FetchingSource::FilesOf(const ObjectInfo& manifest,
                                                                       const std::string& path,
                                                                       const ByKey& objects) const {
  PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxManifestBytes));
  PURSER_ASSIGN_OR_RETURN(const ManifestFiles named, ParseManifest(text, manifest.key));
  const std::string own(FolderOf(manifest.key));
  const std::string beside = absl::StrReplaceAll(own, {{"/metadata/", "/data/"}});
  std::vector<const ObjectInfo*> files;
  for (const std::string& name : named.names) {
    const ObjectInfo* file = nullptr;
    for (const std::string& key :
         {std::string(WithoutScheme(name)), name, own + LastPart(name), beside + LastPart(name)}) {
      const auto found = objects.find(key);
      if (found == objects.end()) continue;
      file = found->second;
      break;
    }
    if (file == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("not delivered yet: ", manifest.key, " names ",
                       base::EscapeForDisplay(name, 200), ", which is not there"));
    }
    if (file->modified > manifest.modified && clock_.Now() - file->modified < options_.settle) {
      return absl::FailedPreconditionError(absl::StrCat(
          "being delivered: ", file->key, " is newer than its manifest ", manifest.key));
    }
    files.push_back(file);
  }
  return files;
}

}  // namespace purser::costs
