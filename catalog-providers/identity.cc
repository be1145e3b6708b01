#include "catalog-providers/identity.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/fold_name.h"
#include "catalog/entity.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;

constexpr char kIdAnnotation[] = "purser.dev/directory-id";
constexpr char kDisabledAnnotation[] = "purser.dev/disabled";

bool AnyMatches(const std::vector<std::string>& patterns, absl::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return provider::WildcardMatches(pattern, text);
  });
}

std::string Bounded(std::string text) {
  return text.size() > kMaxIdentityTextBytes || !base::IsValidUtf8(text) ? "" : text;
}

std::string RefNameOf(const json& draft) { return catalog::RefOf(draft).name; }

}  // namespace

absl::Status DirectoryBuilder::AddUser(DirectoryUser user) {
  if (users_.size() >= options_.max_users) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "more than ", options_.max_users, " users; raise maxUsers or narrow what is read"));
  }
  if (user.id.empty()) return absl::OkStatus();
  if (!user_index_.emplace(user.id, static_cast<uint32_t>(users_.size())).second) {
    return absl::OkStatus();
  }
  for (std::string* text : {&user.name, &user.email, &user.display_name, &user.picture}) {
    *text = Bounded(std::move(*text));
  }
  if (options_.rules.size() == 0) user.attributes = nullptr;
  users_.push_back({std::move(user), {}, ""});
  return absl::OkStatus();
}

absl::Status DirectoryBuilder::AddGroup(DirectoryGroup group) {
  if (groups_.size() >= options_.max_groups) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "more than ", options_.max_groups, " groups; raise maxGroups or narrow what is read"));
  }
  if (group.id.empty()) return absl::OkStatus();
  if (!group_index_.emplace(group.id, static_cast<uint32_t>(groups_.size())).second) {
    return absl::OkStatus();
  }
  for (std::string* text : {&group.name, &group.display_name, &group.description, &group.email}) {
    *text = Bounded(std::move(*text));
  }
  groups_.push_back({std::move(group), {}, ""});
  return absl::OkStatus();
}

std::vector<std::string> DirectoryBuilder::GroupIds() const {
  std::vector<std::string> ids;
  for (const Group& group : groups_) ids.push_back(group.source.id);
  return ids;
}

absl::Status DirectoryBuilder::AddMember(absl::string_view group_id, absl::string_view user_id) {
  const auto group = group_index_.find(group_id);
  const auto user = user_index_.find(user_id);
  if (group == group_index_.end() || user == user_index_.end()) return absl::OkStatus();
  if (++memberships_ > kMaxIdentityMemberships) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxIdentityMemberships,
                                                     " memberships (kMaxIdentityMemberships)"));
  }
  users_[user->second].groups.push_back(group->second);
  return absl::OkStatus();
}

absl::Status DirectoryBuilder::AddChild(absl::string_view parent_id, absl::string_view child_id) {
  const auto parent = group_index_.find(parent_id);
  const auto child = group_index_.find(child_id);
  if (parent == group_index_.end() || child == group_index_.end()) return absl::OkStatus();
  if (++memberships_ > kMaxIdentityMemberships) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxIdentityMemberships,
                                                     " memberships (kMaxIdentityMemberships)"));
  }
  groups_[parent->second].children.push_back(child->second);
  return absl::OkStatus();
}

void DirectoryBuilder::Problem(provider::Context& context, absl::string_view line,
                               int64_t dropped) {
  if (dropped > 0) context.AddDropped(dropped);
  if (++problems_ <= kMaxLoggedIdentityProblems) {
    context.Log(action::LogLevel::kWarning, base::EscapeForDisplay(line, 500));
  }
}

std::string DirectoryBuilder::UserNameOf(const DirectoryUser& user) const {
  switch (options_.user_name) {
    case IdentityOptions::UserName::kName:
      return user.name;
    case IdentityOptions::UserName::kEmail:
      return user.email;
    case IdentityOptions::UserName::kEmailLocalPart:
      return user.email.substr(0, user.email.find('@'));
  }
  return user.name;
}

bool DirectoryBuilder::TakesGroup(const DirectoryGroup& group) const {
  if (!options_.include_groups.empty() && !AnyMatches(options_.include_groups, group.name)) {
    return false;
  }
  return !AnyMatches(options_.exclude_groups, group.name);
}

bool DirectoryBuilder::TakesUser(const DirectoryUser& user) const {
  if (!user.enabled && options_.disabled == IdentityOptions::Disabled::kDrop) return false;
  if (!options_.email_domains.empty()) {
    const size_t at = user.email.rfind('@');
    const std::string domain =
        at == std::string::npos ? "" : absl::AsciiStrToLower(user.email.substr(at + 1));
    if (std::find(options_.email_domains.begin(), options_.email_domains.end(), domain) ==
        options_.email_domains.end()) {
      return false;
    }
  }
  return !AnyMatches(options_.exclude_users, user.name);
}

json DirectoryBuilder::GroupDraft(const Group& group, const DirectoryOrigin& origin) const {
  const DirectoryGroup& source = group.source;
  json annotations = {{"backstage.io/managed-by-location", origin.location},
                      {"backstage.io/managed-by-origin-location", origin.location},
                      {kIdAnnotation, source.id}};
  for (const auto& [name, value] : source.annotations) annotations[name] = value;
  json profile = json::object();
  profile["displayName"] = source.display_name.empty() ? source.name : source.display_name;
  if (!source.email.empty() && options_.profile_email) profile["email"] = source.email;
  json draft = {{"apiVersion", "backstage.io/v1alpha1"},
                {"kind", "Group"},
                {"metadata",
                 {{"name", catalog::SanitizeName(source.name)},
                  {"namespace", options_.namespace_name},
                  {"annotations", std::move(annotations)}}},
                {"spec",
                 {{"type", origin.group_type},
                  {"profile", std::move(profile)},
                  {"children", json::array()}}}};
  if (!source.description.empty()) draft["metadata"]["description"] = source.description;
  return draft;
}

json DirectoryBuilder::UserDraft(const User& user, const DirectoryOrigin& origin) const {
  const DirectoryUser& source = user.source;
  json annotations = {{"backstage.io/managed-by-location", origin.location},
                      {"backstage.io/managed-by-origin-location", origin.location},
                      {kIdAnnotation, source.id}};
  for (const auto& [name, value] : source.annotations) annotations[name] = value;
  if (!source.enabled) annotations[kDisabledAnnotation] = "true";
  json profile = json::object();
  if (!source.display_name.empty()) profile["displayName"] = source.display_name;
  if (!source.email.empty() && options_.profile_email) profile["email"] = source.email;
  if (absl::StartsWith(source.picture, "https://")) profile["picture"] = source.picture;
  return {{"apiVersion", "backstage.io/v1alpha1"},
          {"kind", "User"},
          {"metadata",
           {{"name", catalog::SanitizeName(UserNameOf(source))},
            {"namespace", options_.namespace_name},
            {"annotations", std::move(annotations)}}},
          {"spec", {{"profile", std::move(profile)}, {"memberOf", json::array()}}}};
}

absl::StatusOr<bool> DirectoryBuilder::Map(const char* kind, const std::string& name,
                                           const json& attributes, json* draft) const {
  if (options_.rules.size() == 0) return true;
  const std::string entity_kind = (*draft)["kind"].get<std::string>();
  const json variables = {{kind, attributes}};
  PURSER_ASSIGN_OR_RETURN(
      const provider::MappingOutcome outcome,
      options_.rules.Apply(
          {"directory", kind, options_.namespace_name, name, nullptr, nullptr, &variables}, draft));
  if (outcome == provider::MappingOutcome::kDropped) return false;
  // A rule may name, it may not make something else of a person or a group.
  if ((*draft)["kind"] != entity_kind) {
    return absl::InvalidArgumentError(
        absl::StrCat("a rule makes a ", entity_kind, " something else, which is not allowed here"));
  }
  return true;
}

// The name it gets, the name it had before characters were replaced, and what people see of it.
bool DirectoryBuilder::IsReserved(const json& draft, const DirectoryGroup& group) const {
  const std::string name = absl::AsciiStrToLower(draft["metadata"]["name"].get<std::string>());
  const auto trusted = options_.trusted_groups.find(name);
  if (trusted != options_.trusted_groups.end() && trusted->second == group.id) return false;
  std::vector<std::string> shown = {name, group.name, group.display_name};
  for (const auto& [pointer, field] :
       {std::pair("metadata", "title"), std::pair("spec", "profile")}) {
    const auto found = draft[pointer].find(field);
    if (found == draft[pointer].end()) continue;
    if (found->is_string()) shown.push_back(found->get<std::string>());
    if (found->is_object()) shown.push_back(found->value("displayName", ""));
  }
  return std::any_of(shown.begin(), shown.end(), [&](const std::string& text) {
    return AnyMatches(options_.reserved_groups, FoldName(text));
  });
}

void DirectoryBuilder::NameGroups(provider::Context& context, const DirectoryOrigin& origin) {
  std::map<std::string, std::vector<uint32_t>> claims;
  for (uint32_t i = 0; i < groups_.size(); ++i) {
    const DirectoryGroup& source = groups_[i].source;
    if (!TakesGroup(source)) continue;
    const std::string what = absl::StrCat("group ", source.name, " (", source.id, ")");
    if (source.name.empty()) {
      Problem(context, absl::StrCat(what, ": has no usable name"), 1);
      continue;
    }
    json draft = GroupDraft(groups_[i], origin);
    const absl::StatusOr<bool> mapped = Map("group", source.name, source.attributes, &draft);
    if (!mapped.ok()) {
      Problem(context, absl::StrCat(what, ": ", mapped.status().message()), 1);
      continue;
    }
    if (!*mapped) continue;
    if (IsReserved(draft, source)) {
      Problem(context, absl::StrCat(what, ": its name is reserved; left out"), 1);
      continue;
    }
    claims[RefNameOf(draft)].push_back(i);
  }
  for (const auto& [name, claimants] : claims) {
    if (claimants.size() > 1) {
      // Whoever made the second one must not get what the first one may.
      Problem(context,
              absl::StrCat("group ", name, ": ", claimants.size(),
                           " groups claim this name, and none gets it: ids ",
                           groups_[claimants[0]].source.id, ", ", groups_[claimants[1]].source.id),
              static_cast<int64_t>(claimants.size()));
      continue;
    }
    groups_[claimants[0]].ref_name = name;
  }
}

void DirectoryBuilder::NameUsers(provider::Context& context, const DirectoryOrigin& origin) {
  absl::flat_hash_map<std::string, uint32_t> claims;
  absl::flat_hash_map<std::string, int> claimed_again;
  for (uint32_t i = 0; i < users_.size(); ++i) {
    const DirectoryUser& source = users_[i].source;
    if (!TakesUser(source)) continue;
    if (UserNameOf(source).empty()) {
      Problem(context, absl::StrCat("user ", source.name, " (", source.id, "): has no usable name"),
              1);
      continue;
    }
    json draft = UserDraft(users_[i], origin);
    const absl::StatusOr<bool> mapped = Map("user", source.name, source.attributes, &draft);
    if (!mapped.ok()) {
      Problem(context,
              absl::StrCat("user ", source.name, " (", source.id, "): ", mapped.status().message()),
              1);
      continue;
    }
    if (!*mapped) continue;
    const std::string name = RefNameOf(draft);
    const auto [first, is_new] = claims.emplace(name, i);
    if (is_new) {
      users_[i].ref_name = name;
    } else {
      users_[first->second].ref_name.clear();
      ++claimed_again[name];
    }
  }
  for (const auto& [name, more] : claimed_again) {
    Problem(context,
            absl::StrCat("user ", name, ": ", more + 1, " users claim this name, and none gets it"),
            more + 1);
  }
}

// Depth first over the groups in order of their ids; an edge back to a group on the way is cut.
void DirectoryBuilder::CutCircles(provider::Context& context) {
  std::vector<uint32_t> order(groups_.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto by_id = [this](uint32_t a, uint32_t b) {
    return groups_[a].source.id < groups_[b].source.id;
  };
  std::sort(order.begin(), order.end(), by_id);
  for (Group& group : groups_) {
    std::sort(group.children.begin(), group.children.end(), by_id);
    group.children.erase(std::unique(group.children.begin(), group.children.end()),
                         group.children.end());
  }
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(groups_.size(), Mark::kNew);
  struct Step {
    uint32_t group;
    size_t next;
  };
  std::vector<Step> path;
  for (const uint32_t start : order) {
    if (marks[start] != Mark::kNew) continue;
    marks[start] = Mark::kOpen;
    path.push_back({start, 0});
    while (!path.empty()) {
      Step& step = path.back();
      std::vector<uint32_t>& children = groups_[step.group].children;
      if (step.next == children.size()) {
        marks[step.group] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const uint32_t child = children[step.next];
      if (marks[child] == Mark::kOpen) {
        Problem(context,
                absl::StrCat("group ", groups_[child].source.name, ": is inside itself by way of ",
                             groups_[step.group].source.name, "; the circle is cut there"),
                0);
        children.erase(children.begin() + static_cast<std::ptrdiff_t>(step.next));
        continue;
      }
      ++step.next;
      if (marks[child] == Mark::kNew) {
        marks[child] = Mark::kOpen;
        path.push_back({child, 0});
      }
    }
  }
}

absl::Status DirectoryBuilder::EmitOne(provider::Context& context, const char* kind,
                                       const std::string& name, const json& entity) {
  const absl::Status status = context.Emit(entity);
  if (status.code() != absl::StatusCode::kInvalidArgument) return status;
  Problem(context, absl::StrCat(kind, " ", name, ": ", status.message()), 0);
  return absl::OkStatus();
}

absl::Status DirectoryBuilder::Emit(provider::Context& context, const DirectoryOrigin& origin) {
  NameGroups(context, origin);
  NameUsers(context, origin);
  CutCircles(context);
  std::vector<std::vector<uint32_t>> parents(groups_.size());
  for (uint32_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].ref_name.empty()) continue;
    for (const uint32_t child : groups_[i].children) parents[child].push_back(i);
  }
  for (uint32_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    if (group.ref_name.empty()) continue;
    if (context.stop().stop_requested()) return absl::CancelledError("stopped");
    json entity = GroupDraft(group, origin);
    PURSER_RETURN_IF_ERROR(
        Map("group", group.source.name, group.source.attributes, &entity).status());
    for (const uint32_t child : group.children) {
      if (!groups_[child].ref_name.empty()) {
        entity["spec"]["children"].push_back(groups_[child].ref_name);
      }
    }
    // The catalog knows one parent; further ones name this group among their children.
    if (!parents[i].empty()) entity["spec"]["parent"] = groups_[parents[i][0]].ref_name;
    ++emitted_groups_;
    PURSER_RETURN_IF_ERROR(EmitOne(context, "group", group.source.name, entity));
  }
  for (User& user : users_) {
    if (user.ref_name.empty()) continue;
    if (context.stop().stop_requested()) return absl::CancelledError("stopped");
    json entity = UserDraft(user, origin);
    PURSER_RETURN_IF_ERROR(Map("user", user.source.name, user.source.attributes, &entity).status());
    std::set<std::string> names;
    for (const uint32_t group : user.groups) {
      if (user.source.enabled && !groups_[group].ref_name.empty()) {
        names.insert(groups_[group].ref_name);
      }
    }
    // What a rule added stays.
    json& member_of = entity["spec"]["memberOf"];
    for (const std::string& name : names) member_of.push_back(name);
    ++emitted_users_;
    PURSER_RETURN_IF_ERROR(EmitOne(context, "user", user.source.name, entity));
  }
  if (problems_ > kMaxLoggedIdentityProblems) {
    context.Log(action::LogLevel::kWarning,
                absl::StrCat("… ", problems_ - kMaxLoggedIdentityProblems, " more problems"));
  }
  context.Log(action::LogLevel::kInfo,
              absl::StrCat(emitted_users_, " users of ", users_.size(), ", ", emitted_groups_,
                           " groups of ", groups_.size(), ", ", problems_, " problems"));
  return absl::OkStatus();
}

}  // namespace purser::catalog_providers
