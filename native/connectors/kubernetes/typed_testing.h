// For tests of the typed connectors: one above a cluster in memory, made from a config.
#ifndef PURSER_CONNECTORS_KUBERNETES_TYPED_TESTING_H_
#define PURSER_CONNECTORS_KUBERNETES_TYPED_TESTING_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/rng.h"
#include "connectors/fake_call_context.h"
#include "connectors/kubernetes/fake_kubernetes_client.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::connectors {

// `Type` offers FromConfig.
template <typename Type>
class TypedConnectorTest : public ::testing::Test {
 protected:
  explicit TypedConnectorTest(const char* name) {
    auto client = std::make_unique<FakeKubernetesClient>();
    cluster_ = client.get();
    std::map<std::string, Cluster> clusters;
    clusters["main"] = {std::move(client), "default", {}, true};
    kubernetes_ = std::make_unique<KubernetesConnector>("kubernetes", std::move(clusters), "main",
                                                        "purser", clock_);
    auto connector = Type::FromConfig(name, nlohmann::json::object(), Dependencies());
    EXPECT_TRUE(connector.ok()) << connector.status();
    if (connector.ok()) connector_ = *std::move(connector);
  }

  ConnectorDependencies Dependencies() {
    return {transport_, clock_, rng_, {}, [this](absl::string_view name) -> Connector* {
              return name == "kubernetes" ? kubernetes_.get() : nullptr;
            }};
  }
  absl::StatusOr<CallResult> Call(const char* operation, absl::string_view input) {
    input_ = *json::Parse(input);
    operation_ = operation;
    return connector_->Call(operation, input_, context_);
  }
  // Of the last call.
  absl::StatusOr<CallResult> Observe(const CallResult& previous) {
    return connector_->Observe(operation_, input_, previous, context_);
  }
  // A definition whose schema is given as JSON.
  void Define(const char* group, const char* version, const char* kind, const char* spec_schema,
              bool namespaced = true) {
    cluster_->AddDefinition(
        {{"kind", "CustomResourceDefinition"},
         {"spec",
          {{"group", group},
           {"scope", namespaced ? "Namespaced" : "Cluster"},
           {"names", {{"kind", kind}}},
           {"versions", nlohmann::json::array(
                            {{{"name", version},
                              {"served", true},
                              {"schema",
                               {{"openAPIV3Schema",
                                 {{"type", "object"},
                                  {"properties", {{"spec", *json::Parse(spec_schema)}}}}}}}}})}}}});
  }
  nlohmann::json Get(const char* version, const char* kind, const char* namespace_name,
                     const char* name) {
    const auto object = cluster_->Get({version, kind, namespace_name, name}, {});
    EXPECT_TRUE(object.ok()) << object.status();
    return object.ok() ? *object : nlohmann::json();
  }

  base::FakeClock clock_;
  base::SeededRng rng_{1};
  http::FakeTransport transport_;
  FakeCallContext context_;
  FakeKubernetesClient* cluster_;
  std::unique_ptr<KubernetesConnector> kubernetes_;
  std::unique_ptr<Connector> connector_;

 private:
  std::string operation_;
  nlohmann::json input_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_TYPED_TESTING_H_
