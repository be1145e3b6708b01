#include "costs/readers/parquet/metadata.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/parquet/thrift.h"

namespace purser::costs::parquet {
namespace {

using Type = ThriftReader::Type;

enum Repetition { kRequired = 0, kOptional = 1, kRepeated = 2 };

// One entry of the schema, which is a tree written depth first.
struct Element {
  int type = -1;
  int fixed_bytes = 0;
  int repetition = kRequired;
  std::string name;
  int64_t children = 0;
  int converted = -1;
  int scale = 0;
  Meaning logical = Meaning::kPlain;
  bool has_logical = false;
};

// Both units of time and kinds of logical types are unions: structs with one field.
Meaning ReadTimeUnit(ThriftReader& reader) {
  Meaning meaning = Meaning::kOther;
  ThriftReader::Struct fields(reader);
  int id;
  Type type;
  while (fields.Next(&id, &type)) {
    if (id == 1) meaning = Meaning::kMillis;
    if (id == 2) meaning = Meaning::kMicros;
    if (id == 3) meaning = Meaning::kNanos;
    reader.Skip(type);
  }
  return meaning;
}

void ReadLogicalType(ThriftReader& reader, Element& element) {
  ThriftReader::Struct fields(reader);
  int id;
  Type type;
  while (fields.Next(&id, &type)) {
    element.has_logical = true;
    switch (id) {
      case 5: {  // decimal
        element.logical = Meaning::kDecimal;
        ThriftReader::Struct decimal(reader);
        int part;
        Type part_type;
        while (decimal.Next(&part, &part_type)) {
          if (part == 1 && part_type == Type::kI32) {
            element.scale = static_cast<int>(reader.Integer());
          } else {
            reader.Skip(part_type);
          }
        }
        break;
      }
      case 6:
        element.logical = Meaning::kDate;
        reader.Skip(type);
        break;
      case 8: {  // timestamp
        ThriftReader::Struct timestamp(reader);
        int part;
        Type part_type;
        while (timestamp.Next(&part, &part_type)) {
          if (part == 2 && part_type == Type::kStruct) {
            element.logical = ReadTimeUnit(reader);
          } else {
            reader.Skip(part_type);
          }
        }
        break;
      }
      case 10: {  // integer
        ThriftReader::Struct integer(reader);
        int part;
        Type part_type;
        while (integer.Next(&part, &part_type)) {
          if (part == 2) {
            if (!reader.Bool(part_type)) element.logical = Meaning::kUnsigned;
          } else {
            reader.Skip(part_type);
          }
        }
        break;
      }
      case 14:
        element.logical = Meaning::kUuid;
        reader.Skip(type);
        break;
      case 7:   // time of day
      case 13:  // BSON
      case 15:  // 16-bit float
        element.logical = Meaning::kOther;
        reader.Skip(type);
        break;
      default:  // text, map, list, enum, JSON, null, …: as the physical type is
        reader.Skip(type);
    }
  }
}

Element ReadElement(ThriftReader& reader) {
  Element element;
  ThriftReader::Struct fields(reader);
  int id;
  Type type;
  while (fields.Next(&id, &type)) {
    if (id == 4 && type == Type::kBinary) {
      const absl::string_view name = reader.Binary();
      element.name = std::string(name);
    } else if (id == 10 && type == Type::kStruct) {
      ReadLogicalType(reader, element);
    } else if (type == Type::kI32) {
      const int64_t value = reader.Integer();
      switch (id) {
        case 1:
          element.type = static_cast<int>(value);
          break;
        case 2:
          element.fixed_bytes = static_cast<int>(value);
          break;
        case 3:
          element.repetition = static_cast<int>(value);
          break;
        case 5:
          element.children = value;
          break;
        case 6:
          element.converted = static_cast<int>(value);
          break;
        case 7:
          element.scale = static_cast<int>(value);
          break;
        default:
          break;
      }
    } else {
      reader.Skip(type);
    }
  }
  return element;
}

Meaning MeaningOf(const Element& element) {
  if (element.has_logical) return element.logical;
  switch (element.converted) {
    case 5:
      return Meaning::kDecimal;
    case 6:
      return Meaning::kDate;
    case 9:
      return Meaning::kMillis;
    case 10:
      return Meaning::kMicros;
    case 11:
    case 12:
    case 13:
    case 14:
      return Meaning::kUnsigned;
    case 7:
    case 8:
    case 20:
    case 21:
      return Meaning::kOther;
    default:
      return Meaning::kPlain;
  }
}

// Levels of a place in the tree.
struct Levels {
  std::string path;
  int definition = 0;
  int repetition = 0;
  int element_definition = 0;
};

class SchemaReader {
 public:
  explicit SchemaReader(const std::vector<Element>& elements) : elements_(elements) {}

  absl::Status Read(Metadata& metadata) {
    if (elements_.empty()) return absl::InvalidArgumentError("the schema is empty");
    for (int64_t i = 0; i < elements_[0].children; ++i) {
      const size_t first = metadata.leaves.size();
      const size_t top = next_;
      PURSER_RETURN_IF_ERROR(Visit({}, 0, metadata));
      AddColumns(elements_[top].name, first, metadata);
    }
    if (next_ != elements_.size()) {
      return absl::InvalidArgumentError("the schema has more entries than its tree");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Visit(Levels levels, int depth, Metadata& metadata) {
    if (next_ >= elements_.size() || depth > kMaxThriftDepth) {
      return absl::InvalidArgumentError("the schema's tree is cut or too deep");
    }
    const Element& element = elements_[next_++];
    absl::StrAppend(&levels.path, levels.path.empty() ? "" : ".", element.name);
    if (element.repetition != kRequired) ++levels.definition;
    if (element.repetition == kRepeated) {
      ++levels.repetition;
      levels.element_definition = levels.definition;
    }
    if (element.children > 0) {
      for (int64_t i = 0; i < element.children; ++i) {
        PURSER_RETURN_IF_ERROR(Visit(levels, depth + 1, metadata));
      }
      return absl::OkStatus();
    }
    if (element.type < 0 || element.type > 7 || element.fixed_bytes < 0 ||
        metadata.leaves.size() >= kMaxColumns) {
      return absl::InvalidArgumentError(
          absl::StrCat("column ", base::EscapeForDisplay(levels.path),
                       " has an unknown type, or there are too many (kMaxColumns)"));
    }
    Leaf leaf;
    leaf.path = levels.path;
    leaf.type = static_cast<PhysicalType>(element.type);
    leaf.fixed_bytes = element.fixed_bytes;
    leaf.meaning = MeaningOf(element);
    leaf.scale = element.scale;
    leaf.max_definition = levels.definition;
    leaf.max_repetition = levels.repetition;
    leaf.element_definition = levels.element_definition;
    metadata.leaves.push_back(std::move(leaf));
    return absl::OkStatus();
  }

  // Leaves [first, …) are those of one field of the row.
  // Without what only wraps the elements of a list, as JSON has it.
  static std::string NameOf(absl::string_view path) {
    return absl::StrReplaceAll(
        path, {{".list.element", ""}, {".list.item", ""}, {".bag.array_element", ""}});
  }

  static void AddColumns(const std::string& name, size_t first, Metadata& metadata) {
    const size_t count = metadata.leaves.size() - first;
    const auto ends_in = [&](size_t leaf, absl::string_view end) {
      const std::string& path = metadata.leaves[leaf].path;
      return absl::AsciiStrToLower(path.substr(path.rfind('.') + 1)) == end;
    };
    if (count == 2 && metadata.leaves[first].max_repetition == 1 &&
        metadata.leaves[first + 1].max_repetition == 1 && ends_in(first, "key") &&
        ends_in(first + 1, "value")) {
      metadata.columns.push_back({name, static_cast<int>(first), static_cast<int>(first + 1)});
      return;
    }
    for (size_t leaf = first; leaf < metadata.leaves.size(); ++leaf) {
      metadata.columns.push_back({NameOf(metadata.leaves[leaf].path), static_cast<int>(leaf), -1});
    }
  }

  const std::vector<Element>& elements_;
  size_t next_ = 1;
};

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
  std::vector<Element> elements;
  bool has_schema = false;
  {
    ThriftReader::Struct fields(reader);
    int id;
    Type type;
    while (fields.Next(&id, &type)) {
      if (id == 2 && type == Type::kList && !has_schema) {
        Type element;
        const int64_t count = reader.ListSize(&element);
        if (element != Type::kStruct) reader.Fail();
        for (int64_t i = 0; i < count && reader.ok(); ++i) elements.push_back(ReadElement(reader));
        if (!reader.ok()) break;
        PURSER_RETURN_IF_ERROR(SchemaReader(elements).Read(metadata));
        has_schema = true;
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
