// Memory of one rendering's values: blocks are cut from chunks that grow, freed ones serve again
// for values of the same size, and all goes back at once when the rendering ends.
//
// Not thread-safe: one per rendering. Values that belong to no rendering (contexts, literals of
// programs) come from the heap, as all do under AddressSanitizer, which then sees their ends.
#ifndef PURSER_TEMPLATE_ARENA_H_
#define PURSER_TEMPLATE_ARENA_H_

#include <cstddef>
#include <memory>
#include <vector>

namespace purser::tmpl {

class Arena {
 public:
  // Becomes the arena of this thread until its end.
  Arena() : outer_(current_), at_(first_), left_(sizeof first_) { current_ = this; }
  ~Arena() { current_ = outer_; }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // A block aligned for pointers and doubles, from this thread's arena or, without one, the heap.
  static void* New(size_t bytes);
  // `bytes` as they were given to New.
  static void Delete(void* block, size_t bytes);

 private:
  static constexpr size_t kStep = 16;  // sizes are rounded up to a multiple
  static constexpr size_t kLargest = 512;
  static constexpr size_t kFirstBytes = 2048;  // enough for most file names and small files
  static constexpr size_t kSmallestChunk = 16 << 10;
  static constexpr size_t kLargestChunk = 1 << 20;

  struct Free {
    Free* next;
  };

  static size_t SizeClass(size_t bytes) { return (bytes + kStep - 1) / kStep; }
  void* Take(size_t bytes);

  static thread_local Arena* current_;

  Arena* const outer_;
  char* at_;     // what is left of the newest chunk
  size_t left_;  // bytes
  size_t next_chunk_ = kSmallestChunk;
  Free* free_[kLargest / kStep + 1] = {};  // by size class
  std::vector<std::unique_ptr<char[]>> chunks_;
  alignas(kStep) char first_[kFirstBytes];
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_ARENA_H_
