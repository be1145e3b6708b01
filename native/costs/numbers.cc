#include "costs/numbers.h"

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "base/status.h"
#include "costs/readers/days.h"

namespace purser::costs {
namespace {

// The store's numbers are those of the order, without gaps: transactions that fail leave none.
absl::Status CheckNumber(int64_t stored, size_t expected) {
  if (stored == static_cast<int64_t>(expected)) return absl::OkStatus();
  return absl::DataLossError("the numbers of stored costs have gaps: read the bills again");
}

absl::Status CheckRoom(size_t size) {
  if (size <= kMaxItems) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("more than ", kMaxItems, " different items, bills or entities (kMaxItems)"));
}

}  // namespace

absl::Status Numbers::Refresh(store::Connection& connection) {
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT id, service, region, sku, category, kind, currency, pool FROM cost_items "
      "WHERE id >= $1 ORDER BY id",
      {static_cast<int64_t>(items_stored_)}, [&](const store::Row& row) -> absl::Status {
        PURSER_RETURN_IF_ERROR(CheckNumber(row.Int(0), items.size()));
        items.NumberOf({row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5),
                        row.Text(6), row.Text(7)});
        return absl::OkStatus();
      }));
  items_stored_ = items.size();
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT id, source, billing_period, sub_account, invoice FROM cost_bills "
      "WHERE id >= $1 ORDER BY id",
      {static_cast<int64_t>(bills_stored_)}, [&](const store::Row& row) -> absl::Status {
        PURSER_RETURN_IF_ERROR(CheckNumber(row.Int(0), bills.size()));
        PURSER_ASSIGN_OR_RETURN(const absl::CivilDay period, ParseDay(row.Text(2)));
        bills.NumberOf({row.Text(1), period, row.Text(3), row.Text(4)});
        return absl::OkStatus();
      }));
  bills_stored_ = bills.size();
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT id, kind, name FROM cost_nodes WHERE id >= $1 ORDER BY id",
      {static_cast<int64_t>(nodes_stored_)}, [&](const store::Row& row) -> absl::Status {
        PURSER_RETURN_IF_ERROR(CheckNumber(row.Int(0), nodes.size()));
        nodes.NumberOf({static_cast<NodeKind>(row.Int(1)), row.Text(2)});
        return absl::OkStatus();
      }));
  nodes_stored_ = nodes.size();
  return absl::OkStatus();
}

absl::Status Numbers::Store(store::Connection& connection) {
  for (const size_t size : {items.size(), bills.size(), nodes.size()}) {
    PURSER_RETURN_IF_ERROR(CheckRoom(size));
  }
  for (; items_stored_ < items.size(); ++items_stored_) {
    const ChargeItem& item = items[static_cast<uint32_t>(items_stored_)];
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_items (id, service, region, sku, category, kind, currency, pool) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        {static_cast<int64_t>(items_stored_), item.service, item.region, item.sku, item.category,
         item.kind, item.currency, item.pool}));
  }
  for (; bills_stored_ < bills.size(); ++bills_stored_) {
    const Bill& bill = bills[static_cast<uint32_t>(bills_stored_)];
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_bills (id, source, billing_period, sub_account, invoice) "
        "VALUES ($1, $2, $3, $4, $5)",
        {static_cast<int64_t>(bills_stored_), bill.source,
         absl::FormatCivilTime(bill.billing_period), bill.sub_account, bill.invoice}));
  }
  for (; nodes_stored_ < nodes.size(); ++nodes_stored_) {
    const Node& node = nodes[static_cast<uint32_t>(nodes_stored_)];
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_nodes (id, kind, name) VALUES ($1, $2, $3)",
        {static_cast<int64_t>(nodes_stored_), static_cast<int64_t>(node.kind), node.name}));
  }
  return absl::OkStatus();
}

}  // namespace purser::costs
