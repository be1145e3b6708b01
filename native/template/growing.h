// A growing array of plain values for what a program is made of: it grows in place where the system
// can (no second copy is touched) and asks for large pages, so that a file of 100 MB takes no
// longer for a byte than one of 1 MB.
#ifndef PURSER_TEMPLATE_GROWING_H_
#define PURSER_TEMPLATE_GROWING_H_

#include <cstddef>
#include <iterator>
#include <new>
#include <type_traits>

namespace purser::tmpl {

// Memory from here on is asked for in large pages.
inline constexpr size_t kHugeFromBytes = 4 << 20;

// Tells the system that [data, data + bytes) is best kept in large pages; no more than a hint.
void AdviseHuge(void* data, size_t bytes);

// Memory of `bytes` that begins with what `data` (of `old_bytes`, or nullptr) held, in its place.
// Large blocks are mapped by themselves, so that they grow by their page tables and no copy is
// touched.
void* GrowMemory(void* data, size_t old_bytes, size_t bytes);
void FreeMemory(void* data, size_t bytes);

template <typename T>
class Growing {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  Growing() = default;
  Growing(const Growing&) = delete;
  Growing& operator=(const Growing&) = delete;
  ~Growing() { FreeMemory(data_, capacity_ * sizeof(T)); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](size_t index) { return data_[index]; }
  const T& operator[](size_t index) const { return data_[index]; }
  T& back() { return data_[size_ - 1]; }

  // `value` may be an element of this array.
  void push_back(const T& value) {
    const T copy = value;
    if (size_ == capacity_) Grow(size_ + 1);
    new (data_ + size_++) T(copy);
  }
  void resize(size_t size) {
    if (size > capacity_) Grow(size);
    while (size_ < size) new (data_ + size_++) T();
    size_ = size;
  }
  // Appends [begin, end), which is no part of this array.
  template <typename Iterator>
  void append(Iterator begin, Iterator end) {
    const size_t more = static_cast<size_t>(std::distance(begin, end));
    if (size_ + more > capacity_) Grow(size_ + more);
    for (; begin != end; ++begin) new (data_ + size_++) T(*begin);
  }

 private:
  void Grow(size_t least) {
    size_t wanted = capacity_ == 0 ? 16 : capacity_ * 2;
    if (wanted < least) wanted = least;
    data_ = static_cast<T*>(GrowMemory(data_, capacity_ * sizeof(T), wanted * sizeof(T)));
    capacity_ = wanted;
  }

  T* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_GROWING_H_
