// Options that several commands about costs have.
#ifndef PURSER_CLI_COST_OPTIONS_H_
#define PURSER_CLI_COST_OPTIONS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/args.h"
#include "purser/v1/costs.pb.h"

namespace purser::cli {

// --filter DIMENSION=VALUE[,VALUE]…
Option FilterOption();
// INVALID_ARGUMENT quotes the filter that is none.
absl::Status AddFilters(const Args& args,
                        google::protobuf::RepeatedPtrField<purser::v1::CostFilter>* filters);

// --currency CODE
Option CurrencyOption();

// --map COLUMN=NAME: what costs::MapColumns takes.
Option ColumnMapOption();

// The values of a repeated option NAME=VALUE; the value is all behind the first "=".
// INVALID_ARGUMENT quotes what has no "=" or names something twice.
absl::StatusOr<std::map<std::string, std::string>> NamedValues(const Args& args,
                                                               absl::string_view option);

// INVALID_ARGUMENT unless --from and --to are given.
absl::Status NeedDays(const Args& args);
// The value of --month; INVALID_ARGUMENT unless it is one.
absl::StatusOr<std::string> NeedMonth(const Args& args);

}  // namespace purser::cli

#endif  // PURSER_CLI_COST_OPTIONS_H_
