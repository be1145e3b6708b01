#include "git/deflate.h"

#include <libdeflate.h>
#include <zlib.h>

namespace purser::git {
namespace {

constexpr int kLevel = 1;
constexpr int kStoreLevel = 0;
// Smaller contents are compressed sooner than looked at.
constexpr size_t kMinSampledBytes = 16 << 10;
constexpr size_t kSampleBytes = 4 << 10;
// A sample that does not get this much smaller is noise.
constexpr size_t kMinSavedBytes = kSampleBytes / 32;
constexpr size_t kOutputStep = 64 << 10;

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const {
    libdeflate_free_compressor(compressor);
  }
};
using Compressor = std::unique_ptr<libdeflate_compressor, FreeCompressor>;

absl::Status NoMemory() { return absl::ResourceExhaustedError("no memory for compression"); }

}  // namespace

struct Deflater::State {
  Compressor compressor{libdeflate_alloc_compressor(kLevel)};
  Compressor store{libdeflate_alloc_compressor(kStoreLevel)};
};

Deflater::Deflater() : state_(std::make_unique<State>()) {}
Deflater::~Deflater() = default;

bool Deflater::IsNoise(absl::string_view content) {
  if (content.size() < kMinSampledBytes || state_->compressor == nullptr) return false;
  // From the middle: the heads of images and archives are text.
  const absl::string_view sample = content.substr(content.size() / 2, kSampleBytes);
  char scratch[kSampleBytes];
  return libdeflate_deflate_compress(state_->compressor.get(), sample.data(), sample.size(),
                                     scratch, kSampleBytes - kMinSavedBytes) == 0;
}

absl::Status Deflater::Append(absl::string_view content, std::string& out) {
  if (state_->compressor == nullptr || state_->store == nullptr) return NoMemory();
  libdeflate_compressor* const compressor =
      IsNoise(content) ? state_->store.get() : state_->compressor.get();
  const size_t start = out.size();
  out.resize(start + libdeflate_zlib_compress_bound(compressor, content.size()));
  const size_t made = libdeflate_zlib_compress(compressor, content.data(), content.size(),
                                               out.data() + start, out.size() - start);
  if (made == 0) return absl::InternalError("libdeflate did not compress within its own bound");
  out.resize(start + made);
  return absl::OkStatus();
}

struct DeflateStream::State {
  z_stream stream{};
  bool ready = false;
};

DeflateStream::DeflateStream(bool store) : state_(std::make_unique<State>()) {
  state_->ready = deflateInit(&state_->stream, store ? kStoreLevel : kLevel) == Z_OK;
}

DeflateStream::~DeflateStream() {
  if (state_->ready) deflateEnd(&state_->stream);
}

absl::Status DeflateStream::Append(absl::string_view piece, std::string& out) {
  if (!state_->ready) return NoMemory();
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
  stream.avail_in = static_cast<uInt>(piece.size());
  do {
    const size_t start = out.size();
    out.resize(start + kOutputStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + start);
    stream.avail_out = kOutputStep;
    const int result = deflate(&stream, piece.empty() ? Z_FINISH : Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (result == Z_STREAM_ERROR) return absl::InternalError("zlib did not compress");
  } while (stream.avail_out == 0);
  return absl::OkStatus();
}

}  // namespace purser::git
