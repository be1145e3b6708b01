// Reads tar (POSIX ustar and pax, GNU's long names), plain or compressed by gzip.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/archive/entries.h"

namespace purser::actions {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kMaxExtendedBytes = 1 << 20;  // of a pax header or a long name
constexpr size_t kChunk = 64 << 10;

absl::Status Broken(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the tar archive is broken: ", what));
}

// Bytes of the archive one after another, unpacked when it is compressed.
class Unpacked {
 public:
  explicit Unpacked(const ByteSource& archive) : archive_(archive) {}
  ~Unpacked() {
    if (ready_) inflateEnd(&stream_);
  }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;

  absl::Status Open() {
    unsigned char magic[2] = {};
    PURSER_ASSIGN_OR_RETURN(const size_t got,
                            archive_.ReadAt(0, reinterpret_cast<char*>(magic), sizeof(magic)));
    compressed_ = got == sizeof(magic) && magic[0] == 0x1F && magic[1] == 0x8B;
    if (!compressed_) return absl::OkStatus();
    ready_ = inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK;
    if (!ready_) return absl::ResourceExhaustedError("no memory to unpack");
    in_.resize(kChunk);
    return absl::OkStatus();
  }

  // Replaces `out`; fewer than `count` bytes at the end only.
  absl::Status Read(size_t count, std::string* out) {
    out->resize(count);
    if (!compressed_) {
      PURSER_ASSIGN_OR_RETURN(const size_t got, archive_.ReadAt(at_, out->data(), count));
      at_ += static_cast<int64_t>(got);
      out->resize(got);
      return absl::OkStatus();
    }
    stream_.next_out = reinterpret_cast<Bytef*>(out->data());
    stream_.avail_out = static_cast<uInt>(count);
    while (stream_.avail_out > 0 && !ended_) PURSER_RETURN_IF_ERROR(Inflate());
    out->resize(count - stream_.avail_out);
    return absl::OkStatus();
  }

 private:
  absl::Status Inflate() {
    if (stream_.avail_in == 0) PURSER_RETURN_IF_ERROR(Fill());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      // Several compressed parts may follow each other.
      if (stream_.avail_in == 0) PURSER_RETURN_IF_ERROR(Fill());
      ended_ = stream_.avail_in == 0 || *stream_.next_in != 0x1F || inflateReset(&stream_) != Z_OK;
    } else if (result != Z_OK) {
      return Broken("its compressed bytes are damaged or end early");
    }
    return absl::OkStatus();
  }

  absl::Status Fill() {
    PURSER_ASSIGN_OR_RETURN(const size_t got, archive_.ReadAt(at_, in_.data(), in_.size()));
    at_ += static_cast<int64_t>(got);
    stream_.next_in = reinterpret_cast<Bytef*>(in_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return absl::OkStatus();
  }

  const ByteSource& archive_;
  int64_t at_ = 0;  // in the archive
  bool compressed_ = false;
  bool ready_ = false;
  bool ended_ = false;
  z_stream stream_{};
  std::string in_;
};

std::string Field(absl::string_view header, size_t at, size_t size) {
  const absl::string_view field = header.substr(at, size);
  return std::string(field.substr(0, field.find('\0')));
}

// Octal digits, or big-endian bytes behind 0x80.
absl::StatusOr<int64_t> Number(absl::string_view header, size_t at, size_t size) {
  int64_t value = 0;
  if ((static_cast<unsigned char>(header[at]) & 0x80) != 0) {
    if (header[at] != '\x80') return Broken("a negative number");
    for (size_t i = 1; i < size; ++i) {
      if (value >> 50 != 0) return Broken("a number that is too large");
      value = value << 8 | static_cast<unsigned char>(header[at + i]);
    }
    return value;
  }
  for (size_t i = 0; i < size; ++i) {
    const char c = header[at + i];
    if (c == ' ' || c == '\0') {
      if (value == 0) continue;
      break;
    }
    if (c < '0' || c > '7') return Broken("a number with other digits");
    value = value << 3 | (c - '0');
  }
  return value;
}

bool ChecksumFits(absl::string_view header) {
  int64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  }
  const absl::StatusOr<int64_t> said = Number(header, 148, 8);
  return said.ok() && *said == sum;
}

// "30 path=a/b\n", one after another.
absl::StatusOr<std::map<std::string, std::string>> PaxRecords(absl::string_view text) {
  std::map<std::string, std::string> records;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    size_t length = 0;
    if (space == absl::string_view::npos || !absl::SimpleAtoi(text.substr(0, space), &length) ||
        length <= space + 1 || length > text.size() || text[length - 1] != '\n') {
      return Broken("an extended header");
    }
    const absl::string_view record = text.substr(space + 1, length - space - 2);
    const size_t equals = record.find('=');
    if (equals == absl::string_view::npos) return Broken("an extended header");
    records[std::string(record.substr(0, equals))] = std::string(record.substr(equals + 1));
    text.remove_prefix(length);
  }
  return records;
}

class Reader {
 public:
  Reader(const ByteSource& archive, EntrySink& sink, const Step& step)
      : source_(archive), guard_(archive.bytes()), sink_(sink), step_(step) {}

  absl::Status Run() {
    PURSER_RETURN_IF_ERROR(source_.Open());
    std::string header;
    for (;;) {
      PURSER_RETURN_IF_ERROR(step_(0));
      PURSER_RETURN_IF_ERROR(source_.Read(kBlock, &header));
      if (header.size() < kBlock) {
        return Broken(header.empty() ? "its end is missing" : "it ends within a header");
      }
      if (header.find_first_not_of('\0') == std::string::npos) return absl::OkStatus();
      if (!ChecksumFits(header))
        return Broken("a header's checksum is wrong; is it a tar archive?");
      PURSER_RETURN_IF_ERROR(OnHeader(header));
    }
  }

 private:
  // Hands `size` bytes and their padding over, piece by piece.
  absl::Status Content(absl::string_view path, int64_t size, int64_t limit,
                       const std::function<absl::Status(absl::string_view piece)>& take) {
    if (size > limit) {
      return absl::ResourceExhaustedError(absl::StrCat("entry \"", base::EscapeForDisplay(path),
                                                       "\": more than ", limit, " bytes"));
    }
    PURSER_RETURN_IF_ERROR(guard_.Count(path, size));
    for (int64_t left = size; left > 0; left -= static_cast<int64_t>(piece_.size())) {
      const auto wanted =
          static_cast<size_t>(std::min<int64_t>(left, static_cast<int64_t>(kPieceBytes)));
      PURSER_RETURN_IF_ERROR(source_.Read(wanted, &piece_));
      if (piece_.size() < wanted) return Broken("it ends within an entry");
      PURSER_RETURN_IF_ERROR(take(piece_));
      PURSER_RETURN_IF_ERROR(step_(static_cast<int64_t>(piece_.size())));
    }
    const size_t padding = (kBlock - static_cast<size_t>(size) % kBlock) % kBlock;
    PURSER_RETURN_IF_ERROR(source_.Read(padding, &piece_));
    return piece_.size() == padding ? absl::OkStatus() : Broken("it ends within an entry");
  }

  absl::Status OnExtension(char type, const std::string& path, int64_t size) {
    std::string text;
    PURSER_RETURN_IF_ERROR(Content(path, size, static_cast<int64_t>(kMaxExtendedBytes),
                                   [&text](absl::string_view piece) {
                                     absl::StrAppend(&text, piece);
                                     return absl::OkStatus();
                                   }));
    if (type == 'L') long_path_ = text.substr(0, text.find('\0'));
    if (type == 'K') long_target_ = text.substr(0, text.find('\0'));
    if (type != 'x') return absl::OkStatus();
    PURSER_ASSIGN_OR_RETURN(const auto records, PaxRecords(text));
    for (const auto& [name, value] : records) {
      if (name == "path") long_path_ = value;
      if (name == "linkpath") long_target_ = value;
      if (name == "size" && (!absl::SimpleAtoi(value, &pax_size_) || pax_size_ < 0)) {
        return Broken("an extended header");
      }
      if (absl::StartsWith(name, "GNU.sparse")) {
        return absl::InvalidArgumentError("sparse files are not read");
      }
    }
    return absl::OkStatus();
  }

  absl::Status OnHeader(const std::string& header) {
    PURSER_ASSIGN_OR_RETURN(int64_t size, Number(header, 124, 12));
    const char type = header[156];
    std::string path = Field(header, 0, 100);
    if (header.compare(257, 6, std::string("ustar\0", 6)) == 0 && header[345] != '\0') {
      path = absl::StrCat(Field(header, 345, 155), "/", path);
    }
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
      return OnExtension(type, path, size);
    }
    Entry entry;
    entry.path = long_path_.empty() ? path : long_path_;
    if (pax_size_ >= 0) size = pax_size_;
    const std::string target = long_target_.empty() ? Field(header, 157, 100) : long_target_;
    long_path_.clear();
    long_target_.clear();
    pax_size_ = -1;
    PURSER_ASSIGN_OR_RETURN(const int64_t mode, Number(header, 100, 8));
    entry.executable = (mode & 0111) != 0;
    const bool has_content = type == '0' || type == '\0' || type == '7';
    if (has_content) {
      // Old archives write folders as files with a slash at the end.
      if (!entry.path.empty() && entry.path.back() == '/') entry.kind = EntryKind::kFolder;
    } else if (type == '5') {
      entry.kind = EntryKind::kFolder;
    } else if (type == '2') {
      entry.kind = EntryKind::kLink;
      entry.target = target;
    } else {
      return absl::PermissionDeniedError(absl::StrCat(
          "entry \"", base::EscapeForDisplay(entry.path), "\": ",
          type == '1' ? "hard links are not unpacked" : "is no file, folder or symbolic link"));
    }
    if (entry.kind == EntryKind::kFile) entry.bytes = size;
    PURSER_RETURN_IF_ERROR(guard_.Admit(entry));
    const bool is_file = entry.kind == EntryKind::kFile;
    if (!entry.path.empty()) PURSER_RETURN_IF_ERROR(sink_.Begin(entry));
    if (has_content) {
      PURSER_RETURN_IF_ERROR(
          Content(entry.path, size, kMaxEntryBytes, [&](absl::string_view piece) {
            return is_file ? sink_.Content(piece) : absl::OkStatus();
          }));
    }
    return entry.path.empty() ? absl::OkStatus() : sink_.End();
  }

  Unpacked source_;
  EntryGuard guard_;
  EntrySink& sink_;
  const Step& step_;
  std::string piece_;
  std::string long_path_;
  std::string long_target_;
  int64_t pax_size_ = -1;
};

}  // namespace

absl::Status ReadTar(const ByteSource& archive, EntrySink& sink, const Step& step) {
  return Reader(archive, sink, step).Run();
}

}  // namespace purser::actions
