// Memory for much data: where it is large it comes in huge pages, since the system takes longer to
// hand out thousands of small ones than many columns take to be read.
#ifndef PURSER_COSTS_READERS_LARGE_BUFFER_H_
#define PURSER_COSTS_READERS_LARGE_BUFFER_H_

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace purser::costs {

struct FreeAligned {
  void operator()(char* bytes) const { ::operator delete(bytes, alignment); }
  std::align_val_t alignment = std::align_val_t(1);
};

// Bytes whose values do not matter, until they are written. One thread.
class LargeBuffer {
 public:
  // At least `bytes` of them, aligned for a core's cache; what was there is lost when they are more
  // than before.
  char* Reserve(size_t bytes);
  char* data() const { return bytes_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  std::unique_ptr<char, FreeAligned> bytes_;
  size_t capacity_ = 0;
};

// So many values, not set to anything.
template <typename T>
class LargeArray {
 public:
  static_assert(std::is_trivially_copyable_v<T>);
  explicit LargeArray(size_t size)
      : values_(reinterpret_cast<T*>(buffer_.Reserve(size * sizeof(T)))), size_(size) {}
  T& operator[](size_t i) { return values_[i]; }
  const T& operator[](size_t i) const { return values_[i]; }
  const T* data() const { return values_; }
  T* begin() { return values_; }
  T* end() { return values_ + size_; }
  size_t size() const { return size_; }
  void swap(LargeArray& other) {
    std::swap(buffer_, other.buffer_);
    std::swap(values_, other.values_);
    std::swap(size_, other.size_);
  }

 private:
  LargeBuffer buffer_;
  T* values_;
  size_t size_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_LARGE_BUFFER_H_
