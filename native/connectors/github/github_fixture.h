// A connector to a GitHub of our own, as it is configured for an organisation with a token.
#ifndef PURSER_CONNECTORS_GITHUB_GITHUB_FIXTURE_H_
#define PURSER_CONNECTORS_GITHUB_GITHUB_FIXTURE_H_

#include <memory>
#include <utility>

#include "base/rng.h"
#include "connectors/fake_call_context.h"
#include "connectors/github/fake_github.h"
#include "connectors/github/github_connector.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "json/json.h"

namespace purser::connectors {

class GithubFixture : public ::testing::Test {
 protected:
  GithubFixture() {
    context_.secrets["env:T"] = "t0ken";
    const ConnectorDependencies dependencies{*transport_, clock_, rng_, {}};
    auto connector = GithubConnector::FromConfig(
        "github",
        {{"api", peer_.url()}, {"credential", {{"token", "env:T"}}}, {"repositories", {"org/*"}}},
        dependencies);
    EXPECT_TRUE(connector.ok()) << connector.status();
    connector_ = *std::move(connector);
  }
  absl::StatusOr<CallResult> Call(const char* operation, const nlohmann::json& input) {
    return connector_->Call(operation, input, context_);
  }

  FakeGithub peer_;
  std::unique_ptr<http::Transport> transport_ =
      *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
  base::FakeClock clock_;
  base::SeededRng rng_{1};
  FakeCallContext context_;
  std::unique_ptr<Connector> connector_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GITHUB_GITHUB_FIXTURE_H_
