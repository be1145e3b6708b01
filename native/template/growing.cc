#include "template/growing.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace purser::tmpl {
namespace {

// Told as all of C++ tells it: operator new is asked for what nobody has.
void OutOfMemory() {
  const volatile size_t too_much = std::numeric_limits<ptrdiff_t>::max();
  ::operator delete(::operator new(too_much));
}

}  // namespace

void AdviseHuge(void* data, size_t bytes) {
  if (bytes < kHugeFromBytes) return;
  constexpr uintptr_t kHugePage = 2 << 20;
  const auto at = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (at + kHugePage - 1) & ~(kHugePage - 1);
  const uintptr_t last = (at + bytes) & ~(kHugePage - 1);
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

void* GrowMemory(void* data, size_t old_bytes, size_t bytes) {
  if (bytes < kHugeFromBytes) {
    void* grown = std::realloc(data, bytes);
    if (grown == nullptr) OutOfMemory();
    return grown;
  }
  const bool mapped = old_bytes >= kHugeFromBytes;
  void* grown =
      mapped ? mremap(data, old_bytes, bytes, MREMAP_MAYMOVE)
             : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (grown == MAP_FAILED) OutOfMemory();
  // All of the mapping: a hint for a part would split it, and then it could not grow.
  madvise(grown, bytes, MADV_HUGEPAGE);
  if (!mapped && data != nullptr) {
    std::memcpy(grown, data, old_bytes);
    std::free(data);
  }
  return grown;
}

void FreeMemory(void* data, size_t bytes) {
  if (bytes < kHugeFromBytes) {
    std::free(data);
  } else {
    munmap(data, bytes);
  }
}

}  // namespace purser::tmpl
