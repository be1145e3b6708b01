#include "costs/readers/manifest.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ManifestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "manifest-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, absl::string_view text = "x") {
    std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::string Problem(const std::string& below = "") {
    const auto delivered = ReadDelivered(folder_ + below);
    return delivered.ok() ? "fine" : std::string(delivered.status().ToString());
  }
  std::string folder_;
};

TEST_F(ManifestTest, WhatIsNotDeliveredYetIsNoEmptyMonth) {
  EXPECT_THAT(Problem(), HasSubstr("FAILED_PRECONDITION"));
  EXPECT_THAT(Problem(), HasSubstr("not delivered yet: there is no manifest"));
  Write("part_0.csv");
  EXPECT_THAT(Problem(), HasSubstr("not delivered yet: there is no manifest"));
  Write("manifest.json",
        R"({"blobCount":2,"dataRowCount":12,"blobs":[{"blobName":"a/b/part_0.csv"},)"
        R"({"blobName":"a/b/part_1.csv"}]})");
  EXPECT_THAT(Problem(), HasSubstr("not delivered yet: 1 of 2 files of the manifest are missing, "
                                   "the first is part_1.csv"));
  Write("part_1.csv");
  const auto delivered = ReadDelivered(folder_);
  ASSERT_TRUE(delivered.ok()) << delivered.status();
  EXPECT_THAT(delivered->paths, ElementsAre(folder_ + "/part_0.csv", folder_ + "/part_1.csv"));
  EXPECT_EQ(delivered->rows, 12);
}

TEST_F(ManifestTest, OfAwsReportsAndExports) {
  Write("20261101-20261201/id/report-00001.csv.gz");
  Write(
      "20261101-20261201/id/report-Manifest.json",
      R"({"assemblyId":"id","reportKeys":["p/report/20261101-20261201/id/report-00001.csv.gz"]})");
  EXPECT_EQ(Problem("/20261101-20261201/id"), "fine");
  Write("focus/data/BILLING_PERIOD=2026-11/focus-00001.snappy.parquet");
  EXPECT_THAT(Problem("/focus/data/BILLING_PERIOD=2026-11"), HasSubstr("not delivered yet"));
  Write("focus/metadata/BILLING_PERIOD=2026-11/focus-Manifest.json",
        R"({"dataFiles":["s3://b/focus/data/BILLING_PERIOD=2026-11/focus-00001.snappy.parquet"]})");
  EXPECT_EQ(Problem("/focus/data/BILLING_PERIOD=2026-11"), "fine");
  EXPECT_EQ(Problem("/focus/data/BILLING_PERIOD=2026-11/"), "fine");
}

TEST_F(ManifestTest, WhatIsWrongIsNamed) {
  EXPECT_THAT(Problem("/nowhere"), HasSubstr("NOT_FOUND"));
  Write("manifest.json", "{");
  EXPECT_THAT(Problem(), HasSubstr("manifest.json"));
  Write("manifest.json", "{}");
  EXPECT_THAT(Problem(), HasSubstr("it names no files"));
  Write("manifest.json", R"({"reportKeys":["a/.."]})");
  EXPECT_THAT(Problem(), HasSubstr("a/.. is no name of a file"));
  // Its charges would count twice.
  Write("manifest.json", R"({"reportKeys":["a/part.csv","b/part.csv"]})");
  EXPECT_THAT(Problem(), HasSubstr("two of its files are called part.csv"));
  Write("manifest.json", R"({"blobCount":2,"blobs":[{"blobName":"a"}]})");
  EXPECT_THAT(Problem(), HasSubstr("it names 1 blobs and counts 2"));
  Write("other-Manifest.json", "{}");
  EXPECT_THAT(Problem(), HasSubstr("more than one manifest"));
}

}  // namespace
}  // namespace purser::costs
