// tar (POSIX ustar and pax, GNU's long names), plain or compressed by gzip.
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
class Source {
 public:
  explicit Source(absl::string_view archive) : archive_(archive) {
    compressed_ = archive.size() >= 2 && archive[0] == '\x1F' && archive[1] == '\x8B';
    if (!compressed_) return;
    ready_ = inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(archive.data()));
    stream_.avail_in = static_cast<uInt>(archive.size());
  }
  ~Source() {
    if (ready_) inflateEnd(&stream_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Fewer than `count` bytes at the end only.
  absl::StatusOr<std::string> Read(size_t count) {
    if (!compressed_) {
      std::string out(archive_.substr(at_, count));
      at_ += out.size();
      return out;
    }
    if (!ready_) return absl::ResourceExhaustedError("no memory to unpack");
    std::string out;
    while (out.size() < count && !ended_) {
      const size_t before = out.size();
      out.resize(std::min(count, before + kChunk));
      stream_.next_out = reinterpret_cast<Bytef*>(out.data()) + before;
      stream_.avail_out = static_cast<uInt>(out.size() - before);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      out.resize(out.size() - stream_.avail_out);
      if (result == Z_STREAM_END) {
        // Several compressed parts may follow each other.
        if (stream_.avail_in > 0 && *stream_.next_in == 0x1F && inflateReset(&stream_) == Z_OK) {
          continue;
        }
        ended_ = true;
      } else if (result != Z_OK) {
        return Broken("its compressed bytes are damaged or end early");
      }
    }
    return out;
  }

 private:
  const absl::string_view archive_;
  size_t at_ = 0;
  bool compressed_ = false;
  bool ready_ = false;
  bool ended_ = false;
  z_stream stream_{};
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
  Reader(absl::string_view archive, const EntrySink& sink, std::stop_token stop)
      : source_(archive),
        guard_(static_cast<int64_t>(archive.size())),
        sink_(sink),
        stop_(std::move(stop)) {}

  absl::Status Run() {
    for (;;) {
      if (stop_.stop_requested()) return absl::CancelledError("the task was cancelled");
      PURSER_ASSIGN_OR_RETURN(const std::string header, source_.Read(kBlock));
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
  absl::StatusOr<std::string> Content(absl::string_view path, int64_t size, int64_t limit) {
    if (size > limit) {
      return absl::ResourceExhaustedError(absl::StrCat("entry \"", base::EscapeForDisplay(path),
                                                       "\": more than ", limit, " bytes"));
    }
    PURSER_RETURN_IF_ERROR(guard_.Count(path, size));
    PURSER_ASSIGN_OR_RETURN(std::string content, source_.Read(static_cast<size_t>(size)));
    if (static_cast<int64_t>(content.size()) < size) return Broken("it ends within an entry");
    const size_t padding = (kBlock - static_cast<size_t>(size) % kBlock) % kBlock;
    PURSER_ASSIGN_OR_RETURN(const std::string rest, source_.Read(padding));
    if (rest.size() < padding) return Broken("it ends within an entry");
    return content;
  }

  absl::Status OnHeader(const std::string& header) {
    PURSER_ASSIGN_OR_RETURN(int64_t size, Number(header, 124, 12));
    const char type = header[156];
    std::string path = Field(header, 0, 100);
    if (header.compare(257, 6, std::string("ustar\0", 6)) == 0 && header[345] != '\0') {
      path = absl::StrCat(Field(header, 345, 155), "/", path);
    }
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
      PURSER_ASSIGN_OR_RETURN(const std::string text,
                              Content(path, size, static_cast<int64_t>(kMaxExtendedBytes)));
      if (type == 'L') long_path_ = text.substr(0, text.find('\0'));
      if (type == 'K') long_target_ = text.substr(0, text.find('\0'));
      if (type == 'x') {
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
      }
      return absl::OkStatus();
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
    if (type == '0' || type == '\0' || type == '7') {
      // Old archives write folders as files with a slash at the end.
      if (!entry.path.empty() && entry.path.back() == '/') entry.kind = EntryKind::kFolder;
      PURSER_ASSIGN_OR_RETURN(entry.content, Content(entry.path, size, kMaxEntryBytes));
      if (entry.kind == EntryKind::kFolder) entry.content.clear();
    } else if (type == '5') {
      entry.kind = EntryKind::kFolder;
    } else if (type == '2') {
      entry.kind = EntryKind::kLink;
      entry.content = target;
    } else {
      return absl::PermissionDeniedError(absl::StrCat(
          "entry \"", base::EscapeForDisplay(entry.path), "\": ",
          type == '1' ? "hard links are not unpacked" : "is no file, folder or symbolic link"));
    }
    PURSER_RETURN_IF_ERROR(guard_.Admit(entry));
    return entry.path.empty() ? absl::OkStatus() : sink_(std::move(entry));
  }

  Source source_;
  EntryGuard guard_;
  const EntrySink& sink_;
  const std::stop_token stop_;
  std::string long_path_;
  std::string long_target_;
  int64_t pax_size_ = -1;
};

class TarWriter final : public ArchiveWriter {
 public:
  explicit TarWriter(bool compressed) : compressed_(compressed) {}
  ~TarWriter() override {
    if (started_) deflateEnd(&stream_);
  }

  absl::Status Add(const Entry& entry) override {
    std::string path = entry.path;
    if (entry.kind == EntryKind::kFolder) path += '/';
    const bool link = entry.kind == EntryKind::kLink;
    std::string records;
    if (path.size() > 100) records += Record("path", path);
    if (link && entry.content.size() > 100) records += Record("linkpath", entry.content);
    if (!records.empty()) {
      PURSER_RETURN_IF_ERROR(Header("PaxHeader", 'x', 0644, records.size(), ""));
      PURSER_RETURN_IF_ERROR(Padded(records));
    }
    const int mode = entry.kind == EntryKind::kFolder || entry.executable ? 0755
                     : link                                               ? 0777
                                                                          : 0644;
    const char type = entry.kind == EntryKind::kFolder ? '5' : link ? '2' : '0';
    const size_t size = entry.kind == EntryKind::kFile ? entry.content.size() : 0;
    PURSER_RETURN_IF_ERROR(Header(path, type, mode, size, link ? entry.content : ""));
    if (size > 0) PURSER_RETURN_IF_ERROR(Padded(entry.content));
    if (static_cast<int64_t>(out_.size()) > kMaxArchiveBytes || ++count_ > kMaxArchiveEntries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the archive would be larger than ", kMaxArchiveBytes, " bytes or ",
                       kMaxArchiveEntries, " entries (kMaxArchiveBytes, kMaxArchiveEntries)"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Finish() override {
    PURSER_RETURN_IF_ERROR(Write(std::string(2 * kBlock, '\0'), true));
    return std::move(out_);
  }

 private:
  static std::string Record(absl::string_view name, absl::string_view value) {
    // The length counts its own digits.
    const size_t rest = name.size() + value.size() + 3;
    size_t length = rest + 1;
    while (length != rest + absl::StrCat(length).size()) {
      length = rest + absl::StrCat(length).size();
    }
    return absl::StrCat(length, " ", name, "=", value, "\n");
  }

  absl::Status Header(absl::string_view path, char type, int mode, size_t size,
                      absl::string_view target) {
    std::string header(kBlock, '\0');
    const auto put = [&](size_t at, absl::string_view text, size_t limit) {
      std::copy_n(text.begin(), std::min(text.size(), limit),
                  header.begin() + static_cast<ptrdiff_t>(at));
    };
    put(0, path, 100);
    put(100, absl::StrFormat("%07o", mode), 8);
    put(108, "0000000", 8);
    put(116, "0000000", 8);
    put(124, absl::StrFormat("%011o", size), 12);
    put(136, "00000000000", 12);  // the beginning of 1970
    put(148, "        ", 8);
    header[156] = type;
    put(157, target, 100);
    put(257,
        absl::string_view("ustar\0"
                          "00",
                          8),
        8);
    int sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, absl::StrFormat("%06o", sum), 7);
    header[154] = '\0';
    return Write(header, false);
  }

  absl::Status Padded(absl::string_view content) {
    PURSER_RETURN_IF_ERROR(Write(content, false));
    const size_t padding = (kBlock - content.size() % kBlock) % kBlock;
    return Write(std::string(padding, '\0'), false);
  }

  absl::Status Write(absl::string_view bytes, bool last) {
    if (!compressed_) {
      absl::StrAppend(&out_, bytes);
      return absl::OkStatus();
    }
    if (!started_) {
      if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
                       Z_DEFAULT_STRATEGY) != Z_OK) {
        return absl::ResourceExhaustedError("no memory to pack");
      }
      // No time, no name, and one system for all machines.
      header_.os = 255;
      deflateSetHeader(&stream_, &header_);
      started_ = true;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    int result = Z_OK;
    do {
      const size_t before = out_.size();
      out_.resize(before + kChunk);
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data()) + before;
      stream_.avail_out = kChunk;
      result = deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      out_.resize(out_.size() - stream_.avail_out);
      if (result == Z_STREAM_ERROR) return absl::InternalError("deflate failed");
    } while (last ? result != Z_STREAM_END : stream_.avail_out == 0 || stream_.avail_in > 0);
    return absl::OkStatus();
  }

  const bool compressed_;
  bool started_ = false;
  z_stream stream_{};
  gz_header header_{};
  std::string out_;
  int count_ = 0;
};

}  // namespace

absl::Status ReadTar(absl::string_view archive, const EntrySink& sink, std::stop_token stop) {
  return Reader(archive, sink, std::move(stop)).Run();
}

std::unique_ptr<ArchiveWriter> NewTarWriter(bool compressed) {
  return std::make_unique<TarWriter>(compressed);
}

}  // namespace purser::actions
