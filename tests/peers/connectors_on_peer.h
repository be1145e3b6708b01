// Connectors of a real API server: the fixture of their tests, which play the controllers.
#ifndef PURSER_TESTS_PEERS_CONNECTORS_ON_PEER_H_
#define PURSER_TESTS_PEERS_CONNECTORS_ON_PEER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/rng.h"
#include "connectors/fake_call_context.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "gtest/gtest.h"
#include "http/transport.h"
#include "json/json.h"
#include "tests/peers/kubernetes_peer.h"

namespace purser::peers {

// A fixture that has more to set up does it after SetUp() of this one, if ready().
class ConnectorsOnPeer : public OnKubernetesPeer {
 protected:
  void SetUp() override {
    OnKubernetesPeer::SetUp();
    if (IsSkipped()) return;
    transport_ = KubernetesPeer::Transport();
    ASSERT_NE(transport_, nullptr);
    kubernetes_ = Make<connectors::KubernetesConnector>(
        {{"clusters", {{"local", {{"kubeconfig", peer_->kubeconfig()}}}}}});
    ASSERT_NE(kubernetes_, nullptr);
  }
  bool ready() const { return kubernetes_ != nullptr; }

  // Typed ones stand on kubernetes_.
  template <typename Type>
  std::unique_ptr<connectors::Connector> Make(
      const nlohmann::json& config = nlohmann::json::object()) {
    auto connector = Type::FromConfig(
        "connector", config,
        {*transport_, base::Clock::System(), base::Rng::System(), {}, [this](absl::string_view) {
           return kubernetes_.get();
         }});
    EXPECT_TRUE(connector.ok()) << connector.status();
    return connector.ok() ? *std::move(connector) : nullptr;
  }

  // Observes what a call gave until it is ready or an error, at most a minute.
  absl::StatusOr<connectors::CallResult> UntilReady(connectors::Connector& connector,
                                                    const char* operation,
                                                    const nlohmann::json& input,
                                                    absl::StatusOr<connectors::CallResult> result) {
    for (int i = 0; i < 600 && result.ok() && !result->ready; ++i) {
      absl::SleepFor(absl::Milliseconds(100));
      result = connector.Observe(operation, input, *result, context_);
    }
    return result;
  }
  absl::StatusOr<connectors::CallResult> Run(connectors::Connector& connector,
                                             const char* operation, const nlohmann::json& input) {
    return UntilReady(connector, operation, input, connector.Call(operation, input, context_));
  }

  connectors::FakeCallContext context_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<connectors::Connector> kubernetes_;
};

}  // namespace purser::peers

#endif  // PURSER_TESTS_PEERS_CONNECTORS_ON_PEER_H_
