// An outside world that remembers: a connector whose effects are lines of an append-only file, so
// that they survive the death of the process that caused them and can be counted afterwards.
#ifndef PURSER_TESTS_FAULTS_LEDGER_CONNECTOR_H_
#define PURSER_TESTS_FAULTS_LEDGER_CONNECTOR_H_

#include <string>
#include <vector>

#include "connectors/connector.h"

namespace purser::faults {

// Operations, each undone by "undo" unless said otherwise:
//   put     repeats are harmless by nature: every call is one line
//   keyed   the peer refuses a second line with the same effect key
//   probe   every call is one line; only Probe can tell that it happened
//   slow    as keyed, ready at the second look
//   unsafe  every call is one line; no undo
//   blind   claims to be put but is not: the control that shows a repeat is seen
//   fail    refuses; no undo
// A line is "<operation> <effect key>\n".
class LedgerConnector final : public connectors::Connector {
 public:
  explicit LedgerConnector(std::string file);

  const std::string& name() const override { return name_; }
  const std::vector<connectors::Operation>& operations() const override { return operations_; }
  absl::StatusOr<connectors::CallResult> Call(absl::string_view operation,
                                              const nlohmann::json& input,
                                              connectors::CallContext& context) override;
  absl::StatusOr<std::optional<connectors::CallResult>> Probe(
      absl::string_view operation, const nlohmann::json& input,
      connectors::CallContext& context) override;
  absl::StatusOr<connectors::CallResult> Observe(absl::string_view operation,
                                                 const nlohmann::json& input,
                                                 const connectors::CallResult& previous,
                                                 connectors::CallContext& context) override;

 private:
  absl::Status Append(absl::string_view line, bool unless_there);

  const std::string name_ = "ledger";
  const std::string file_;
  std::vector<connectors::Operation> operations_;
};

// All lines of a ledger; none when the file is not there yet.
std::vector<std::string> ReadLedger(const std::string& file);

}  // namespace purser::faults

#endif  // PURSER_TESTS_FAULTS_LEDGER_CONNECTOR_H_
