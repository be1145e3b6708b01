#include "costs/readers/parquet/amount_decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "base/status.h"

namespace purser::costs::parquet {

AmountDecoder::AmountDecoder(int file, const Metadata& metadata, const AmountSource& source)
    : metadata_(metadata), source_(source), terms_(TermsOf(file, source.terms)) {
  for (const auto& [value, terms] : source.choices) choices_.push_back(TermsOf(file, terms));
}

AmountDecoder::Terms AmountDecoder::TermsOf(int file, const AmountSource::Terms& terms) {
  Terms result;
  for (const auto& [column, minus] : terms) {
    size_t input = 0;
    while (input < inputs_.size() && inputs_[input]->column != column) ++input;
    if (input == inputs_.size()) {
      const int leaf = metadata_.columns[static_cast<size_t>(column)].leaf;
      inputs_.push_back(
          std::make_unique<Input>(file, metadata_.leaves[static_cast<size_t>(leaf)], column));
    }
    result.emplace_back(input, minus);
  }
  return result;
}

void AmountDecoder::Start(const RowGroup& group, const std::string& where) {
  for (const std::unique_ptr<Input>& input : inputs_) {
    const int leaf = metadata_.columns[static_cast<size_t>(input->column)].leaf;
    input->reader.Start(group.chunks[static_cast<size_t>(leaf)], where);
    input->units.clear();
    input->next = 0;
    input->open_ = false;
  }
}

absl::Status AmountDecoder::Prepare(size_t* rows) {
  for (const std::unique_ptr<Input>& input : inputs_) {
    if (input->next == input->units.size()) PURSER_RETURN_IF_ERROR(input->LoadSlice());
    *rows = std::min(*rows, input->units.size() - input->next);
  }
  return absl::OkStatus();
}

absl::Status AmountDecoder::Input::LoadSlice() {
  if (reader.leaf().max_repetition > 0) return LoadLists();
  PURSER_ASSIGN_OR_RETURN(const bool more, reader.NextSlice());
  if (!more) return reader.TooFewRows();
  DecodeSlice();
  next = 0;
  return absl::OkStatus();
}

void AmountDecoder::Input::DecodeSlice() {
  const Leaf& leaf = reader.leaf();
  const auto convert = [&](const Values& values, size_t index, __int128* out) {
    *out = 0;
    const AmountKind kind = AmountOf(leaf, values, index, out);
    return kind == AmountKind::kExact ? kExact : kind == AmountKind::kRounded ? kRounded : kBad;
  };
  if (reader.uses_dictionary() && dictionary_number != reader.dictionary_number()) {
    dictionary_number = reader.dictionary_number();
    dictionary_units.resize(reader.dictionary_size());
    dictionary_kinds.resize(reader.dictionary_size());
    for (size_t i = 0; i < dictionary_units.size(); ++i) {
      dictionary_kinds[i] = convert(reader.dictionary(), i, &dictionary_units[i]);
    }
  }
  const size_t entries = reader.entries();
  units.resize(entries);
  kinds.resize(entries);
  all_exact = true;
  const std::vector<uint8_t>& levels = reader.definitions();
  const auto full = static_cast<uint8_t>(leaf.max_definition);
  size_t value = 0;
  if (reader.uses_dictionary() && reader.codes().size() == entries) {
    const std::vector<uint32_t>& numbers = reader.codes();
    for (size_t i = 0; i < entries; ++i) {
      units[i] = dictionary_units[numbers[i]];
      kinds[i] = dictionary_kinds[numbers[i]];
      all_exact &= kinds[i] == kExact;
    }
    return;
  }
  if (levels.empty() && !reader.uses_dictionary()) {
    value = FirstExactAmounts(leaf, reader.values(), units.data());
    std::fill_n(kinds.begin(), value, kExact);
  }
  for (size_t i = value; i < entries; ++i) {
    if (!levels.empty() && levels[i] < full) {
      units[i] = 0;
      kinds[i] = kMissing;
    } else if (reader.uses_dictionary()) {
      const uint32_t number = reader.codes()[value++];
      units[i] = dictionary_units[number];
      kinds[i] = dictionary_kinds[number];
    } else {
      kinds[i] = convert(reader.values(), value++, &units[i]);
    }
    all_exact &= kinds[i] == kExact;
  }
}

void AmountDecoder::Input::AddElement(__int128 amount, uint8_t kind) {
  if (kind == kMissing) return;
  if (__builtin_add_overflow(sum_, amount, &sum_)) kind = kBad;
  // The worst of what the elements are.
  if (sum_kind_ == kMissing || kind == kBad || (kind == kRounded && sum_kind_ == kExact)) {
    sum_kind_ = kind;
  }
}

// A row's list may be cut by the end of a page: its sum is known when the next row begins.
absl::Status AmountDecoder::Input::LoadLists() {
  std::vector<__int128> sums;
  std::vector<uint8_t> sum_kinds;
  const auto close = [&] {
    sums.push_back(sum_);
    sum_kinds.push_back(sum_kind_);
    open_ = false;
  };
  while (sums.empty()) {
    PURSER_ASSIGN_OR_RETURN(const bool more, reader.NextSlice());
    if (!more) {
      if (!open_) return reader.TooFewRows();
      close();
      break;
    }
    DecodeSlice();
    for (size_t i = 0; i < reader.entries(); ++i) {
      if (reader.repetitions()[i] == 0) {
        if (open_) close();
        open_ = true;
        sum_ = 0;
        sum_kind_ = kMissing;
      } else if (!open_) {
        return reader.TooFewRows();
      }
      AddElement(units[i], kinds[i]);
    }
  }
  units = std::move(sums);
  kinds = std::move(sum_kinds);
  next = 0;
  all_exact = std::all_of(kinds.begin(), kinds.end(), [](uint8_t kind) { return kind == kExact; });
  return absl::OkStatus();
}

// As text, where it is one: of a list there is no single value.
std::string AmountDecoder::Input::TextOfEntry(size_t entry) const {
  const std::vector<uint8_t>& levels = reader.definitions();
  const auto full = static_cast<uint8_t>(reader.leaf().max_definition);
  if (reader.leaf().max_repetition > 0 || entry >= reader.entries()) return "";
  if (!levels.empty()) {
    entry = static_cast<size_t>(
        std::count(levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(entry), full));
  }
  std::string scratch;
  absl::string_view text;
  const bool is_text =
      reader.uses_dictionary()
          ? TextOf(reader.leaf(), reader.dictionary(), reader.codes()[entry], scratch, &text)
          : TextOf(reader.leaf(), reader.values(), entry, scratch, &text);
  return is_text ? std::string(text) : std::string();
}

void AmountDecoder::Tell(const Input& input, size_t row, RowBatch& batch) const {
  switch (input.kinds[input.next + row]) {
    case kExact:
      return;
    case kRounded:
      ++batch.rounded;
      batch.rounded_rows.push_back(static_cast<uint32_t>(row));
      return;
    case kMissing:
      if (source_.may_be_empty) return;
      batch.problems.push_back({static_cast<uint32_t>(row), input.column, AmountProblem(""), ""});
      return;
    default:
      batch.problems.push_back({static_cast<uint32_t>(row), input.column,
                                "not an amount, or one beyond ±170141183460469231731",
                                input.TextOfEntry(input.next + row)});
  }
}

void AmountDecoder::Take(size_t rows, const RowBatch& texts,
                         const std::vector<SourceDictionary>& dictionaries,
                         std::vector<__int128>& units, RowBatch& batch) {
  if (source_.column() >= 0) {
    Input& input = *inputs_[0];
    if (rows == input.units.size()) {
      std::swap(units, input.units);  // a slice as a whole; it is not looked at again
      input.units.resize(rows);
    } else {
      const auto first = input.units.begin() + static_cast<std::ptrdiff_t>(input.next);
      units.assign(first, first + static_cast<std::ptrdiff_t>(rows));
    }
    for (size_t row = 0; row < rows && !input.all_exact; ++row) Tell(input, row, batch);
  } else {
    units.resize(rows);
    const std::vector<uint32_t>* selector = nullptr;
    const TextDictionary* values = nullptr;
    if (source_.selector >= 0) {
      selector = &texts.codes[static_cast<size_t>(source_.selector)];
      values = &dictionaries[static_cast<size_t>(source_.selector)].texts;
      chosen_.assign(values->size(), nullptr);
    }
    for (size_t row = 0; row < rows; ++row) {
      const Terms* terms = &terms_;
      if (selector != nullptr) {
        const Terms*& choice = chosen_[(*selector)[row]];
        if (choice == nullptr) {
          choice = &terms_;
          for (size_t i = 0; i < source_.choices.size(); ++i) {
            if (absl::EqualsIgnoreCase(source_.choices[i].first,
                                       values->TextOf((*selector)[row]))) {
              choice = &choices_[i];
            }
          }
        }
        terms = choice;
      }
      units[row] = 0;
      for (const auto& [number, minus] : *terms) {
        const Input& input = *inputs_[number];
        const __int128 amount = input.units[input.next + row];
        if (!input.all_exact) Tell(input, row, batch);
        if (__builtin_add_overflow(units[row], minus ? -amount : amount, &units[row])) {
          batch.problems.push_back({static_cast<uint32_t>(row), input.column,
                                    "the sum of the row's amounts does not fit", ""});
        }
      }
    }
  }
  for (const std::unique_ptr<Input>& input : inputs_) input->next += rows;
}

}  // namespace purser::costs::parquet
