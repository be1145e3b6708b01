#include "connectors/keycloak/http_keycloak_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/url.h"
#include "json/fields.h"

namespace purser::connectors {
namespace {

using nlohmann::json;
using purser::json::TextAt;

// A token that ends sooner is taken for ended: the call it is for takes time.
constexpr absl::Duration kTokenMargin = absl::Seconds(20);
constexpr absl::Duration kMaxTokenLife = absl::Hours(12);

int64_t IntAt(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

absl::Status Unexpected(absl::string_view path, absl::string_view wanted) {
  return absl::UnavailableError(
      absl::StrCat("keycloak: GET ", path, ": the answer is not ", wanted));
}

}  // namespace

HttpKeycloakClient::HttpKeycloakClient(KeycloakOptions options, http::Transport& transport,
                                       base::Clock& clock)
    : options_(std::move(options)), transport_(transport), clock_(clock) {}

absl::StatusOr<std::string> HttpKeycloakClient::Token(bool renew, std::stop_token stop) {
  {
    base::MutexLock lock(mutex_);
    if (!renew && clock_.Now() + kTokenMargin < token_ends_) return token_;
  }
  const std::string& realm = options_.login_realm.empty() ? options_.realm : options_.login_realm;
  http::Request request;
  request.method = "POST";
  request.url = absl::StrCat(options_.base_url, "/realms/", http::EncodeComponent(realm),
                             "/protocol/openid-connect/token");
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"}};
  request.body = FormBody({{"grant_type", "client_credentials"},
                           {"client_id", options_.client_id},
                           {"client_secret", options_.client_secret}});
  http::CallOptions options;
  options.timeout = options_.timeout;
  options.max_response_bytes = options_.max_response_bytes;
  options.stop = stop;
  options.repeatable = true;  // a second token does no harm
  absl::StatusOr<JsonAnswer> answer =
      SendForJson(transport_, request, options, "keycloak: sign in", clock_.Now());
  if (!answer.ok()) {
    // 400 invalid_client and 401 are the same to whoever has to repair it.
    if (absl::IsInvalidArgument(answer.status())) {
      return absl::UnauthenticatedError(answer.status().message());
    }
    return answer.status();
  }
  const std::string token = answer->body.is_object() ? TextAt(answer->body, "access_token") : "";
  if (token.empty() || token.find_first_of("\r\n") != std::string::npos) {
    return absl::UnavailableError("keycloak: sign in: the answer holds no access_token");
  }
  base::MutexLock lock(mutex_);
  token_ = token;
  token_ends_ =
      clock_.Now() + std::min(absl::Seconds(IntAt(answer->body, "expires_in")), kMaxTokenLife);
  return token;
}

absl::StatusOr<json> HttpKeycloakClient::Get(absl::string_view path, std::stop_token stop) {
  http::Request request;
  request.url = absl::StrCat(options_.base_url, "/admin/realms/",
                             http::EncodeComponent(options_.realm), path);
  http::CallOptions options;
  options.timeout = options_.timeout;
  options.max_response_bytes = options_.max_response_bytes;
  options.stop = stop;
  for (const bool renew : {false, true}) {
    PURSER_ASSIGN_OR_RETURN(const std::string token, Token(renew, stop));
    request.headers = {{"Accept", "application/json"},
                       {"Authorization", absl::StrCat("Bearer ", token)}};
    absl::StatusOr<JsonAnswer> answer = SendForJson(
        transport_, request, options, absl::StrCat("keycloak: GET ", path), clock_.Now());
    if (answer.ok()) return std::move(answer->body);
    // A session may be ended or keys rotated at any time: once more with a new token.
    if (!absl::IsUnauthenticated(answer.status()) || renew) return answer.status();
  }
  return absl::InternalError("keycloak: not reached");
}

absl::StatusOr<int64_t> HttpKeycloakClient::Count(absl::string_view path, std::stop_token stop) {
  PURSER_ASSIGN_OR_RETURN(const json answer, Get(path, stop));
  if (!answer.is_number_integer()) return Unexpected(path, "a number");
  return answer.get<int64_t>();
}

absl::StatusOr<int64_t> HttpKeycloakClient::ListPages(absl::string_view path,
                                                      absl::string_view query, Seen& seen,
                                                      const OnItem& on_item, std::stop_token stop) {
  int64_t first = 0;
  int64_t given = 0;
  for (int page = 0; page < kMaxKeycloakPages; ++page) {
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    const std::string url =
        absl::StrCat(path, "?first=", first, "&max=", options_.page_size, query);
    PURSER_ASSIGN_OR_RETURN(const json items, Get(url, stop));
    if (!items.is_array()) return Unexpected(url, "a list");
    int64_t fresh = 0;
    for (const json& item : items) {
      const std::string id = item.is_object() ? TextAt(item, "id") : "";
      if (id.empty()) return Unexpected(url, "a list of objects with an id");
      if (!seen.insert(id).second) continue;
      ++fresh;
      PURSER_RETURN_IF_ERROR(on_item(item));
    }
    given += fresh;
    if (items.size() < static_cast<size_t>(options_.page_size)) return given;
    if (fresh == 0) {
      return absl::AbortedError(
          absl::StrCat("keycloak: GET ", url, ": the server gives the same page again"));
    }
    first += static_cast<int64_t>(items.size());
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "keycloak: GET ", path, ": more than ", kMaxKeycloakPages, " pages (kMaxKeycloakPages)"));
}

absl::Status HttpKeycloakClient::ListUsers(const OnItem& on_user, std::stop_token stop) {
  PURSER_ASSIGN_OR_RETURN(const int64_t before, Count("/users/count", stop));
  Seen seen;
  PURSER_ASSIGN_OR_RETURN(const int64_t given,
                          ListPages("/users", "&briefRepresentation=false", seen, on_user, stop));
  PURSER_ASSIGN_OR_RETURN(const int64_t after, Count("/users/count", stop));
  if (before != after || given != after) {
    return absl::AbortedError(absl::StrCat("keycloak: ", given, " users were listed, ", before,
                                           " were there before and ", after,
                                           " behind: they changed meanwhile"));
  }
  return absl::OkStatus();
}

absl::Status HttpKeycloakClient::ListGroups(const OnGroup& on_group, std::stop_token stop) {
  Seen seen;
  // The pages' own ids, apart from those of groups inside them.
  Seen top;
  return ListPages(
             "/groups", "&briefRepresentation=false", top,
             [&](const json& group) { return OneGroup(group, "", 0, seen, on_group, stop); }, stop)
      .status();
}

// Up to version 22 groups hold all groups below them; from 23 on they say how many there are.
absl::Status HttpKeycloakClient::OneGroup(const json& group, const std::string& parent_id,
                                          int depth, Seen& seen, const OnGroup& on_group,
                                          std::stop_token stop) {
  if (depth > kMaxKeycloakGroupDepth) {
    return absl::ResourceExhaustedError(absl::StrCat("keycloak: groups nested deeper than ",
                                                     kMaxKeycloakGroupDepth,
                                                     " (kMaxKeycloakGroupDepth)"));
  }
  const std::string id = group.is_object() ? TextAt(group, "id") : "";
  if (id.empty()) return Unexpected("/groups", "a list of objects with an id");
  if (!seen.insert(id).second) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(on_group(group, parent_id));
  const auto inside = group.find("subGroups");
  const size_t held = inside != group.end() && inside->is_array() ? inside->size() : 0;
  if (IntAt(group, "subGroupCount") > static_cast<int64_t>(held)) {
    Seen children;
    return ListPages(
               absl::StrCat("/groups/", http::EncodeComponent(id), "/children"),
               "&briefRepresentation=false", children,
               [&](const json& child) {
                 return OneGroup(child, id, depth + 1, seen, on_group, stop);
               },
               stop)
        .status();
  }
  if (held == 0) return absl::OkStatus();
  for (const json& child : *inside) {
    PURSER_RETURN_IF_ERROR(OneGroup(child, id, depth + 1, seen, on_group, stop));
  }
  return absl::OkStatus();
}

absl::Status HttpKeycloakClient::ListMembers(absl::string_view group_id, const OnItem& on_user,
                                             std::stop_token stop) {
  Seen seen;
  return ListPages(absl::StrCat("/groups/", http::EncodeComponent(group_id), "/members"),
                   "&briefRepresentation=true", seen, on_user, stop)
      .status();
}

}  // namespace purser::connectors
