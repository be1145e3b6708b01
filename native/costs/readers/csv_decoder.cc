#include "costs/readers/csv_decoder.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/strings.h"
#include "costs/readers/amount.h"
#include "nlohmann/json.hpp"

namespace purser::costs {
namespace {

constexpr size_t kLookupBlock = 32;
constexpr size_t kTextsInCache = 256;  // so few are not fetched beforehand
static_assert(kCsvIndexSlack >= kAmountPadding && kCsvIndexSlack >= kShortText,
              "fields are read in place");

bool IsText(absl::string_view raw) {
  return raw.find('\0') == absl::string_view::npos && base::IsValidUtf8(raw);
}

// A quoted field's inside, still with its doubled quotes; others as they are.
absl::string_view Inside(absl::string_view raw) {
  if (raw.size() >= 2 && raw.front() == '"') return raw.substr(1, raw.size() - 2);
  return raw;
}

// The codes of one column's texts, a block of rows at a time. Of many texts in no order, what they
// are compared with is far away in memory: they are looked up in passes, and compared when the next
// block has been hashed, so that it is on its way meanwhile.
class TextLookup {
 public:
  TextLookup(const CsvColumn& fields, TextDictionary& texts, uint32_t* codes)
      : fields_(fields), texts_(texts), codes_(codes) {}

  void Take(size_t first, size_t count) {
    if (AllLast(first, count)) {
      Finish();
      std::fill_n(codes_ + first, count, last_code_);
    } else if (texts_.size() <= kTextsInCache) {
      Finish();
      for (size_t row = first; row < first + count; ++row) {
        const absl::string_view raw = fields_[row];
        codes_[row] = texts_.CodeOfPadded(raw.data(), raw.size());
      }
      last_code_ = codes_[first + count - 1];
    } else {
      Start(first, count);
    }
    last_ = fields_[first + count - 1];
  }
  // Looks up the block that waits.
  void Finish() {
    if (!waits_) return;
    waits_ = false;
    const Block& block = blocks_[1 - now_];
    for (size_t i = 0; i < block.count; ++i) {
      const absl::string_view raw = block.raws[i];
      if (!block.alike[i]) last_code_ = texts_.CodeOf(raw.data(), raw.size(), block.hashes[i]);
      codes_[block.first + i] = last_code_;
    }
  }

 private:
  struct Block {
    absl::string_view raws[kLookupBlock];
    uint64_t hashes[kLookupBlock];
    bool alike[kLookupBlock];  // as the row before
    size_t first, count;
  };
  bool IsLast(absl::string_view raw) const {
    return last_.data() != nullptr && raw.size() == last_.size() &&
           SameBytes(raw.data(), last_.data(), raw.size());
  }
  // Days and currencies hardly ever change; elsewhere the first row mostly tells.
  bool AllLast(size_t first, size_t count) const {
    size_t row = first;
    while (row < first + count && IsLast(fields_[row])) ++row;
    return row == first + count;
  }
  void Start(size_t first, size_t count) {
    Block& block = blocks_[now_];
    block.first = first;
    block.count = count;
    for (size_t i = 0; i < count; ++i) {
      const absl::string_view raw = block.raws[i] = fields_[first + i];
      block.alike[i] = IsLast(raw);
      last_ = raw;
      if (block.alike[i]) continue;
      block.hashes[i] = HashBytes(raw.data(), raw.size());
      texts_.PrefetchSlot(block.hashes[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      if (!block.alike[i]) texts_.PrefetchEntry(block.hashes[i]);
    }
    Finish();
    for (size_t i = 0; i < count; ++i) {
      if (!block.alike[i]) texts_.PrefetchText(block.hashes[i]);
    }
    waits_ = true;
    now_ = 1 - now_;
  }

  const CsvColumn fields_;
  TextDictionary& texts_;
  uint32_t* const codes_;
  Block blocks_[2];
  size_t now_ = 0;
  bool waits_ = false;
  absl::string_view last_;  // of the rows taken
  uint32_t last_code_ = 0;  // of the last one looked up
};

}  // namespace

std::string FieldValue(absl::string_view raw) {
  if (!raw.empty() && raw.front() == '"') {
    return absl::StrReplaceAll(Inside(raw), {{"\"\"", "\""}});
  }
  return raw == "NULL" ? std::string() : std::string(raw);
}

void CsvDecoder::Decode(const CsvChunk& chunk, const Binding& binding,
                        std::vector<SourceDictionary>& dictionaries, RowBatch& batch) {
  batch.rows = chunk.rows();
  batch.problems.clear();
  batch.rounded = 0;
  batch.rounded_rows.clear();
  batch.codes.resize(binding.texts.size());
  batch.units.resize(binding.amounts.size());
  if (chunk.may_be_no_text() &&
      !(chunk.has_nul() ? IsText(chunk.text()) : base::IsValidUtf8(chunk.text()))) {
    for (size_t row = 0; row < batch.rows; ++row) {
      if (IsText(chunk.Raw(row))) continue;
      batch.problems.push_back(
          {static_cast<uint32_t>(row), kNoColumn, "the row is not UTF-8 text", ""});
    }
  }
  for (size_t i = 0; i < binding.texts.size(); ++i) {
    dictionaries[i].quoted = true;
    dictionaries[i].Trim();
    DecodeText(chunk, binding.texts[i], dictionaries[i], batch.codes[i]);
  }
  for (size_t i = 0; i < binding.amounts.size(); ++i) {
    DecodeAmount(chunk, binding.amounts[i], batch, dictionaries, batch.units[i], batch);
  }
}

void CsvDecoder::DecodeText(const CsvChunk& chunk, const TextSource& source,
                            SourceDictionary& dictionary, std::vector<uint32_t>& codes) {
  const size_t rows = chunk.rows();
  codes.resize(rows);
  if (!source.members.empty()) {
    for (size_t row = 0; row < rows; ++row) {
      // A JSON object, as a CSV field without quotes around it; equal tags give equal texts.
      scratch_ = "{";
      for (const auto& [key, column] : source.members) {
        const std::string value = FieldValue(chunk.Field(row, static_cast<size_t>(column)));
        if (value.empty()) continue;
        absl::StrAppend(
            &scratch_, scratch_.size() > 1 ? "," : "",
            nlohmann::json(key).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), ":",
            nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      }
      scratch_ += "}";
      codes[row] = dictionary.texts.CodeOf(scratch_);
    }
    return;
  }
  TextLookup lookup(chunk.Column(static_cast<size_t>(source.column)), dictionary.texts,
                    codes.data());
  for (size_t first = 0; first < rows; first += kLookupBlock) {
    lookup.Take(first, std::min(kLookupBlock, rows - first));
  }
  lookup.Finish();
}

// Adds a field's amount to *units, or tells what is wrong with it.
void CsvDecoder::AddAmount(const CsvChunk& chunk, size_t row, AmountSource::Term term,
                           bool may_be_empty, __int128* units, RowBatch& batch) {
  const absl::string_view raw = chunk.Field(row, static_cast<size_t>(term.column));
  const absl::string_view text = Inside(raw);
  __int128 amount = 0;
  const AmountKind kind = ParseAmount(text.data(), text.size(), &amount);
  if (kind == AmountKind::kBad) {
    const std::string value = FieldValue(raw);
    if (value.empty() && may_be_empty) return;
    batch.problems.push_back({static_cast<uint32_t>(row), term.column, AmountProblem(value), ""});
    return;
  }
  if (kind == AmountKind::kRounded) {
    ++batch.rounded;
    batch.rounded_rows.push_back(static_cast<uint32_t>(row));
  }
  if (__builtin_add_overflow(*units, term.minus ? -amount : amount, units)) {
    batch.problems.push_back(
        {static_cast<uint32_t>(row), term.column, "the sum of the row's amounts does not fit", ""});
  }
}

void CsvDecoder::DecodeAmount(const CsvChunk& chunk, const AmountSource& source,
                              const RowBatch& texts,
                              const std::vector<SourceDictionary>& dictionaries,
                              std::vector<__int128>& units, RowBatch& batch) {
  const size_t rows = chunk.rows();
  units.resize(rows);
  if (const int column = source.column(); column >= 0) {
    const CsvColumn fields = chunk.Column(static_cast<size_t>(column));
    others_.resize(rows);
    const size_t others = ParseAmounts({fields.text(), fields.ends(), fields.stride(), rows},
                                       units.data(), others_.data());
    for (size_t i = 0; i < others; ++i) {
      const size_t row = others_[i];
      units[row] = 0;
      AddAmount(chunk, row, {column, false}, source.may_be_empty, &units[row], batch);
    }
    return;
  }
  const std::vector<uint32_t>* selector = nullptr;
  const TextDictionary* values = nullptr;
  if (source.selector >= 0) {
    selector = &texts.codes[static_cast<size_t>(source.selector)];
    values = &dictionaries[static_cast<size_t>(source.selector)].texts;
    choice_.assign(values->size(), nullptr);
  }
  for (size_t row = 0; row < rows; ++row) {
    const AmountSource::Terms* terms = &source.terms;
    if (selector != nullptr) {
      const AmountSource::Terms*& choice = choice_[(*selector)[row]];
      if (choice == nullptr) {
        choice = &source.terms;
        const std::string value = FieldValue(values->TextOf((*selector)[row]));
        for (const auto& [wanted, other] : source.choices) {
          if (absl::EqualsIgnoreCase(wanted, value)) choice = &other;
        }
      }
      terms = choice;
    }
    units[row] = 0;
    for (const AmountSource::Term& term : *terms) {
      AddAmount(chunk, row, term, source.may_be_empty, &units[row], batch);
    }
  }
}

BadRow DescribeRow(const CsvChunk& chunk, const std::vector<std::string>& columns,
                   const RowProblem& problem, const Binding::Money& money) {
  BadRow bad;
  const CsvPlace place = chunk.Place(problem.row);
  bad.line = place.line;
  bad.row = place.row;
  bad.offset = place.offset;
  bad.raw = std::string(chunk.Raw(problem.row));
  bad.reason = problem.reason;
  if (problem.column >= 0) {
    bad.column = columns[static_cast<size_t>(problem.column)];
    const absl::string_view raw = chunk.Field(problem.row, static_cast<size_t>(problem.column));
    // As it is meant; a NULL without quotes as it stands.
    bad.value = raw == "NULL" ? "NULL" : FieldValue(raw);
  }
  bad.ReadMoney(money, [&](int column) {
    return FieldValue(chunk.Field(problem.row, static_cast<size_t>(column)));
  });
  return bad;
}

}  // namespace purser::costs
