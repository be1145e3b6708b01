#include "costs/embedded_reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/rank.h"
#include "costs/rollups.h"
#include "costs/split.h"

namespace purser::costs {

absl::StatusOr<TopResult> EmbeddedReader::TopNodes(NodeKind kind, const TopRequest& request) const {
  PURSER_ASSIGN_OR_RETURN(std::vector<Ranking> rankings,
                          ReadRanks(context_.connection, kind, request.from, request.to));
  std::sort(rankings.begin(), rankings.end(),
            [](const Ranking& a, const Ranking& b) { return a.currency < b.currency; });
  const auto amount = [&](const Ranked& one) {
    return request.measure == Measure::kBilled ? one.billed : one.effective;
  };
  // Only what is among the first is given a name.
  const auto name = [&](const Ranked& one) -> const std::string& {
    return context_.numbers.nodes[one.node].name;
  };
  TopResult result;
  for (auto& [currency, nodes] : rankings) {
    std::erase_if(nodes,
                  [](const Ranked& one) { return one.billed.IsZero() && one.effective.IsZero(); });
    if (nodes.empty()) continue;
    const size_t taken = std::min<size_t>(nodes.size(), static_cast<size_t>(request.limit));
    std::partial_sort(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(taken),
                      nodes.end(), [&](const Ranked& a, const Ranked& b) {
                        return amount(a) != amount(b) ? amount(a) > amount(b) : name(a) < name(b);
                      });
    Measures total, rest;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const Measures sums{nodes[i].billed, nodes[i].effective, {}, {}, 0};
      PURSER_RETURN_IF_ERROR(total.Add(sums));
      if (i < taken) {
        result.rows.push_back({{name(nodes[i])}, currency, sums.billed, sums.effective});
      } else {
        PURSER_RETURN_IF_ERROR(rest.Add(sums));
      }
    }
    result.total.push_back({{}, currency, total.billed, total.effective});
    result.rest.push_back({{}, currency, rest.billed, rest.effective});
  }
  return result;
}

absl::StatusOr<std::vector<SourceFreshness>> EmbeddedReader::SourcesOf(
    const std::string& entity) const {
  std::vector<SourceFreshness> sources;
  const std::optional<uint32_t> node = context_.numbers.nodes.Find({NodeKind::kEntity, entity});
  if (!node.has_value()) return sources;
  std::map<std::string, bool> charging;
  PURSER_RETURN_IF_ERROR(
      context_.connection.ForEach("SELECT facts FROM cost_node_months WHERE node = $1",
                                  {static_cast<int64_t>(*node)}, [&](const store::Row& row) {
                                    return DecodeFacts(row.Text(0), [&](const Fact& fact) {
                                      if (fact.bill < context_.numbers.bills.size()) {
                                        charging[context_.numbers.bills[fact.bill].source] = true;
                                      }
                                    });
                                  }));
  for (const auto& [source, unused] : charging) {
    PURSER_ASSIGN_OR_RETURN(const std::optional<absl::CivilDay> day,
                            LastKnownDay(context_.connection, source));
    if (day.has_value()) sources.push_back({source, *day});
  }
  return sources;
}

absl::StatusOr<std::vector<ReconciledInvoice>> EmbeddedReader::Reconcile(absl::CivilDay from,
                                                                         absl::CivilDay to) const {
  using Key = std::tuple<std::string, absl::CivilDay, std::string, std::string>;
  std::map<Key, ReconciledInvoice> invoices;
  const auto row_of = [&](const Fact& fact) -> ReconciledInvoice* {
    const Bill& bill = context_.numbers.bills[fact.bill];
    if (bill.billing_period < from || bill.billing_period > to) return nullptr;
    const std::string& currency = context_.numbers.items[fact.item].currency;
    return &invoices[{bill.source, bill.billing_period, bill.invoice, currency}];
  };
  bool fits = true;
  const auto add = [&](base::Decimal& sum, base::Decimal more) {
    fits = base::Decimal::Add(sum, more, &sum) && fits;
  };
  // What was read, and apart from it what allocation made of it. CROSS: the periods come first.
  std::set<int64_t> months;
  PURSER_RETURN_IF_ERROR(context_.connection.ForEach(
      "SELECT f.month, f.facts FROM cost_periods p CROSS JOIN cost_facts f "
      "WHERE p.billing_period >= $1 AND p.billing_period <= $2 AND f.source = p.source "
      "AND f.billing_period = p.billing_period",
      {DayText(from), DayText(to)}, [&](const store::Row& row) {
        months.insert(row.Int(0));
        return DecodeFacts(row.Text(1), [&](const Fact& fact) {
          if (ReconciledInvoice* invoice = row_of(fact)) add(invoice->billed, fact.sums.billed);
        });
      }));
  for (const int64_t month : months) {
    PURSER_RETURN_IF_ERROR(context_.connection.ForEach(
        "SELECT m.node, m.facts FROM cost_node_months m JOIN cost_nodes n ON n.id = m.node "
        "WHERE m.month = $1 AND n.kind = $2",
        {month, static_cast<int64_t>(NodeKind::kEntity)}, [&](const store::Row& row) {
          const std::string& name = context_.numbers.nodes[static_cast<uint32_t>(row.Int(0))].name;
          const bool shared =
              absl::StartsWith(name, kSharedPrefix) || absl::StartsWith(name, kIdlePrefix);
          return DecodeFacts(row.Text(1), [&](const Fact& fact) {
            ReconciledInvoice* invoice = row_of(fact);
            if (invoice == nullptr) return;
            add(name == kUnallocated ? invoice->unallocated
                : shared             ? invoice->shared
                                     : invoice->entities,
                fact.sums.billed);
          });
        }));
  }
  std::vector<ReconciledInvoice> result;
  for (auto& [key, invoice] : invoices) {
    std::tie(invoice.source, invoice.billing_period, invoice.invoice, invoice.currency) = key;
    PURSER_RETURN_IF_ERROR(Balance(invoice));
    result.push_back(std::move(invoice));
  }
  if (!fits) return absl::OutOfRangeError("a sum of an invoice does not fit");
  return result;
}

absl::StatusOr<std::vector<AllocatedPart>> EmbeddedReader::ExplainEntity(const std::string& entity,
                                                                         int64_t month) const {
  std::map<std::pair<std::string, std::string>, PartSums> parts;  // by rule and currency
  absl::Status status;
  PURSER_RETURN_IF_ERROR(context_.connection.ForEach(
      "SELECT s.decisions, s.resource_id, f.facts FROM cost_facts f "
      "JOIN cost_subjects s ON s.id = f.subject WHERE f.month = $1",
      {month}, [&](const store::Row& row) -> absl::Status {
        if (!absl::StrContains(row.Text(0), entity)) return absl::OkStatus();
        PURSER_ASSIGN_OR_RETURN(const Decisions decisions, Decisions::Parse(row.Text(0)));
        PURSER_RETURN_IF_ERROR(DecodeFacts(row.Text(2), [&](const Fact& fact) {
          const Decision& decision = decisions.Of(fact.item);
          if (decision.entity_ref != entity || !status.ok()) return;
          PartSums& sum = parts[{decision.rule, context_.numbers.items[fact.item].currency}];
          status = sum.sums.Add(fact.sums);
          base::Decimal& subject = sum.resources[row.Text(1)];
          base::Decimal::Add(subject, fact.sums.billed, &subject);
        }));
        return status;
      }));
  const std::optional<uint32_t> node = context_.numbers.nodes.Find({NodeKind::kEntity, entity});
  if (node.has_value()) {
    PURSER_RETURN_IF_ERROR(context_.connection.ForEach(
        "SELECT facts FROM cost_node_months WHERE node = $1 AND month = $2",
        {static_cast<int64_t>(*node), month}, [&](const store::Row& row) -> absl::Status {
          PURSER_RETURN_IF_ERROR(DecodeFacts(row.Text(0), [&](const Fact& fact) {
            const ChargeItem& item = context_.numbers.items[fact.item];
            if (item.pool.empty() || !status.ok()) return;
            status =
                parts[{absl::StrCat("share of ", item.pool), item.currency}].sums.Add(fact.sums);
          }));
          return status;
        }));
  }
  return ToParts(parts);
}

}  // namespace purser::costs
