// Whatever the bytes of a Parquet column are, reading them ends in values or in an error: the first
// two bytes say what the column is, the others are its pages, and, once more, a footer.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "costs/readers/columns.h"
#include "costs/readers/parquet/amount_decoder.h"
#include "costs/readers/parquet/column_decoder.h"
#include "costs/readers/parquet/convert.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/parquet/metadata.h"
#include "costs/readers/row_batch.h"

namespace {

namespace costs = purser::costs;
namespace parquet = purser::costs::parquet;

constexpr int64_t kMostValues = 20'000;  // a few bytes may claim millions
constexpr int kCodecs[] = {0, 1, 2, 6};

// The slices of a leaf: what they say of themselves holds.
void ReadSlices(int file, const parquet::Leaf& leaf, const parquet::ColumnChunk& chunk) {
  parquet::LeafReader reader(file, leaf);
  reader.Start(chunk, "bytes");
  int64_t entries = 0;
  while (true) {
    const auto more = reader.NextSlice();
    if (!more.ok() || !*more) return;
    entries += static_cast<int64_t>(reader.entries());
    if (entries > chunk.values || reader.entries() == 0) abort();
    if (!reader.definitions().empty() && reader.definitions().size() != reader.entries()) abort();
    for (const uint8_t level : reader.definitions()) {
      if (level > leaf.max_definition) abort();
    }
    for (const uint32_t code : reader.codes()) {
      if (code >= reader.dictionary_size()) abort();
    }
  }
}

// The columns' texts and amounts, as a file's reader asks for them.
void ReadRows(int file, const parquet::Metadata& metadata) {
  const parquet::RowGroup& group = metadata.groups[0];
  std::vector<costs::TextSource> sources;
  if (metadata.columns[0].value >= 0) {
    for (const char* const tag : {"team", "app", ""}) sources.push_back({.column = 0, .tag = tag});
  } else if (metadata.leaves[0].max_repetition == 0) {
    sources.push_back({.column = 0});
  }
  const auto texts = parquet::NewTextDecoders(file, metadata, sources);
  costs::AmountSource amount;
  if (metadata.columns[0].value < 0) amount.terms = {{0, false}};
  parquet::AmountDecoder amounts(file, metadata, amount);
  std::vector<costs::SourceDictionary> dictionaries(texts.size());
  for (const auto& text : texts) text->Start(group, "bytes");
  amounts.Start(group, "bytes");
  costs::RowBatch batch;
  batch.codes.resize(texts.size());
  batch.units.resize(1);
  for (int64_t left = group.rows; left > 0; left -= static_cast<int64_t>(batch.rows)) {
    batch.rows = static_cast<size_t>(std::min<int64_t>(left, 1'000));
    for (size_t i = 0; i < texts.size(); ++i) {
      if (!texts[i]->Prepare(dictionaries[i], &batch.rows).ok()) return;
    }
    if (!amounts.Prepare(&batch.rows).ok()) return;
    if (batch.rows == 0) abort();
    for (size_t i = 0; i < texts.size(); ++i) {
      if (!texts[i]->Take(batch.rows, dictionaries[i], batch.codes[i], batch).ok()) return;
      for (size_t row = 0; row < batch.rows; ++row) {
        if (batch.codes[i][row] >= dictionaries[i].texts.size()) abort();
      }
    }
    amounts.Take(batch.rows, batch, dictionaries, batch.units[0], batch);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const auto kind = static_cast<size_t>(data[0]), packing = static_cast<size_t>(data[1]);
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto parsed = parquet::ParseMetadata(bytes, static_cast<int64_t>(size) + 1'000);
  static_cast<void>(parsed.ok());
  const int file = memfd_create("column", MFD_CLOEXEC);
  if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    abort();
  }
  const bool is_map = kind % 4 == 3;
  parquet::Metadata metadata;
  parquet::Leaf leaf;
  leaf.path = "column";
  leaf.type =
      is_map ? parquet::PhysicalType::kByteArray : static_cast<parquet::PhysicalType>(kind / 4 % 8);
  leaf.fixed_bytes =
      leaf.type == parquet::PhysicalType::kFixed ? static_cast<int>(kind / 32) * 2 : 0;
  if (leaf.type == parquet::PhysicalType::kFixed) leaf.meaning = parquet::Meaning::kDecimal;
  leaf.max_definition = kind % 4 == 0 ? 0 : kind % 4 == 1 ? 1 : 3;
  leaf.max_repetition = kind % 4 < 2 ? 0 : 1;
  leaf.element_definition = leaf.max_repetition == 0 ? 0 : 2;
  metadata.leaves.assign(is_map ? 2 : 1, leaf);
  metadata.columns = {{"column", 0, is_map ? 1 : -1}};
  parquet::RowGroup& group = metadata.groups.emplace_back();
  group.rows = kMostValues;
  // Of a map, both leaves are the same bytes, or each has its own.
  const auto total = static_cast<int64_t>(bytes.size());
  const bool parted = is_map && packing / 4 % 2 != 0;
  for (size_t i = 0; i < metadata.leaves.size(); ++i) {
    parquet::ColumnChunk& chunk = group.chunks.emplace_back();
    chunk.codec = kCodecs[packing % 4];
    chunk.values = kMostValues;
    chunk.begin = parted && i == 1 ? total / 2 : 0;
    chunk.bytes = parted && i == 0 ? total / 2 : total - chunk.begin;
  }
  for (size_t i = 0; i < metadata.leaves.size(); ++i) ReadSlices(file, leaf, group.chunks[i]);
  if (parquet::HasText(leaf)) ReadRows(file, metadata);
  close(file);
  return 0;
}
