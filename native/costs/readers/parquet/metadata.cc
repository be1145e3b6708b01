#include "costs/readers/parquet/metadata.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/parquet/schema.h"
#include "costs/readers/parquet/thrift.h"

namespace purser::costs::parquet {
namespace {

using Type = ThriftReader::Type;

void ReadEncodings(ThriftReader& reader, ColumnChunk& chunk) {
  Type element;
  const int64_t count = reader.ListSize(&element);
  for (int64_t i = 0; i < count && reader.ok(); ++i) {
    if (element != Type::kI32) {
      reader.Skip(element);
      continue;
    }
    const int64_t encoding = reader.Integer();
    chunk.encodings |= uint32_t{1} << (encoding >= 0 && encoding < 31 ? encoding : 31);
  }
}

absl::Status ReadChunk(ThriftReader& reader, int64_t file_bytes, ColumnChunk& chunk) {
  int64_t data = -1, dictionary = -1;
  bool described = false, elsewhere = false, encrypted = false;
  ThriftReader::Struct fields(reader);
  int id;
  Type type;
  while (fields.Next(&id, &type)) {
    if (id == 1 && type == Type::kBinary) {
      elsewhere = !reader.Binary().empty();
    } else if (id == 3 && type == Type::kStruct) {
      described = true;
      ThriftReader::Struct parts(reader);
      int part;
      Type part_type;
      while (parts.Next(&part, &part_type)) {
        if (part == 2 && part_type == Type::kList) {
          ReadEncodings(reader, chunk);
          continue;
        }
        if (part_type != Type::kI32 && part_type != Type::kI64) {
          reader.Skip(part_type);
          continue;
        }
        const int64_t value = reader.Integer();
        if (part == 4) chunk.codec = static_cast<int>(value);
        if (part == 5) chunk.values = value;
        if (part == 7) chunk.bytes = value;
        if (part == 9) data = value;
        if (part == 11) dictionary = value;
      }
    } else {
      encrypted = encrypted || id == 8 || id == 9;
      reader.Skip(type);
    }
  }
  if (encrypted) return absl::InvalidArgumentError("a column is encrypted, which is not read");
  if (elsewhere) return absl::InvalidArgumentError("a column's values are in another file");
  // Some writers leave the dictionary's place at 0.
  chunk.begin = dictionary > 3 && dictionary < data ? dictionary : data;
  if (!described || chunk.values < 0 || chunk.begin < 4 || chunk.bytes < 0 ||
      chunk.begin > file_bytes || chunk.bytes > file_bytes - chunk.begin) {
    return absl::InvalidArgumentError("a column's values lie outside the file");
  }
  return absl::OkStatus();
}

absl::Status ReadGroup(ThriftReader& reader, int64_t file_bytes, Metadata& metadata) {
  RowGroup group;
  group.rows = -1;
  ThriftReader::Struct fields(reader);
  int id;
  Type type;
  while (fields.Next(&id, &type)) {
    if (id == 1 && type == Type::kList) {
      Type element;
      const int64_t count = reader.ListSize(&element);
      if (element != Type::kStruct || static_cast<size_t>(count) != metadata.leaves.size()) {
        return absl::InvalidArgumentError("a row group has another number of columns");
      }
      if (metadata.leaves.size() * (metadata.groups.size() + 1) > kMaxColumnChunks) {
        return absl::InvalidArgumentError(absl::StrCat("its row groups have more than ",
                                                       kMaxColumnChunks,
                                                       " columns together (kMaxColumnChunks)"));
      }
      group.chunks.reserve(metadata.leaves.size());
      for (int64_t i = 0; i < count && reader.ok(); ++i) {
        PURSER_RETURN_IF_ERROR(ReadChunk(reader, file_bytes, group.chunks.emplace_back()));
      }
    } else if (id == 3 && type == Type::kI64) {
      group.rows = reader.Integer();
    } else {
      reader.Skip(type);
    }
  }
  if (group.rows < 0 || group.chunks.size() != metadata.leaves.size() ||
      __builtin_add_overflow(metadata.rows, group.rows, &metadata.rows)) {
    return absl::InvalidArgumentError("a row group is not described");
  }
  for (size_t i = 0; i < group.chunks.size(); ++i) {
    // Of a list or a map there may be any number in a row.
    if (metadata.leaves[i].max_repetition > 0 || group.chunks[i].values == group.rows) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "column ", base::EscapeForDisplay(metadata.leaves[i].path, 120), " has ",
        group.chunks[i].values, " values, its row group ", group.rows, " rows: it is damaged"));
  }
  group.first_row = metadata.rows - group.rows;
  metadata.groups.push_back(std::move(group));
  return absl::OkStatus();
}

}  // namespace

absl::string_view TypeName(PhysicalType type) {
  constexpr absl::string_view kNames[] = {
      "BOOLEAN", "INT32",  "INT64",      "INT96",
      "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
  return kNames[static_cast<int>(type)];
}

absl::StatusOr<Metadata> ParseMetadata(absl::string_view footer, int64_t file_bytes) {
  ThriftReader reader(footer);
  Metadata metadata;
  bool has_schema = false;
  int64_t rows = -1;
  {
    ThriftReader::Struct fields(reader);
    int id;
    Type type;
    while (fields.Next(&id, &type)) {
      if (id == 2 && type == Type::kList && !has_schema) {
        PURSER_RETURN_IF_ERROR(ReadSchema(reader, metadata));
        if (!reader.ok()) break;
        has_schema = true;
      } else if (id == 3 && type == Type::kI64) {
        rows = reader.Integer();
      } else if (id == 4 && type == Type::kList && has_schema) {
        Type element;
        const int64_t count = reader.ListSize(&element);
        if (element != Type::kStruct || static_cast<size_t>(count) > kMaxRowGroups) reader.Fail();
        for (int64_t i = 0; i < count && reader.ok(); ++i) {
          PURSER_RETURN_IF_ERROR(ReadGroup(reader, file_bytes, metadata));
        }
      } else {
        reader.Skip(type);
      }
    }
  }
  if (!reader.ok() || !has_schema) {
    return absl::InvalidArgumentError("the footer is cut or damaged");
  }
  if (rows != metadata.rows) {
    return absl::InvalidArgumentError(absl::StrCat("the footer counts ", rows,
                                                   " rows, its row groups have ", metadata.rows,
                                                   ": it is damaged"));
  }
  if (rows > kFreeRows && rows / kMaxRowsPerByte > file_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it claims ", rows, " rows, more than ", kMaxRowsPerByte,
                     " for each of its bytes (kMaxRowsPerByte), as no billing file does"));
  }
  return metadata;
}

size_t ParsePageHeader(absl::string_view bytes, PageHeader& header) {
  ThriftReader reader(bytes);
  header = PageHeader();
  int page_type = -1;
  {
    ThriftReader::Struct fields(reader);
    int id;
    Type type;
    while (fields.Next(&id, &type)) {
      if (type == Type::kI32 && id <= 3) {
        const int64_t value = reader.Integer();
        if (id == 1) page_type = static_cast<int>(value);
        if (id == 2) header.unpacked_bytes = value;
        if (id == 3) header.packed_bytes = value;
      } else if (type == Type::kStruct && (id == 5 || id == 7 || id == 8)) {
        ThriftReader::Struct parts(reader);
        int part;
        Type part_type;
        while (parts.Next(&part, &part_type)) {
          if (part_type == Type::kTrue || part_type == Type::kFalse) {
            if (id == 8 && part == 7) header.packed = part_type == Type::kTrue;
            continue;
          }
          if (part_type != Type::kI32) {
            reader.Skip(part_type);
            continue;
          }
          const int64_t value = reader.Integer();
          if (part == 1) header.values = value;
          if (id == 8) {
            if (part == 4) header.encoding = static_cast<int>(value);
            if (part == 5) header.definition_bytes = value;
            if (part == 6) header.repetition_bytes = value;
          } else {
            if (part == 2) header.encoding = static_cast<int>(value);
            if (part == 3 && id == 5) header.definition_encoding = static_cast<int>(value);
          }
        }
      } else {
        reader.Skip(type);
      }
    }
  }
  if (!reader.ok() || page_type < 0 || page_type > 3) return 0;
  header.type = static_cast<PageHeader::Type>(page_type);
  return bytes.size() - reader.rest();
}

}  // namespace purser::costs::parquet
