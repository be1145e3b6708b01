// A generic call of an HTTP interface, with a readiness poll.
//
//   - id: database
//     uses: http/request
//     with:
//       url: https://dbaas.example.com/v1/databases
//       json: {name: "${{ parameters.name }}", size: 10}
//       resource: {type: database, idFrom: /body/id}
//       ready: {urlFrom: /headers/location, pointer: /body/state, equals: ACTIVE}
//       undo: {urlFrom: /headers/location}
//
// Three operations differ by what a repeat does: `request` (class keyed: the effect key is sent as
// Idempotency-Key), `put` (declarative) and `call` (unsafe: at most once). URLs must lie below a
// configured endpoint; secrets travel as header values by reference and are cut out of everything
// that is kept or shown.
#ifndef PURSER_CONNECTORS_HTTP_HTTP_CONNECTOR_H_
#define PURSER_CONNECTORS_HTTP_HTTP_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/http/endpoints.h"
#include "connectors/input_check.h"

namespace purser::connectors {

inline constexpr size_t kMaxHttpOutputBytes = 256 << 10;  // of a step's outputs as JSON

// Thread-safe.
class HttpConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override;
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  absl::StatusOr<CallResult> Observe(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& previous, CallContext& context) override;

 private:
  struct Wish;    // a call to make
  struct Answer;  // what came back, without secrets

  HttpConnector(std::string name, const ConnectorDependencies& dependencies, Endpoints endpoints,
                const nlohmann::json& config);
  absl::StatusOr<Answer> Send(const Wish& wish, CallContext& context) const;
  absl::StatusOr<CallResult> Undo(const nlohmann::json& outputs, CallContext& context) const;

  const std::string name_;
  http::Transport& transport_;
  base::Clock& clock_;
  const Endpoints endpoints_;
  const InputCheck inputs_;
  const absl::Duration timeout_;
  const int64_t max_response_bytes_;
  const std::string idempotency_header_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_HTTP_HTTP_CONNECTOR_H_
