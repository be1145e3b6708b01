#include "costs/readers/columns.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/formats.h"

namespace purser::costs {
namespace {

// The specification has a section for each column, named by its words: BilledCost, "Billed Cost".
std::string SectionOf(absl::string_view column) {
  std::string words;
  for (const char c : column) {
    if (absl::ascii_isupper(c) && !words.empty()) words.push_back(' ');
    words.push_back(c);
  }
  return words;
}

class Binder {
 public:
  Binder(const std::string& file, const std::vector<std::string>& columns, const Wanted& wanted,
         const std::vector<int>& maps)
      : file_(file), columns_(columns), wanted_(wanted), maps_(maps) {}

  absl::StatusOr<Binding> Bind() {
    for (size_t i = 0; i < columns_.size(); ++i) {
      index_[NormalisedColumn(columns_[i])].push_back(static_cast<int>(i));
    }
    ChooseFormat();
    for (const std::string& name : wanted_.texts) binding_.wanted.push_back(Text(name));
    for (const std::string& name : wanted_.amounts) binding_.amounts.push_back(Amount(name));
    FindMoney();
    if (twice_ != kNoColumn) {
      return absl::InvalidArgumentError(absl::StrCat(
          file_, ": column ", base::EscapeForDisplay(columns_[static_cast<size_t>(twice_)]),
          " is there twice"));
    }
    if (missing_.empty()) return std::move(binding_);
    std::vector<std::string> missing;
    for (const std::string& name : missing_) {
      missing.push_back(absl::StrCat(name, " (FOCUS section \"", SectionOf(name), "\")"));
    }
    return absl::InvalidArgumentError(absl::StrCat(
        file_, ": not ", absl::StrContains("AEIOU", format().name.substr(0, 1)) ? "an " : "a ",
        format().name, " file: column ", absl::StrJoin(missing, ", "),
        missing.size() == 1 ? " is" : " are", " missing; it has ",
        base::EscapeForDisplay(absl::StrJoin(columns_, ", "), 400)));
  }

 private:
  const BillFormat& format() const { return *binding_.format; }

  void ChooseFormat() {
    if (wanted_.format != nullptr) {
      binding_.format = wanted_.format.get();
      return;
    }
    for (const BillFormat& format : BillFormats()) {
      const bool all = std::all_of(format.marks.begin(), format.marks.end(),
                                   [&](absl::string_view mark) { return Has(mark); });
      if (!all) continue;
      binding_.format = &format;
      return;
    }
  }
  bool Has(absl::string_view name) const { return index_.contains(NormalisedColumn(name)); }
  // Of columns whose names differ in their spelling only (tags and custom columns have such) the
  // one that is spelt like this.
  int Find(absl::string_view name) {
    const auto found = index_.find(NormalisedColumn(name));
    if (found == index_.end()) return kNoColumn;
    const std::vector<int>& alike = found->second;
    if (alike.size() == 1) return alike[0];
    int same = kNoColumn;
    for (const int column : alike) {
      if (columns_[static_cast<size_t>(column)] != name) continue;
      if (same != kNoColumn) twice_ = column;
      same = column;
    }
    if (same == kNoColumn) twice_ = alike[1];
    return same == kNoColumn ? alike[0] : same;
  }

  // The entry of the format's table for a column, in any of its names.
  const BillFormat::Column* Entry(absl::string_view name) const {
    const std::string wanted = NormalisedColumn(name);
    for (const BillFormat::Column& column : format().columns) {
      if (NormalisedColumn(column.focus) == wanted) return &column;
    }
    for (const BillFormat::Column& column : format().columns) {
      for (const absl::string_view other : column.names) {
        if (NormalisedColumn(other) == wanted) return &column;
      }
    }
    return nullptr;
  }

  int ColumnOf(absl::string_view name) {
    if (const BillFormat::Column* entry = Entry(name)) {
      // Asked for by the name it has in the file: 1.3 has a provider's old name and its new one.
      for (const absl::string_view other : entry->names) {
        if (NormalisedColumn(other) == NormalisedColumn(name) && Find(name) >= 0) return Find(name);
      }
      for (const absl::string_view other : entry->names) {
        if (const int column = Find(other); column >= 0) return column;
      }
    }
    return Find(name);
  }

  // FOCUS has NULL in amounts where there is nothing to measure, and real bills have it in list and
  // contracted costs, too. What is billed, and what that comes to, each charge must have.
  static bool MayBeNull(absl::string_view name) {
    const std::string column = NormalisedColumn(name);
    return column != "billedcost" && column != "effectivecost";
  }

  // What a row may always lack: charges without a resource, an account or tags are charges.
  bool Optional(absl::string_view name) const {
    const std::string column = NormalisedColumn(name);
    return column == "resourceid" || column == "subaccountid" || column == "tags" ||
           std::any_of(wanted_.optional.begin(), wanted_.optional.end(),
                       [&](const std::string& other) { return NormalisedColumn(other) == column; });
  }

  int SourceNumber(TextSource source) {
    const auto found = std::find(binding_.texts.begin(), binding_.texts.end(), source);
    if (found != binding_.texts.end()) return static_cast<int>(found - binding_.texts.begin());
    binding_.texts.push_back(std::move(source));
    return static_cast<int>(binding_.texts.size()) - 1;
  }

  std::vector<std::pair<std::string, int>> TagColumns() const {
    std::vector<std::pair<std::string, int>> members;
    for (size_t i = 0; i < columns_.size(); ++i) {
      for (absl::string_view prefix : format().tag_prefixes) {
        absl::string_view key = columns_[i];
        if (!absl::StartsWithIgnoreCase(key, prefix)) continue;
        key.remove_prefix(prefix.size());
        members.emplace_back(std::string(key), static_cast<int>(i));
        break;
      }
    }
    return members;
  }

  Binding::Text Text(const std::string& name) {
    absl::string_view key = name;
    if (absl::ConsumePrefix(&key, "tag:")) return Tag(key);
    Binding::Text text;
    if (NormalisedColumn(name) == "tags" && Find(name) < 0) {
      TextSource source{.members = TagColumns()};
      if (!source.members.empty()) text.source = SourceNumber(std::move(source));
      if (text.source >= 0) return text;
    }
    const BillFormat::Column* const entry = Entry(name);
    if (const int column = ColumnOf(name); column >= 0) {
      text.source = SourceNumber({.column = column});
      if (entry != nullptr) {
        text.values = entry->values;
        text.month_start = entry->month_start;
      }
    } else if (entry != nullptr && !entry->constant.empty()) {
      text.constant = std::string(entry->constant);
    } else if (!Optional(name)) {
      missing_.push_back(name);
    }
    return text;
  }

  Binding::Text Tag(absl::string_view key) {
    Binding::Text text;
    const auto members = TagColumns();
    if (members.empty()) {
      const int column = ColumnOf("Tags");
      if (std::find(maps_.begin(), maps_.end(), column) == maps_.end()) return Text("Tags");
      text.source = SourceNumber({.column = column, .tag = std::string(key)});
      text.is_tag_value = true;
      return text;
    }
    // As FindTag: the key itself, else behind the mark of a user's tag.
    for (const std::string& wanted : {std::string(key), absl::StrCat("user:", key)}) {
      for (const auto& [name, column] : members) {
        if (name != wanted) continue;
        text.source = SourceNumber({.column = column});
        text.is_tag_value = true;
        return text;
      }
    }
    return text;
  }

  // "a + b - c", of the columns that the file has; those it lacks are 0.
  AmountSource::Terms Terms(absl::string_view sum) {
    AmountSource::Terms terms;
    bool minus = false;
    for (const absl::string_view word : absl::StrSplit(sum, ' ', absl::SkipEmpty())) {
      if (word == "+" || word == "-") {
        minus = word == "-";
      } else if (const int column = Find(word); column >= 0) {
        terms.push_back({column, minus});
      }
    }
    return terms;
  }

  AmountSource::Terms TermsOf(absl::string_view name) {
    AmountSource::Terms terms;
    if (const BillFormat::Column* const entry = Entry(name)) {
      for (const absl::string_view sum : entry->names) {
        if (terms.empty()) terms = Terms(sum);
      }
    }
    if (const int column = Find(name); terms.empty() && column >= 0) terms.push_back({column});
    return terms;
  }

  void FindMoney() {
    const BillFormat::Column* const currency = Entry("BillingCurrency");
    binding_.money = {.billed = TermsOf("BilledCost"),
                      .may_be_empty = format().empty_amounts,
                      .currency = ColumnOf("BillingCurrency")};
    if (currency != nullptr) binding_.money.same_currency = std::string(currency->constant);
  }

  AmountSource Amount(const std::string& name) {
    AmountSource source;
    source.may_be_empty = format().empty_amounts || Optional(name) || MayBeNull(name);
    source.terms = TermsOf(name);
    if (source.terms.empty()) {
      if (!Optional(name)) missing_.push_back(name);
      return source;
    }
    const int selector = Find(format().effective_selector);
    if (NormalisedColumn(name) == "effectivecost" && selector >= 0) {
      source.selector = SourceNumber({.column = selector});
      for (const BillFormat::Choice& choice : format().effective_choices) {
        source.choices.emplace_back(std::string(choice.value), Terms(choice.columns));
      }
    }
    return source;
  }

  const std::string& file_;
  const std::vector<std::string>& columns_;
  const Wanted& wanted_;
  const std::vector<int>& maps_;
  absl::flat_hash_map<std::string, std::vector<int>> index_;  // by normalised name
  int twice_ = kNoColumn;  // asked for, and not the only one of its name
  std::vector<std::string> missing_;
  Binding binding_;
};

}  // namespace

std::string NormalisedColumn(absl::string_view name) {
  name = absl::StripAsciiWhitespace(name);
  if (const size_t open = name.rfind('('); absl::EndsWith(name, ")") && open > 0) {
    if (open != absl::string_view::npos) name = name.substr(open + 1, name.size() - open - 2);
  }
  // A custom column stays apart from the one it is named after.
  const bool custom = absl::StartsWithIgnoreCase(name, "x_");
  std::string text = custom ? "x_" : "";
  for (const char c : custom ? name.substr(2) : name) {
    if (c != '_' && c != ' ') text.push_back(absl::ascii_tolower(c));
  }
  return text;
}

absl::StatusOr<Binding> Bind(const std::string& file, const std::vector<std::string>& columns,
                             const Wanted& wanted, const std::vector<int>& maps) {
  return Binder(file, columns, wanted, maps).Bind();
}

}  // namespace purser::costs
