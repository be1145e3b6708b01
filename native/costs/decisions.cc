#include "costs/decisions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::costs {
namespace {

constexpr char kField = '\x1f';
constexpr char kRecord = '\x1e';
constexpr char kAlike = '=';  // before what all of a subject's items have

}  // namespace

absl::StatusOr<Decisions> Decisions::Make(const Allocation& allocation, ResourceIndex& resources,
                                          Subject subject, const std::set<uint32_t>& items,
                                          const Numbering<ChargeItem>& numbers) {
  Decisions decisions;
  if (!allocation.by_item()) {
    PURSER_ASSIGN_OR_RETURN(decisions.all_, allocation.Decide(subject, resources));
    return decisions;
  }
  for (const uint32_t item : items) {
    subject.item = &numbers[item];
    PURSER_ASSIGN_OR_RETURN(decisions.by_item_[item], allocation.Decide(subject, resources));
  }
  return decisions;
}

absl::StatusOr<Decisions> Decisions::Parse(absl::string_view text) {
  Decisions decisions;
  for (const absl::string_view record : absl::StrSplit(text, kRecord, absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(record, kField);
    uint32_t item = 0;
    if (fields.size() != 3 || (fields[0] != "*" && !absl::SimpleAtoi(fields[0], &item))) {
      return absl::DataLossError("stored decisions are damaged: allocate anew");
    }
    Decision& decision = fields[0] == "*" ? decisions.all_ : decisions.by_item_[item];
    decision = {fields[1], fields[2]};
  }
  return decisions;
}

std::string Decisions::ToText() const {
  const auto record = [](absl::string_view item, const Decision& decision) {
    return absl::StrCat(item, absl::string_view(&kField, 1), decision.entity_ref,
                        absl::string_view(&kField, 1), decision.rule);
  };
  if (by_item_.empty()) return record("*", all_);
  std::vector<std::string> records;
  for (const auto& [item, decision] : by_item_) {
    records.push_back(record(absl::StrCat(item), decision));
  }
  return absl::StrJoin(records, absl::string_view(&kRecord, 1));
}

Decisions Decisions::Renumbered(const std::vector<uint32_t>& numbers) const {
  Decisions renumbered;
  renumbered.all_ = all_;
  for (const auto& [item, decision] : by_item_) renumbered.by_item_[numbers[item]] = decision;
  return renumbered;
}

void Decisions::Update(const Decisions& newer) {
  if (newer.by_item_.empty()) {
    *this = newer;
    return;
  }
  all_ = Decision();
  for (const auto& [item, decision] : newer.by_item_) by_item_[item] = decision;
}

bool Decisions::SameEntities(const Decisions& other, const std::set<uint32_t>& items) const {
  return std::all_of(items.begin(), items.end(), [&](uint32_t item) {
    return Of(item).entity_ref == other.Of(item).entity_ref;
  });
}

absl::Status DecidedSubjects::Add(const Decisions& decisions) {
  // All items in one place, whichever they are, is the same as elsewhere.
  const auto& by_item = decisions.by_item_;
  const bool is_alike =
      !by_item.empty() && std::all_of(by_item.begin(), by_item.end(), [&](const auto& one) {
        return one.second == by_item.begin()->second;
      });
  Decisions alike;
  if (is_alike) alike.all_ = by_item.begin()->second;
  std::string text =
      is_alike ? absl::StrCat(absl::string_view(&kAlike, 1), alike.ToText()) : decisions.ToText();
  auto known = numbers_.find(text);
  if (known == numbers_.end()) {
    if (distinct_.size() == kMaxDecisions) {
      const Decision& last = by_item.empty() ? decisions.all_ : by_item.begin()->second;
      return absl::ResourceExhaustedError(absl::StrCat(
          "the charges go to more than ", kMaxDecisions, " different places (kMaxDecisions), like ",
          last.entity_ref, ": does the rule \"", base::EscapeForDisplay(last.rule, 80),
          "\" make an entity of what every charge has of its own?"));
    }
    const auto number = static_cast<uint32_t>(distinct_.size());
    known = numbers_.emplace(distinct_.emplace_back(std::move(text)), number).first;
  }
  of_subject_.push_back(known->second);
  return absl::OkStatus();
}

absl::StatusOr<Decisions> DecidedSubjects::Of(uint32_t subject,
                                              const std::set<uint32_t>& items) const {
  const absl::string_view text = distinct_[of_subject_[subject]];
  if (text[0] != kAlike) return Decisions::Parse(text);
  PURSER_ASSIGN_OR_RETURN(const Decisions alike, Decisions::Parse(text.substr(1)));
  Decisions decisions;
  for (const uint32_t item : items) decisions.by_item_[item] = alike.all_;
  return decisions;
}

const Decision& Decisions::Of(uint32_t item) const {
  static const Decision* const nobody = new Decision{kUnallocated, ""};
  const auto found = by_item_.find(item);
  if (found != by_item_.end()) return found->second;
  return all_.entity_ref.empty() ? *nobody : all_;
}

}  // namespace purser::costs
