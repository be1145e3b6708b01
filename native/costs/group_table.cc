#include "costs/group_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/status.h"

namespace purser::costs {
namespace {

constexpr size_t kFirstSlots = 4096;
// Numbers grow: a part gets more bits than it needs now.
constexpr int kFirstWidth = 6;
constexpr int kSpareBits = 2;

}  // namespace

int BitsFor(size_t values) { return values < 2 ? 1 : static_cast<int>(std::bit_width(values - 1)); }

std::vector<KeyField> LayOut(const std::vector<int>& widths, size_t* words) {
  std::vector<KeyField> fields;
  size_t word = 0;
  int used = 0;
  for (const int width : widths) {
    if (used + width > 64) {
      ++word;
      used = 0;
    }
    used += width;
    fields.push_back({word, 64 - used, width});
  }
  *words = word + 1;
  return fields;
}

absl::Status SumOverflow() {
  return absl::OutOfRangeError(
      "a sum of costs does not fit into ±170141183460469231731: is an amount in the file wrong?");
}

GroupTable::GroupTable(size_t parts, size_t measures)
    : parts_(parts), measures_(measures), slots_(0) {
  Clear();
}

void GroupTable::Clear() {
  for (TextDictionary& part : parts_) part.Clear();
  fields_ = LayOut(std::vector<int>(parts_.size(), kFirstWidth), &words_);
  stride_ = StrideOf(words_, measures_);
  groups_ = 0;
  pages_.clear();
  slabs_.clear();
  slab_bytes_ = free_pages_ = 0;
  GrowSlots(kFirstSlots);
}

size_t GroupTable::bytes() const {
  size_t bytes = slab_bytes_ + slots_.size() * sizeof(Slot);
  for (const TextDictionary& part : parts_) bytes += part.bytes();
  return bytes;
}

// A small group is in one line of the cache.
size_t GroupTable::StrideOf(size_t key_words, size_t measures) {
  const size_t words = key_words + 1 + 2 * measures;
  return words <= kLineWords ? std::bit_ceil(words) : words;
}

uint64_t GroupTable::HashOf(const uint64_t* key, size_t words) {
  uint64_t hash = 0x9E3779B97F4A7C15u;
  for (size_t i = 0; i < words; ++i) {
    const unsigned __int128 product =
        static_cast<unsigned __int128>(key[i] ^ hash) * 0xD6E8FEB86659FD93u;
    hash = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  return hash;
}

bool GroupTable::SameKey(const uint64_t* record, const uint64_t* key) const {
  for (size_t i = 0; i < words_; ++i) {
    if (record[i] != key[i]) return false;
  }
  return true;
}

bool GroupTable::AddUnits(uint64_t* sum, __int128 units) {
  __int128 total;
  if (__builtin_add_overflow(UnitsOf(sum), units, &total)) return false;
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(static_cast<unsigned __int128>(total) >> 64);
  return true;
}

uint64_t* GroupTable::FindOrAdd(const uint64_t* key, uint64_t hash) {
  const size_t mask = slots_.size() - 1;
  const uint32_t tag = static_cast<uint32_t>(hash >> 32);
  size_t at = hash & mask;
  while (slots_[at].index_plus_one != 0) {
    if (slots_[at].tag == tag) {
      uint64_t* const record = Record(slots_[at].index_plus_one - 1);
      if (SameKey(record, key)) return record;
    }
    at = (at + 1) & mask;
  }
  if (groups_ >> kPageBits == pages_.size()) {
    AddPage();
  }
  uint64_t* const record = Record(groups_++);
  std::memcpy(record, key, words_ * sizeof(uint64_t));
  std::fill(record + words_, record + stride_, 0);
  slots_[at] = {tag, static_cast<uint32_t>(groups_)};
  if (groups_ * 2 > slots_.size()) GrowSlots(slots_.size() * 2);
  return record;
}

void GroupTable::GrowSlots(size_t slots) {
  slots_ = LargeArray<Slot>(slots);
  std::fill(slots_.begin(), slots_.end(), Slot());
  const size_t mask = slots - 1;
  for (size_t i = 0; i < groups_; ++i) {
    const uint64_t hash = HashOf(Record(i), words_);
    size_t at = hash & mask;
    while (slots_[at].index_plus_one != 0) at = (at + 1) & mask;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(i + 1)};
  }
}

void GroupTable::AddPage() {
  const size_t words = stride_ << kPageBits;
  if (free_pages_ == 0) {
    free_pages_ = pages_.size() < kSlabPages ? 1 : kSlabPages;
    slabs_.emplace_back().Reserve(free_pages_ * words * sizeof(uint64_t));
    slab_bytes_ += slabs_.back().capacity();
  }
  --free_pages_;
  pages_.push_back(reinterpret_cast<uint64_t*>(slabs_.back().data()) + free_pages_ * words);
}

void GroupTable::FitFields() {
  bool fits = true;
  std::vector<int> widths;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const int needed = BitsFor(parts_[i].size());
    const bool enough = needed <= fields_[i].width;
    fits = fits && enough;
    widths.push_back(enough ? fields_[i].width : std::min(32, needed + kSpareBits));
  }
  if (fits) return;
  const std::vector<KeyField> old_fields = std::move(fields_);
  const size_t old_words = words_, old_stride = stride_;
  fields_ = LayOut(widths, &words_);
  stride_ = StrideOf(words_, measures_);
  const std::vector<uint64_t*> old_pages = std::exchange(pages_, {});
  const std::vector<LargeBuffer> old_slabs = std::exchange(slabs_, {});
  slab_bytes_ = free_pages_ = 0;
  for (size_t page = 0; page < old_pages.size(); ++page) {
    AddPage();
    for (size_t i = page << kPageBits; i < std::min(groups_, (page + 1) << kPageBits); ++i) {
      const uint64_t* const from = old_pages[page] + (i - (page << kPageBits)) * old_stride;
      uint64_t* const to = Record(i);
      std::fill(to, to + stride_, 0);
      for (size_t part = 0; part < fields_.size(); ++part) {
        to[fields_[part].word] |= static_cast<uint64_t>(old_fields[part].In(from))
                                  << fields_[part].shift;
      }
      std::memcpy(to + words_, from + old_words, (1 + 2 * measures_) * sizeof(uint64_t));
    }
  }
  GrowSlots(slots_.size());
}

absl::Status GroupTable::Add(const Batch& batch) {
  FitFields();
  keys_.resize(kBlock * words_);
  same_.assign(words_, 0);
  for (size_t part = 0; part < fields_.size(); ++part) {
    if (batch.same[part] == 0) continue;
    same_[fields_[part].word] |= static_cast<uint64_t>(batch.codes[part][0]) << fields_[part].shift;
  }
  for (size_t first = 0; first < batch.rows; first += kBlock) {
    const size_t count = std::min(kBlock, batch.rows - first);
    PURSER_RETURN_IF_ERROR(words_ == 1 ? AddBlock<true>(batch, first, count)
                                       : AddBlock<false>(batch, first, count));
  }
  return absl::OkStatus();
}

void GroupTable::Prefetch(const uint64_t* keys, size_t count, size_t words, uint64_t* hashes,
                          uint64_t** records) const {
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < count; ++i) {
    hashes[i] = HashOf(keys + i * words, words);
    __builtin_prefetch(slots_.data() + (hashes[i] & mask));
  }
  for (size_t i = 0; i < count; ++i) {
    const auto tag = static_cast<uint32_t>(hashes[i] >> 32);
    size_t at = hashes[i] & mask;
    while (slots_[at].index_plus_one != 0 && slots_[at].tag != tag) at = (at + 1) & mask;
    records[i] = nullptr;
    if (slots_[at].index_plus_one != 0) {
      records[i] = Record(slots_[at].index_plus_one - 1);
      for (size_t word = 0; word < stride_; word += kLineWords) {
        __builtin_prefetch(records[i] + word, 1);
      }
    }
  }
}

template <bool kOneWord>
absl::Status GroupTable::AddBlock(const Batch& batch, size_t first, size_t count) {
  const size_t words = kOneWord ? 1 : words_;
  uint64_t* const keys = keys_.data();
  for (size_t i = 0; i < count * words; ++i) keys[i] = same_[kOneWord ? 0 : i % words];
  for (size_t part = 0; part < fields_.size(); ++part) {
    if (batch.same[part] != 0) continue;
    const KeyField field = fields_[part];
    const uint32_t* const codes = batch.codes[part].data() + first;
    uint64_t* const word = keys + field.word;
    for (size_t i = 0; i < count; ++i) {
      word[i * words] |= static_cast<uint64_t>(codes[i]) << field.shift;
    }
  }
  uint64_t hashes[kBlock];
  uint64_t* records[kBlock];
  Prefetch(keys, count, words, hashes, records);
  const uint8_t* const skip = batch.skip.empty() ? nullptr : batch.skip.data() + first;
  const std::vector<__int128>* const units = batch.units->data();
  for (size_t i = 0; i < count; ++i) {
    if (skip != nullptr && skip[i] != 0) continue;
    const uint64_t* const key = keys + i * words;
    uint64_t* record = records[i];
    const bool found = record != nullptr && (kOneWord ? record[0] == key[0] : SameKey(record, key));
    if (!found) record = FindOrAdd(key, hashes[i]);
    uint64_t* sum = record + words;
    ++*sum++;
    for (size_t measure = 0; measure < measures_; ++measure, sum += 2) {
      if (!AddUnits(sum, units[measure][first + i])) return SumOverflow();
    }
  }
  return absl::OkStatus();
}

}  // namespace purser::costs
