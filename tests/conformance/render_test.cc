// Recorded results of Backstage's own template engine against ours, through the line protocol.
#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "template/line_protocol.h"

namespace purser {
namespace {

using nlohmann::ordered_json;

TEST(RenderConformance, AgreesWithBackstage) {
  const char* shared = getenv("PURSER_SHARED");
  const std::string path =
      std::string(shared != nullptr ? shared : PURSER_SOURCE_DIR "/../shared") +
      "/data/template/nunjucks-vectors-open.json";
  std::ifstream file(path);
  if (!file.good()) GTEST_SKIP() << "SKIP " << path << " is not there";
  const ordered_json all = ordered_json::parse(file);
  int passed = 0, failed = 0;
  for (const ordered_json& one : all["vectors"]) {
    if (one["variant"] == "nunjucks") continue;
    ordered_json line = {{"id", one["id"]},
                         {"variant", one["variant"]},
                         {"template", one["template"]},
                         {"options", one["options"]}};
    line["context"] = one.contains("contextRef")
                          ? all["contexts"][one["contextRef"].get<std::string>()]
                          : one["context"];
    const auto& wanted = one["expected"]["nunjitsu"];
    const nlohmann::json answer = nlohmann::json::parse(tmpl::AnswerLine(line.dump()));
    const bool same = answer["ok"] == wanted["ok"].get<bool>() &&
                      (!answer["ok"].get<bool>() ||
                       answer["output"] == nlohmann::json::parse(wanted["output"].dump()));
    ++(same ? passed : failed);
    if (!same && failed <= 20) {
      ADD_FAILURE() << one["id"] << " " << one["template"].dump() << "\n  wanted " << wanted.dump()
                    << "\n  got " << answer.dump();
    }
  }
  EXPECT_EQ(failed, 0);
  std::printf("render cases: %d passed, %d failed\n", passed, failed);
}

}  // namespace
}  // namespace purser
