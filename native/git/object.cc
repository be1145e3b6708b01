#include "git/object.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/strings.h"

namespace purser::git {
namespace {

constexpr size_t kMaxRefBytes = 1000;

// Compares as git sorts a tree: a folder's name as if it ended in '/'.
bool TreeOrder(const TreeEntry& a, const TreeEntry& b) {
  const size_t common = std::min(a.name.size(), b.name.size());
  const int order = absl::string_view(a.name).substr(0, common).compare(
      absl::string_view(b.name).substr(0, common));
  if (order != 0) return order < 0;
  const auto next = [common](const TreeEntry& entry) -> unsigned char {
    if (entry.name.size() > common) return static_cast<unsigned char>(entry.name[common]);
    return entry.mode == kModeTree ? '/' : 0;
  };
  return next(a) < next(b);
}

// HFS+ drops these code points when it compares names, so ".g\u200cit" opens ".git" there.
std::string WithoutHfsIgnorables(absl::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (i + 2 < name.size() && name[i] == '\xE2') {
      const auto second = static_cast<unsigned char>(name[i + 1]);
      const auto third = static_cast<unsigned char>(name[i + 2]);
      if ((second == 0x80 &&
           ((third >= 0x8C && third <= 0x8F) || (third >= 0xAA && third <= 0xAE))) ||
          (second == 0x81 && third >= 0xAA && third <= 0xAF)) {
        i += 2;
        continue;
      }
    }
    if (absl::StartsWith(name.substr(i), "\xEF\xBB\xBF")) {
      i += 2;
      continue;
    }
    out += name[i];
  }
  return out;
}

bool LooksLikeDotGit(absl::string_view component) {
  const std::string lower = absl::AsciiStrToLower(WithoutHfsIgnorables(component));
  // NTFS: everything behind ':' names a stream, '\' separates, trailing dots and spaces vanish.
  absl::string_view name = absl::string_view(lower).substr(0, lower.find_first_of(":\\"));
  while (!name.empty() && (name.back() == '.' || name.back() == ' ')) name.remove_suffix(1);
  return name == ".git" || name == "git~1";
}

std::string Stamp(const Person& person, absl::Time time) {
  return absl::StrCat(person.name, " <", person.email, "> ", absl::ToUnixSeconds(time), " +0000");
}

absl::Status BadCommit(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("not a commit object: ", why));
}

}  // namespace

absl::string_view TypeName(ObjectType type) {
  switch (type) {
    case ObjectType::kCommit:
      return "commit";
    case ObjectType::kTree:
      return "tree";
    case ObjectType::kBlob:
      return "blob";
    case ObjectType::kTag:
      return "tag";
  }
  return "object";
}

ObjectHasher::ObjectHasher(ObjectType type, int64_t size) {
  hasher_.Update(absl::StrCat(TypeName(type), " ", size, absl::string_view("\0", 1)));
}

ObjectId ObjectHasher::Finish() { return *ObjectId::FromRaw(hasher_.Finish()); }

ObjectId HashObject(ObjectType type, absl::string_view content) {
  ObjectHasher hasher(type, static_cast<int64_t>(content.size()));
  hasher.Update(content);
  return hasher.Finish();
}

std::string EncodeTree(std::vector<TreeEntry> entries) {
  std::sort(entries.begin(), entries.end(), TreeOrder);
  std::string out;
  for (const TreeEntry& entry : entries) {
    absl::StrAppendFormat(&out, "%o ", entry.mode);
    out.append(entry.name).push_back('\0');
    out.append(entry.id.raw().data(), ObjectId::kBytes);
  }
  return out;
}

absl::StatusOr<std::vector<TreeEntry>> ParseTree(absl::string_view content) {
  const auto bad = [&content](absl::string_view why, size_t left) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a tree object: ", why, " at byte ", content.size() - left));
  };
  std::vector<TreeEntry> entries;
  absl::string_view rest = content;
  while (!rest.empty()) {
    TreeEntry entry;
    entry.mode = 0;
    size_t i = 0;
    for (; i < rest.size() && rest[i] >= '0' && rest[i] <= '7' && i < 7; ++i) {
      entry.mode = entry.mode << 3 | static_cast<uint32_t>(rest[i] - '0');
    }
    if (i == 0 || i >= rest.size() || rest[i] != ' ') return bad("bad mode", rest.size());
    rest.remove_prefix(i + 1);
    const size_t end = rest.find('\0');
    if (end == absl::string_view::npos || end == 0) return bad("bad name", rest.size());
    entry.name = std::string(rest.substr(0, end));
    if (entry.name.find('/') != std::string::npos) return bad("'/' in a name", rest.size());
    rest.remove_prefix(end + 1);
    if (rest.size() < ObjectId::kBytes) return bad("cut object name", rest.size());
    entry.id = *ObjectId::FromRaw(rest.substr(0, ObjectId::kBytes));
    rest.remove_prefix(ObjectId::kBytes);
    entries.push_back(std::move(entry));
  }
  return entries;
}

absl::Status CheckPerson(const Person& person, absl::string_view what) {
  const auto crooked = [](absl::string_view text) {
    return text.find_first_of(absl::string_view("<>\n\r\0", 5)) != absl::string_view::npos;
  };
  if (absl::StripAsciiWhitespace(person.name).empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": the name is empty"));
  }
  if (crooked(person.name) || crooked(person.email)) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " \"", base::EscapeForDisplay(person.name), " ", base::EscapeForDisplay(person.email),
        "\": name and email must not hold '<', '>', line breaks or NUL"));
  }
  return absl::OkStatus();
}

std::string EncodeCommit(const Commit& commit) {
  std::string out = absl::StrCat("tree ", commit.tree.ToHex(), "\n");
  for (const ObjectId& parent : commit.parents)
    absl::StrAppend(&out, "parent ", parent.ToHex(), "\n");
  absl::StrAppend(&out, "author ", Stamp(commit.author, commit.time), "\ncommitter ",
                  Stamp(commit.committer, commit.time), "\n");
  if (!commit.signature.empty()) {
    // A header of several lines: all but the first begin with a space.
    absl::StrAppend(&out, "gpgsig ",
                    absl::StrReplaceAll(absl::StripSuffix(commit.signature, "\n"), {{"\n", "\n "}}),
                    "\n");
  }
  absl::StrAppend(&out, "\n", commit.message);
  return out;
}

absl::StatusOr<CommitSummary> ParseCommit(absl::string_view content) {
  CommitSummary commit;
  bool has_tree = false;
  while (true) {
    const size_t end = content.find('\n');
    if (end == absl::string_view::npos) return BadCommit("the header does not end");
    const absl::string_view line = content.substr(0, end);
    content.remove_prefix(end + 1);
    if (line.empty()) break;
    const bool is_tree = absl::StartsWith(line, "tree ");
    if (!is_tree && !absl::StartsWith(line, "parent ")) continue;
    const std::optional<ObjectId> id = ObjectId::FromHex(line.substr(line.find(' ') + 1));
    if (!id.has_value()) return BadCommit("bad object name in its header");
    if (is_tree) {
      commit.tree = *id;
      has_tree = true;
    } else {
      commit.parents.push_back(*id);
    }
  }
  if (!has_tree) return BadCommit("it names no tree");
  commit.message = std::string(content);
  return commit;
}

absl::Status CheckPath(absl::string_view path) {
  const auto bad = [path](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("path \"", base::EscapeForDisplay(path), "\": ", why));
  };
  if (path.empty()) return bad("is empty");
  if (path.size() > kMaxPathBytes)
    return bad(absl::StrCat("is longer than ", kMaxPathBytes, " bytes"));
  if (path.find('\0') != absl::string_view::npos) return bad("holds NUL");
  if (path.front() == '/') return bad("must be relative");
  int depth = 0;
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    if (component.empty()) return bad("has an empty component");
    if (component == "." || component == "..") return bad("must not hold '.' or '..' components");
    if (LooksLikeDotGit(component)) return bad("has a component that means .git");
    if (++depth > kMaxPathDepth)
      return bad(absl::StrCat("is deeper than ", kMaxPathDepth, " folders"));
  }
  return absl::OkStatus();
}

absl::Status CheckBranch(absl::string_view branch) {
  const auto bad = [branch](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("branch \"", base::EscapeForDisplay(branch),
                                                   "\" is not a branch name: ", why));
  };
  if (branch.empty()) return bad("it is empty");
  if (branch.size() > kMaxRefBytes)
    return bad(absl::StrCat("longer than ", kMaxRefBytes, " bytes"));
  if (branch.front() == '-') return bad("it starts with '-'");
  if (branch == "@" || branch == "HEAD") return bad("git reserves it");
  if (absl::StartsWith(branch, "refs/")) return bad("give it without refs/heads/");
  if (branch.back() == '.') return bad("it ends in '.'");
  if (absl::StrContains(branch, "..") || absl::StrContains(branch, "@{")) {
    return bad("it holds '..' or '@{'");
  }
  for (const char c : branch) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F ||
        absl::string_view("~^:?*[\\").find(c) != absl::string_view::npos) {
      return bad("spaces, control characters and ~^:?*[\\ are not allowed");
    }
  }
  for (const absl::string_view component : absl::StrSplit(branch, '/')) {
    if (component.empty()) return bad("it has an empty component");
    if (component.front() == '.') return bad("a component starts with '.'");
    if (absl::EndsWith(component, ".lock")) return bad("a component ends in .lock");
  }
  return absl::OkStatus();
}

}  // namespace purser::git
