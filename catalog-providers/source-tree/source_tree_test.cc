#include "catalog-providers/source-tree/source_tree.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "provider/fake_context.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SourceTreeTest : public testing::Test {
 protected:
  SourceTreeTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "purser-tree-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~SourceTreeTest() override { std::filesystem::remove_all(root_); }

  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(root_) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  static std::string Component(const std::string& name, const std::string& more = "") {
    return absl::StrCat(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: ", name, "\n", more,
        "spec:\n  type: service\n  lifecycle: production\n  owner: group:a\n");
  }
  absl::Status Snapshot(json config = json::object()) {
    if (!config.contains("root")) config["root"] = root_;
    const auto schema = purser::json::Schema::Compile(provider_.description().config_schema);
    EXPECT_TRUE(schema.ok()) << schema.status();
    config = schema->WithDefaults(std::move(config));
    PURSER_RETURN_IF_ERROR(purser::json::ToStatus(schema->Validate(config), "config"));
    context_.SetConfig(std::move(config));
    context_.kept.clear();
    return provider_.Snapshot(context_);
  }

  std::string root_;
  SourceTreeProvider provider_;
  provider::FakeContext context_{json::object()};
};

TEST_F(SourceTreeTest, ReadsEveryDocumentAndSaysWhereItIsFrom) {
  Put("catalog-info.yaml", "---\n" + Component("one") + "---\n" + Component("two") + "---\n");
  Put("services/shop/catalog-info.yaml", Component("shop"));
  Put("services/shop/other.yaml", Component("not-included"));
  Put("node_modules/x/catalog-info.yaml", Component("excluded"));
  ASSERT_TRUE(Snapshot().ok());
  ASSERT_EQ(context_.entities.size(), 3U);
  const json& annotations =
      context_.entities.at("component:default/shop")["metadata"]["annotations"];
  const std::string location = absl::StrCat("file:", root_, "/services/shop/catalog-info.yaml");
  EXPECT_EQ(annotations["backstage.io/managed-by-location"], location);
  EXPECT_EQ(annotations["backstage.io/managed-by-origin-location"], location);
  EXPECT_FALSE(annotations.contains("backstage.io/source-location"));
  EXPECT_EQ(context_.dropped, 0);
}

TEST_F(SourceTreeTest, TheSourceMayBeLookedAtElsewhereButNotClaimed) {
  Put("a/catalog-info.yaml",
      Component("a",
                "  annotations:\n    backstage.io/managed-by-location: url:http://evil.test\n"));
  ASSERT_TRUE(Snapshot({{"sourceUrl", "https://git.example.com/acme/shop/tree/main/"}}).ok());
  const json& annotations = context_.entities.at("component:default/a")["metadata"]["annotations"];
  EXPECT_EQ(annotations["backstage.io/managed-by-location"],
            absl::StrCat("file:", root_, "/a/catalog-info.yaml"));
  EXPECT_EQ(annotations["backstage.io/source-location"],
            "url:https://git.example.com/acme/shop/tree/main/a/");
}

TEST_F(SourceTreeTest, WrongFilesAreNamedWithTheirPlaceAndDropped) {
  Put("a/catalog-info.yaml", "apiVersion: [");
  Put("b/catalog-info.yaml", Component("b-is-fine"));
  Put("c/catalog-info.yaml", "kind: Component\nmetadata:\n  name: 'not a name!'\nspec: {}\n");
  Put("d/catalog-info.yaml", std::string(kMaxCatalogFileBytes + 1, '#'));
  Put("e/catalog-info.yaml", "just text\n");
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_.entities.size(), 1U);
  EXPECT_EQ(context_.dropped, 4);
  EXPECT_THAT(context_.log, Contains(HasSubstr("a/catalog-info.yaml:")));
  EXPECT_THAT(context_.log, Contains(HasSubstr("c/catalog-info.yaml:3:9: /metadata/name")));
  EXPECT_THAT(context_.log, Contains(HasSubstr("d/catalog-info.yaml")));
  EXPECT_THAT(context_.log, Contains(HasSubstr("e/catalog-info.yaml:1:1")));
  EXPECT_EQ(context_.kept.size(), 4U);
  EXPECT_TRUE(context_.kept.contains(absl::StrCat("file:", root_, "/a/catalog-info.yaml")));
}

TEST_F(SourceTreeTest, MembershipsLocationsAndTemplatesNeedPermission) {
  EXPECT_THAT(provider_.description().kinds,
              testing::UnorderedElementsAre("Component", "API", "Resource", "System", "Domain"));
}

TEST_F(SourceTreeTest, OwnersFollowTheConfig) {
  Put("a/catalog-info.yaml", Component("a", "  namespace: team-a\n"));
  Put("c/catalog-info.yaml",
      "apiVersion: backstage.io/v1alpha1\nkind: System\n"
      "metadata: {name: c, namespace: team-a}\nspec: {}\n");
  ASSERT_TRUE(Snapshot({{"defaultOwner", "group:default/platform"}}).ok());
  EXPECT_EQ(context_.entities.size(), 2U);
  EXPECT_EQ(context_.entities.at("system:team-a/c")["spec"]["owner"], "group:default/platform");
  EXPECT_EQ(context_.entities.at("component:team-a/a")["spec"]["owner"], "group:a");
}

TEST_F(SourceTreeTest, UnchangedFilesAreNotReadAgain) {
  Put("a/catalog-info.yaml", Component("a"));
  Put("b/catalog-info.yaml", Component("b"));
  Put("c/catalog-info.yaml", "broken: [");
  for (const char* name : {"a", "b", "c"}) {
    std::filesystem::last_write_time(
        root_ + "/" + name + "/catalog-info.yaml",
        std::filesystem::file_time_type::clock::now() - std::chrono::minutes(1));
  }
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_.entities.size(), 2U);
  context_.entities.clear();
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_TRUE(context_.entities.empty());
  EXPECT_TRUE(context_.kept.at(absl::StrCat("file:", root_, "/a/catalog-info.yaml")).ok());
  // The broken one is read, and complained about, again.
  EXPECT_FALSE(context_.kept.at(absl::StrCat("file:", root_, "/c/catalog-info.yaml")).ok());
  EXPECT_EQ(context_.dropped, 2);
  // Of another size, or another file under the name, it is read again.
  Put("a/catalog-info.yaml", Component("a", "  title: changed\n"));
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_.entities.size(), 1U);
  // One that changed just now may change again without a new time stamp: it is not remembered.
  context_.entities.clear();
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_.entities.size(), 1U);
}

TEST_F(SourceTreeTest, AnUnchangedFileGivesWayToAnEarlierDescription) {
  Put("b/catalog-info.yaml", Component("same"));
  std::filesystem::last_write_time(
      root_ + "/b/catalog-info.yaml",
      std::filesystem::file_time_type::clock::now() - std::chrono::minutes(1));
  ASSERT_TRUE(Snapshot().ok());
  Put("a/catalog-info.yaml", Component("same"));
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_.partitions.at("component:default/same"),
            absl::StrCat("file:", root_, "/a/catalog-info.yaml"));
  EXPECT_THAT(context_.log, Contains(HasSubstr("b/catalog-info.yaml: component:default/same is "
                                               "already described at a/catalog-info.yaml")));
  // It comes back when the other one goes, although it did not change.
  std::filesystem::remove(root_ + "/a/catalog-info.yaml");
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_.partitions.at("component:default/same"),
            absl::StrCat("file:", root_, "/b/catalog-info.yaml"));
}

TEST_F(SourceTreeTest, TheFirstDescriptionOfAnEntityCounts) {
  Put("a/catalog-info.yaml", Component("same"));
  Put("b/catalog-info.yaml", Component("Same"));
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_.entities.size(), 1U);
  EXPECT_THAT(
      context_.log,
      Contains(HasSubstr("component:default/same is already described at a/catalog-info.yaml")));
}

TEST_F(SourceTreeTest, AMissingRootAndTooManyFilesFailTheRound) {
  EXPECT_EQ(Snapshot({{"root", root_ + "/none"}}).code(), absl::StatusCode::kNotFound);
  for (int i = 0; i < 3; ++i) {
    Put(absl::StrCat(i, "/catalog-info.yaml"), Component(absl::StrCat("c", i)));
  }
  EXPECT_EQ(Snapshot({{"maxFiles", 2}}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(context_.entities.empty());
  EXPECT_EQ(Snapshot({{"include", {"../*.yaml"}}}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SourceTreeTest, TheConfigIsChecked) {
  for (const json& config : {json{{"root", "relative"}}, json{{"inclde", json::array()}},
                             json{{"include", json::array()}}, json{{"maxFiles", 0}}}) {
    EXPECT_EQ(Snapshot(config).code(), absl::StatusCode::kInvalidArgument) << config;
  }
}

TEST_F(SourceTreeTest, LinksOutOfTheTreeAreNotFollowed) {
  std::filesystem::create_directories(root_ + "/tree");
  Put("secret.yaml", Component("outside"));
  std::filesystem::create_symlink(root_ + "/secret.yaml", root_ + "/tree/catalog-info.yaml");
  std::filesystem::create_directory_symlink(root_, root_ + "/tree/up");
  ASSERT_TRUE(Snapshot({{"root", root_ + "/tree"}}).ok());
  EXPECT_TRUE(context_.entities.empty());
}

TEST_F(SourceTreeTest, StopIsHeard) {
  Put("catalog-info.yaml", Component("a"));
  context_.stop_source.request_stop();
  EXPECT_EQ(Snapshot().code(), absl::StatusCode::kCancelled);
}

TEST_F(SourceTreeTest, TwoThousandFiles) {
  for (int i = 0; i < 2000; ++i) {
    Put(absl::StrCat("dir-", i % 50, "/svc-", i, ".yaml"), Component(absl::StrCat("svc-", i)));
  }
  Put("dir-0/svc-broken.yaml", "a: b: c");
  ASSERT_TRUE(Snapshot({{"include", {"**/svc-*.yaml"}}}).ok());
  EXPECT_EQ(context_.entities.size(), 2000U);
  EXPECT_EQ(context_.dropped, 1);
}

}  // namespace
}  // namespace purser::catalog_providers
