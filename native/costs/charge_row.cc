#include "costs/charge_row.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/allocation.h"
#include "costs/grouper.h"
#include "costs/readers/bill_file.h"
#include "costs/readers/csv_chunk.h"
#include "costs/sorted_groups.h"

namespace purser::costs {
namespace {

constexpr absl::string_view kAlways[] = {"BillingCurrency", "Tags",          "ResourceId",
                                         "SubAccountId",    "ServiceName",   "RegionId",
                                         "SkuId",           "ChargeCategory"};

Wanted WantedOf(const ChargeRowRequest& request, const std::vector<std::string>& columns) {
  Wanted wanted{.format = request.format};
  const auto want = [&](absl::string_view column) {
    const bool known =
        std::any_of(wanted.texts.begin(), wanted.texts.end(), [&](const std::string& other) {
          return NormalisedColumn(other) == NormalisedColumn(column);
        });
    if (!known) wanted.texts.emplace_back(column);
  };
  for (const absl::string_view column : kAlways) want(column);
  for (const absl::string_view column : kSubjectColumns) want(column);
  for (const std::string& column : request.extra_columns) want(column);
  for (const std::string& column : columns) {
    if (absl::StartsWith(column, "x_")) want(column);
  }
  wanted.optional = wanted.texts;
  return wanted;
}

// Where the row with this number stands in the batch; nothing when it is not there.
std::optional<uint32_t> PlaceOf(const RowReader& reader, const RowBatch& batch, int64_t number) {
  const auto number_of = [&](uint32_t place) {
    return reader.Describe({place, kNoColumn, "", ""}).row;
  };
  if (batch.rows == 0 || number_of(static_cast<uint32_t>(batch.rows - 1)) < number) {
    return std::nullopt;
  }
  uint32_t low = 0, high = static_cast<uint32_t>(batch.rows - 1);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (number_of(middle) < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return number_of(low) == number ? std::make_optional(low) : std::nullopt;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ReadChargeRow(const ChargeRowRequest& request) {
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<BillFile> file,
                          BillFile::Open(request.path, {.chunk_bytes = kCsvChunkBytes}));
  const Wanted wanted = WantedOf(request, file->columns());
  PURSER_ASSIGN_OR_RETURN(const Binding binding, Bind(request.path, file->columns(), wanted));
  PURSER_RETURN_IF_ERROR(file->Check(binding));
  std::vector<KeyPart> parts;
  for (size_t i = 0; i < wanted.texts.size(); ++i) {
    parts.push_back({wanted.texts[i] == "Tags" ? KeyPart::kTags : KeyPart::kText, i});
  }
  Grouper grouper(parts, /*measures=*/0, /*currency=*/0);
  grouper.Use(binding);
  std::vector<SourceDictionary> dictionaries(binding.texts.size());
  const std::unique_ptr<RowReader> reader = file->NewReader(binding, dictionaries);
  RowBatch batch;
  for (;;) {
    PURSER_ASSIGN_OR_RETURN(const bool more, reader->Next(batch));
    if (!more) break;
    for (const BadRow& broken : reader->broken()) {
      if (broken.row == request.row) {
        return absl::InvalidArgumentError(broken.ToString(request.path));
      }
    }
    const std::optional<uint32_t> place = PlaceOf(*reader, batch, request.row);
    if (!place.has_value()) continue;
    RowBatch one;
    one.rows = 1;
    for (const std::vector<uint32_t>& codes : batch.codes) one.codes.push_back({codes[*place]});
    PURSER_RETURN_IF_ERROR(grouper.Add(one, dictionaries));
    if (!one.problems.empty()) {
      RowProblem problem = one.problems[0];
      problem.row = *place;
      return absl::InvalidArgumentError(reader->Describe(problem).ToString(request.path));
    }
    break;
  }
  if (grouper.table().groups() == 0) {
    return absl::NotFoundError(absl::StrCat(request.path, " has no row ", request.row));
  }
  std::map<std::string, std::string> columns;
  PURSER_RETURN_IF_ERROR(ForEachSorted({&grouper.table()}, [&](const GroupRow& row) {
    for (size_t i = 0; i < row.keys.size(); ++i) {
      const std::string value(row.keys[i]);
      if (!value.empty() && value != "{}") columns[wanted.texts[i]] = value;
    }
    return absl::OkStatus();
  }));
  return columns;
}

}  // namespace purser::costs
