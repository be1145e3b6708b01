#include "costs/readers/parquet/schema.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"

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
    if (levels.path.size() > kMaxPathBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("column ", base::EscapeForDisplay(levels.path, 120),
                       " has a name of more than ", kMaxPathBytes, " bytes (kMaxPathBytes)"));
    }
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

  // Without what only wraps the elements of a list, as JSON has it.
  static std::string NameOf(absl::string_view path) {
    return absl::StrReplaceAll(
        path, {{".list.element", ""}, {".list.item", ""}, {".bag.array_element", ""}});
  }

  // Leaves [first, …) are those of one field of the row.
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

}  // namespace

absl::Status ReadSchema(ThriftReader& reader, Metadata& metadata) {
  std::vector<Element> elements;
  Type element;
  const int64_t count = reader.ListSize(&element);
  if (element != Type::kStruct) reader.Fail();
  if (static_cast<size_t>(count) > kMaxSchemaEntries) {
    return absl::InvalidArgumentError(absl::StrCat("the schema has more than ", kMaxSchemaEntries,
                                                   " entries (kMaxSchemaEntries)"));
  }
  for (int64_t i = 0; i < count && reader.ok(); ++i) elements.push_back(ReadElement(reader));
  return reader.ok() ? SchemaReader(elements).Read(metadata) : absl::OkStatus();
}

}  // namespace purser::costs::parquet
