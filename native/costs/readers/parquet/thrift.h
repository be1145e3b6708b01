// Thrift's compact protocol, as far as Parquet's metadata needs it: a reader that never reads past
// its bytes, skips what it does not know and ends in an error for what cannot be.
#ifndef PURSER_COSTS_READERS_PARQUET_THRIFT_H_
#define PURSER_COSTS_READERS_PARQUET_THRIFT_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace purser::costs::parquet {

inline constexpr int kMaxThriftDepth = 32;

// One thread. After a fault ok() is false and everything read is 0 or "".
class ThriftReader {
 public:
  enum Type : uint8_t {
    kStop = 0,
    kTrue = 1,
    kFalse = 2,
    kByte = 3,
    kI16 = 4,
    kI32 = 5,
    kI64 = 6,
    kDouble = 7,
    kBinary = 8,
    kList = 9,
    kSet = 10,
    kMap = 11,
    kStruct = 12,
  };

  explicit ThriftReader(absl::string_view bytes) : bytes_(bytes) {}

  // Fields of a struct: while (fields.Next(&id, &type)) { … read or Skip(type) … }.
  class Struct {
   public:
    explicit Struct(ThriftReader& reader);
    ~Struct();
    bool Next(int* id, Type* type);

   private:
    ThriftReader& reader_;
    int last_ = 0;
  };

  int64_t Integer();  // of any width
  bool Bool(Type type) const { return type == kTrue; }
  absl::string_view Binary();
  // The number of a list's elements, each of at least one byte.
  int64_t ListSize(Type* element);
  void Skip(Type type);

  bool ok() const { return ok_; }
  void Fail() {
    ok_ = false;
    bytes_ = {};
  }
  size_t rest() const { return bytes_.size(); }

 private:
  uint8_t Byte();
  uint64_t Varint();

  absl::string_view bytes_;
  bool ok_ = true;
  int depth_ = 0;
};

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_THRIFT_H_
