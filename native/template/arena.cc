#include "template/arena.h"

#include <algorithm>
#include <new>

#include "base/sanitizer.h"

namespace purser::tmpl {
namespace {

// Before each block: whose it is; nullptr means the heap's.
constexpr size_t kHead = sizeof(Arena*);

}  // namespace

thread_local Arena* Arena::current_ = nullptr;

void* Arena::Take(size_t bytes) {
  const size_t size_class = SizeClass(bytes);
  if (Free* block = free_[size_class]) {
    free_[size_class] = block->next;
    return block;
  }
  const size_t whole = size_class * kStep;
  if (left_ < whole) {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(next_chunk_));
    at_ = chunks_.back().get();
    left_ = next_chunk_;
    next_chunk_ = std::min(next_chunk_ * 2, kLargestChunk);
  }
  char* taken = at_;
  at_ += whole;
  left_ -= whole;
  return taken;
}

void* Arena::New(size_t bytes) {
  const size_t whole = bytes + kHead;
  Arena* owner = base::kAddressSanitizer || whole > kLargest ? nullptr : current_;
  void* block = owner != nullptr ? owner->Take(whole) : ::operator new(whole);
  *static_cast<Arena**>(block) = owner;
  return static_cast<char*>(block) + kHead;
}

void Arena::Delete(void* object, size_t bytes) {
  void* block = static_cast<char*>(object) - kHead;
  Arena* owner = *static_cast<Arena**>(block);
  if (owner == nullptr) {
    ::operator delete(block);
    return;
  }
  const size_t size_class = SizeClass(bytes + kHead);
  auto* free = static_cast<Free*>(block);
  free->next = owner->free_[size_class];
  owner->free_[size_class] = free;
}

}  // namespace purser::tmpl
