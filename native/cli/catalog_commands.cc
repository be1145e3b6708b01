// `purser catalog …`: the sources of the catalog and what an operator does with them.
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "purser/v1/catalog.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::CatalogService;

std::string Ago(bool has_time, const google::protobuf::Timestamp& time) {
  if (!has_time) return "never";
  const absl::Duration age = absl::Now() - absl::FromUnixSeconds(time.seconds());
  return absl::StrCat(absl::FormatDuration(absl::Trunc(age, absl::Seconds(1))), " ago");
}

std::string StateOf(const purser::v1::Source& source) {
  if (source.paused()) return "paused";
  if (!source.error().empty()) return "failing";
  if (!source.active()) return "idle";
  return source.has_fresh_at() ? "well" : "starting";
}

absl::StatusOr<int> List(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "catalog sources"));
  PURSER_ASSIGN_OR_RETURN(
      const purser::v1::ListSourcesResponse response,
      CallUnary(args, &CatalogService::Stub::ListSources, purser::v1::ListSourcesRequest()));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::Source& source : response.sources()) {
    rows.push_back({source.name(), StateOf(source), Ago(source.has_fresh_at(), source.fresh_at()),
                    absl::StrCat(source.entities()), absl::StrCat(source.held_removals()),
                    absl::StrCat(source.collisions()), absl::StrCat(source.dropped()),
                    source.error()});
  }
  PrintTable({"source", "state", "read", "entities", "held", "collisions", "dropped", "error"},
             rows);
  return kOk;
}

absl::StatusOr<int> Show(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "catalog source PROVIDER/INSTANCE"));
  purser::v1::GetSourceRequest request;
  request.set_name(args.words()[0]);
  PURSER_ASSIGN_OR_RETURN(const purser::v1::GetSourceResponse response,
                          CallUnary(args, &CatalogService::Stub::GetSource, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
    return kOk;
  }
  const purser::v1::Source& source = response.source();
  std::cout << source.name() << ": " << StateOf(source) << ", " << source.entities()
            << " entities, read " << Ago(source.has_fresh_at(), source.fresh_at()) << "\n";
  if (!source.error().empty()) {
    std::cout << "failing: " << base::EscapeForDisplay(source.error(), 4096) << "\n";
  }
  std::vector<std::vector<std::string>> rows;
  for (const std::string& ref : response.held_refs()) {
    rows.push_back({ref, "gone from the source, held by the guard"});
  }
  for (const purser::v1::SourceCollision& collision : response.collisions()) {
    rows.push_back({collision.ref(), absl::StrCat("not shown: ", collision.owner(), " has it")});
  }
  for (const purser::v1::SourcePart& part : response.degraded_parts()) {
    rows.push_back({part.name(), absl::StrCat("cannot be read: ", part.error())});
  }
  if (!rows.empty()) PrintTable({"what", "state"}, rows);
  return kOk;
}

absl::StatusOr<int> Control(const Args& args, const std::string& verb) {
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(1, 1, absl::StrCat("catalog ", verb, " PROVIDER/INSTANCE")));
  purser::v1::ControlSourceRequest request;
  request.set_name(args.words()[0]);
  request.set_verb(verb);
  request.set_actor(Actor(args));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ControlSourceResponse response,
                          CallUnary(args, &CatalogService::Stub::ControlSource, request));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
  } else if (verb == "confirm") {
    std::cout << response.released() << " entities are removed from the catalog\n";
  }
  return kOk;
}

Entry Verb(const std::string& verb, const std::string& help,
           absl::StatusOr<int> (*run)(const Args&)) {
  return {{absl::StrCat("catalog ", verb), "PROVIDER/INSTANCE", help,
           WithConnection({{"as", "USER", "who acts (default: user:default/<login name>)"}})},
          Printing(run)};
}

}  // namespace

std::vector<Entry> CatalogCommands() {
  return {
      {{"catalog sources", "", "the sources of the catalog, and how they are", WithConnection({})},
       Printing(List)},
      {{"catalog source", "PROVIDER/INSTANCE", "one source with the entities that want attention",
        WithConnection({})},
       Printing(Show)},
      Verb("pause", "leave a source alone; the catalog keeps what it has",
           [](const Args& args) { return Control(args, "pause"); }),
      Verb("resume", "take a paused source up again",
           [](const Args& args) { return Control(args, "resume"); }),
      Verb("resync", "read a source as if for the first time and send everything again",
           [](const Args& args) { return Control(args, "resync"); }),
      Verb("confirm", "let go of the removals that the guard holds",
           [](const Args& args) { return Control(args, "confirm"); }),
  };
}

}  // namespace purser::cli
