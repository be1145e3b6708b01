#include "git/deflate.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"

namespace purser::git {
namespace {

constexpr int kLevel = 1;
constexpr int kStoreLevel = 0;
// Smaller contents are compressed sooner than looked at.
constexpr size_t kMinSampledBytes = 16 << 10;
constexpr size_t kSampleBytes = 4 << 10;
// A sample that does not get this much smaller is noise.
constexpr size_t kMinSavedBytes = kSampleBytes / 32;
// From here on by zlib: libdeflate would take some tens of milliseconds in one go.
constexpr size_t kStreamedBytes = 8 << 20;
constexpr size_t kPieceBytes = 1 << 20;

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const {
    libdeflate_free_compressor(compressor);
  }
};
using Compressor = std::unique_ptr<libdeflate_compressor, FreeCompressor>;

absl::Status AppendInPieces(absl::string_view content, int level, const std::stop_token& stop,
                            std::string& out) {
  z_stream stream{};
  if (deflateInit(&stream, level) != Z_OK) {
    return absl::ResourceExhaustedError("no memory for compression");
  }
  const absl::Cleanup end = [&stream] { deflateEnd(&stream); };
  out.reserve(out.size() + deflateBound(&stream, content.size()));
  std::string piece(kPieceBytes, '\0');
  while (true) {
    if (stop.stop_requested()) return absl::CancelledError("compression was stopped");
    const absl::string_view input = content.substr(0, kPieceBytes);
    content.remove_prefix(input.size());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream.avail_in = static_cast<uInt>(input.size());
    int result = Z_OK;
    do {
      stream.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_out = static_cast<uInt>(piece.size());
      result = deflate(&stream, content.empty() ? Z_FINISH : Z_NO_FLUSH);
      out.append(piece.data(), piece.size() - stream.avail_out);
    } while (stream.avail_out == 0);
    if (result == Z_STREAM_END) return absl::OkStatus();
    if (result == Z_STREAM_ERROR) return absl::InternalError("zlib did not compress");
  }
}

}  // namespace

struct Deflater::State {
  Compressor compressor{libdeflate_alloc_compressor(kLevel)};
  Compressor store{libdeflate_alloc_compressor(kStoreLevel)};

  // From the middle: the heads of images and archives are text.
  bool IsNoise(absl::string_view content) {
    if (content.size() < kMinSampledBytes) return false;
    const absl::string_view sample = content.substr(content.size() / 2, kSampleBytes);
    char scratch[kSampleBytes];
    return libdeflate_deflate_compress(compressor.get(), sample.data(), sample.size(), scratch,
                                       kSampleBytes - kMinSavedBytes) == 0;
  }
};

Deflater::Deflater() : state_(std::make_unique<State>()) {}
Deflater::~Deflater() = default;

absl::Status Deflater::Append(absl::string_view content, std::string& out,
                              const std::stop_token& stop) {
  if (state_->compressor == nullptr || state_->store == nullptr) {
    return absl::ResourceExhaustedError("no memory for compression");
  }
  const bool noise = state_->IsNoise(content);
  if (content.size() >= kStreamedBytes) {
    return AppendInPieces(content, noise ? kStoreLevel : kLevel, stop, out);
  }
  libdeflate_compressor* const compressor = noise ? state_->store.get() : state_->compressor.get();
  const size_t start = out.size();
  out.resize(start + libdeflate_zlib_compress_bound(compressor, content.size()));
  const size_t made = libdeflate_zlib_compress(compressor, content.data(), content.size(),
                                               out.data() + start, out.size() - start);
  if (made == 0) return absl::InternalError("libdeflate did not compress within its own bound");
  out.resize(start + made);
  return absl::OkStatus();
}

}  // namespace purser::git
