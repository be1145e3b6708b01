#include "scaffolder-actions/archive/unpacking.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::actions {
namespace {

std::string NewOf(const std::string& path) { return absl::StrCat(base::kStageName, "/new/", path); }
std::string OldOf(const std::string& path) { return absl::StrCat(base::kStageName, "/old/", path); }

absl::Status Cancelled() { return absl::CancelledError("the task was cancelled"); }

}  // namespace

absl::Status Unpacking::Begin() {
  PURSER_RETURN_IF_ERROR(workspace_.Remove(base::kStageName));
  return workspace_.MakeAt(absl::StrCat(base::kStageName, "/new")).status();
}

absl::Status Unpacking::Begin(const Entry& entry) {
  std::string path = entry.path;
  for (int i = 0; i < strip_; ++i) {
    const size_t slash = path.find('/');
    if (slash == std::string::npos) return absl::OkStatus();
    path.erase(0, slash + 1);
  }
  const std::string staged = NewOf(path);
  if (entry.kind == EntryKind::kFolder) {
    folders_.push_back(path);
    return workspace_.MakeAt(staged).status();
  }
  ++counts_.files;
  counts_.bytes +=
      entry.kind == EntryKind::kLink ? static_cast<int64_t>(entry.target.size()) : entry.bytes;
  paths_.push_back(path);
  if (entry.kind == EntryKind::kLink) {
    links_.push_back(path);
    return workspace_.WriteSymlink(staged, entry.target);
  }
  PURSER_ASSIGN_OR_RETURN(
      base::FileWriter file,
      base::FileWriter::Create(workspace_, staged, entry.executable ? 0777 : 0666));
  file_.emplace(std::move(file));
  return absl::OkStatus();
}

absl::Status Unpacking::Content(absl::string_view piece) {
  return file_.has_value() ? file_->Append(piece) : absl::OkStatus();
}

absl::Status Unpacking::End() {
  if (!file_.has_value()) return absl::OkStatus();
  const absl::Status status = file_->Commit();
  file_.reset();
  return status;
}

absl::Status Unpacking::Move(std::stop_token stop) {
  PURSER_RETURN_IF_ERROR(CheckLinks(stop));
  absl::Status status = MoveAll(stop);
  if (status.ok()) return status;
  for (auto move = moved_.rbegin(); move != moved_.rend(); ++move) {
    // The first error is the one to tell.
    const std::string place = PlaceOf(move->path);
    (move->had_old ? workspace_.Rename(OldOf(move->path), place) : workspace_.Remove(place))
        .IgnoreError();
  }
  return status;
}

std::string Unpacking::PlaceOf(const std::string& path) const {
  return target_.empty() ? path : absl::StrCat(target_, "/", path);
}

// Chains of links are followed by the kernel, which tells when one leads out.
absl::Status Unpacking::CheckLinks(const std::stop_token& stop) const {
  PURSER_ASSIGN_OR_RETURN(const base::Directory stage,
                          workspace_.OpenAt(absl::StrCat(base::kStageName, "/new")));
  for (const std::string& path : links_) {
    if (stop.stop_requested()) return Cancelled();
    const absl::Status status = stage.OpenAt(path).status();
    if (status.code() == absl::StatusCode::kPermissionDenied) {
      return absl::PermissionDeniedError(
          absl::StrCat("entry \"", base::EscapeForDisplay(path), "\": a link that leads out"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Unpacking::IsSame(const std::string& path, const base::DirectoryEntry& there,
                                       const std::stop_token& stop) const {
  PURSER_ASSIGN_OR_RETURN(const base::DirectoryEntry own, workspace_.Stat(NewOf(path)));
  if (own.kind != there.kind || own.bytes != there.bytes) return false;
  if (own.kind == base::FileKind::kSymlink) {
    PURSER_ASSIGN_OR_RETURN(const std::string a, workspace_.ReadSymlink(NewOf(path)));
    PURSER_ASSIGN_OR_RETURN(const std::string b, workspace_.ReadSymlink(PlaceOf(path)));
    return a == b;
  }
  PURSER_ASSIGN_OR_RETURN(const base::FileReader a,
                          base::FileReader::Open(workspace_, NewOf(path)));
  PURSER_ASSIGN_OR_RETURN(const base::FileReader b,
                          base::FileReader::Open(workspace_, PlaceOf(path)));
  std::string left(kPieceBytes, '\0');
  std::string right(kPieceBytes, '\0');
  for (int64_t at = 0;; at += static_cast<int64_t>(kPieceBytes)) {
    if (stop.stop_requested()) return Cancelled();
    PURSER_ASSIGN_OR_RETURN(const size_t got, a.ReadAt(at, left.data(), left.size()));
    PURSER_ASSIGN_OR_RETURN(const size_t other, b.ReadAt(at, right.data(), right.size()));
    if (got != other || left.compare(0, got, right, 0, got) != 0) return false;
    if (got < kPieceBytes) return true;
  }
}

absl::Status Unpacking::MoveAll(const std::stop_token& stop) {
  for (const std::string& folder : folders_) {
    if (stop.stop_requested()) return Cancelled();
    PURSER_RETURN_IF_ERROR(workspace_.MakeAt(PlaceOf(folder)).status());
  }
  for (const std::string& path : paths_) {
    if (stop.stop_requested()) return Cancelled();
    PURSER_RETURN_IF_ERROR(MoveOne(path, stop));
  }
  return absl::OkStatus();
}

absl::Status Unpacking::MoveOne(const std::string& path, const std::stop_token& stop) {
  const std::string place = PlaceOf(path);
  const absl::StatusOr<base::DirectoryEntry> there = workspace_.Stat(place);
  if (!there.ok() && there.status().code() != absl::StatusCode::kNotFound) return there.status();
  if (there.ok()) {
    if (there->kind == base::FileKind::kDirectory) {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(place), ": there is a folder of this name"));
    }
    PURSER_ASSIGN_OR_RETURN(const bool same, IsSame(path, *there, stop));
    if (same) return absl::OkStatus();
    if (!replace_) {
      return absl::AlreadyExistsError(
          absl::StrCat(base::EscapeForDisplay(place),
                       ": is there and says something else; \"replace\" would overwrite it"));
    }
    PURSER_RETURN_IF_ERROR(MakeParent(OldOf(path)));
    PURSER_RETURN_IF_ERROR(workspace_.Rename(place, OldOf(path)));
  }
  moved_.push_back({path, there.ok()});
  PURSER_RETURN_IF_ERROR(MakeParent(place));
  return workspace_.Rename(NewOf(path), place);
}

absl::Status Unpacking::MakeParent(const std::string& path) const {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return absl::OkStatus();
  return workspace_.MakeAt(path.substr(0, slash)).status();
}

}  // namespace purser::actions
