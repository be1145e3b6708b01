// The filters that Backstage's scaffolder adds.
#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "template/context.h"
#include "template/filters.h"
#include "template/number.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

// The kind of code host, by host, that Backstage knows without configuration.
struct KnownHost {
  absl::string_view host;
  absl::string_view type;
};
constexpr KnownHost kKnownHosts[] = {{"github.com", "github"},
                                     {"gitlab.com", "gitlab"},
                                     {"bitbucket.org", "bitbucketCloud"},
                                     {"dev.azure.com", "azure"},
                                     {"amazonaws.com", "awsS3"},
                                     {"blob.core.windows.net", "azureBlobStorage"},
                                     {"storage.cloud.google.com", "googleGcs"}};
constexpr std::array<absl::string_view, 5> kRepoParts = {"owner", "repo", "organization",
                                                         "workspace", "project"};

absl::string_view HostType(const Options& options, absl::string_view host) {
  const auto configured = options.scm_hosts.find(std::string(host));
  if (configured != options.scm_hosts.end()) return configured->second;
  for (const KnownHost& known : kKnownHosts) {
    if (known.host == host) return known.type;
  }
  return "";
}

struct RepoUrl {
  std::string host;
  // By kRepoParts: whether given, and the value without slashes around.
  std::array<bool, kRepoParts.size()> given{};
  std::array<std::string, kRepoParts.size()> raw;

  bool Missing(absl::string_view part) const { return Raw(part).empty(); }
  const std::string& Raw(absl::string_view part) const {
    return raw[static_cast<size_t>(std::find(kRepoParts.begin(), kRepoParts.end(), part) -
                                   kRepoParts.begin())];
  }
  static std::string Trimmed(absl::string_view text) {
    while (absl::ConsumePrefix(&text, "/")) {
    }
    while (absl::ConsumeSuffix(&text, "/")) {
    }
    return std::string(text);
  }
};

// application/x-www-form-urlencoded.
std::string DecodeQuery(absl::string_view text) {
  std::string out;
  const auto hex = [](char c) {
    if (IsAsciiDigit(c)) return c - '0';
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 &&
               hex(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return DecodeUtf8(out);
}

// The host of "https://<rest>" as a URL parser sees it: lower case, no default port, no user.
bool ParseHost(absl::string_view authority, std::string* host) {
  const size_t user = authority.rfind('@');
  if (user != absl::string_view::npos) authority.remove_prefix(user + 1);
  *host = absl::AsciiStrToLower(authority);
  const size_t colon = host->rfind(':');
  if (colon != std::string::npos) {
    const std::string port = host->substr(colon + 1);
    if (!std::all_of(port.begin(), port.end(), IsAsciiDigit) || port.size() > 5) return false;
    if (port.empty() || port == "443") host->resize(colon);
  }
  if (host->empty()) return false;
  for (const char c : *host) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || absl::StrContains("<>^|%\\`{}\"", c)) return false;
  }
  return true;
}

bool ParseRepo(const FilterCall& call, RepoUrl* out) {
  Run& run = call.run;
  std::string text;
  if (!ToText(run, call.input, &text)) return false;
  const absl::string_view url = text;
  const size_t end = std::min(url.find_first_of("/?#\\"), url.size());
  if (!ParseHost(url.substr(0, end), &out->host)) {
    return run.Fail(absl::StrCat("\"", base::EscapeForDisplay(text), "\" is no repository URL"));
  }
  const absl::string_view type = HostType(call.options, out->host);
  if (type.empty()) {
    return run.Fail(absl::StrCat("no integration is configured for the host ",
                                 base::EscapeForDisplay(out->host)));
  }
  absl::string_view query = url.substr(end);
  query = query.substr(0, query.find('#'));
  const size_t mark = query.find('?');
  query = mark == absl::string_view::npos ? absl::string_view() : query.substr(mark + 1);
  for (const absl::string_view pair : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const size_t equals = pair.find('=');
    const std::string key = DecodeQuery(pair.substr(0, equals));
    const auto part = std::find(kRepoParts.begin(), kRepoParts.end(), key);
    if (part == kRepoParts.end()) continue;
    const auto index = static_cast<size_t>(part - kRepoParts.begin());
    if (std::exchange(out->given[index], true)) continue;  // the first one counts
    out->raw[index] = equals == absl::string_view::npos ? "" : DecodeQuery(pair.substr(equals + 1));
  }
  std::vector<absl::string_view> required;
  if (type == "bitbucketCloud") {
    required = {"workspace", "project", "repo"};
  } else if (type == "bitbucketServer" || type == "azure") {
    required = {"project", "repo"};
  } else if (type == "gitlab") {
    if (RepoUrl::Trimmed(out->Raw("project")).empty()) required = {"owner", "repo"};
  } else if (type == "gitea" || type == "gerrit") {
    required = {"repo"};
  } else {
    required = {"repo", "owner"};
  }
  for (const absl::string_view part : required) {
    if (out->Missing(part)) {
      return run.Fail(
          absl::StrCat("the repository URL \"", base::EscapeForDisplay(text), "\" has no ", part));
    }
  }
  return true;
}

Value RepoPart(const RepoUrl& repo, absl::string_view part) {
  const auto index = static_cast<size_t>(std::find(kRepoParts.begin(), kRepoParts.end(), part) -
                                         kRepoParts.begin());
  return repo.given[index] ? Value::String(RepoUrl::Trimmed(repo.raw[index])) : Value();
}

// A member that is a string, safe or not; others are left to the caller.
bool ReadPart(const FilterCall& call, const Value& record, absl::string_view name,
              std::string* out) {
  const Value value = Property(record, name);
  return !Truthy(value) || ToText(call.run, value, out);
}

// "a.b[0].c" as lodash splits it.
std::vector<std::string> PropertyPath(absl::string_view text) {
  std::vector<std::string> path;
  std::string part;
  bool open = false;  // a part was begun
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (i > 0 && text[i - 1] == ']') continue;
      path.push_back(std::exchange(part, ""));
      open = true;
      continue;
    }
    const size_t close = text.find(']', i);
    if (c != '[' || close == absl::string_view::npos) {
      part.push_back(c);
      open = true;
      continue;
    }
    if (!part.empty() || (i > 0 && text[i - 1] == '.')) path.push_back(std::exchange(part, ""));
    absl::string_view inner = text.substr(i + 1, close - i - 1);
    if (inner.size() >= 2 && (inner[0] == '"' || inner[0] == '\'') && inner.back() == inner[0]) {
      inner = inner.substr(1, inner.size() - 2);
    }
    path.emplace_back(inner);
    open = false;
    i = close;
  }
  if (open || !part.empty()) path.push_back(part);
  return path;
}

}  // namespace

bool ParseRepoUrlFilter(const FilterCall& call, Value* out) {
  RepoUrl repo;
  if (!ParseRepo(call, &repo)) return false;
  std::vector<RecordObject::Entry> entries = {{"host", Value::String(repo.host)}};
  for (const absl::string_view part : kRepoParts) {
    entries.emplace_back(std::string(part), RepoPart(repo, part));
  }
  return MakeRecord(call.run, std::move(entries), out);
}

bool ProjectSlugFilter(const FilterCall& call, Value* out) {
  RepoUrl repo;
  std::string slug;
  if (!ParseRepo(call, &repo) || !ToText(call.run, RepoPart(repo, "owner"), &slug)) return false;
  slug.push_back('/');
  if (!ToText(call.run, RepoPart(repo, "repo"), &slug)) return false;
  *out = Value::String(std::move(slug));
  return true;
}

bool ParseEntityRefFilter(const FilterCall& call, Value* out) {
  Run& run = call.run;
  const bool empty_text = call.input.IsText() && call.input.bytes().empty();
  if (!Truthy(call.input) || empty_text) return run.Fail("the entity reference is empty");
  std::string kind, space, name;
  const Value defaults = call.Arg(0);
  std::string default_kind, default_space;
  if (!ReadPart(call, defaults, "defaultKind", &default_kind) ||
      !ReadPart(call, defaults, "defaultNamespace", &default_space)) {
    return false;
  }
  if (default_space.empty()) default_space = "default";
  if (call.input.IsText()) {
    const absl::string_view ref = call.input.bytes();
    const size_t npos = absl::string_view::npos;
    const size_t slash = ref.find('/');
    size_t colon = ref.find(':');
    if (slash != npos && colon != npos && slash < colon) colon = npos;
    const size_t after_colon = colon == npos ? 0 : colon + 1;
    const size_t after_slash = slash == npos ? 0 : slash + 1;
    kind = std::string(colon == npos ? "" : ref.substr(0, colon));
    if (slash != npos && slash >= after_colon) {
      space = std::string(ref.substr(after_colon, slash - after_colon));
    }
    name = std::string(ref.substr(std::max(after_colon, after_slash)));
    if ((colon != npos && kind.empty()) || (slash != npos && space.empty()) || name.empty()) {
      return run.Fail(absl::StrCat("the entity reference \"", base::EscapeForDisplay(ref),
                                   "\" is not of the form [<kind>:][<namespace>/]<name>"));
    }
  } else if (!ReadPart(call, call.input, "kind", &kind) ||
             !ReadPart(call, call.input, "namespace", &space) ||
             !ReadPart(call, call.input, "name", &name)) {
    return false;
  }
  if (kind.empty()) kind = default_kind;
  if (space.empty()) space = default_space;
  if (kind.empty() || name.empty()) {
    return run.Fail(absl::StrCat("the entity reference has no ", kind.empty() ? "kind" : "name"));
  }
  return MakeRecord(run,
                    {{"kind", Value::String(std::move(kind))},
                     {"namespace", Value::String(std::move(space))},
                     {"name", Value::String(std::move(name))}},
                    out);
}

bool PickFilter(const FilterCall& call, Value* out) {
  std::vector<std::string> path;
  const Value wanted = call.Arg(0);
  if (wanted.IsArray()) {
    for (const Value& item : wanted.array().items()) {
      std::string key;
      if (!ToText(call.run, item, &key)) return false;
      path.push_back(std::move(key));
    }
  } else {
    std::string key;
    if (!ToText(call.run, wanted, &key)) return false;
    // A member of that very name comes first, then the dotted path.
    path = call.input.IsRecord() && HasProperty(call.input, key) ? std::vector{key}
                                                                 : PropertyPath(key);
  }
  // Filters of the host get a regular expression as its text.
  Value current = call.input.IsSafe()    ? call.input.Plain()
                  : call.input.IsRegex() ? Value::String(call.input.regex().ToText())
                                         : call.input;
  bool found = !path.empty();
  for (const std::string& key : path) {
    if (current.IsNullish()) {
      found = false;
      break;
    }
    const bool own = HasProperty(current, key);
    if (!own && !current.IsRecord() && (key == "constructor" || FindMethod(current, key, false))) {
      return call.run.Fail("functions cannot be picked");
    }
    current = Property(current, key);
  }
  // What is picked is a copy: changing it changes nothing else.
  *out = found && !current.IsUndefined() ? CopyValue(current) : call.Arg(1);
  return true;
}

}  // namespace purser::tmpl
