// Charges and what allocation makes of them in the store itself.
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "costs/embedded_reader.h"
#include "costs/engine.h"
#include "costs/history.h"
#include "costs/numbers.h"
#include "costs/readers/tags.h"
#include "costs/rollups.h"
#include "costs/state.h"

namespace purser::costs {
namespace {

// Subjects held at once while all are decided of anew.
constexpr size_t kDecidedTogether = 10'000;

class EmbeddedEngine final : public Engine {
 public:
  explicit EmbeddedEngine(const Options& options) : options_(options) {}

  absl::string_view name() const override { return "embedded"; }
  absl::Status Read(const EntityGraph& graph,
                    const std::function<absl::Status(const CostReader&)>& work) override {
    return options_.database->Read([&](store::Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const Numbers> numbers, NumbersIn(connection));
      return work(EmbeddedReader({connection, *numbers, graph, options_.rates.get()}));
    });
  }
  absl::Status Store(const EntityGraph& graph, const ReadDelivery& read) override;
  absl::StatusOr<int64_t> Reallocate(const EntityGraph& graph) override;
  absl::Status AllocateMonths(const EntityGraph& graph) override;

 private:
  // At least what the snapshot refers to.
  absl::StatusOr<std::shared_ptr<const Numbers>> NumbersIn(store::Connection& connection);
  // A copy to add to inside a transaction.
  absl::StatusOr<Numbers> OwnNumbers(store::Connection& connection);
  // Decides of these subjects and stores what is another; how many go elsewhere.
  absl::StatusOr<int64_t> DecideAnew(const std::vector<KnownSubject>& subjects,
                                     const Numbers& numbers);
  // Forgets what Options::keep_months says, as far as the source named its subjects.
  absl::Status ForgetOldMonths(store::Connection& connection, const std::string& source) const;

  const Options& options_;
  base::Mutex mutex_;
  std::shared_ptr<const Numbers> numbers_ ABSL_GUARDED_BY(mutex_) = std::make_shared<Numbers>();
  int64_t numbers_version_ ABSL_GUARDED_BY(mutex_) = -1;  // the data's when they were read
};

absl::StatusOr<std::shared_ptr<const Numbers>> EmbeddedEngine::NumbersIn(
    store::Connection& connection) {
  PURSER_ASSIGN_OR_RETURN(const int64_t version, costs::DataVersion(connection));
  std::shared_ptr<const Numbers> known;
  {
    base::MutexLock lock(mutex_);
    // Numbers are only added: newer ones serve older snapshots.
    if (numbers_version_ >= version) return numbers_;
    known = numbers_;
  }
  auto fresh = std::make_shared<Numbers>(*known);
  PURSER_RETURN_IF_ERROR(fresh->Refresh(connection));
  base::MutexLock lock(mutex_);
  if (numbers_version_ < version) {
    numbers_ = fresh;
    numbers_version_ = version;
  }
  return std::shared_ptr<const Numbers>(fresh);
}

absl::StatusOr<Numbers> EmbeddedEngine::OwnNumbers(store::Connection& connection) {
  std::shared_ptr<const Numbers> known;
  {
    base::MutexLock lock(mutex_);
    known = numbers_;
  }
  Numbers own = *known;
  PURSER_RETURN_IF_ERROR(own.Refresh(connection));
  return own;
}

absl::Status EmbeddedEngine::Store(const EntityGraph& graph, const ReadDelivery& read) {
  const std::string& source = read.request.source;
  return options_.database->Transact([&](store::Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(Numbers numbers, OwnNumbers(connection));
    PURSER_ASSIGN_OR_RETURN(
        const std::set<int64_t> months,
        StoreDelivery(connection, read.request, read.report, read.sums, read.decisions,
                      options_.keep_deliveries, numbers, options_.clock->Now()));
    PURSER_ASSIGN_OR_RETURN(const std::string fingerprint,
                            AllocationFingerprint(connection, *options_.allocation, graph));
    for (const int64_t month : months) {
      PURSER_RETURN_IF_ERROR(
          AllocateMonth(connection, *options_.allocation, graph, month, numbers));
      PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, fingerprint));
    }
    PURSER_RETURN_IF_ERROR(ForgetOldMonths(connection, source));
    return BumpDataVersion(connection);
  });
}

absl::Status EmbeddedEngine::ForgetOldMonths(store::Connection& connection,
                                             const std::string& source) const {
  if (options_.keep_months == 0) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                          connection.Query("SELECT max(month) FROM cost_facts WHERE month <= $1",
                                           {MonthOf(Today(options_))}));
  if (rows[0].IsNull(0)) return absl::OkStatus();
  const absl::CivilMonth newest(FirstDay(rows[0].Int(0)));
  const absl::CivilDay first(newest - (options_.keep_months - 1));
  PURSER_ASSIGN_OR_RETURN(const int64_t gone, ForgetMonths(connection, MonthOf(first)));
  return gone == 0 ? absl::OkStatus() : ForgetSubjects(connection, source);
}

absl::StatusOr<int64_t> EmbeddedEngine::Reallocate(const EntityGraph& graph) {
  int64_t moved = 0, last = 0;
  // Some at a time: as long as not all are decided of, the store has the rules before, and a stop
  // in between is taken up at the start.
  while (true) {
    std::vector<KnownSubject> subjects;
    std::shared_ptr<const Numbers> numbers;
    PURSER_RETURN_IF_ERROR(
        options_.database->Read([&](store::Connection& connection) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(numbers, NumbersIn(connection));
          PURSER_ASSIGN_OR_RETURN(subjects, SubjectsAfter(connection, last, kDecidedTogether));
          return absl::OkStatus();
        }));
    if (subjects.empty()) break;
    last = subjects.back().id;
    PURSER_ASSIGN_OR_RETURN(const int64_t moved_now, DecideAnew(subjects, *numbers));
    moved += moved_now;
  }
  PURSER_RETURN_IF_ERROR(options_.database->Transact([&](store::Connection& connection) {
    return SetState(connection, "allocation", options_.allocation->fingerprint());
  }));
  PURSER_RETURN_IF_ERROR(AllocateMonths(graph));
  return moved;
}

absl::StatusOr<int64_t> EmbeddedEngine::DecideAnew(const std::vector<KnownSubject>& subjects,
                                                   const Numbers& numbers) {
  std::vector<std::pair<int64_t, std::string>> changed;
  std::vector<int64_t> moved;
  for (const KnownSubject& subject : subjects) {
    PURSER_ASSIGN_OR_RETURN(const Tags tags, ParseTags(subject.tags));
    PURSER_ASSIGN_OR_RETURN(const Tags columns, ParseTags(subject.columns));
    PURSER_ASSIGN_OR_RETURN(
        const Decisions decisions,
        Decisions::Make(*options_.allocation, *options_.resources,
                        {subject.resource_id, subject.sub_account, &tags, &columns}, subject.items,
                        numbers.items));
    std::string text = decisions.ToText();
    if (text == subject.decisions) continue;
    PURSER_ASSIGN_OR_RETURN(const Decisions before, Decisions::Parse(subject.decisions));
    if (!decisions.SameEntities(before, subject.items)) moved.push_back(subject.id);
    changed.emplace_back(subject.id, std::move(text));
  }
  if (changed.empty()) return 0;
  PURSER_RETURN_IF_ERROR(
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        PURSER_RETURN_IF_ERROR(StoreDecisions(connection, changed));
        PURSER_ASSIGN_OR_RETURN(const std::set<int64_t> months, MonthsOf(connection, moved));
        for (const int64_t month : months) {
          PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, ""));
        }
        // Which rule it was is an answer, too.
        return BumpDataVersion(connection);
      }));
  return static_cast<int64_t>(moved.size());
}

absl::Status EmbeddedEngine::AllocateMonths(const EntityGraph& graph) {
  std::string fingerprint;
  std::vector<int64_t> months;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(fingerprint,
                                AllocationFingerprint(connection, *options_.allocation, graph));
        PURSER_ASSIGN_OR_RETURN(const auto known, MonthFingerprints(connection));
        for (const auto& [month, by] : known) {
          if (by != fingerprint) months.push_back(month);
        }
        return absl::OkStatus();
      }));
  // Month by month: other writers have their turn, and a stop in between is taken up at the start.
  for (const int64_t month : months) {
    PURSER_RETURN_IF_ERROR(
        options_.database->Transact([&](store::Connection& connection) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(Numbers numbers, OwnNumbers(connection));
          PURSER_RETURN_IF_ERROR(
              AllocateMonth(connection, *options_.allocation, graph, month, numbers));
          PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, fingerprint));
          return BumpDataVersion(connection);
        }));
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Engine> MakeEmbeddedEngine(const Options& options) {
  return std::make_unique<EmbeddedEngine>(options);
}

}  // namespace purser::costs
