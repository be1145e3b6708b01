#include "scaffolder-actions/archive/deflate_into.h"

#include "base/status.h"

namespace purser::actions {

absl::Status DeflateInto(z_stream& stream, absl::string_view bytes, bool last, std::string& room,
                         ByteSink& sink) {
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  int result = Z_OK;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = static_cast<uInt>(room.size());
    result = deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
    if (result == Z_STREAM_ERROR) return absl::InternalError("deflate failed");
    PURSER_RETURN_IF_ERROR(
        sink.Append(absl::string_view(room).substr(0, room.size() - stream.avail_out)));
  } while (last ? result != Z_STREAM_END : stream.avail_out == 0 || stream.avail_in > 0);
  return absl::OkStatus();
}

}  // namespace purser::actions
