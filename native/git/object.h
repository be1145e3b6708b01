// Git's objects as bytes: blobs, trees and commits, and the rules for names inside them.
//
// Everything here is a pure function; an object's name is the SHA-1 of "<type> <size>\0<content>".
#ifndef PURSER_GIT_OBJECT_H_
#define PURSER_GIT_OBJECT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/hash.h"
#include "git/object_id.h"

namespace purser::git {

// The numbers are those of the pack format.
enum class ObjectType : uint8_t { kCommit = 1, kTree = 2, kBlob = 3, kTag = 4 };

// "commit", "tree", "blob" or "tag".
absl::string_view TypeName(ObjectType type);

struct Object {
  ObjectType type = ObjectType::kBlob;
  std::string content;
};

ObjectId HashObject(ObjectType type, absl::string_view content);

// The same of a content that comes piece by piece. Not thread-safe.
class ObjectHasher {
 public:
  ObjectHasher(ObjectType type, int64_t size);  // of the whole content
  void Update(absl::string_view piece) { hasher_.Update(piece); }
  ObjectId Finish();  // once, last

 private:
  base::Hasher hasher_{base::HashKind::kSha1};
};

// The modes git knows; nothing else may be in a tree.
inline constexpr uint32_t kModeFile = 0100644;
inline constexpr uint32_t kModeExecutable = 0100755;
inline constexpr uint32_t kModeSymlink = 0120000;
inline constexpr uint32_t kModeTree = 0040000;
inline constexpr uint32_t kModeSubmodule = 0160000;

struct TreeEntry {
  uint32_t mode = kModeFile;
  std::string name;  // one path component
  ObjectId id;
};

// The content of a tree object. Entries may come in any order (git's own order, where a folder
// sorts as if it ended in '/', is made here); names must differ.
std::string EncodeTree(std::vector<TreeEntry> entries);
// INVALID_ARGUMENT when the bytes are not a tree. Modes are given as they are stored.
absl::StatusOr<std::vector<TreeEntry>> ParseTree(absl::string_view content);

struct Person {
  std::string name;
  std::string email;
};

// INVALID_ARGUMENT when git would refuse or garble it: an empty name, or '<', '>', a line break or
// NUL anywhere. `what` names it in the message ("author").
absl::Status CheckPerson(const Person& person, absl::string_view what);

struct Commit {
  ObjectId tree;
  std::vector<ObjectId> parents;
  Person author;
  Person committer;
  absl::Time time;        // whole seconds, written in UTC
  std::string message;    // ends in a line break
  std::string signature;  // armoured, of the same commit without it; "" = unsigned
};

std::string EncodeCommit(const Commit& commit);

// What readers need of a commit.
struct CommitSummary {
  ObjectId tree;
  std::vector<ObjectId> parents;
  std::string message;
};
absl::StatusOr<CommitSummary> ParseCommit(absl::string_view content);

inline constexpr size_t kMaxPathBytes = 4096;
inline constexpr int kMaxPathDepth = 256;

// INVALID_ARGUMENT when `path` cannot be a file in a repository: absolute, empty, with "", "." or
// ".." components, NUL, too long or deep, or with a component that some file system takes for
// ".git" (case, NTFS short names and streams, HFS+ ignorable characters).
absl::Status CheckPath(absl::string_view path);

// INVALID_ARGUMENT when `branch` ("main", "feature/x") is not a branch name as git-check-ref-format
// has it.
absl::Status CheckBranch(absl::string_view branch);

}  // namespace purser::git

#endif  // PURSER_GIT_OBJECT_H_
