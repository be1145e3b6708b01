#include "connectors/kubernetes/fake_api_server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/testing/eventually.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

std::string Decode(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    int value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        absl::SimpleHexAtoi(text.substr(i + 1, 2), &value)) {
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::map<std::string, std::string> Parameters(absl::string_view query) {
  std::map<std::string, std::string> parameters;
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    parameters[Decode(pair.first)] = Decode(pair.second);
  }
  return parameters;
}

std::string Parameter(const std::map<std::string, std::string>& query, const char* name) {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

http::ServerResponse JsonResponse(int status, const Json& body) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = body.dump()};
}

Json StatusObject(int code, const char* reason, const std::string& message) {
  return {{"kind", "Status"},   {"apiVersion", "v1"}, {"status", "Failure"},
          {"message", message}, {"reason", reason},   {"code", code}};
}

http::ServerResponse Failure(int code, const char* reason, const std::string& message) {
  return JsonResponse(code, StatusObject(code, reason, message));
}

std::string Part(const Json& object, const char* name) {
  return object.at("metadata").value(name, "");
}

std::string KeyOf(const Json& object) {
  return absl::StrCat(object.at("apiVersion").get<std::string>(), "/",
                      object.at("kind").get<std::string>(), "/", Part(object, "namespace"), "/",
                      Part(object, "name"));
}

// Equality selectors, as "a=b,c!=d".
bool Selected(const Json& object, const std::string& labels, const std::string& fields) {
  const Json& metadata = object.at("metadata");
  const Json have = metadata.value("labels", Json::object());
  for (const absl::string_view part : absl::StrSplit(labels, ',', absl::SkipEmpty())) {
    const size_t equals = part.find('=');
    const bool negative = equals > 0 && part[equals - 1] == '!';
    const std::string key(part.substr(0, equals - (negative ? 1 : 0)));
    if ((have.value(key, "") == part.substr(equals + 1)) == negative) return false;
  }
  for (const absl::string_view part : absl::StrSplit(fields, ',', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    const std::string value =
        pair.first == "metadata.name" ? Part(object, "name") : object.value(pair.first, "");
    if (value != pair.second) return false;
  }
  return true;
}

}  // namespace

FakeApiServer::FakeApiServer() {
  AddKind("v1", "Namespace", "namespaces", false);
  AddKind("v1", "Service", "services", true);
  AddKind("v1", "ConfigMap", "configmaps", true);
  AddKind("v1", "Secret", "secrets", true);
  AddKind("apps/v1", "Deployment", "deployments", true);
  AddKind("apps/v1", "StatefulSet", "statefulsets", true);
  AddKind("apps/v1", "DaemonSet", "daemonsets", true);
  AddKind("batch/v1", "CronJob", "cronjobs", true);
  AddKind("networking.k8s.io/v1", "Ingress", "ingresses", true);
  absl::StatusOr<std::unique_ptr<http::Server>> server = http::Server::Start(
      {}, [this](const http::ServerRequest& request) { return Handle(request); });
  if (server.ok()) server_ = *std::move(server);
}

FakeApiServer::~FakeApiServer() {
  {
    base::MutexLock lock(mutex_);
    closing_ = true;
    changed_.NotifyAll();
  }
  if (server_ != nullptr) server_->Stop();
}

std::string FakeApiServer::url() const {
  return absl::StrCat("http://127.0.0.1:", server_ == nullptr ? 0 : server_->port());
}

void FakeApiServer::AddKind(absl::string_view api_version, absl::string_view kind,
                            absl::string_view plural, bool namespaced) {
  base::MutexLock lock(mutex_);
  kinds_.push_back({std::string(api_version), std::string(kind), std::string(plural), namespaced});
}

void FakeApiServer::RemoveKind(absl::string_view api_version, absl::string_view kind) {
  base::MutexLock lock(mutex_);
  std::erase_if(kinds_, [&](const Kind& known) {
    return known.api_version == api_version && known.kind == kind;
  });
  const std::string prefix = absl::StrCat(api_version, "/", kind, "/");
  std::erase_if(objects_,
                [&prefix](const auto& entry) { return absl::StartsWith(entry.first, prefix); });
  ++breaks_;
  changed_.NotifyAll();
}

void FakeApiServer::Put(Json object) {
  base::MutexLock lock(mutex_);
  const std::string key = KeyOf(object);
  const auto known = objects_.find(key);
  Json& metadata = object["metadata"];
  metadata["uid"] =
      known != objects_.end() ? known->second["metadata"]["uid"] : Json(absl::StrCat("uid-", key));
  metadata["resourceVersion"] = absl::StrCat(++version_);
  if (!metadata.contains("creationTimestamp")) {
    metadata["creationTimestamp"] = "2026-01-01T00:00:00Z";
  }
  metadata["managedFields"] =
      Json::array({{{"manager", "kubectl \"{[\\"},
                    {"operation", "Apply"},
                    {"fieldsV1", {{"f:metadata", {{"f:labels", {{".", Json::object()}}}}}}}}});
  events_.push_back({version_, known != objects_.end() ? "MODIFIED" : "ADDED", object});
  objects_[key] = std::move(object);
  changed_.NotifyAll();
}

void FakeApiServer::Delete(const Json& object) {
  base::MutexLock lock(mutex_);
  const auto known = objects_.find(KeyOf(object));
  if (known == objects_.end()) return;
  Json gone = std::move(known->second);
  objects_.erase(known);
  gone["metadata"]["resourceVersion"] = absl::StrCat(++version_);
  events_.push_back({version_, "DELETED", std::move(gone)});
  changed_.NotifyAll();
}

size_t FakeApiServer::size() const {
  base::MutexLock lock(mutex_);
  return objects_.size();
}

void FakeApiServer::FailNext(absl::string_view path, http::ServerResponse response) {
  base::MutexLock lock(mutex_);
  failures_.emplace_back(std::string(path), std::move(response));
}
void FakeApiServer::FailAlways(int status) {
  base::MutexLock lock(mutex_);
  always_ = status;
}
void FakeApiServer::SetPageSize(size_t objects) {
  base::MutexLock lock(mutex_);
  page_size_ = objects;
}
void FakeApiServer::ExpireContinue(int times) {
  base::MutexLock lock(mutex_);
  expire_ = times;
}
void FakeApiServer::LoopContinue(bool loop) {
  base::MutexLock lock(mutex_);
  loop_ = loop;
}
void FakeApiServer::EndlessPages(bool endless) {
  base::MutexLock lock(mutex_);
  endless_ = endless;
}
void FakeApiServer::ForgetHistory() {
  base::MutexLock lock(mutex_);
  forgotten_ = ++version_;
  events_.clear();
  changed_.NotifyAll();
}
void FakeApiServer::BreakWatches() {
  base::MutexLock lock(mutex_);
  ++breaks_;
  changed_.NotifyAll();
}
void FakeApiServer::Bookmark() {
  base::MutexLock lock(mutex_);
  ++bookmarks_;
  changed_.NotifyAll();
}
void FakeApiServer::RequireToken(std::string token) {
  base::MutexLock lock(mutex_);
  token_ = std::move(token);
}

int FakeApiServer::Requests(absl::string_view begin) const {
  base::MutexLock lock(mutex_);
  return static_cast<int>(
      std::count_if(requests_.begin(), requests_.end(),
                    [begin](const std::string& seen) { return absl::StartsWith(seen, begin); }));
}

int FakeApiServer::open_watches() const {
  base::MutexLock lock(mutex_);
  return open_watches_;
}

bool FakeApiServer::WaitFor(const std::function<bool(const FakeApiServer&)>& done) const {
  return base::Eventually([&] { return done(*this); });
}

http::ServerResponse FakeApiServer::Handle(const http::ServerRequest& request) {
  int64_t breaks = 0;
  {
    base::MutexLock lock(mutex_);
    breaks = breaks_;
    requests_.push_back(
        absl::StrCat(request.path, request.query.empty() ? "" : "?", request.query));
    if (!token_.empty() &&
        http::FindHeader(request.headers, "Authorization") != absl::StrCat("Bearer ", token_)) {
      return Failure(401, "Unauthorized", "Unauthorized");
    }
    if (always_ != 0) return Failure(always_, "InternalError", "made to fail");
    const auto failure =
        std::find_if(failures_.begin(), failures_.end(), [&request](const auto& entry) {
          return absl::StartsWith(absl::StrCat(request.path, "?", request.query), entry.first);
        });
    if (failure != failures_.end()) {
      http::ServerResponse response = std::move(failure->second);
      failures_.erase(failure);
      return response;
    }
  }
  return Answer(request, breaks);
}

http::ServerResponse FakeApiServer::Discovery(const std::string& path) {
  if (path == "/apis") {
    Json groups = Json::array();
    for (const Kind& kind : kinds_) {
      const std::pair<std::string, std::string> version = absl::StrSplit(kind.api_version, '/');
      if (version.second.empty()) continue;
      Json group = {{"name", version.first},
                    {"preferredVersion", {{"groupVersion", kind.api_version}}}};
      if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
    }
    return JsonResponse(200, {{"kind", "APIGroupList"}, {"groups", groups}});
  }
  Json versions = Json::array();
  Json resources = Json::array();
  for (const Kind& kind : kinds_) {
    const size_t slash = kind.api_version.find('/');
    if (slash != std::string::npos &&
        path == absl::StrCat("/apis/", kind.api_version.substr(0, slash))) {
      versions.push_back({{"groupVersion", kind.api_version}});
      continue;
    }
    const bool core = !absl::StrContains(kind.api_version, '/');
    if (path != absl::StrCat(core ? "/api/" : "/apis/", kind.api_version)) continue;
    resources.push_back({{"name", kind.plural},
                         {"kind", kind.kind},
                         {"namespaced", kind.namespaced},
                         {"verbs", {"get", "list", "watch"}}});
    resources.push_back({{"name", kind.plural + "/status"}, {"kind", kind.kind}});
  }
  if (!versions.empty()) {
    return JsonResponse(
        200, {{"kind", "APIGroup"}, {"preferredVersion", versions[0]}, {"versions", versions}});
  }
  if (resources.empty()) return {.status = 404, .body = "404 page not found\n"};
  return JsonResponse(200, {{"kind", "APIResourceList"}, {"resources", resources}});
}

http::ServerResponse FakeApiServer::Answer(const http::ServerRequest& request, int64_t breaks) {
  const std::map<std::string, std::string> query = Parameters(request.query);
  Kind found;
  std::string namespace_name;
  {
    base::MutexLock lock(mutex_);
    bool known = false;
    for (const Kind& kind : kinds_) {
      const bool core = !absl::StrContains(kind.api_version, '/');
      const std::string root = absl::StrCat(core ? "/api/" : "/apis/", kind.api_version, "/");
      absl::string_view rest = request.path;
      if (!absl::ConsumePrefix(&rest, root)) continue;
      namespace_name.clear();
      if (kind.namespaced && absl::ConsumePrefix(&rest, "namespaces/")) {
        const size_t slash = rest.find('/');
        if (slash == absl::string_view::npos) continue;
        namespace_name = std::string(rest.substr(0, slash));
        rest.remove_prefix(slash + 1);
      }
      absl::string_view name = rest;
      if (absl::ConsumePrefix(&name, kind.plural + "/") && !absl::StrContains(name, '/')) {
        const auto object = objects_.find(
            absl::StrCat(kind.api_version, "/", kind.kind, "/", namespace_name, "/", name));
        if (object != objects_.end()) return JsonResponse(200, object->second);
        return Failure(404, "NotFound", absl::StrCat(kind.plural, " \"", name, "\" not found"));
      }
      if (rest != kind.plural) continue;
      found = kind;
      known = true;
      break;
    }
    if (!known) return Discovery(request.path);
    if (Parameter(query, "watch") != "1") return List(found, namespace_name, query);
  }
  return Watch(found, namespace_name, query, breaks);
}

http::ServerResponse FakeApiServer::List(const Kind& kind, const std::string& namespace_name,
                                         const std::map<std::string, std::string>& query) {
  std::string token = Parameter(query, "continue");
  if (!token.empty() && expire_ > 0) {
    --expire_;
    return Failure(410, "Expired", "The provided continue parameter is too old");
  }
  int64_t limit = static_cast<int64_t>(page_size_);
  if (int64_t asked = 0; absl::SimpleAtoi(Parameter(query, "limit"), &asked) && asked > 0) {
    limit = std::min(limit, asked);
  }
  const std::string prefix =
      absl::StrCat(kind.api_version, "/", kind.kind, "/",
                   namespace_name.empty() ? "" : absl::StrCat(namespace_name, "/"));
  // Tokens are "<last key>"; those of a loop or of endless pages have a number behind.
  if (loop_ || endless_) token = token.substr(0, token.find('#'));
  std::string items;
  std::string next;
  int64_t count = 0;
  const bool no_more = endless_ && !token.empty();
  for (auto at = objects_.upper_bound(token.empty() ? prefix : token);
       !no_more && at != objects_.end() && absl::StartsWith(at->first, prefix); ++at) {
    if (!Selected(at->second, Parameter(query, "labelSelector"),
                  Parameter(query, "fieldSelector"))) {
      continue;
    }
    if (count == limit) {
      next = token;
      break;
    }
    Json item = at->second;
    // Items of built-in kinds come without.
    item.erase("apiVersion");
    item.erase("kind");
    absl::StrAppend(&items, count == 0 ? "" : ",", item.dump());
    token = at->first;
    ++count;
  }
  if (loop_) next = prefix;
  if (endless_) next = absl::StrCat(token.empty() ? prefix : token, "#", requests_.size());
  return {
      .headers = {{"Content-Type", "application/json"}},
      .body = absl::StrCat("{\"kind\":\"", kind.kind, "List\",\"apiVersion\":\"", kind.api_version,
                           "\",\"metadata\":{\"resourceVersion\":\"", version_,
                           "\",\"continue\":", Json(next).dump(), "},\"items\":[", items, "]}\n")};
}

http::ServerResponse FakeApiServer::Watch(const Kind& kind, const std::string& namespace_name,
                                          const std::map<std::string, std::string>& query,
                                          int64_t breaks) {
  int64_t from = 0;
  if (!absl::SimpleAtoi(Parameter(query, "resourceVersion"), &from)) {
    return Failure(400, "BadRequest", "resourceVersion is no number");
  }
  int64_t seconds = 60;
  (void)absl::SimpleAtoi(Parameter(query, "timeoutSeconds"), &seconds);
  http::ServerResponse response;
  response.headers = {{"Content-Type", "application/json"}};
  response.stream = [this, kind, namespace_name, query, from, seconds,
                     breaks](const std::function<bool(absl::string_view)>& write) {
    const absl::Time end = absl::Now() + absl::Seconds(seconds);
    int64_t at = from;
    mutex_.Lock();
    ++open_watches_;
    changed_.NotifyAll();
    int64_t bookmarks = bookmarks_;
    while (!closing_ && breaks_ == breaks && absl::Now() < end) {
      std::string out;
      if (at < forgotten_) {
        out = Json({{"type", "ERROR"},
                    {"object", StatusObject(410, "Expired", "too old resource version")}})
                  .dump();
      }
      for (const Event& event : events_) {
        if (!out.empty() && at < forgotten_) break;
        if (event.version <= at) continue;
        at = event.version;
        if (event.object.at("apiVersion") != kind.api_version ||
            event.object.at("kind") != kind.kind ||
            (!namespace_name.empty() && Part(event.object, "namespace") != namespace_name)) {
          continue;
        }
        const char* type = event.type;
        if (!Selected(event.object, Parameter(query, "labelSelector"),
                      Parameter(query, "fieldSelector"))) {
          type = "DELETED";  // it left the selection, if it ever was in it
        }
        absl::StrAppend(&out, Json({{"type", type}, {"object", event.object}}).dump(), "\n");
      }
      if (bookmarks_ != bookmarks) {
        bookmarks = bookmarks_;
        at = std::max(at, version_);
        absl::StrAppend(&out,
                        Json({{"type", "BOOKMARK"},
                              {"object",
                               {{"kind", kind.kind},
                                {"apiVersion", kind.api_version},
                                {"metadata", {{"resourceVersion", absl::StrCat(at)}}}}}})
                            .dump(),
                        "\n");
      }
      if (out.empty()) {
        (void)changed_.WaitFor(mutex_, absl::Milliseconds(200));
        continue;
      }
      const bool gone = at < forgotten_;
      mutex_.Unlock();
      const bool sent = write(out);
      mutex_.Lock();
      if (!sent || gone) break;
    }
    --open_watches_;
    mutex_.Unlock();
  };
  return response;
}

}  // namespace purser::connectors
