#include "costs/sorted_groups.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "base/status.h"
#include "costs/readers/large_buffer.h"

namespace purser::costs {
namespace {

// Fewer are sorted before another thread would have begun.
constexpr size_t kGroupsPerThread = 10'000;

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

// The texts of one part, of all tables.
struct PartTexts {
  std::vector<absl::string_view> by_rank;
  std::vector<std::vector<uint32_t>> rank_of;  // by table and the table's number of the text
};

// A table on its way through the merge.
struct Sorted {
  const GroupTable* table;
  std::vector<std::vector<uint32_t>> texts;  // by part: the numbers of its texts in their order
  LargeArray<Place> order = LargeArray<Place>(0);
  std::vector<uint64_t> keys = {};  // of groups, when they have several words
  size_t at = 0;
};

class Merge {
 public:
  explicit Merge(const std::vector<const GroupTable*>& tables)
      : parts_(tables[0]->parts()), measures_(tables[0]->measures()) {
    for (const GroupTable* table : tables) {
      groups_ += table->groups();
      tables_.push_back({table, std::vector<std::vector<uint32_t>>(parts_)});
    }
    ForEachTable([this](size_t table) { SortTexts(tables_[table]); });
    std::vector<int> widths;
    for (size_t part = 0; part < parts_; ++part) {
      texts_.push_back(Rank(part));
      widths.push_back(BitsFor(texts_.back().by_rank.size()));
    }
    fields_ = LayOut(widths, &words_);
    ForEachTable([this](size_t table) { SortGroups(table); });
  }

  absl::Status Run(const OnGroup& on_group) {
    GroupRow row;
    row.keys.resize(parts_);
    row.sums.resize(measures_);
    std::vector<uint32_t> ranks(parts_, ~uint32_t{0});  // of the row before
    std::vector<Sorted*> left;
    for (Sorted& table : tables_) {
      if (table.order.size() != 0) left.push_back(&table);
    }
    std::vector<Sorted*> equal;  // those whose next group is the first one of all
    while (!left.empty()) {
      equal.assign(1, left[0]);
      for (size_t i = 1; i < left.size(); ++i) {
        const int order = Compare(*left[i], *equal[0]);
        if (order < 0) equal.clear();
        if (order <= 0) equal.push_back(left[i]);
      }
      TellKeys(KeyOf(*equal[0]), ranks, row);
      PURSER_RETURN_IF_ERROR(TellSums(equal, row));
      for (Sorted* const table : equal) {
        if (++table->at == table->order.size()) std::erase(left, table);
      }
      PURSER_RETURN_IF_ERROR(on_group(row));
    }
    return absl::OkStatus();
  }

 private:
  template <typename Function>
  void ForEachTable(const Function& function) {
    std::vector<std::jthread> others;
    const bool alone = groups_ < kGroupsPerThread;
    for (size_t table = 1; table < tables_.size(); ++table) {
      if (alone) {
        function(table);
      } else {
        others.emplace_back([&function, table] { function(table); });
      }
    }
    function(0);
  }

  void SortTexts(Sorted& sorted) const {
    for (size_t part = 0; part < parts_; ++part) {
      const TextDictionary& texts = sorted.table->part(part);
      std::vector<uint32_t>& order = sorted.texts[part];
      order.resize(texts.size());
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(),
                [&](uint32_t a, uint32_t b) { return texts.TextOf(a) < texts.TextOf(b); });
    }
  }

  // Gives the part's texts of all tables one order.
  PartTexts Rank(size_t part) {
    struct Text {
      absl::string_view text;
      uint32_t table;
      uint32_t code;
    };
    const auto less = [](const Text& a, const Text& b) { return a.text < b.text; };
    std::vector<Text> all;
    std::vector<size_t> ends = {0};  // of what the tables have of it, each in order
    PartTexts texts;
    for (uint32_t table = 0; table < tables_.size(); ++table) {
      const TextDictionary& dictionary = tables_[table].table->part(part);
      for (const uint32_t code : std::exchange(tables_[table].texts[part], {})) {
        all.push_back({dictionary.TextOf(code), table, code});
      }
      ends.push_back(all.size());
      texts.rank_of.emplace_back(dictionary.size());
    }
    // Neighbours become one, until one is left.
    while (ends.size() > 2) {
      std::vector<size_t> merged = {0};
      for (size_t i = 1; i < ends.size(); i += 2) {
        merged.push_back(ends[std::min(i + 1, ends.size() - 1)]);
        std::inplace_merge(all.begin() + ends[i - 1], all.begin() + ends[i],
                           all.begin() + merged.back(), less);
      }
      ends = std::move(merged);
    }
    for (const Text& text : all) {
      if (texts.by_rank.empty() || texts.by_rank.back() != text.text) {
        texts.by_rank.push_back(text.text);
      }
      texts.rank_of[text.table][text.code] = static_cast<uint32_t>(texts.by_rank.size() - 1);
    }
    return texts;
  }

  void SortGroups(size_t number) {
    Sorted& sorted = tables_[number];
    const GroupTable& table = *sorted.table;
    sorted.order = LargeArray<Place>(table.groups());
    if (words_ > 1) sorted.keys.resize(table.groups() * words_);
    for (size_t i = 0; i < table.groups(); ++i) {
      const GroupTable::Group group = table.group(i);
      Place& place = sorted.order[i];
      place = {0, static_cast<uint32_t>(i)};
      uint64_t* const key = words_ == 1 ? &place.key : &sorted.keys[i * words_];
      for (size_t part = 0; part < parts_; ++part) {
        key[fields_[part].word] |=
            static_cast<uint64_t>(texts_[part].rank_of[number][group.code(part)])
            << fields_[part].shift;
      }
      place.key = key[0];
    }
    if (words_ == 1) {
      SortPlaces(sorted.order, fields_.back().shift);
      return;
    }
    std::sort(sorted.order.begin(), sorted.order.end(), [&](const Place& a, const Place& b) {
      return a.key != b.key
                 ? a.key < b.key
                 : CompareWords(&sorted.keys[a.index * words_], &sorted.keys[b.index * words_]) < 0;
    });
  }

  int CompareWords(const uint64_t* a, const uint64_t* b) const {
    for (size_t word = 0; word < words_; ++word) {
      if (a[word] != b[word]) return a[word] < b[word] ? -1 : 1;
    }
    return 0;
  }
  const uint64_t* KeyOf(const Sorted& table) const {
    const Place& place = table.order[table.at];
    return words_ == 1 ? &place.key : &table.keys[place.index * words_];
  }
  int Compare(const Sorted& a, const Sorted& b) const { return CompareWords(KeyOf(a), KeyOf(b)); }

  void TellKeys(const uint64_t* key, std::vector<uint32_t>& ranks, GroupRow& row) const {
    row.same = parts_;
    for (size_t part = 0; part < parts_; ++part) {
      const uint32_t rank = fields_[part].In(key);
      if (rank == ranks[part]) continue;
      row.same = std::min(row.same, part);
      row.keys[part] = texts_[part].by_rank[ranks[part] = rank];
    }
  }

  absl::Status TellSums(const std::vector<Sorted*>& equal, GroupRow& row) const {
    row.charges = 0;
    for (size_t i = 0; i < equal.size(); ++i) {
      constexpr size_t kAhead = 16;  // groups on their way from memory
      const Sorted& table = *equal[i];
      if (table.at + kAhead < table.order.size()) {
        table.table->PrefetchGroup(table.order[table.at + kAhead].index);
      }
      const GroupTable::Group group = table.table->group(table.order[table.at].index);
      row.charges += group.charges();
      for (size_t measure = 0; measure < measures_; ++measure) {
        const base::Decimal units = base::Decimal::FromUnits(group.units(measure));
        base::Decimal& sum = row.sums[measure];
        if (i == 0) {
          sum = units;
        } else if (!base::Decimal::Add(sum, units, &sum)) {
          return SumOverflow();
        }
      }
    }
    return absl::OkStatus();
  }

  const size_t parts_;
  const size_t measures_;
  size_t groups_ = 0;  // of all tables
  std::vector<Sorted> tables_;
  std::vector<PartTexts> texts_;  // by part
  std::vector<KeyField> fields_;  // of ranks
  size_t words_ = 1;
};

}  // namespace

absl::Status ForEachSorted(const std::vector<const GroupTable*>& tables, const OnGroup& on_group) {
  return Merge(tables).Run(on_group);
}

}  // namespace purser::costs
