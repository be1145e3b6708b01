#include "costs/group_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/status.h"

namespace purser::costs {
namespace {

constexpr size_t kFirstSlots = 4096;
constexpr size_t kLineWords = 8;  // of the cache
// Numbers grow: a part gets more bits than it needs now.
constexpr int kFirstWidth = 6;
constexpr int kSpareBits = 2;

int BitsFor(size_t values) { return values < 2 ? 1 : static_cast<int>(std::bit_width(values - 1)); }

// A group by its (first) word of ranks.
struct Place {
  uint64_t key;
  uint32_t index;
};

// By the keys' bits from `low` on: digit after digit, the lowest first, which looks at each place a
// few times only.
void SortPlaces(LargeArray<Place>& places, int low) {
  constexpr int kDigitBits = 11;
  constexpr size_t kDigits = size_t{1} << kDigitBits;
  LargeArray<Place> sorted(places.size());
  for (int shift = low; shift < 64; shift += kDigitBits) {
    const auto digit = [&](const Place& place) { return place.key >> shift & (kDigits - 1); };
    std::vector<uint32_t> next(kDigits);
    for (const Place& place : places) ++next[digit(place)];
    uint32_t begin = 0;
    for (uint32_t& count : next) begin += std::exchange(count, begin);
    for (const Place& place : places) sorted[next[digit(place)]++] = place;
    places.swap(sorted);
  }
}

// A group's words: a small one is in one line of the cache.
size_t StrideOf(size_t key_words, size_t measures) {
  const size_t words = key_words + 1 + 2 * measures;
  return words <= kLineWords ? std::bit_ceil(words) : words;
}

absl::Status Overflow() {
  return absl::OutOfRangeError(
      "a sum of costs does not fit into ±170141183460469231731: is an amount in the file wrong?");
}

}  // namespace

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

std::vector<GroupTable::Field> GroupTable::LayOut(const std::vector<int>& widths, size_t* words) {
  std::vector<Field> fields;
  size_t word = 0;
  int used = 0;
  // Earlier parts in higher bits, so that packed ranks compare as the parts do.
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

__int128 GroupTable::UnitsOf(const uint64_t* sum) {
  return static_cast<__int128>(static_cast<unsigned __int128>(sum[1]) << 64 | sum[0]);
}

bool GroupTable::AddUnits(uint64_t* sum, __int128 units) {
  __int128 total;
  if (__builtin_add_overflow(UnitsOf(sum), units, &total)) return false;
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(static_cast<unsigned __int128>(total) >> 64);
  return true;
}

uint32_t GroupTable::CodeIn(const uint64_t* record, const Field& field) const {
  return static_cast<uint32_t>(record[field.word] >> field.shift) &
         static_cast<uint32_t>((uint64_t{1} << field.width) - 1);
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
  const std::vector<Field> old_fields = std::move(fields_);
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
        to[fields_[part].word] |= static_cast<uint64_t>(CodeIn(from, old_fields[part]))
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
    const Field field = fields_[part];
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
      if (!AddUnits(sum, units[measure][first + i])) return Overflow();
    }
  }
  return absl::OkStatus();
}

absl::Status GroupTable::Merge(const GroupTable& other) {
  std::vector<std::vector<uint32_t>> mine(parts_.size());
  for (size_t part = 0; part < parts_.size(); ++part) {
    const TextDictionary& texts = other.parts_[part];
    mine[part].reserve(texts.size());
    for (uint32_t code = 0; code < texts.size(); ++code) {
      mine[part].push_back(parts_[part].CodeOf(texts.TextOf(code)));
    }
  }
  FitFields();
  keys_.resize(kBlock * words_);
  uint64_t hashes[kBlock] = {};
  uint64_t* records[kBlock] = {};
  for (size_t first = 0; first < other.groups_; first += kBlock) {
    const size_t count = std::min(kBlock, other.groups_ - first);
    std::fill(keys_.begin(), keys_.end(), 0);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t* const from = other.Record(first + i);
      uint64_t* const key = keys_.data() + i * words_;
      for (size_t part = 0; part < fields_.size(); ++part) {
        key[fields_[part].word] |=
            static_cast<uint64_t>(mine[part][other.CodeIn(from, other.fields_[part])])
            << fields_[part].shift;
      }
    }
    Prefetch(keys_.data(), count, words_, hashes, records);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t* from = other.Record(first + i) + other.words_;
      uint64_t* to = FindOrAdd(keys_.data() + i * words_, hashes[i]) + words_;
      *to++ += *from++;
      for (size_t measure = 0; measure < measures_; ++measure, to += 2, from += 2) {
        if (!AddUnits(to, UnitsOf(from))) return Overflow();
      }
    }
  }
  return absl::OkStatus();
}

absl::Status GroupTable::ForEachSorted(
    const std::function<absl::Status(const Row&)>& on_row) const {
  // The rank of each text among those of its part.
  std::vector<std::vector<uint32_t>> ranks(parts_.size());
  std::vector<int> widths;
  for (size_t part = 0; part < parts_.size(); ++part) {
    const TextDictionary& texts = parts_[part];
    std::vector<uint32_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return texts.TextOf(a) < texts.TextOf(b); });
    ranks[part].resize(order.size());
    for (uint32_t rank = 0; rank < order.size(); ++rank) ranks[part][order[rank]] = rank;
    widths.push_back(BitsFor(texts.size()));
  }
  size_t words = 0;
  const std::vector<Field> fields = LayOut(widths, &words);
  // Of groups, the words of their ranks one behind the other, of which most have only one.
  std::vector<uint64_t> keys(words == 1 ? 0 : groups_ * words);
  LargeArray<Place> order(groups_);
  for (size_t i = 0; i < groups_; ++i) {
    const uint64_t* const record = Record(i);
    order[i] = {0, static_cast<uint32_t>(i)};
    uint64_t* const key = words == 1 ? &order[i].key : &keys[i * words];
    for (size_t part = 0; part < fields.size(); ++part) {
      key[fields[part].word] |= static_cast<uint64_t>(ranks[part][CodeIn(record, fields_[part])])
                                << fields[part].shift;
    }
    order[i].key = key[0];
  }
  if (words == 1) {
    SortPlaces(order, fields.back().shift);
  } else {
    std::sort(order.begin(), order.end(), [&](const Place& a, const Place& b) {
      if (a.key != b.key) return a.key < b.key;
      const uint64_t* const x = keys.data() + a.index * words;
      const uint64_t* const y = keys.data() + b.index * words;
      return std::lexicographical_compare(x, x + words, y, y + words);
    });
  }
  Row row;
  row.keys.resize(parts_.size());
  row.sums.resize(measures_);
  std::vector<uint32_t> codes(parts_.size(), ~uint32_t{0});  // of the row before
  for (size_t i = 0; i < groups_; ++i) {
    constexpr size_t kAhead = 16;  // records on their way from memory
    if (i + kAhead < groups_) {
      const uint64_t* const later = Record(order[i + kAhead].index);
      for (size_t word = 0; word < stride_; word += kLineWords) __builtin_prefetch(later + word);
    }
    const uint64_t* const record = Record(order[i].index);
    row.same = parts_.size();
    for (size_t part = 0; part < parts_.size(); ++part) {
      const uint32_t code = CodeIn(record, fields_[part]);
      if (code == codes[part]) continue;
      row.same = std::min(row.same, part);
      row.keys[part] = parts_[part].TextOf(codes[part] = code);
    }
    row.charges = static_cast<int64_t>(record[words_]);
    for (size_t measure = 0; measure < measures_; ++measure) {
      row.sums[measure] = base::Decimal::FromUnits(UnitsOf(record + words_ + 1 + 2 * measure));
    }
    PURSER_RETURN_IF_ERROR(on_row(row));
  }
  return absl::OkStatus();
}

absl::Status GroupTable::ForEach(const std::function<absl::Status(const CodedRow&)>& on_row) const {
  CodedRow row;
  for (size_t i = 0; i < groups_; ++i) {
    ReadRow(i, row);
    PURSER_RETURN_IF_ERROR(on_row(row));
  }
  return absl::OkStatus();
}

void GroupTable::ReadRow(size_t index, CodedRow& row) const {
  row.codes.resize(parts_.size());
  row.sums.resize(measures_);
  const uint64_t* const record = Record(index);
  for (size_t part = 0; part < parts_.size(); ++part) {
    row.codes[part] = CodeIn(record, fields_[part]);
  }
  row.charges = static_cast<int64_t>(record[words_]);
  for (size_t measure = 0; measure < measures_; ++measure) {
    row.sums[measure] = base::Decimal::FromUnits(UnitsOf(record + words_ + 1 + 2 * measure));
  }
}

}  // namespace purser::costs
