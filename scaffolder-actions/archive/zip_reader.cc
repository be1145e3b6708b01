// Reads ZIP and zip64, without encryption and spanning.
#include <zlib.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/archive/entries.h"
#include "scaffolder-actions/archive/zip_format.h"

namespace purser::actions {
namespace {

using zip::Get16;
using zip::Get32;
using zip::Get64;

constexpr size_t kMaxCommentBytes = 65'535;

absl::Status Broken(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the zip archive is broken: ", what));
}

// What the directory says of an entry, and where its bytes are.
struct Central {
  std::string name;
  uint16_t method = 0;
  uint32_t crc = 0;
  uint32_t mode = 0;
  int64_t packed = 0;
  int64_t unpacked = 0;
  int64_t offset = 0;
  int64_t begin = 0;
};

// Where the directory is.
struct Directory {
  int64_t start = 0;
  int64_t bytes = 0;
  int64_t count = 0;
};

absl::StatusOr<std::string> ReadBytes(const ByteSource& archive, int64_t offset, size_t size) {
  std::string bytes(size, '\0');
  if (offset < 0) return Broken("a place in front of it");
  PURSER_ASSIGN_OR_RETURN(const size_t got, archive.ReadAt(offset, bytes.data(), size));
  bytes.resize(got);
  return bytes;
}

// A number of 64 bits that is a place in the archive or a size that we take.
absl::StatusOr<int64_t> Plausible(uint64_t value) {
  if (value > uint64_t{1} << 62) return Broken("a number that is too large");
  return static_cast<int64_t>(value);
}

// The numbers of zip64, when a locator stands in front of the end at `end`.
absl::StatusOr<bool> Read64(const ByteSource& archive, int64_t end, Directory* directory) {
  if (end < static_cast<int64_t>(zip::kLocator64Bytes)) return false;
  const int64_t locator_at = end - static_cast<int64_t>(zip::kLocator64Bytes);
  PURSER_ASSIGN_OR_RETURN(const std::string locator,
                          ReadBytes(archive, locator_at, zip::kLocator64Bytes));
  if (locator.size() < zip::kLocator64Bytes || Get32(locator, 0) != zip::kLocator64Signature) {
    return false;
  }
  PURSER_ASSIGN_OR_RETURN(const int64_t at, Plausible(Get64(locator, 8)));
  PURSER_ASSIGN_OR_RETURN(const std::string record, ReadBytes(archive, at, zip::kEnd64Bytes));
  if (at > locator_at || record.size() < zip::kEnd64Bytes ||
      Get32(record, 0) != zip::kEnd64Signature) {
    return Broken("its end of zip64 is not where it says");
  }
  if (Get64(record, 24) != Get64(record, 32)) return Broken("it has several parts");
  PURSER_ASSIGN_OR_RETURN(directory->count, Plausible(Get64(record, 32)));
  PURSER_ASSIGN_OR_RETURN(directory->bytes, Plausible(Get64(record, 40)));
  PURSER_ASSIGN_OR_RETURN(directory->start, Plausible(Get64(record, 48)));
  if (directory->start > at || directory->bytes != at - directory->start) {
    return Broken("its directory is not where it says");
  }
  return true;
}

absl::StatusOr<Directory> FindDirectory(const ByteSource& archive) {
  const auto reach = static_cast<int64_t>(zip::kEndBytes + kMaxCommentBytes);
  const int64_t first = std::max<int64_t>(0, archive.bytes() - reach);
  PURSER_ASSIGN_OR_RETURN(const std::string tail,
                          ReadBytes(archive, first, static_cast<size_t>(archive.bytes() - first)));
  if (tail.size() < zip::kEndBytes) return Broken("too short");
  size_t at = tail.size() - zip::kEndBytes + 1;
  do {
    if (at == 0) return Broken("its end is missing; is it a zip archive?");
    --at;
  } while (Get32(tail, at) != zip::kEndSignature ||
           at + zip::kEndBytes + Get16(tail, at + 20) != tail.size());
  const int64_t end = first + static_cast<int64_t>(at);
  Directory directory;
  directory.count = Get16(tail, at + 10);
  directory.bytes = Get32(tail, at + 12);
  directory.start = Get32(tail, at + 16);
  if (directory.count == zip::kIn64Short || directory.bytes == zip::kIn64 ||
      directory.start == zip::kIn64) {
    PURSER_ASSIGN_OR_RETURN(const bool wide, Read64(archive, end, &directory));
    if (wide) return directory;
  }
  if (Get16(tail, at + 8) != directory.count || directory.start > end ||
      directory.bytes != end - directory.start) {
    return Broken("its directory is not where it says");
  }
  return directory;
}

// Replaces the numbers of an entry that stand in its extra field of zip64.
absl::Status ReadExtra(absl::string_view extra, Central& entry) {
  const bool wide =
      entry.unpacked == zip::kIn64 || entry.packed == zip::kIn64 || entry.offset == zip::kIn64;
  while (wide && extra.size() >= 4) {
    const size_t size = Get16(extra, 2);
    if (size > extra.size() - 4) return Broken("an extra field ends behind its entry");
    absl::string_view field = extra.substr(4, size);
    const bool ours = Get16(extra, 0) == zip::kExtra64;
    extra.remove_prefix(4 + size);
    if (!ours) continue;
    for (int64_t* number : {&entry.unpacked, &entry.packed, &entry.offset}) {
      if (*number != zip::kIn64) continue;
      if (field.size() < 8) return Broken("an extra field is too short");
      PURSER_ASSIGN_OR_RETURN(*number, Plausible(Get64(field, 0)));
      field.remove_prefix(8);
    }
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Central>> ReadCentral(const ByteSource& archive,
                                                 const Directory& directory) {
  if (directory.count > kMaxArchiveEntries) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxArchiveEntries, " entries (kMaxArchiveEntries)"));
  }
  if (directory.bytes > kMaxZipDirectoryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a directory of more than ", kMaxZipDirectoryBytes, " bytes (kMaxZipDirectoryBytes)"));
  }
  PURSER_ASSIGN_OR_RETURN(const std::string text, ReadBytes(archive, directory.start,
                                                            static_cast<size_t>(directory.bytes)));
  std::vector<Central> entries;
  absl::string_view rest = text;
  for (int64_t i = 0; i < directory.count; ++i) {
    if (rest.size() < zip::kCentralBytes || Get32(rest, 0) != zip::kCentralSignature) {
      return Broken("its directory ends early");
    }
    const size_t name = Get16(rest, 28);
    const size_t extra = Get16(rest, 30);
    const size_t whole = zip::kCentralBytes + name + extra + Get16(rest, 32);
    if (whole > rest.size()) return Broken("its directory ends early");
    Central entry;
    entry.name = std::string(rest.substr(zip::kCentralBytes, name));
    const std::string shown = base::EscapeForDisplay(entry.name);
    if ((Get16(rest, 8) & zip::kEncryptedFlags) != 0) {
      return absl::InvalidArgumentError(absl::StrCat("entry \"", shown, "\": is encrypted"));
    }
    entry.method = Get16(rest, 10);
    if (entry.method != zip::kStored && entry.method != zip::kDeflated) {
      return absl::InvalidArgumentError(absl::StrCat("entry \"", shown, "\": compression method ",
                                                     entry.method, " is not known"));
    }
    entry.crc = Get32(rest, 16);
    entry.packed = Get32(rest, 20);
    entry.unpacked = Get32(rest, 24);
    entry.mode = Get16(rest, 4) >> 8 == zip::kUnix ? Get32(rest, 38) >> 16 : 0;
    entry.offset = Get32(rest, 42);
    PURSER_RETURN_IF_ERROR(ReadExtra(rest.substr(zip::kCentralBytes + name, extra), entry));
    rest.remove_prefix(whole);
    entries.push_back(std::move(entry));
  }
  if (!rest.empty()) return Broken("its directory is longer than its entries");
  return entries;
}

// Finds an entry's bytes. Both places that name it must agree: readers that look at the other one
// would see another archive.
absl::Status Locate(const ByteSource& archive, int64_t end, Central& entry) {
  if (entry.offset > end) return Broken("an entry is not where the directory says");
  PURSER_ASSIGN_OR_RETURN(const std::string header,
                          ReadBytes(archive, entry.offset, zip::kLocalBytes + entry.name.size()));
  if (header.size() < zip::kLocalBytes || Get32(header, 0) != zip::kLocalSignature) {
    return Broken("an entry is not where the directory says");
  }
  const size_t name = Get16(header, 26);
  if (name != entry.name.size() ||
      absl::string_view(header).substr(zip::kLocalBytes) != entry.name ||
      Get16(header, 8) != entry.method) {
    return Broken("an entry and the directory disagree");
  }
  entry.begin = entry.offset + static_cast<int64_t>(zip::kLocalBytes + name + Get16(header, 28));
  if (entry.begin > end || entry.packed > end - entry.begin) {
    return Broken("an entry ends behind the archive");
  }
  return absl::OkStatus();
}

class ZipReader {
 public:
  ZipReader(const ByteSource& archive, EntrySink& sink, const Step& step)
      : archive_(archive), sink_(sink), step_(step), guard_(archive.bytes()) {}
  ~ZipReader() {
    if (started_) inflateEnd(&stream_);
  }
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  absl::Status Run() {
    PURSER_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(archive_));
    PURSER_ASSIGN_OR_RETURN(std::vector<Central> entries, ReadCentral(archive_, directory));
    // Entries that share bytes make small archives of endless size.
    std::vector<std::pair<int64_t, int64_t>> ranges;
    for (Central& entry : entries) {
      PURSER_RETURN_IF_ERROR(step_(0));
      PURSER_RETURN_IF_ERROR(Locate(archive_, directory.start, entry));
      ranges.emplace_back(entry.offset, entry.begin + entry.packed);
    }
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].first < ranges[i - 1].second) return Broken("entries overlap");
    }
    for (const Central& entry : entries) PURSER_RETURN_IF_ERROR(OnEntry(entry));
    return absl::OkStatus();
  }

 private:
  using Take = std::function<absl::Status(absl::string_view piece)>;

  absl::Status OnEntry(const Central& central) {
    PURSER_RETURN_IF_ERROR(guard_.Count(central.name, central.unpacked));
    Entry entry;
    entry.path = central.name;
    const uint32_t type = central.mode & zip::kTypeMask;
    if (type == zip::kSymlink) {
      entry.kind = EntryKind::kLink;
    } else if (type == zip::kDirectory || (!central.name.empty() && central.name.back() == '/')) {
      entry.kind = EntryKind::kFolder;
    } else if (type != 0 && type != zip::kRegular) {
      return absl::PermissionDeniedError(absl::StrCat(
          "entry \"", base::EscapeForDisplay(central.name), "\": is no file, folder or link"));
    }
    entry.executable = (central.mode & 0111) != 0;
    if (entry.kind == EntryKind::kLink) {
      if (central.unpacked > static_cast<int64_t>(kMaxLinkBytes)) {
        return Broken(absl::StrCat("link \"", base::EscapeForDisplay(central.name),
                                   "\" leads further than ", kMaxLinkBytes, " bytes"));
      }
      PURSER_RETURN_IF_ERROR(Content(central, [&entry](absl::string_view piece) {
        absl::StrAppend(&entry.target, piece);
        return absl::OkStatus();
      }));
    }
    if (entry.kind == EntryKind::kFile) entry.bytes = central.unpacked;
    PURSER_RETURN_IF_ERROR(guard_.Admit(entry));
    if (entry.path.empty()) return absl::OkStatus();
    PURSER_RETURN_IF_ERROR(sink_.Begin(entry));
    if (entry.kind == EntryKind::kFile) {
      PURSER_RETURN_IF_ERROR(
          Content(central, [this](absl::string_view piece) { return sink_.Content(piece); }));
    }
    return sink_.End();
  }

  absl::Status Content(const Central& entry, const Take& take) {
    crc_ = 0;
    PURSER_RETURN_IF_ERROR(entry.method == zip::kDeflated ? Inflate(entry, take)
                                                          : Stored(entry, take));
    if (crc_ == entry.crc) return absl::OkStatus();
    return Broken(absl::StrCat("the checksum of entry \"", base::EscapeForDisplay(entry.name),
                               "\" is wrong"));
  }

  absl::Status Give(absl::string_view piece, const Take& take) {
    crc_ = static_cast<uint32_t>(
        crc32_z(crc_, reinterpret_cast<const Bytef*>(piece.data()), piece.size()));
    PURSER_RETURN_IF_ERROR(take(piece));
    return step_(static_cast<int64_t>(piece.size()));
  }

  absl::Status Fill(int64_t offset, int64_t left) {
    in_.resize(static_cast<size_t>(std::min<int64_t>(left, static_cast<int64_t>(kPieceBytes))));
    PURSER_ASSIGN_OR_RETURN(const size_t got, archive_.ReadAt(offset, in_.data(), in_.size()));
    return got == in_.size() ? absl::OkStatus() : Broken("an entry ends behind the archive");
  }

  absl::Status Stored(const Central& entry, const Take& take) {
    if (entry.packed != entry.unpacked) return Broken("a stored entry of two sizes");
    for (int64_t at = 0; at < entry.packed; at += static_cast<int64_t>(in_.size())) {
      PURSER_RETURN_IF_ERROR(Fill(entry.begin + at, entry.packed - at));
      PURSER_RETURN_IF_ERROR(Give(in_, take));
    }
    return absl::OkStatus();
  }

  absl::Status Inflate(const Central& entry, const Take& take) {
    if ((started_ ? inflateReset(&stream_) : inflateInit2(&stream_, -MAX_WBITS)) != Z_OK) {
      return absl::ResourceExhaustedError("no memory to unpack");
    }
    started_ = true;
    out_.resize(kPieceBytes);
    stream_.avail_in = 0;
    int64_t read = 0;
    int64_t made = 0;
    for (int result = Z_OK; result != Z_STREAM_END;) {
      if (stream_.avail_in == 0 && read < entry.packed) {
        PURSER_RETURN_IF_ERROR(Fill(entry.begin + read, entry.packed - read));
        read += static_cast<int64_t>(in_.size());
        stream_.next_in = reinterpret_cast<Bytef*>(in_.data());
        stream_.avail_in = static_cast<uInt>(in_.size());
      }
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
      stream_.avail_out = static_cast<uInt>(out_.size());
      result = inflate(&stream_, Z_NO_FLUSH);
      const size_t got = out_.size() - stream_.avail_out;
      made += static_cast<int64_t>(got);
      const bool end = result == Z_STREAM_END;
      if ((result != Z_OK && !end) || made > entry.unpacked) return WrongSize();
      if (got > 0) PURSER_RETURN_IF_ERROR(Give(absl::string_view(out_).substr(0, got), take));
    }
    return made == entry.unpacked && read == entry.packed && stream_.avail_in == 0
               ? absl::OkStatus()
               : WrongSize();
  }

  static absl::Status WrongSize() { return Broken("an entry does not unpack to its size"); }

  const ByteSource& archive_;
  EntrySink& sink_;
  const Step& step_;
  EntryGuard guard_;
  bool started_ = false;
  z_stream stream_{};
  uint32_t crc_ = 0;
  std::string in_;
  std::string out_;
};

}  // namespace

absl::Status ReadZip(const ByteSource& archive, EntrySink& sink, const Step& step) {
  return ZipReader(archive, sink, step).Run();
}

}  // namespace purser::actions
