#include "costs/readers/parquet/thrift.h"

namespace purser::costs::parquet {

ThriftReader::Struct::Struct(ThriftReader& reader) : reader_(reader) {
  if (++reader_.depth_ > kMaxThriftDepth) reader_.Fail();
}

ThriftReader::Struct::~Struct() { --reader_.depth_; }

bool ThriftReader::Struct::Next(int* id, Type* type) {
  const uint8_t head = reader_.Byte();
  if (!reader_.ok() || (head & 0x0F) == kStop) return false;
  if ((head & 0x0F) > kStruct) {
    reader_.Fail();
    return false;
  }
  *type = static_cast<Type>(head & 0x0F);
  // The id as a difference to the last one, or in full.
  last_ = head >> 4 != 0 ? last_ + (head >> 4) : static_cast<int>(reader_.Integer() & 0x7FFF);
  *id = last_;
  return reader_.ok();
}

uint8_t ThriftReader::Byte() {
  if (bytes_.empty()) {
    Fail();
    return 0;
  }
  const uint8_t byte = static_cast<uint8_t>(bytes_.front());
  bytes_.remove_prefix(1);
  return byte;
}

uint64_t ThriftReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = Byte();
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  Fail();
  return 0;
}

int64_t ThriftReader::Integer() {
  const uint64_t zigzag = Varint();
  return static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1);
}

absl::string_view ThriftReader::Binary() {
  const uint64_t size = Varint();
  if (size > bytes_.size()) {
    Fail();
    return {};
  }
  const absl::string_view text = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return text;
}

int64_t ThriftReader::ListSize(Type* element) {
  const uint8_t head = Byte();
  *element = static_cast<Type>(head & 0x0F);
  const uint64_t size = head >> 4 == 15 ? Varint() : head >> 4;
  if (size > bytes_.size()) {
    Fail();
    return 0;
  }
  return static_cast<int64_t>(size);
}

void ThriftReader::Skip(Type type) {
  switch (type) {
    case kTrue:
    case kFalse:
      break;
    case kByte:
      Byte();
      break;
    case kI16:
    case kI32:
    case kI64:
      Varint();
      break;
    case kDouble:
      for (int i = 0; i < 8; ++i) Byte();
      break;
    case kBinary:
      Binary();
      break;
    case kList:
    case kSet: {
      Type element;
      const int64_t size = ListSize(&element);
      for (int64_t i = 0; i < size && ok_; ++i) {
        // In lists a truth value is a byte.
        element <= kFalse ? static_cast<void>(Byte()) : Skip(element);
      }
      break;
    }
    case kMap: {
      const uint64_t size = Varint();
      if (size > bytes_.size()) Fail();
      const uint8_t types = size == 0 ? 0 : Byte();
      for (uint64_t i = 0; i < size && ok_; ++i) {
        for (const int part : {types >> 4, types & 0x0F}) {
          part <= kFalse ? static_cast<void>(Byte()) : Skip(static_cast<Type>(part));
        }
      }
      break;
    }
    case kStruct: {
      Struct fields(*this);
      int id;
      Type field;
      while (fields.Next(&id, &field)) Skip(field);
      break;
    }
    default:
      Fail();
  }
}

}  // namespace purser::costs::parquet
