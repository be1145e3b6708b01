#include "addon/provider_host.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "addon/fake_caller.h"
#include "base/temporary_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::addon {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json Component(const std::string& name, const std::string& title = "") {
  json entity = {
      {"apiVersion", "backstage.io/v1alpha1"},
      {"kind", "Component"},
      {"metadata", {{"name", name}}},
      {"spec", {{"type", "service"}, {"lifecycle", "production"}, {"owner", "group:default/a"}}}};
  if (!title.empty()) entity["metadata"]["title"] = title;
  return entity;
}

class ListProvider final : public provider::Provider {
 public:
  ListProvider() {
    description_.id = "list";
    description_.description = "A list.";
    description_.host = action::Host::kPortal;
    description_.config_schema =
        json::parse(R"({"type":"object","properties":{"x":{"type":"integer"}}})");
  }
  const provider::Description& description() const override { return description_; }
  absl::Status Snapshot(provider::Context& context) override {
    for (const json& entity : entities) {
      if (absl::Status status = context.Emit(entity); !status.ok()) {
        context.Log(action::LogLevel::kWarning, status.message());
      }
    }
    context.AddDropped(unreadable);
    if (also) {
      if (absl::Status status = also(context); !status.ok()) return status;
    }
    for (const std::string& location : kept)
      context.KeepPartition(location, absl::UnavailableError("cannot be read"));
    return end;
  }
  std::vector<json> entities;
  int64_t unreadable = 0;
  std::vector<std::string> kept;
  absl::Status end;
  std::function<absl::Status(provider::Context&)> also;

 private:
  provider::Description description_;
};

class ProviderHostTest : public testing::Test {
 protected:
  ProviderHostTest() {
    auto registry = std::make_unique<provider::Registry>();
    auto provider = std::make_unique<ListProvider>();
    provider_ = provider.get();
    EXPECT_TRUE(registry->Add(std::move(provider)).ok());
    host_ = std::make_unique<ProviderHost>(std::move(registry), clock_);
  }

  std::string state_path() const { return folder_ + "/list.state"; }
  absl::StatusOr<json> Refresh(json more = json::object()) {
    json request = {{"config", json::object()}, {"instance", "one"}, {"statePath", state_path()}};
    request.update(more);
    caller_.chunks.clear();
    absl::StatusOr<std::string> summary = host_->Refresh("list", request.dump(), caller_);
    if (!summary.ok()) return summary.status();
    return json::parse(*summary);
  }
  void Fill(int from, int to) {
    provider_->entities.clear();
    for (int i = from; i < to; ++i) provider_->entities.push_back(Component(absl::StrCat("c-", i)));
  }

  base::FakeClock clock_;
  const std::unique_ptr<base::TemporaryFolder> temporary_ =
      *base::TemporaryFolder::Create("a test");
  const std::string folder_ = temporary_->path();
  ListProvider* provider_;
  std::unique_ptr<ProviderHost> host_;
  FakeCaller caller_;
};

TEST_F(ProviderHostTest, SendsEverythingOnceThenOnlyChanges) {
  constexpr int kAll = 2 * catalog::kMaxDeltaEntities + 100;
  Fill(0, kAll);
  auto summary = Refresh();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["added"], kAll);
  EXPECT_EQ((*summary)["chunks"], 3);
  EXPECT_EQ((*summary)["full"], true);
  ASSERT_EQ(caller_.chunks.size(), 3U);
  EXPECT_EQ(json::parse(caller_.chunks[0].first).size(),
            static_cast<size_t>(catalog::kMaxDeltaEntities));

  summary = Refresh();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["added"], 0);
  EXPECT_EQ((*summary)["full"], false);
  EXPECT_TRUE(caller_.chunks.empty());

  Fill(1, kAll + 1);
  provider_->entities[5] = Component("c-6", "renamed");
  summary = Refresh();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["added"], 1);
  EXPECT_EQ((*summary)["changed"], 1);
  EXPECT_EQ((*summary)["removed"], 1);
  ASSERT_EQ(caller_.chunks.size(), 1U);
  EXPECT_EQ(caller_.chunks[0].second, R"(["component:default/c-0"])");
}

TEST_F(ProviderHostTest, AFailedSourceChangesNothing) {
  Fill(0, 30);
  ASSERT_TRUE(Refresh().ok());
  Fill(0, 3);
  provider_->end = absl::UnavailableError("half of the folder could not be read");
  EXPECT_EQ(Refresh().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(caller_.chunks.empty());
  provider_->end = absl::OkStatus();
  Fill(0, 30);
  const auto summary = Refresh();
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["chunks"], 0);
}

TEST_F(ProviderHostTest, ALargeDropIsHeldUntilAllowed) {
  Fill(0, 100);
  ASSERT_TRUE(Refresh().ok());
  Fill(0, 50);
  auto summary = Refresh();
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["heldRemovals"], 50);
  EXPECT_EQ((*summary)["heldRefs"].size(), 50U);
  EXPECT_EQ((*summary)["removed"], 0);
  EXPECT_THAT(caller_.Logged(), HasSubstr("50 of 100 entities have gone"));
  Fill(0, 0);
  summary = Refresh({{"options", {{"guard", {{"maxRemovedFraction", 1.0}}}}}});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["removed"], 0) << "an empty source never removes by itself";
  summary =
      Refresh({{"options", {{"guard", {{"maxRemovedFraction", 1.0}, {"allowEmpty", true}}}}}});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["removed"], 100);
}

TEST_F(ProviderHostTest, WhatWasTakenStaysTakenWhenALaterChunkIsRefused) {
  Fill(0, 2 * catalog::kMaxDeltaEntities + 100);
  int calls = 0;
  caller_.on_chunk = [&](const std::string&, const std::string&) {
    return ++calls == 2 ? absl::AbortedError("the catalog is busy") : absl::OkStatus();
  };
  EXPECT_EQ(Refresh().status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(calls, 3) << "the third was under way by then, and taken";
  caller_.on_chunk = nullptr;
  const auto summary = Refresh();
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["changed"], catalog::kMaxDeltaEntities) << "not confirmed, so sent again";
  EXPECT_EQ((*summary)["added"], 0);
}

TEST_F(ProviderHostTest, AnEntityOfALostChunkIsStillRemovedWhenItsSourceGoes) {
  Fill(0, 5);
  caller_.on_chunk = [](const std::string&, const std::string&) {
    return absl::AbortedError("taken, but the answer was lost");
  };
  EXPECT_FALSE(Refresh().ok());
  caller_.on_chunk = nullptr;
  Fill(0, 4);
  const auto summary = Refresh();
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["removed"], 1);
  EXPECT_EQ(caller_.chunks[0].second, R"(["component:default/c-4"])");
}

TEST_F(ProviderHostTest, AWipedCatalogAndATornStateAreSentEverything) {
  Fill(0, 10);
  ASSERT_TRUE(Refresh().ok());
  auto summary = Refresh({{"forceFull", true}});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["added"], 10);
  std::ofstream(state_path()) << "purser-provider-state 1\n";
  summary = Refresh();
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["added"], 10);
  EXPECT_EQ((*summary)["full"], true);
  EXPECT_THAT(caller_.Logged(), HasSubstr("cannot be used"));
}

TEST_F(ProviderHostTest, EntitiesOfALocationThatCannotBeReadNowStay) {
  const auto at = [](const std::string& name, const std::string& location) {
    json entity = Component(name);
    entity["metadata"]["annotations"] = {{"backstage.io/managed-by-location", location}};
    return entity;
  };
  provider_->entities = {at("a1", "file:/a"), at("a2", "file:/a"), at("b", "file:/b")};
  ASSERT_TRUE(Refresh().ok());
  // /a holds a1 only now, and a text nobody understands; /b is gone.
  provider_->entities = {at("a1", "file:/a")};
  provider_->kept = {"file:/a"};
  auto summary = Refresh({{"options", {{"guard", {{"maxRemovedFraction", 1.0}}}}}});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["kept"], 1);
  EXPECT_TRUE((*summary)["degraded"].contains("file:/a"));
  EXPECT_EQ((*summary)["removed"], 1);
  EXPECT_EQ(caller_.chunks[0].second, R"(["component:default/b"])");
  // Once it can be read, a2 goes.
  provider_->kept.clear();
  summary = Refresh({{"options", {{"guard", {{"maxRemovedFraction", 1.0}}}}}});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ((*summary)["removed"], 1);
  EXPECT_EQ(caller_.chunks[0].second, R"(["component:default/a2"])");
}

TEST_F(ProviderHostTest, CountsWhatCouldNotBecomeAnEntity) {
  Fill(0, 3);
  provider_->entities.push_back({{"kind", "Component"}});
  provider_->entities.push_back(Component("c-1", "twice"));
  provider_->unreadable = 4;
  const auto summary = Refresh();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["read"], 9);
  EXPECT_EQ((*summary)["emitted"], 4);
  EXPECT_EQ((*summary)["dropped"], 5);
  EXPECT_EQ((*summary)["duplicates"], 1);
  EXPECT_EQ((*summary)["added"], 3);
}

TEST_F(ProviderHostTest, HeldEntitiesGoWhenAnOperatorConfirms) {
  Fill(0, 100);
  ASSERT_TRUE(Refresh().ok());
  Fill(0, 50);
  ASSERT_EQ((*Refresh())["heldRemovals"], 50);
  auto summary = Refresh({{"confirm", true}});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["removed"], 50);
  EXPECT_EQ((*summary)["heldRemovals"], 0);
  EXPECT_EQ((*summary)["entities"], 50);
}

TEST_F(ProviderHostTest, WhatTheCatalogHoldsBeyondTheStateGoesBehindTheGuard) {
  Fill(0, 30);
  ASSERT_TRUE(Refresh().ok());
  std::filesystem::remove(state_path());
  Fill(0, 28);
  ASSERT_EQ((*Refresh())["full"], true);
  auto summary = Refresh({{"adopt", {"component:default/c-28", "Component:default/c-29"}}});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["removed"], 2);
  json many = json::array();
  for (int i = 100; i < 120; ++i) many.push_back(absl::StrCat("component:default/c-", i));
  summary = Refresh({{"adopt", many}});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["heldRemovals"], 20);
}

TEST_F(ProviderHostTest, OptionsSayWhatMayComeFromHere) {
  Fill(0, 3);
  const auto summary = Refresh({{"options", {{"allowedKinds", {"Resource"}}}}});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ((*summary)["added"], 0);
  EXPECT_EQ((*summary)["dropped"], 3);
}

TEST_F(ProviderHostTest, RoundsRememberWhenTheyEndWell) {
  std::vector<std::string> recalled;
  provider_->also = [&](provider::Context& context) -> absl::Status {
    recalled.push_back(context.Recall("etag").value_or("none"));
    if (context.Recall("etag").has_value()) context.Unchanged();
    return context.Remember("etag", "v 1");
  };
  Fill(0, 3);
  provider_->end = absl::UnavailableError("broken off");
  EXPECT_FALSE(Refresh().ok());
  provider_->end = absl::OkStatus();
  ASSERT_TRUE(Refresh().ok());
  Fill(0, 0);
  const auto summary = Refresh();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(recalled, testing::ElementsAre("none", "none", "v 1"));
  EXPECT_EQ((*summary)["kept"], 3);
  EXPECT_TRUE(caller_.chunks.empty());
}

TEST_F(ProviderHostTest, RefusesMalformedRequests) {
  EXPECT_EQ(Refresh({{"config", {{"x", "no number"}}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refresh({{"statePath", "relative"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refresh({{"options", {{"guard", {{"maxRemovedFraction", 2}}}}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refresh({{"options", {{"guard", {{"unknown", 2}}}}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refresh({{"more", 1}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(host_->Refresh("none", "{}", caller_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ProviderHostTest, TwoRoundsOnOneStateAreRefused) {
  Fill(0, 1);
  caller_.on_chunk = [&](const std::string&, const std::string&) {
    FakeCaller other;
    const json request = {{"statePath", state_path()}};
    EXPECT_EQ(host_->Refresh("list", request.dump(), other).status().code(),
              absl::StatusCode::kAborted);
    return absl::OkStatus();
  };
  EXPECT_TRUE(Refresh().ok());
  caller_.on_chunk = nullptr;
  EXPECT_TRUE(Refresh().ok()) << "given back";
}

}  // namespace
}  // namespace purser::addon
