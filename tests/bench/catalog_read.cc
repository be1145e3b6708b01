// catalog_read N: makes N catalog-info texts of about 0.7 KB and measures the processor time of
// what a native provider does with each: parse, validate, canonical text, hash. Prints one JSON
// object.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "catalog/entity.h"
#include "catalog/tracker.h"
#include "document/yaml.h"

namespace {

double CpuMillis() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto millis = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return millis(usage.ru_utime) + millis(usage.ru_stime);
}

std::string Text(int i) {
  return absl::StrCat(
      "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: service-", i,
      "\n  title: Service number ", i,
      "\n  description: Takes orders of the shop and tells the warehouse what to send\n"
      "  labels:\n    tier: \"",
      i % 3, "\"\n    cost-centre: cc-", i % 50,
      "\n  annotations:\n    backstage.io/techdocs-ref: dir:.\n"
      "    backstage.io/source-location: url:https://git.example.com/shop/service-",
      i, "/tree/main/\n  tags: [java, orders, tier-", i % 3,
      "]\n  links:\n    - url: https://grafana.example.com/d/service-", i,
      "\n      title: Dashboard\n      icon: dashboard\nspec:\n  type: service\n"
      "  lifecycle: production\n  owner: group:default/team-",
      i % 50, "\n  system: system-", i % 200, "\n  dependsOn:\n    - resource:default/database-",
      i % 500, "\n    - component:default/service-", (i * 7) % 10000, "\n  providesApis: [api-", i,
      "]\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 10000;
  std::vector<std::string> texts;
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    texts.push_back(Text(i));
    bytes += texts.back().size();
  }
  purser::document::Limits limits;
  limits.with_positions = false;
  double parse = 0;
  double validate = 0;
  double canonical = 0;
  double hash = 0;
  size_t problems = 0;
  const double start = CpuMillis();
  // In batches, so that the clock is read rarely and memory stays small.
  constexpr size_t kBatch = 500;
  for (size_t at = 0; at < texts.size(); at += kBatch) {
    const size_t end = std::min(texts.size(), at + kBatch);
    std::vector<purser::document::Document> documents;
    std::vector<std::string> canonicals;
    const double a = CpuMillis();
    for (size_t i = at; i < end; ++i) {
      auto parsed = purser::document::ParseYaml(texts[i], "catalog-info.yaml", limits);
      if (!parsed.ok()) return 1;
      documents.push_back(std::move(parsed->front()));
    }
    const double b = CpuMillis();
    for (const auto& document : documents) {
      problems += purser::catalog::Validate(document.value).size();
    }
    const double c = CpuMillis();
    for (const auto& document : documents) {
      canonicals.push_back(purser::catalog::Canonical(document.value));
    }
    const double d = CpuMillis();
    for (const std::string& text : canonicals) {
      problems += purser::catalog::Fingerprint::Of(text).unconfirmed();
    }
    const double e = CpuMillis();
    parse += b - a;
    validate += c - b;
    canonical += d - c;
    hash += e - d;
  }
  const double total = CpuMillis() - start;
  std::printf(
      "{\"files\": %d, \"bytes\": %zu, \"cpuMs\": %.1f, \"parseMs\": %.1f, \"validateMs\": %.1f, "
      "\"canonicalMs\": %.1f, \"hashMs\": %.1f, \"problems\": %zu}\n",
      count, bytes, total, parse, validate, canonical, hash, problems);
  return problems == 0 ? 0 : 1;
}
