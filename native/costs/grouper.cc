#include "costs/grouper.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/readers/days.h"
#include "costs/readers/formats.h"
#include "costs/readers/tags.h"

namespace purser::costs {
namespace {

constexpr uint32_t kUnknown = ~uint32_t{0};
constexpr uint32_t kWrong = kUnknown - 1;
constexpr absl::string_view kCategories[] = {"Usage", "Purchase", "Tax", "Credit", "Adjustment"};

// Whether all rows have one number; mostly the first few tell that they have not.
bool AllSame(const std::vector<uint32_t>& codes, size_t rows) {
  constexpr size_t kAtOnce = 64;
  for (size_t first = 0; first < rows; first += kAtOnce) {
    const size_t end = std::min(rows, first + kAtOnce);
    uint32_t differ = 0;
    for (size_t row = first; row < end; ++row) differ |= codes[row] ^ codes[0];
    if (differ != 0) return false;
  }
  return rows > 0;
}

}  // namespace

Grouper::Grouper(std::vector<KeyPart> parts, size_t measures, size_t currency)
    : parts_(std::move(parts)),
      measures_(measures),
      currency_(currency),
      table_(std::make_unique<GroupTable>(parts_.size(), measures)),
      maps_(parts_.size()) {
  pending_.codes.resize(parts_.size());
  pending_.same.resize(parts_.size());
}

void Grouper::Use(const Binding& binding) {
  binding_ = binding;
  for (Map& map : maps_) map = Map();
}

void Grouper::ForgetTable() {
  for (Map& map : maps_) map = Map();
  total_of_.clear();
}

// Several tags are asked of the same text one after another.
absl::Status Grouper::ReadTags(const std::string& text) {
  if (tags_read_ && tags_text_ == text) return absl::OkStatus();
  tags_read_ = false;
  PURSER_ASSIGN_OR_RETURN(tags_, ParseTags(text));
  tags_text_ = text;
  tags_read_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::string> Grouper::Value(const KeyPart& part, const std::string& text) {
  switch (part.kind) {
    case KeyPart::kText:
      return text;
    case KeyPart::kDay:
    case KeyPart::kMonth: {
      PURSER_ASSIGN_OR_RETURN(absl::CivilDay day, ParseDay(text, binding_.format->dates));
      if (binding_.wanted[part.wanted].month_start) day = absl::CivilDay(absl::CivilMonth(day));
      return absl::FormatCivilTime(day).substr(0, part.kind == KeyPart::kDay ? 10 : 7);
    }
    case KeyPart::kCurrency:
      if (text.size() == 3 && std::all_of(text.begin(), text.end(), absl::ascii_isupper)) {
        return text;
      }
      return absl::InvalidArgumentError("not a currency code of three capitals (ISO 4217)");
    case KeyPart::kCategory:
      for (const absl::string_view category : kCategories) {
        if (text == category) return text;
      }
      return absl::InvalidArgumentError("not one of Usage, Purchase, Tax, Credit, Adjustment");
    case KeyPart::kTag: {
      if (binding_.wanted[part.wanted].is_tag_value) return text;
      PURSER_RETURN_IF_ERROR(ReadTags(text));
      const std::string* const value = FindTag(tags_, part.tag);
      return value == nullptr ? std::string() : *value;
    }
    case KeyPart::kTags: {
      PURSER_RETURN_IF_ERROR(ReadTags(text));
      return TagsToJson(tags_);
    }
  }
  return absl::InternalError("unknown part of a key");
}

void Grouper::Derive(size_t source, uint32_t code, const SourceDictionary& dictionary) {
  const absl::string_view raw = dictionary.texts.TextOf(code);
  const std::string plain = dictionary.quoted ? FieldValue(raw) : std::string(raw);
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Binding::Text& text = binding_.wanted[parts_[i].wanted];
    if (text.source != static_cast<int>(source)) continue;
    Map& map = maps_[i];
    if (map.codes.size() <= code) map.codes.resize(dictionary.texts.size(), kUnknown);
    std::string value = plain;
    if (text.values != nullptr) {
      const auto& entries = text.values->entries;
      const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
        return absl::EqualsIgnoreCase(entry.value, plain);
      });
      if (found != entries.end()) {
        value = std::string(found->focus);
      } else if (!text.values->otherwise.empty()) {
        value = std::string(text.values->otherwise);
      }
    }
    const absl::StatusOr<std::string> meaning = Value(parts_[i], value);
    if (meaning.ok()) {
      map.codes[code] = table_->part(i).CodeOf(*meaning);
    } else {
      map.codes[code] = kWrong;
      map.reasons[code] = std::string(meaning.status().message());
    }
  }
}

absl::Status Grouper::Add(RowBatch& batch, std::vector<SourceDictionary>& dictionaries) {
  pending_.rows = batch.rows;
  pending_.units = &batch.units;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Binding::Text& text = binding_.wanted[parts_[i].wanted];
    std::vector<uint32_t>& out = pending_.codes[i];
    if (text.source < 0) {
      PURSER_ASSIGN_OR_RETURN(const std::string value, Value(parts_[i], text.constant));
      out.assign(1, table_->part(i).CodeOf(value));
      pending_.same[i] = 1;
      continue;
    }
    const size_t source = static_cast<size_t>(text.source);
    const SourceDictionary& dictionary = dictionaries[source];
    Map& map = maps_[i];
    if (map.epoch != dictionary.epoch) {
      map = Map();
      map.epoch = dictionary.epoch;
    }
    if (map.codes.size() < dictionary.texts.size()) {
      map.codes.resize(dictionary.texts.size(), kUnknown);
    }
    const std::vector<uint32_t>& in = batch.codes[source];
    // A text not met before is left to the loop, which finds out what it means.
    pending_.same[i] = AllSame(in, batch.rows) && map.codes[in[0]] < kWrong;
    if (pending_.same[i] != 0) {
      out.assign(1, map.codes[in[0]]);
      continue;
    }
    out.resize(batch.rows);
    uint32_t any = 0;
    for (size_t row = 0; row < batch.rows; ++row) {
      out[row] = map.codes[in[row]];
      any |= out[row];
    }
    if (any >> 31 == 0) continue;  // neither unknown nor wrong
    for (size_t row = 0; row < batch.rows; ++row) {
      uint32_t code = map.codes[in[row]];
      if (code >= kWrong) {
        if (code == kUnknown) {
          // Parts of the same source that were looked at with an older epoch come later and are
          // brought up to date here.
          for (size_t other = i + 1; other < parts_.size(); ++other) {
            if (binding_.wanted[parts_[other].wanted].source != text.source) continue;
            if (maps_[other].epoch == dictionary.epoch) continue;
            maps_[other] = Map();
            maps_[other].epoch = dictionary.epoch;
          }
          Derive(source, in[row], dictionary);
          code = map.codes[in[row]];
        }
        if (code == kWrong) {
          const absl::string_view raw = dictionary.texts.TextOf(in[row]);
          batch.problems.push_back({static_cast<uint32_t>(row), binding_.texts[source].column,
                                    map.reasons[in[row]],
                                    dictionary.quoted ? FieldValue(raw) : std::string(raw)});
          code = 0;
        }
      }
      out[row] = code;
    }
  }
  pending_.skip.clear();
  rows_added_ += static_cast<int64_t>(batch.rows);
  rounded_ += batch.rounded;
  if (!batch.problems.empty()) {
    // The first one of a row is told.
    std::stable_sort(batch.problems.begin(), batch.problems.end(),
                     [](const RowProblem& a, const RowProblem& b) { return a.row < b.row; });
    batch.problems.erase(
        std::unique(batch.problems.begin(), batch.problems.end(),
                    [](const RowProblem& a, const RowProblem& b) { return a.row == b.row; }),
        batch.problems.end());
    pending_.skip.assign(batch.rows, 0);
    for (const RowProblem& problem : batch.problems) pending_.skip[problem.row] = 1;
    rows_added_ -= static_cast<int64_t>(batch.problems.size());
    for (const uint32_t row : batch.rounded_rows) rounded_ -= pending_.skip[row];
  }
  PURSER_RETURN_IF_ERROR(AddTotals(batch));
  return table_->Add(pending_);
}

absl::Status Grouper::AddTotals(const RowBatch& batch) {
  const TextDictionary& currencies = table_->part(currency_);
  while (total_of_.size() < currencies.size()) {
    total_of_.push_back(nullptr);
  }
  const std::vector<uint32_t>& codes = pending_.codes[currency_];
  const bool all = pending_.skip.empty();
  const bool same = pending_.same[currency_] != 0;
  // Rows of one currency follow each other.
  for (size_t first = 0, end = 0; first < batch.rows; first = end) {
    if (same) end = batch.rows;
    while (end < batch.rows && codes[end] == codes[first]) ++end;
    const auto begin = pending_.skip.begin() + static_cast<std::ptrdiff_t>(all ? 0 : first);
    const auto rows = all ? static_cast<int64_t>(end - first)
                          : std::count(begin, begin + static_cast<std::ptrdiff_t>(end - first), 0);
    if (rows == 0) continue;  // their currency may be none
    ControlTotal*& total = total_of_[codes[same ? 0 : first]];
    if (total == nullptr) {
      total = &totals_[std::string(currencies.TextOf(codes[same ? 0 : first]))];
      total->units.resize(measures_);
    }
    total->rows += rows;
    for (size_t measure = 0; measure < measures_; ++measure) {
      __int128 sum = total->units[measure];
      bool fits = true;
      for (size_t row = first; row < end; ++row) {
        if (!all && pending_.skip[row] != 0) continue;
        fits &= !__builtin_add_overflow(sum, batch.units[measure][row], &sum);
      }
      if (!fits) {
        return absl::OutOfRangeError(
            "the sum of all costs does not fit into ±170141183460469231731: is an amount in the "
            "file wrong?");
      }
      total->units[measure] = sum;
    }
  }
  return absl::OkStatus();
}

}  // namespace purser::costs
