// ZIP (PKWARE's APPNOTE, without encryption, spanning and zip64).
#include <zlib.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/archive/entries.h"

namespace purser::actions {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kCentralSignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr size_t kLocalBytes = 30;
constexpr size_t kCentralBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kMaxCommentBytes = 65'535;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint16_t kUtf8Flag = 1 << 11;
constexpr uint16_t kEncryptedFlags = 1 << 0 | 1 << 6 | 1 << 13;
constexpr uint16_t kUnix = 3;
// 1 January 1980, midnight: the first moment ZIP knows.
constexpr uint16_t kDate = 1 << 5 | 1;
constexpr uint32_t kTypeMask = 0170000;
constexpr uint32_t kRegular = 0100000;
constexpr uint32_t kDirectory = 0040000;
constexpr uint32_t kSymlink = 0120000;

uint32_t Get(absl::string_view bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = count; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<size_t>(i)]);
  }
  return value;
}
uint16_t Get16(absl::string_view bytes, size_t at) {
  return static_cast<uint16_t>(Get(bytes, at, 2));
}
uint32_t Get32(absl::string_view bytes, size_t at) { return Get(bytes, at, 4); }

void Put(uint32_t value, int count, std::string* out) {
  for (int i = 0; i < count; ++i) out->push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

absl::Status Broken(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the zip archive is broken: ", what));
}

uint32_t Crc(absl::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

struct Central {
  std::string name;
  uint16_t method;
  uint32_t crc, packed, unpacked, mode;
  size_t offset;
  bool folder;
};

absl::StatusOr<std::string> Inflate(absl::string_view packed, size_t unpacked) {
  std::string out(unpacked, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return absl::ResourceExhaustedError("no memory to unpack");
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  // zlib wants a place to write to, even for nothing.
  Bytef none = 0;
  stream.next_out = unpacked == 0 ? &none : reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(unpacked);
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!whole) return Broken("an entry does not unpack to its size");
  return out;
}

absl::StatusOr<std::vector<Central>> ReadCentral(absl::string_view archive) {
  if (archive.size() < kEndBytes) return Broken("too short");
  const size_t first = archive.size() - std::min(archive.size(), kEndBytes + kMaxCommentBytes);
  size_t end = archive.size() - kEndBytes + 1;
  do {
    if (end == first) return Broken("its end is missing; is it a zip archive?");
    --end;
  } while (Get32(archive, end) != kEndSignature ||
           end + kEndBytes + Get16(archive, end + 20) != archive.size());
  const size_t count = Get16(archive, end + 10);
  const size_t bytes = Get32(archive, end + 12);
  const size_t start = Get32(archive, end + 16);
  if (count == 0xFFFF || start == 0xFFFFFFFF || bytes == 0xFFFFFFFF) {
    return absl::InvalidArgumentError("zip64 archives are not read");
  }
  if (Get16(archive, end + 8) != count || start > end || bytes != end - start) {
    return Broken("its directory is not where it says");
  }
  std::vector<Central> entries;
  size_t at = start;
  for (size_t i = 0; i < count; ++i) {
    if (at + kCentralBytes > end || Get32(archive, at) != kCentralSignature) {
      return Broken("its directory ends early");
    }
    const size_t name = Get16(archive, at + 28);
    const size_t rest = size_t{Get16(archive, at + 30)} + Get16(archive, at + 32);
    if (at + kCentralBytes + name + rest > end) return Broken("its directory ends early");
    Central entry;
    entry.name = std::string(archive.substr(at + kCentralBytes, name));
    const std::string shown = base::EscapeForDisplay(entry.name);
    if ((Get16(archive, at + 8) & kEncryptedFlags) != 0) {
      return absl::InvalidArgumentError(absl::StrCat("entry \"", shown, "\": is encrypted"));
    }
    entry.method = Get16(archive, at + 10);
    if (entry.method != kStored && entry.method != kDeflated) {
      return absl::InvalidArgumentError(absl::StrCat("entry \"", shown, "\": compression method ",
                                                     entry.method, " is not known"));
    }
    entry.crc = Get32(archive, at + 16);
    entry.packed = Get32(archive, at + 20);
    entry.unpacked = Get32(archive, at + 24);
    entry.mode = Get16(archive, at + 4) >> 8 == kUnix ? Get32(archive, at + 38) >> 16 : 0;
    entry.offset = Get32(archive, at + 42);
    entry.folder = !entry.name.empty() && entry.name.back() == '/';
    at += kCentralBytes + name + rest;
    entries.push_back(std::move(entry));
    if (entries.size() > kMaxArchiveEntries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more than ", kMaxArchiveEntries, " entries (kMaxArchiveEntries)"));
    }
  }
  if (at != end) return Broken("its directory is longer than its entries");
  return entries;
}

// Where an entry's bytes are. Both places that name it must agree: readers that look at the other
// one would see another archive.
absl::StatusOr<absl::string_view> Packed(absl::string_view archive, const Central& entry) {
  if (entry.offset + kLocalBytes > archive.size() ||
      Get32(archive, entry.offset) != kLocalSignature) {
    return Broken("an entry is not where the directory says");
  }
  const size_t name = Get16(archive, entry.offset + 26);
  const size_t begin = entry.offset + kLocalBytes + name + Get16(archive, entry.offset + 28);
  if (begin > archive.size() || entry.packed > archive.size() - begin) {
    return Broken("an entry ends behind the archive");
  }
  if (archive.substr(entry.offset + kLocalBytes, name) != entry.name ||
      Get16(archive, entry.offset + 8) != entry.method) {
    return Broken("an entry and the directory disagree");
  }
  return archive.substr(begin, entry.packed);
}

class ZipWriter final : public ArchiveWriter {
 public:
  absl::Status Add(const Entry& entry) override {
    std::string name = entry.path;
    if (entry.kind == EntryKind::kFolder) name += '/';
    const uint32_t mode = entry.kind == EntryKind::kFolder ? kDirectory | 0755
                          : entry.kind == EntryKind::kLink ? kSymlink | 0777
                          : entry.executable               ? kRegular | 0755
                                                           : kRegular | 0644;
    std::string packed;
    PURSER_RETURN_IF_ERROR(Deflate(entry.content, &packed));
    const bool smaller = packed.size() < entry.content.size();
    const absl::string_view bytes = smaller ? packed : entry.content;
    const auto common = [&](std::string* out) {
      Put(20, 2, out);  // version that can read it
      Put(kUtf8Flag, 2, out);
      Put(smaller ? kDeflated : kStored, 2, out);
      Put(0, 2, out);
      Put(kDate, 2, out);
      Put(Crc(entry.content), 4, out);
      Put(static_cast<uint32_t>(bytes.size()), 4, out);
      Put(static_cast<uint32_t>(entry.content.size()), 4, out);
      Put(static_cast<uint32_t>(name.size()), 2, out);
      Put(0, 2, out);
    };
    Put(kCentralSignature, 4, &central_);
    Put(kUnix << 8 | 20, 2, &central_);
    common(&central_);
    Put(0, 2, &central_);
    Put(0, 4, &central_);
    Put(mode << 16, 4, &central_);
    Put(static_cast<uint32_t>(out_.size()), 4, &central_);
    central_ += name;
    Put(kLocalSignature, 4, &out_);
    common(&out_);
    absl::StrAppend(&out_, name, bytes);
    ++count_;
    if (static_cast<int64_t>(out_.size() + central_.size()) > kMaxArchiveBytes ||
        count_ > kMaxArchiveEntries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the archive would be larger than ", kMaxArchiveBytes, " bytes or ",
                       kMaxArchiveEntries, " entries (kMaxArchiveBytes, kMaxArchiveEntries)"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Finish() override {
    const auto start = static_cast<uint32_t>(out_.size());
    out_ += central_;
    Put(kEndSignature, 4, &out_);
    Put(0, 4, &out_);
    Put(static_cast<uint32_t>(count_), 2, &out_);
    Put(static_cast<uint32_t>(count_), 2, &out_);
    Put(static_cast<uint32_t>(central_.size()), 4, &out_);
    Put(start, 4, &out_);
    Put(0, 2, &out_);
    return std::move(out_);
  }

 private:
  static absl::Status Deflate(const std::string& content, std::string* out) {
    z_stream stream{};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      return absl::ResourceExhaustedError("no memory to pack");
    }
    out->resize(deflateBound(&stream, static_cast<uLong>(content.size())));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out->data());
    stream.avail_out = static_cast<uInt>(out->size());
    const int result = deflate(&stream, Z_FINISH);
    out->resize(stream.total_out);
    deflateEnd(&stream);
    return result == Z_STREAM_END ? absl::OkStatus() : absl::InternalError("deflate failed");
  }

  std::string out_;
  std::string central_;
  int count_ = 0;
};

}  // namespace

absl::Status ReadZip(absl::string_view archive, const EntrySink& sink, std::stop_token stop) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<Central> entries, ReadCentral(archive));
  // Entries that share bytes make small archives of endless size.
  std::vector<std::pair<size_t, size_t>> ranges;
  for (const Central& entry : entries) {
    PURSER_ASSIGN_OR_RETURN(const absl::string_view packed, Packed(archive, entry));
    ranges.emplace_back(entry.offset,
                        static_cast<size_t>(packed.data() - archive.data()) + packed.size());
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) return Broken("entries overlap");
  }
  EntryGuard guard(static_cast<int64_t>(archive.size()));
  for (const Central& central : entries) {
    if (stop.stop_requested()) return absl::CancelledError("the task was cancelled");
    PURSER_RETURN_IF_ERROR(guard.Count(central.name, central.unpacked));
    PURSER_ASSIGN_OR_RETURN(const absl::string_view packed, Packed(archive, central));
    Entry entry;
    entry.path = central.name;
    const uint32_t type = central.mode & kTypeMask;
    if (type == kSymlink) {
      entry.kind = EntryKind::kLink;
    } else if (central.folder || type == kDirectory) {
      entry.kind = EntryKind::kFolder;
    } else if (type != 0 && type != kRegular) {
      return absl::PermissionDeniedError(absl::StrCat(
          "entry \"", base::EscapeForDisplay(central.name), "\": is no file, folder or link"));
    }
    entry.executable = (central.mode & 0111) != 0;
    if (central.method == kDeflated) {
      PURSER_ASSIGN_OR_RETURN(entry.content, Inflate(packed, central.unpacked));
    } else {
      if (central.packed != central.unpacked) return Broken("a stored entry of two sizes");
      entry.content = std::string(packed);
    }
    if (Crc(entry.content) != central.crc) {
      return Broken(absl::StrCat("the checksum of entry \"", base::EscapeForDisplay(central.name),
                                 "\" is wrong"));
    }
    if (entry.kind == EntryKind::kFolder) entry.content.clear();
    PURSER_RETURN_IF_ERROR(guard.Admit(entry));
    if (!entry.path.empty()) PURSER_RETURN_IF_ERROR(sink(std::move(entry)));
  }
  return absl::OkStatus();
}

std::unique_ptr<ArchiveWriter> NewZipWriter() { return std::make_unique<ZipWriter>(); }

}  // namespace purser::actions
