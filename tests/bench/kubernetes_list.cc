// Reads pages of a Kubernetes list from a file as they would arrive, in pieces, and prints what it
// cost: for kubernetes-list.bench.mjs.
//
//   kubernetes_list FILE split|fields|whole
//
// FILE holds one page a line. `split` cuts out the objects, `fields` also reads what the catalog
// provider "kubernetes" needs of each, `whole` everything but managedFields.
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "connectors/kubernetes/field_selection.h"
#include "connectors/kubernetes/item_splitter.h"
#include "connectors/kubernetes/object_readiness.h"
#include "nlohmann/json.hpp"

namespace {

using purser::connectors::FieldSelection;
using purser::connectors::ItemSplitter;

constexpr size_t kPiece = 64 << 10;  // about what a connection gives at a time

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

FieldSelection ProviderFields() {
  FieldSelection fields;
  for (const char* field : {"name", "namespace", "labels", "annotations", "creationTimestamp",
                            "deletionTimestamp", "generation", "ownerReferences"}) {
    fields.Add({"metadata", field});
  }
  fields.Drop({"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"});
  purser::connectors::AddReadinessFields(&fields);
  fields.Add({"spec", "selector", "matchLabels"});
  for (const char* field : {"rules", "tls"}) fields.Add({"spec", field});
  return fields;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string mode = argv[2];
  FieldSelection fields = ProviderFields();
  if (mode == "whole") {
    fields = FieldSelection();
    fields.Add({});
    fields.Drop({"metadata", "managedFields"});
  }
  std::ifstream file(argv[1], std::ios::binary);
  std::string page;
  double seconds = 0;
  int64_t objects = 0;
  int64_t bytes = 0;
  size_t checked = 0;
  while (std::getline(file, page)) {
    bytes += static_cast<int64_t>(page.size());
    const double begin = CpuSeconds();
    ItemSplitter splitter(ItemSplitter::Form::kList, [&](absl::string_view text) -> absl::Status {
      ++objects;
      if (mode == "split") return absl::OkStatus();
      const absl::StatusOr<nlohmann::json> object = fields.Read(text);
      if (!object.ok()) return object.status();
      checked += (*object)["metadata"]["name"].get_ref<const std::string&>().size();
      return absl::OkStatus();
    });
    absl::Status status;
    for (size_t at = 0; at < page.size() && status.ok(); at += kPiece) {
      status = splitter.Feed(absl::string_view(page).substr(at, kPiece));
    }
    if (status.ok()) status = splitter.Finish();
    seconds += CpuSeconds() - begin;
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "{\"objects\":%lld,\"bytes\":%lld,\"cpuSeconds\":%.4f,\"maxRssKb\":%ld,\"checked\":%zu}\n",
      static_cast<long long>(objects), static_cast<long long>(bytes), seconds, usage.ru_maxrss,
      checked);
  return 0;
}
