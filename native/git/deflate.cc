#include "git/deflate.h"

#include <libdeflate.h>

#include <algorithm>

namespace purser::git {
namespace {

constexpr int kLevel = 1;
constexpr int kStoreLevel = 0;
// Smaller contents are compressed sooner than looked at.
constexpr size_t kMinSampledBytes = 16 << 10;
constexpr size_t kSampleBytes = 4 << 10;
// A sample that does not get this much smaller is noise.
constexpr size_t kMinSavedBytes = kSampleBytes / 32;

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const {
    libdeflate_free_compressor(compressor);
  }
};
using Compressor = std::unique_ptr<libdeflate_compressor, FreeCompressor>;

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

absl::Status Deflater::Append(absl::string_view content, std::string& out) {
  if (state_->compressor == nullptr || state_->store == nullptr) {
    return absl::ResourceExhaustedError("no memory for compression");
  }
  libdeflate_compressor* const compressor =
      state_->IsNoise(content) ? state_->store.get() : state_->compressor.get();
  const size_t start = out.size();
  out.resize(start + libdeflate_zlib_compress_bound(compressor, content.size()));
  const size_t made = libdeflate_zlib_compress(compressor, content.data(), content.size(),
                                               out.data() + start, out.size() - start);
  if (made == 0) return absl::InternalError("libdeflate did not compress within its own bound");
  out.resize(start + made);
  return absl::OkStatus();
}

}  // namespace purser::git
