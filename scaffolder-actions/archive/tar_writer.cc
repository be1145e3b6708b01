// Writes tar (POSIX ustar, pax for long names), plain or compressed by gzip.
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "scaffolder-actions/archive/deflate_into.h"
#include "scaffolder-actions/archive/entries.h"

namespace purser::actions {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kChunk = 64 << 10;

class TarWriter final : public ArchiveWriter {
 public:
  TarWriter(ByteSink& sink, bool compressed, Step step)
      : sink_(sink), compressed_(compressed), step_(std::move(step)) {}
  ~TarWriter() override {
    if (started_) deflateEnd(&stream_);
  }

  absl::Status Add(const Entry& entry, const ByteSource* content) override {
    std::string path = entry.path;
    if (entry.kind == EntryKind::kFolder) path += '/';
    const bool link = entry.kind == EntryKind::kLink;
    std::string records;
    if (path.size() > 100) records += Record("path", path);
    if (link && entry.target.size() > 100) records += Record("linkpath", entry.target);
    if (!records.empty()) {
      PURSER_RETURN_IF_ERROR(Header("PaxHeader", 'x', 0644, records.size(), ""));
      PURSER_RETURN_IF_ERROR(Write(records, false));
      PURSER_RETURN_IF_ERROR(Pad(records.size()));
    }
    const int mode = entry.kind == EntryKind::kFolder || entry.executable ? 0755
                     : link                                               ? 0777
                                                                          : 0644;
    const char type = entry.kind == EntryKind::kFolder ? '5' : link ? '2' : '0';
    const int64_t size = entry.kind == EntryKind::kFile ? entry.bytes : 0;
    PURSER_RETURN_IF_ERROR(
        Header(path, type, mode, static_cast<size_t>(size), link ? entry.target : ""));
    for (int64_t at = 0; at < size; at += static_cast<int64_t>(piece_.size())) {
      PURSER_RETURN_IF_ERROR(ReadPiece(entry, *content, at, &piece_));
      PURSER_RETURN_IF_ERROR(Write(piece_, false));
      PURSER_RETURN_IF_ERROR(step_(static_cast<int64_t>(piece_.size())));
    }
    PURSER_RETURN_IF_ERROR(Pad(static_cast<size_t>(size)));
    PURSER_RETURN_IF_ERROR(step_(0));
    return CheckArchive(sink_.bytes(), ++count_);
  }

  absl::Status Finish() override { return Write(std::string(2 * kBlock, '\0'), true); }

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

  absl::Status Pad(size_t size) {
    return Write(std::string((kBlock - size % kBlock) % kBlock, '\0'), false);
  }

  absl::Status Write(absl::string_view bytes, bool last) {
    if (!compressed_) return sink_.Append(bytes);
    if (!started_) {
      if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
                       Z_DEFAULT_STRATEGY) != Z_OK) {
        return absl::ResourceExhaustedError("no memory to pack");
      }
      // No time, no name, and one system for all machines.
      header_.os = 255;
      deflateSetHeader(&stream_, &header_);
      started_ = true;
      out_.resize(kChunk);
    }
    return DeflateInto(stream_, bytes, last, out_, sink_);
  }

  ByteSink& sink_;
  const bool compressed_;
  const Step step_;
  bool started_ = false;
  z_stream stream_{};
  gz_header header_{};
  std::string piece_;
  std::string out_;
  int64_t count_ = 0;
};

}  // namespace

std::unique_ptr<ArchiveWriter> NewTarWriter(ByteSink& sink, bool compressed, Step step) {
  return std::make_unique<TarWriter>(sink, compressed, std::move(step));
}

}  // namespace purser::actions
