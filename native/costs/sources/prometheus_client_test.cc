// Answers of Prometheus as they come: values without an amount, and everything that is no answer.
#include "costs/sources/prometheus_client.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PrometheusClientTest : public ::testing::Test {
 protected:
  // "LABEL@SECONDS VALUE" of all points, or what went wrong.
  std::vector<std::string> Ask(int status, const std::string& body) {
    http::FakeTransport transport;
    transport.Otherwise([&](const http::Request& request, const http::CallOptions&) {
      asked_ = request.body;
      return http::Response{.status = status, .body = body};
    });
    PrometheusClient client({.url = "http://prometheus:9090/"}, transport);
    const auto answer = client.Range("up{a=\"b c\"}", absl::FromUnixSeconds(60),
                                     absl::FromUnixSeconds(180), absl::Minutes(1), {});
    if (!answer.ok()) return {answer.status().ToString()};
    std::vector<std::string> points;
    for (const Series& series : *answer) {
      for (const auto& [at, value] : series.points) {
        points.push_back(
            absl::StrCat(series.Label("a"), "@", absl::ToUnixSeconds(at), " ", value.ToString()));
      }
    }
    return points;
  }
  std::vector<std::string> Matrix(const std::string& result) {
    return Ask(200, absl::StrCat(R"({"status":"success","data":{"resultType":"matrix","result":[)",
                                 result, "]}}"));
  }

  std::string asked_;
};

TEST_F(PrometheusClientTest, ReadsWhatHasAnAmount) {
  EXPECT_THAT(Matrix(R"({"metric":{"__name__":"up","a":"x"},"values":[[60,"1.5"],[120,"NaN"],)"
                     R"([180.5,"-2e-07"]]},{"metric":{},"values":[[60,"+Inf"],[120,"-Inf"],)"
                     R"([180,"1e+21"]]})"),
              ElementsAre(HasSubstr("1e+21")))
      << "what no sum can hold is no answer";
  EXPECT_THAT(Matrix(R"({"metric":{"__name__":"up","a":"x"},"values":[[60,"1.5"],[120,"NaN"],)"
                     R"([180.5,"-2e-07"]]},{"metric":{},"values":[[60,"+Inf"],[120,"-Inf"],)"
                     R"([180,"1e+12"]]})"),
              ElementsAre("x@60 1.5", "x@180 -0.0000002", "@180 1000000000000"));
  EXPECT_EQ(asked_, "query=up%7Ba%3D%22b%20c%22%7D&start=60&end=180&step=60");
  EXPECT_TRUE(Matrix("").empty());
}

TEST_F(PrometheusClientTest, SaysWhatIsNoAnswer) {
  const auto wrong = [&](int status, const std::string& body) { return Ask(status, body).front(); };
  EXPECT_THAT(wrong(422, R"({"status":"error","error":"too many samples"})"),
              AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr("too many samples")));
  EXPECT_THAT(wrong(400, R"({"status":"error","error":"parse error"})"),
              HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(wrong(503, R"({"status":"error","error":"query timed out"})"),
              AllOf(HasSubstr("UNAVAILABLE"), HasSubstr("query timed out")));
  EXPECT_THAT(wrong(502, "<html>bad gateway</html>"),
              AllOf(HasSubstr("UNAVAILABLE"), HasSubstr("502")));
  EXPECT_THAT(wrong(200, R"({"status":"success","warnings":["a store is down"],)"
                         R"("data":{"resultType":"matrix","result":[]}})"),
              HasSubstr("a store is down"));
  EXPECT_THAT(wrong(200, R"({"status":"success","data":{"resultType":"vector","result":[]}})"),
              HasSubstr("no matrix"));
  EXPECT_THAT(wrong(200, "[]"), HasSubstr("UNAVAILABLE"));
  for (const char* series :
       {R"({"metric":{}})", R"({"values":[]})", R"({"metric":{},"values":[1]})",
        R"({"metric":{},"values":[[1,2]]})", R"({"metric":{},"values":[["1","2"]]})",
        R"({"metric":{},"values":[[1,"two"]]})", "null"}) {
    EXPECT_THAT(Matrix(series), ElementsAre(HasSubstr("UNAVAILABLE"))) << series;
  }
}

}  // namespace
}  // namespace purser::costs
