#include "costs/delivery_writer.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "costs/rollups.h"
#include "store/placeholders.h"

namespace purser::costs {

absl::Status DeliveryWriter::Write() {
  for (const ChargeItem& item : sums_.items()) {
    item_numbers_.push_back(numbers_.items.NumberOf(item));
  }
  for (const auto& [period, days] : sums_.periods()) {
    PURSER_ASSIGN_OR_RETURN(
        const store::Rows rows,
        connection_.Query("SELECT 1 FROM cost_periods WHERE source = $1 AND billing_period = $2",
                          {source_, DayText(period)}));
    if (!rows.empty()) known_periods_.insert(period);
  }
  PURSER_ASSIGN_OR_RETURN(next_id_, NextId(connection_, "cost_subjects"));
  PURSER_RETURN_IF_ERROR(sums_.ForEachSubject(
      [&](uint32_t number, const DeliveredSubject& subject) { return Add(number, subject); }));
  PURSER_RETURN_IF_ERROR(WritePending());
  PURSER_RETURN_IF_ERROR(RemoveOthers());
  for (const absl::CivilDay period : known_periods_) {
    PURSER_RETURN_IF_ERROR(connection_.ExecuteLater(
        "UPDATE cost_totals SET kept = 1 WHERE ingest = $1 AND billing_period = $2",
        {ingest_, DayText(period)}));
  }
  return absl::OkStatus();
}

absl::Status DeliveryWriter::Add(uint32_t number, const DeliveredSubject& subject) {
  Pending& pending = pending_.emplace_back();
  pending.key = SubjectKey(subject);
  pending.subject = {subject.resource_id, subject.sub_account, subject.tags, subject.columns, {}};
  std::vector<Fact> facts;
  std::set<uint32_t> delivered_items;
  for (const DeliveredMonth& month : subject.months) {
    facts = month.facts;
    // Neighbours are mostly of one item and one bill.
    uint32_t item = kMaxItems, invoice = UINT32_MAX, bill = 0;
    for (Fact& fact : facts) {
      if (fact.item != item) {
        delivered_items.insert(item = fact.item);
        pending.items.insert(item_numbers_[item]);
      }
      if (fact.bill != invoice) {
        bill = numbers_.bills.NumberOf({source_, month.billing_period, subject.sub_account,
                                        sums_.invoices()[invoice = fact.bill]});
      }
      fact.item = item_numbers_[item];
      fact.bill = bill;
    }
    PURSER_RETURN_IF_ERROR(Normalise(facts));
    pending.facts.emplace_back(Part(month.billing_period, month.month), EncodeFacts(facts));
  }
  PURSER_ASSIGN_OR_RETURN(const Decisions decisions, decisions_.Of(number, delivered_items));
  pending.decisions = decisions.Renumbered(item_numbers_);
  return pending_.size() < kWrittenTogether ? absl::OkStatus() : WritePending();
}

absl::Status DeliveryWriter::WritePending() {
  if (pending_.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const auto stored, FindPending());
  for (Pending& pending : pending_) {
    const auto found = stored.find(pending.key);
    PURSER_RETURN_IF_ERROR(WriteSubject(pending, found == stored.end() ? nullptr : &found->second));
  }
  PURSER_RETURN_IF_ERROR(WriteFacts());
  pending_.clear();
  return absl::OkStatus();
}

absl::StatusOr<absl::flat_hash_map<std::string, DeliveryWriter::Stored>>
DeliveryWriter::FindPending() {
  static const std::string& kFind = *new std::string(
      absl::StrCat("SELECT subject_key, id, items, decisions FROM cost_subjects WHERE source = $1 "
                   "AND subject_key IN (",
                   store::Placeholders(2, kWrittenTogether), ")"));
  std::vector<store::Value> values = {source_};
  for (const Pending& pending : pending_) values.emplace_back(pending.key);
  // Fewer than the statement has places for: one of them several times.
  values.resize(1 + kWrittenTogether, pending_.front().key);
  absl::flat_hash_map<std::string, Stored> stored;
  PURSER_RETURN_IF_ERROR(connection_.ForEach(kFind, values, [&](const store::Row& row) {
    stored.emplace(row.Text(0), Stored{row.Int(1), row.Text(2), row.Text(3)});
    return absl::OkStatus();
  }));
  return stored;
}

absl::Status DeliveryWriter::WriteSubject(Pending& pending, const Stored* before) {
  if (before == nullptr) {
    pending.id = next_id_++;
    pending.is_new = true;
    return connection_.ExecuteLater(
        "INSERT INTO cost_subjects (id, source, subject_key, resource_id, sub_account, tags, "
        "columns, items, decisions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        {pending.id, source_, pending.key, pending.subject.resource_id, pending.subject.sub_account,
         pending.subject.tags, pending.subject.columns, ItemsToText(pending.items),
         pending.decisions.ToText()});
  }
  // What other periods hold of the subject stays in force.
  pending.id = before->id;
  PURSER_ASSIGN_OR_RETURN(std::set<uint32_t> items, ItemsFromText(before->items));
  PURSER_ASSIGN_OR_RETURN(const Decisions decided, Decisions::Parse(before->decisions));
  Decisions known = decided;
  known.Update(pending.decisions);
  if (!known.SameEntities(decided, items)) moved_.push_back(before->id);
  items.insert(pending.items.begin(), pending.items.end());
  const std::string items_text = ItemsToText(items);
  const std::string decisions_text = known.ToText();
  if (items_text == before->items && decisions_text == before->decisions) return absl::OkStatus();
  return connection_.ExecuteLater(
      "UPDATE cost_subjects SET items = $2, decisions = $3 WHERE id = $1",
      {before->id, items_text, decisions_text});
}

absl::Status DeliveryWriter::WriteFacts() {
  static const std::string& kFind = *new std::string(absl::StrCat(
      "SELECT subject, facts FROM cost_facts WHERE source = $1 AND billing_period = $2 "
      "AND month = $3 AND subject IN (",
      store::Placeholders(4, kWrittenTogether), ")"));
  std::map<Part, std::vector<std::pair<const Pending*, const std::string*>>> parts;
  for (const Pending& pending : pending_) {
    for (const auto& [part, facts] : pending.facts) parts[part].emplace_back(&pending, &facts);
  }
  for (const auto& [part, rows] : parts) {
    std::vector<store::Value> values = {source_, DayText(part.first), part.second};
    // Nothing is stored of a new subject, nor of a period's first delivery.
    if (known_periods_.contains(part.first)) {
      for (const auto& [pending, facts] : rows) {
        if (!pending->is_new) values.emplace_back(pending->id);
      }
    }
    absl::flat_hash_map<int64_t, std::string> before;
    if (values.size() > 3) {
      values.resize(3 + kWrittenTogether, values.back());
      PURSER_RETURN_IF_ERROR(connection_.ForEach(kFind, values, [&](const store::Row& row) {
        before.emplace(row.Int(0), row.Text(1));
        return absl::OkStatus();
      }));
    }
    for (const auto& [pending, facts] : rows) {
      const auto found = before.find(pending->id);
      PURSER_RETURN_IF_ERROR(
          WriteRow(part, pending->id, found == before.end() ? nullptr : &found->second, *facts));
    }
  }
  return absl::OkStatus();
}

absl::Status DeliveryWriter::WriteRow(const Part& part, int64_t subject, const std::string* before,
                                      const std::string& facts) {
  if (known_periods_.contains(part.first)) {
    std::vector<bool>& named = named_[part];
    if (named.size() <= static_cast<size_t>(subject)) {
      named.resize(static_cast<size_t>(std::max(subject + 1, next_id_)));
    }
    named[static_cast<size_t>(subject)] = true;
  }
  if (before == nullptr) {
    PURSER_RETURN_IF_ERROR(Remember(part, subject, ""));
    return connection_.ExecuteLater(
        "INSERT INTO cost_facts (source, billing_period, month, subject, facts) "
        "VALUES ($1, $2, $3, $4, $5)",
        {source_, DayText(part.first), part.second, subject, store::Blob{facts}});
  }
  if (*before == facts) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(Remember(part, subject, *before));
  return connection_.ExecuteLater(
      "UPDATE cost_facts SET facts = $5 WHERE source = $1 AND billing_period = $2 "
      "AND month = $3 AND subject = $4",
      {source_, DayText(part.first), part.second, subject, store::Blob{facts}});
}

absl::Status DeliveryWriter::RemoveOthers() {
  for (const absl::CivilDay period : known_periods_) {
    // Kept until the statement that reads them ended.
    std::vector<std::pair<int64_t, int64_t>> others;
    PURSER_RETURN_IF_ERROR(connection_.ForEach(
        "SELECT month, subject FROM cost_facts WHERE source = $1 AND billing_period = $2",
        {source_, DayText(period)}, [&](const store::Row& row) {
          const auto named = named_.find({period, row.Int(0)});
          const auto subject = static_cast<size_t>(row.Int(1));
          if (named == named_.end() || subject >= named->second.size() || !named->second[subject]) {
            others.emplace_back(row.Int(0), row.Int(1));
          }
          return absl::OkStatus();
        }));
    for (const auto& [month, subject] : others) {
      removed_ = true;
      const std::vector<store::Value> row = {source_, DayText(period), month, subject};
      PURSER_ASSIGN_OR_RETURN(
          store::Rows rows,
          connection_.Query(
              "SELECT facts FROM cost_facts WHERE source = $1 AND billing_period = $2 "
              "AND month = $3 AND subject = $4",
              row));
      if (rows.empty()) return absl::InternalError("facts went away while they were read");
      PURSER_RETURN_IF_ERROR(Remember({period, month}, subject, rows[0].Text(0)));
      PURSER_RETURN_IF_ERROR(connection_.ExecuteLater(
          "DELETE FROM cost_facts WHERE source = $1 AND billing_period = $2 AND month = $3 "
          "AND subject = $4",
          row));
    }
  }
  return absl::OkStatus();
}

absl::Status DeliveryWriter::Remember(const Part& part, int64_t subject, std::string facts) {
  months_.insert(part.second);
  if (!known_periods_.contains(part.first)) return absl::OkStatus();
  return connection_.ExecuteLater(
      "INSERT INTO cost_replaced_facts (ingest, billing_period, month, subject, facts) "
      "VALUES ($1, $2, $3, $4, $5)",
      {ingest_, DayText(part.first), part.second, subject, store::Blob{std::move(facts)}});
}

}  // namespace purser::costs
