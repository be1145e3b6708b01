#include "git/pack_writer.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"

namespace purser::git {
namespace {

constexpr size_t kHeaderBytes = 12;
// Half the time of zlib's default for a few percent more bytes: a push is CPU-bound here.
constexpr int kCompressionLevel = 2;

void AppendUint32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

}  // namespace

struct PackWriter::Deflater {
  z_stream stream{};
  bool ready = false;
};

PackWriter::PackWriter(const Limits& limits)
    : limits_(limits), deflater_(std::make_unique<Deflater>()), pack_(kHeaderBytes, '\0') {
  deflater_->ready = deflateInit(&deflater_->stream, kCompressionLevel) == Z_OK;
}

PackWriter::~PackWriter() {
  if (deflater_->ready) deflateEnd(&deflater_->stream);
}

absl::StatusOr<ObjectId> PackWriter::Add(ObjectType type, absl::string_view content) {
  if (static_cast<int64_t>(content.size()) > limits_.max_object_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a ", TypeName(type), " of ", content.size(), " bytes is larger than ",
                     limits_.max_object_bytes, " (max_object_bytes)"));
  }
  const ObjectId id = HashObject(type, content);
  if (!known_.insert(id).second) return id;
  if (!deflater_->ready) return absl::ResourceExhaustedError("no memory for compression");
  if (objects_ >= limits_.max_objects) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", limits_.max_objects, " objects in one push (max_objects)"));
  }

  // Type and size: four bits, then seven a byte, low ones first.
  uint64_t size = content.size();
  unsigned char byte = static_cast<unsigned char>(static_cast<unsigned>(type) << 4 | (size & 15));
  for (size >>= 4; size != 0; size >>= 7) {
    pack_ += static_cast<char>(byte | 0x80);
    byte = static_cast<unsigned char>(size & 0x7F);
  }
  pack_ += static_cast<char>(byte);

  z_stream& stream = deflater_->stream;
  deflateReset(&stream);
  // zlib counts in 32 bits; max_object_bytes is far below unless a caller raised it.
  if (content.size() > UINT32_MAX / 2) return absl::ResourceExhaustedError("object beyond 2 GiB");
  const size_t start = pack_.size();
  pack_.resize(start + deflateBound(&stream, static_cast<uLong>(content.size())));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(pack_.data() + start);
  stream.avail_out = static_cast<uInt>(pack_.size() - start);
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return absl::InternalError("zlib did not finish");
  pack_.resize(start + stream.total_out);
  ++objects_;
  if (bytes() > limits_.max_pack_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the push is larger than ", limits_.max_pack_bytes, " bytes compressed (max_pack_bytes)"));
  }
  return id;
}

std::string PackWriter::Finish(absl::string_view head) && {
  std::string header = "PACK";
  AppendUint32(header, 2);
  AppendUint32(header, static_cast<uint32_t>(objects_));
  std::copy(header.begin(), header.end(), pack_.begin());
  pack_ += base::Sha1(pack_);
  pack_.insert(0, head.data(), head.size());
  objects_ = 0;
  return std::exchange(pack_, std::string(kHeaderBytes, '\0'));
}

}  // namespace purser::git
