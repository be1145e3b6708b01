#include "cli/cost_options.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "costs/readers/days.h"

namespace purser::cli {

Option FilterOption() {
  return {"filter", "DIMENSION=VALUE", "values joined by ','; may be repeated", true};
}

absl::Status AddFilters(const Args& args,
                        google::protobuf::RepeatedPtrField<purser::v1::CostFilter>* filters) {
  for (const std::string& text : args.All("filter")) {
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (parts.size() != 2) {
      return UsageError(absl::StrCat("--filter ", text, ": must be DIMENSION=VALUE[,VALUE]…"));
    }
    purser::v1::CostFilter& filter = *filters->Add();
    filter.set_dimension(parts[0]);
    for (absl::string_view value : absl::StrSplit(parts[1], ',')) {
      filter.add_values(std::string(value));
    }
  }
  return absl::OkStatus();
}

Option CurrencyOption() { return {"currency", "CODE", "convert everything to this currency"}; }

Option ColumnMapOption() {
  return {"map", "COLUMN=NAME",
          "the file's column that stands for a FOCUS column, of a bill of another kind; may be "
          "repeated",
          true};
}

absl::StatusOr<std::map<std::string, std::string>> NamedValues(const Args& args,
                                                               absl::string_view option) {
  std::map<std::string, std::string> values;
  for (const std::string& text : args.All(option)) {
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (parts.size() != 2) {
      return UsageError(absl::StrCat("--", option, " ", text, ": must be NAME=VALUE"));
    }
    if (!values.emplace(parts[0], parts[1]).second) {
      return UsageError(absl::StrCat("--", option, " ", text, ": ", parts[0], " is given twice"));
    }
  }
  return values;
}

absl::Status NeedDays(const Args& args) {
  if (args.Has("from") && args.Has("to")) return absl::OkStatus();
  return UsageError("--from and --to are needed, days like 2026-11-20");
}

absl::StatusOr<std::string> NeedMonth(const Args& args) {
  std::string month = args.Get("month");
  if (costs::ParseDay(absl::StrCat(month, "-01")).ok()) return month;
  return UsageError("--month is needed, a month like 2026-11");
}

}  // namespace purser::cli
