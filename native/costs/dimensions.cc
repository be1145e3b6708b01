// What costs can be grouped and filtered by: names and values.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "costs/query.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

struct DimensionInfo {
  Dimension dimension;
  absl::string_view name;
};
constexpr DimensionInfo kDimensions[] = {
    {Dimension::kDay, "day"},
    {Dimension::kMonth, "month"},
    {Dimension::kEntity, "entity"},
    {Dimension::kService, "service"},
    {Dimension::kSource, "source"},
    {Dimension::kChargeCategory, "charge_category"},
    {Dimension::kBillingPeriod, "billing_period"},
    {Dimension::kOwner, "owner"},
    {Dimension::kGroup, "group"},
    {Dimension::kSystem, "system"},
    {Dimension::kDomain, "domain"},
    {Dimension::kProduct, "product"},
    {Dimension::kEnvironment, "environment"},
    {Dimension::kRegion, "region"},
    {Dimension::kSku, "sku"},
    {Dimension::kKind, "kind"},
    {Dimension::kAccount, "account"},
    {Dimension::kInvoice, "invoice"},
    {Dimension::kPool, "pool"},
};

}  // namespace

absl::StatusOr<Dimension> ParseDimension(absl::string_view name) {
  std::string known;
  for (const DimensionInfo& info : kDimensions) {
    if (info.name == name) return info.dimension;
    absl::StrAppend(&known, known.empty() ? "" : ", ", info.name);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown dimension \"", base::EscapeForDisplay(name, 60), "\"; known are ", known));
}

absl::string_view DimensionName(Dimension dimension) {
  return kDimensions[static_cast<size_t>(dimension)].name;
}

std::optional<NodeKind> NodeKindOf(Dimension dimension) {
  switch (dimension) {
    case Dimension::kEntity:
      return NodeKind::kEntity;
    case Dimension::kOwner:
      return NodeKind::kOwner;
    case Dimension::kGroup:
      return NodeKind::kGroup;
    case Dimension::kSystem:
      return NodeKind::kSystem;
    case Dimension::kDomain:
      return NodeKind::kDomain;
    case Dimension::kProduct:
      return NodeKind::kProduct;
    case Dimension::kEnvironment:
      return NodeKind::kEnvironment;
    default:
      return std::nullopt;
  }
}

bool IsOfItem(Dimension dimension) {
  switch (dimension) {
    case Dimension::kService:
    case Dimension::kRegion:
    case Dimension::kSku:
    case Dimension::kKind:
    case Dimension::kPool:
    case Dimension::kChargeCategory:
      return true;
    default:
      return false;
  }
}

bool IsOfBill(Dimension dimension) {
  switch (dimension) {
    case Dimension::kSource:
    case Dimension::kAccount:
    case Dimension::kInvoice:
    case Dimension::kBillingPeriod:
      return true;
    default:
      return false;
  }
}

const std::string& ValueOf(const ChargeItem& item, Dimension dimension) {
  switch (dimension) {
    case Dimension::kService:
      return item.service;
    case Dimension::kRegion:
      return item.region;
    case Dimension::kSku:
      return item.sku;
    case Dimension::kKind:
      return item.kind;
    case Dimension::kPool:
      return item.pool;
    default:
      return item.category;
  }
}

std::string ValueOf(const Bill& bill, Dimension dimension) {
  switch (dimension) {
    case Dimension::kSource:
      return std::string(SourceName(bill.source));
    case Dimension::kAccount:
      return bill.sub_account;
    case Dimension::kInvoice:
      return bill.invoice;
    default:
      return DayText(bill.billing_period);
  }
}

bool Overlaps(Dimension dimension) {
  return dimension == Dimension::kGroup || dimension == Dimension::kDomain;
}

std::vector<std::string> ValuesOf(const Ancestry& ancestry, const std::string& ref,
                                  Dimension dimension) {
  switch (dimension) {
    case Dimension::kEntity:
      return {ref};
    case Dimension::kOwner:
      return {ancestry.owner};
    case Dimension::kGroup:
      return ancestry.groups;
    case Dimension::kSystem:
      return {ancestry.system};
    case Dimension::kDomain:
      return ancestry.domains;
    case Dimension::kProduct:
      return {ancestry.product};
    default:
      return {ancestry.environment};
  }
}

absl::Status CheckTogether(const std::vector<Dimension>& group_by) {
  for (const Dimension dimension : group_by) {
    if (!Overlaps(dimension)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        DimensionName(dimension),
        " is grouped by together with another dimension of the "
        "catalog: an entity counts for several; use owner or system, or filter by it"));
  }
  return absl::OkStatus();
}

bool PassesCatalog(const std::vector<Filter>& filters, const Ancestry& ancestry,
                   const std::string& ref) {
  return std::all_of(filters.begin(), filters.end(), [&](const Filter& filter) {
    if (!NodeKindOf(filter.dimension).has_value()) return true;
    const std::vector<std::string> values = ValuesOf(ancestry, ref, filter.dimension);
    return std::any_of(values.begin(), values.end(), [&](const std::string& value) {
      return std::any_of(
          filter.values.begin(), filter.values.end(),
          [&](const std::string& wanted) { return absl::EqualsIgnoreCase(wanted, value); });
    });
  });
}

}  // namespace purser::costs
