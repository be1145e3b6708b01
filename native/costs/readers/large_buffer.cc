#include "costs/readers/large_buffer.h"

#include <sys/mman.h>

#include <algorithm>

namespace purser::costs {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = 2 << 20;
// Less than this does not fill enough of one.
constexpr size_t kWorthHugePages = kHugePage / 2;

}  // namespace

char* LargeBuffer::Reserve(size_t bytes) {
  if (bytes <= capacity_ && bytes_ != nullptr) return bytes_.get();
  const size_t page = bytes >= kWorthHugePages ? kHugePage : kCacheLine;
  capacity_ = (std::max<size_t>(bytes, 1) + page - 1) / page * page;
  bytes_.reset();  // first, so that both do not stand at once
  const auto alignment = std::align_val_t(page);
  bytes_ = {static_cast<char*>(::operator new(capacity_, alignment)), FreeAligned{alignment}};
  if (page == kHugePage) madvise(bytes_.get(), capacity_, MADV_HUGEPAGE);  // as well as it goes
  return bytes_.get();
}

}  // namespace purser::costs
