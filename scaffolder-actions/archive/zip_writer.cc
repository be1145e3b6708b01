// Writes ZIP, zip64 where numbers need it.
#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "scaffolder-actions/archive/deflate_into.h"
#include "scaffolder-actions/archive/entries.h"
#include "scaffolder-actions/archive/zip_format.h"

namespace purser::actions {
namespace {

using zip::Put;

// Files up to this are compressed at once, by the faster of two libraries.
constexpr size_t kAtOnceBytes = 1 << 20;
constexpr int kAtOnceLevel = 6;
// From here on room is kept for sizes of 64 bits: what does not compress grows a little.
constexpr int64_t kFrom64 = 0xF0000000;
// 1 January 1980, midnight: the first moment ZIP knows.
constexpr uint16_t kDate = 1 << 5 | 1;

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const {
    libdeflate_free_compressor(compressor);
  }
};

uint32_t Crc(uint32_t so_far, absl::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(so_far, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// A number for a field of 32 bits; a larger one goes to the extra field.
uint64_t Short(int64_t value, std::string* extra) {
  if (value < int64_t{zip::kIn64}) return static_cast<uint64_t>(value);
  Put(static_cast<uint64_t>(value), 8, extra);
  return zip::kIn64;
}

class ZipWriter final : public ArchiveWriter {
 public:
  ZipWriter(ByteSink& sink, Step step) : sink_(sink), step_(std::move(step)) {}
  ~ZipWriter() override {
    if (started_) deflateEnd(&stream_);
  }

  absl::Status Add(const Entry& entry, const ByteSource* content) override {
    Item item;
    item.name = entry.path;
    item.offset = sink_.bytes();
    if (entry.kind == EntryKind::kFolder) item.name += '/';
    item.mode = entry.kind == EntryKind::kFolder ? zip::kDirectory | 0755
                : entry.kind == EntryKind::kLink ? zip::kSymlink | 0777
                : entry.executable               ? zip::kRegular | 0755
                                                 : zip::kRegular | 0644;
    if (entry.kind == EntryKind::kLink) {
      PURSER_RETURN_IF_ERROR(AddAtOnce(entry.target, item));
    } else if (entry.kind == EntryKind::kFolder || entry.bytes == 0) {
      PURSER_RETURN_IF_ERROR(AddAtOnce("", item));
    } else if (entry.bytes <= static_cast<int64_t>(kAtOnceBytes)) {
      PURSER_RETURN_IF_ERROR(ReadPiece(entry, *content, 0, &piece_, kAtOnceBytes));
      PURSER_RETURN_IF_ERROR(AddAtOnce(piece_, item));
    } else {
      PURSER_RETURN_IF_ERROR(AddInPieces(entry, *content, item));
    }
    AddToDirectory(item);
    PURSER_RETURN_IF_ERROR(
        step_(entry.bytes <= static_cast<int64_t>(kAtOnceBytes) ? entry.bytes : 0));
    if (static_cast<int64_t>(central_.size()) > kMaxZipDirectoryBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the archive's directory would be larger than ", kMaxZipDirectoryBytes,
                       " bytes (kMaxZipDirectoryBytes)"));
    }
    return CheckArchive(sink_.bytes() + static_cast<int64_t>(central_.size()), ++count_);
  }

  absl::Status Finish() override {
    const int64_t start = sink_.bytes();
    PURSER_RETURN_IF_ERROR(sink_.Append(central_));
    const auto count = static_cast<uint64_t>(count_);
    const auto size = static_cast<uint64_t>(central_.size());
    std::string end;
    if (count >= zip::kIn64Short || start >= int64_t{zip::kIn64}) {
      const auto at = static_cast<uint64_t>(sink_.bytes());
      Put(zip::kEnd64Signature, 4, &end);
      Put(zip::kEnd64Bytes - 12, 8, &end);
      Put(zip::kUnix << 8 | zip::kVersion64, 2, &end);
      Put(zip::kVersion64, 2, &end);
      Put(0, 8, &end);
      Put(count, 8, &end);
      Put(count, 8, &end);
      Put(size, 8, &end);
      Put(static_cast<uint64_t>(start), 8, &end);
      Put(zip::kLocator64Signature, 4, &end);
      Put(0, 4, &end);
      Put(at, 8, &end);
      Put(1, 4, &end);
    }
    const uint64_t short_count = std::min<uint64_t>(count, zip::kIn64Short);
    Put(zip::kEndSignature, 4, &end);
    Put(0, 4, &end);
    Put(short_count, 2, &end);
    Put(short_count, 2, &end);
    Put(size, 4, &end);
    Put(std::min<uint64_t>(static_cast<uint64_t>(start), zip::kIn64), 4, &end);
    Put(0, 2, &end);
    return sink_.Append(end);
  }

 private:
  struct Item {
    std::string name;
    uint32_t mode = 0;
    uint16_t method = zip::kStored;
    uint32_t crc = 0;
    int64_t packed = 0;
    int64_t unpacked = 0;
    int64_t offset = 0;
    bool wide = false;  // the local header has sizes of 64 bits
  };

  // What stands in both headers, from the version on.
  static std::string Common(const Item& item, uint64_t packed, uint64_t unpacked,
                            const std::string& extra) {
    std::string out;
    Put(extra.empty() ? zip::kVersion : zip::kVersion64, 2, &out);
    Put(zip::kUtf8Flag, 2, &out);
    Put(item.method, 2, &out);
    Put(0, 2, &out);
    Put(kDate, 2, &out);
    Put(item.crc, 4, &out);
    Put(packed, 4, &out);
    Put(unpacked, 4, &out);
    Put(item.name.size(), 2, &out);
    Put(extra.empty() ? 0 : extra.size() + 4, 2, &out);
    return out;
  }

  static std::string Framed(const std::string& extra) {
    std::string out;
    if (extra.empty()) return out;
    Put(zip::kExtra64, 2, &out);
    Put(extra.size(), 2, &out);
    return out + extra;
  }

  static std::string LocalHeader(const Item& item) {
    std::string extra;
    if (item.wide) {
      Put(static_cast<uint64_t>(item.unpacked), 8, &extra);
      Put(static_cast<uint64_t>(item.packed), 8, &extra);
    }
    std::string out;
    Put(zip::kLocalSignature, 4, &out);
    const uint64_t packed = item.wide ? zip::kIn64 : static_cast<uint64_t>(item.packed);
    const uint64_t unpacked = item.wide ? zip::kIn64 : static_cast<uint64_t>(item.unpacked);
    return absl::StrCat(out, Common(item, packed, unpacked, extra), item.name, Framed(extra));
  }

  void AddToDirectory(const Item& item) {
    std::string extra;  // in this order
    const uint64_t unpacked = Short(item.unpacked, &extra);
    const uint64_t packed = Short(item.packed, &extra);
    const uint64_t offset = Short(item.offset, &extra);
    Put(zip::kCentralSignature, 4, &central_);
    Put(zip::kUnix << 8 | (extra.empty() ? zip::kVersion : zip::kVersion64), 2, &central_);
    central_ += Common(item, packed, unpacked, extra);
    Put(0, 2, &central_);
    Put(0, 4, &central_);
    Put(uint64_t{item.mode} << 16, 4, &central_);
    Put(offset, 4, &central_);
    absl::StrAppend(&central_, item.name, Framed(extra));
  }

  absl::Status AddAtOnce(absl::string_view content, Item& item) {
    item.unpacked = static_cast<int64_t>(content.size());
    item.crc = Crc(0, content);
    absl::string_view bytes = content;
    if (!content.empty()) {
      if (compressor_ == nullptr) compressor_.reset(libdeflate_alloc_compressor(kAtOnceLevel));
      if (compressor_ == nullptr) return absl::ResourceExhaustedError("no memory to pack");
      out_.resize(content.size());
      // 0 when it does not become smaller.
      const size_t made = libdeflate_deflate_compress(
          compressor_.get(), content.data(), content.size(), out_.data(), content.size() - 1);
      if (made > 0) {
        item.method = zip::kDeflated;
        bytes = absl::string_view(out_).substr(0, made);
      }
    }
    item.packed = static_cast<int64_t>(bytes.size());
    PURSER_RETURN_IF_ERROR(sink_.Append(LocalHeader(item)));
    return sink_.Append(bytes);
  }

  // The header is written again when the sizes are known.
  absl::Status AddInPieces(const Entry& entry, const ByteSource& content, Item& item) {
    item.method = zip::kDeflated;
    item.wide = entry.bytes >= kFrom64;
    item.unpacked = entry.bytes;
    PURSER_RETURN_IF_ERROR(sink_.Append(LocalHeader(item)));
    const int64_t begin = sink_.bytes();
    PURSER_RETURN_IF_ERROR(StartDeflate());
    for (int64_t at = 0; at < entry.bytes; at += static_cast<int64_t>(piece_.size())) {
      PURSER_RETURN_IF_ERROR(ReadPiece(entry, content, at, &piece_));
      item.crc = Crc(item.crc, piece_);
      const bool last = at + static_cast<int64_t>(piece_.size()) == entry.bytes;
      PURSER_RETURN_IF_ERROR(Deflate(piece_, last));
      PURSER_RETURN_IF_ERROR(step_(static_cast<int64_t>(piece_.size())));
      PURSER_RETURN_IF_ERROR(CheckArchive(sink_.bytes(), 0));
    }
    item.packed = sink_.bytes() - begin;
    return sink_.WriteAt(item.offset, LocalHeader(item));
  }

  absl::Status StartDeflate() {
    if (!started_) {
      if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                       Z_DEFAULT_STRATEGY) != Z_OK) {
        return absl::ResourceExhaustedError("no memory to pack");
      }
      started_ = true;
    } else if (deflateReset(&stream_) != Z_OK) {
      return absl::InternalError("deflate failed");
    }
    out_.resize(std::max(out_.size(), kPieceBytes));
    return absl::OkStatus();
  }

  absl::Status Deflate(absl::string_view bytes, bool last) {
    return DeflateInto(stream_, bytes, last, out_, sink_);
  }

  ByteSink& sink_;
  const Step step_;
  std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor_;
  bool started_ = false;
  z_stream stream_{};
  std::string piece_;
  std::string out_;
  std::string central_;
  int64_t count_ = 0;
};

}  // namespace

std::unique_ptr<ArchiveWriter> NewZipWriter(ByteSink& sink, Step step) {
  return std::make_unique<ZipWriter>(sink, std::move(step));
}

}  // namespace purser::actions
