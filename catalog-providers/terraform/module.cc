#include "catalog-providers/terraform/module.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "document/hcl.h"

namespace purser::catalog_providers::terraform {
namespace {

using document::HclAttribute;
using document::HclBlock;
using document::HclExpression;
using document::HclPath;
using nlohmann::json;

const document::HclLabelCounts& LabelCounts() {
  static const auto& counts = *new document::HclLabelCounts{
      {"terraform", 0}, {"locals", 0},   {"moved", 0},    {"import", 0},
      {"removed", 0},   {"variable", 1}, {"output", 1},   {"module", 1},
      {"check", 1},     {"provider", 1}, {"resource", 2}, {"data", 2}};
  return counts;
}

const std::vector<absl::string_view>& FileFunctions() {
  static const auto& functions = *new std::vector<absl::string_view>{
      "file",     "filebase64", "filebase64sha256", "filebase64sha512", "fileexists",  "filemd5",
      "filesha1", "filesha256", "filesha512",       "fileset",          "templatefile"};
  return functions;
}

bool IsVariablesFile(absl::string_view name) {
  return name == "terraform.tfvars" || name == "terraform.tfvars.json" ||
         absl::EndsWith(name, ".auto.tfvars") || absl::EndsWith(name, ".auto.tfvars.json");
}

// What is known of the names of one module.
class Names {
 public:
  explicit Names(std::string path) : path_(std::move(path)) {}

  void SetVariable(const std::string& name, json value) { variables_[name] = std::move(value); }
  void AddLocal(const std::string& name, HclExpression value) {
    pending_.emplace(name, std::move(value));
  }
  // Locals may be made of locals; those in a circle stay unknown.
  void Settle() {
    for (int round = 0; round < kMaxLocalRounds && !pending_.empty(); ++round) {
      const size_t before = pending_.size();
      for (auto local = pending_.begin(); local != pending_.end();) {
        std::optional<json> value = Value(local->second);
        if (value.has_value()) locals_[local->first] = *std::move(value);
        local = value.has_value() ? pending_.erase(local) : std::next(local);
      }
      if (pending_.size() == before) return;
    }
  }

  std::optional<json> Value(const HclExpression& expression) const {
    return expression.Evaluate([this](const HclPath& path) { return Known(path); });
  }
  std::string Text(const HclAttribute* attribute) const {
    if (attribute == nullptr) return "";
    const std::optional<json> value = Value(attribute->value);
    return value.has_value() && value->is_string() ? value->get<std::string>() : "";
  }
  // The members of an object that are known, or the whole value when it is one.
  json KnownMembers(const HclExpression& expression) const {
    if (std::optional<json> whole = Value(expression); whole.has_value()) {
      return whole->is_object() ? *whole : json::object();
    }
    json known = json::object();
    for (const auto& [name, member] : expression.Members()) {
      if (name.empty()) continue;
      if (std::optional<json> value = Value(member); value.has_value()) {
        known[name] = *std::move(value);
      }
    }
    return known;
  }

 private:
  std::optional<json> Known(const HclPath& path) const {
    if (path.size() != 2) return std::nullopt;
    const auto& [scope, name] = std::tie(path[0], path[1]);
    if (scope == "var" || scope == "local") {
      const auto& values = scope == "var" ? variables_ : locals_;
      const auto found = values.find(name);
      return found == values.end() ? std::nullopt : std::optional<json>(found->second);
    }
    // The folder as an absolute path from the repository's root; see FileOf.
    if (scope == "path" && (name == "module" || name == "root")) return absl::StrCat("/", path_);
    if (scope == "terraform" && name == "workspace") return "default";
    return std::nullopt;
  }

  const std::string path_;
  std::map<std::string, json> variables_;
  std::map<std::string, json> locals_;
  std::map<std::string, HclExpression> pending_;
};

class Reader {
 public:
  Reader(absl::string_view path, const std::map<std::string, std::string>& files)
      : files_(files), names_(std::string(path)) {
    module_.path = std::string(path);
  }

  absl::StatusOr<Module> Read() {
    for (const auto& [name, text] : files_) {
      if (!IsTerraformFile(name)) continue;
      PURSER_ASSIGN_OR_RETURN(HclBlock root, ReadFile(name, text));
      const absl::string_view stem = absl::string_view(name).substr(0, name.find('.'));
      const bool is_override = stem == "override" || absl::EndsWith(stem, "_override");
      for (HclBlock& block : root.blocks)
        blocks_.push_back({std::move(block), FileOf(name), is_override});
    }
    // Overrides change what is there; for what is read here that is: they come first.
    std::stable_sort(blocks_.begin(), blocks_.end(),
                     [](const Found& a, const Found& b) { return a.is_override > b.is_override; });
    ReadVariables();
    PURSER_RETURN_IF_ERROR(ReadValues());
    for (const Found& found : blocks_) {
      if (found.block.type != "locals") continue;
      for (const HclAttribute& local : found.block.attributes)
        names_.AddLocal(local.name, local.value);
    }
    names_.Settle();
    for (const Found& found : blocks_) ReadBlock(found);
    std::sort(module_.files_read.begin(), module_.files_read.end());
    module_.files_read.erase(std::unique(module_.files_read.begin(), module_.files_read.end()),
                             module_.files_read.end());
    return std::move(module_);
  }

 private:
  struct Found {
    HclBlock block;
    std::string file;
    bool is_override = false;
  };

  std::string FileOf(absl::string_view name) const {
    return module_.path.empty() ? std::string(name) : absl::StrCat(module_.path, "/", name);
  }
  absl::StatusOr<HclBlock> ReadFile(const std::string& name, const std::string& text) const {
    if (absl::EndsWith(name, ".json")) {
      return document::ReadHclJson(text, FileOf(name), LabelCounts());
    }
    return document::ReadHcl(text, FileOf(name));
  }
  static std::string Where(const Found& found) {
    return absl::StrCat(found.file, ":", found.block.at.line, ":", found.block.at.column);
  }

  void ReadVariables() {
    std::set<std::string> seen;
    for (const Found& found : blocks_) {
      const HclBlock& block = found.block;
      if (block.type != "variable" || block.labels.size() != 1) continue;
      // Terraform takes no other name; expressions are made with it.
      if (!document::IsHclIdentifier(block.labels[0])) continue;
      if (!seen.insert(block.labels[0]).second) continue;
      Variable variable;
      variable.name = block.labels[0];
      variable.description = block.Text("description");
      if (const HclAttribute* type = block.Attribute("type")) {
        variable.type = type->value;
        variable.type_text = type->text;
        // JSON syntax writes the type as a string that holds the expression.
        if (const auto text = type->value.Literal(); text.has_value() && text->is_string()) {
          variable.type_text = text->get<std::string>();
          const auto parsed =
              document::ParseHclExpression(variable.type_text, found.file, type->at);
          variable.type = parsed.ok() ? std::optional(*parsed) : std::nullopt;
        }
      }
      if (const HclAttribute* value = block.Attribute("default")) {
        const std::optional<json> known = value->value.Literal();
        variable.default_value = known.value_or(nullptr);
        if (known.has_value()) names_.SetVariable(variable.name, *known);
      }
      variable.sensitive = Flag(block, "sensitive", false) || Flag(block, "ephemeral", false);
      variable.nullable = Flag(block, "nullable", true);
      ReadValidations(found, variable);
      module_.variables.push_back(std::move(variable));
    }
  }

  static bool Flag(const HclBlock& block, absl::string_view name, bool otherwise) {
    const HclAttribute* attribute = block.Attribute(name);
    const auto value = attribute == nullptr ? std::nullopt : attribute->value.Literal();
    return value.has_value() && value->is_boolean() ? value->get<bool>() : otherwise;
  }

  static void ReadValidations(const Found& found, Variable& variable) {
    for (const HclBlock& block : found.block.blocks) {
      const HclAttribute* condition = block.Attribute("condition");
      if (block.type != "validation" || condition == nullptr) continue;
      variable.validations.push_back({condition->value, block.Text("error_message")});
    }
    // JSON syntax: an object or a list of objects, whose conditions are templates of one part.
    const HclAttribute* attribute = found.block.Attribute("validation");
    if (attribute == nullptr) return;
    std::vector<HclExpression> items = attribute->value.Elements();
    if (items.empty()) items.push_back(attribute->value);
    for (const HclExpression& item : items) {
      Validation validation;
      bool has_condition = false;
      for (const auto& [name, member] : item.Members()) {
        if (name == "condition") {
          validation.condition = member;
          has_condition = true;
        } else if (const auto text = member.Literal();
                   name == "error_message" && text.has_value() && text->is_string()) {
          validation.message = text->get<std::string>();
        }
      }
      if (has_condition) variable.validations.push_back(std::move(validation));
    }
  }

  // Files that Terraform reads by itself, in the order in which later ones win.
  absl::Status ReadValues() {
    for (const char* const first : {"terraform.tfvars", "terraform.tfvars.json"}) {
      if (const auto found = files_.find(first); found != files_.end()) {
        PURSER_RETURN_IF_ERROR(ReadValuesFile(found->first, found->second));
      }
    }
    for (const auto& [name, text] : files_) {
      if (IsVariablesFile(name) && !absl::StartsWith(name, "terraform.tfvars")) {
        PURSER_RETURN_IF_ERROR(ReadValuesFile(name, text));
      }
    }
    return absl::OkStatus();
  }
  absl::Status ReadValuesFile(const std::string& name, const std::string& text) {
    PURSER_ASSIGN_OR_RETURN(const HclBlock root, ReadFile(name, text));
    for (const HclAttribute& attribute : root.attributes) {
      if (const auto value = attribute.value.Literal(); value.has_value()) {
        names_.SetVariable(attribute.name, *value);
      }
    }
    return absl::OkStatus();
  }

  void ReadBlock(const Found& found) {
    const HclBlock& block = found.block;
    CollectFiles(block);
    if (block.type == "module" && block.labels.size() == 1) {
      ModuleCall call;
      call.name = block.labels[0];
      call.source = names_.Text(block.Attribute("source"));
      call.version = names_.Text(block.Attribute("version"));
      call.where = Where(found);
      if (calls_.insert(call.name).second) module_.calls.push_back(std::move(call));
    } else if (block.type == "resource" && block.labels.size() == 2) {
      ++module_.resources[block.labels[0]];
    } else if (block.type == "data" && block.labels.size() == 2 &&
               block.labels[0] == "terraform_remote_state") {
      StateRead read;
      read.name = block.labels[1];
      read.backend = names_.Text(block.Attribute("backend"));
      if (const HclAttribute* config = block.Attribute("config")) {
        read.config = names_.KnownMembers(config->value);
      }
      read.where = Where(found);
      module_.state_reads.push_back(std::move(read));
    } else if (block.type == "output" && block.labels.size() == 1) {
      module_.outputs.push_back(
          {block.labels[0], block.Text("description"), Flag(block, "sensitive", false)});
    } else if (block.type == "terraform") {
      ReadSettings(block);
    }
  }

  void ReadSettings(const HclBlock& block) {
    if (module_.required_version.empty()) module_.required_version = block.Text("required_version");
    if (const HclBlock* providers = block.Block("required_providers")) {
      for (const HclAttribute& provider : providers->attributes) {
        AddProvider(provider.name, provider.value);
      }
    } else if (const HclAttribute* members = block.Attribute("required_providers")) {
      for (const auto& [name, value] : members->value.Members()) AddProvider(name, value);
    }
    if (!module_.backend.empty()) return;
    const HclBlock* backend = block.Block("backend");
    if (backend != nullptr && backend->labels.size() == 1) {
      SetBackend(backend->labels[0], *backend);
    } else if (const HclBlock* cloud = block.Block("cloud")) {
      SetBackend("cloud", *cloud);
    } else if (const HclAttribute* settings = block.Attribute("cloud")) {
      module_.backend = "cloud";
      module_.backend_config = names_.KnownMembers(settings->value);
    } else if (const HclAttribute* members = block.Attribute("backend")) {
      for (const auto& [type, value] : members->value.Members()) {
        module_.backend = type;
        module_.backend_config = names_.KnownMembers(value);
      }
    }
  }

  void SetBackend(const std::string& type, const HclBlock& block) {
    module_.backend = type;
    for (const HclAttribute& attribute : block.attributes) {
      if (auto value = names_.Value(attribute.value); value.has_value()) {
        module_.backend_config[attribute.name] = *std::move(value);
      }
    }
    if (const HclBlock* workspaces = block.Block("workspaces")) {
      json& known = module_.backend_config["workspaces"] = json::object();
      for (const HclAttribute& attribute : workspaces->attributes) {
        if (auto value = names_.Value(attribute.value); value.has_value()) {
          known[attribute.name] = *std::move(value);
        }
      }
    }
  }

  void AddProvider(const std::string& name, const HclExpression& value) {
    std::string source;
    for (const auto& [member, text] : value.Members()) {
      const auto known = text.Literal();
      if (member == "source" && known.has_value() && known->is_string()) source = *known;
    }
    module_.providers.emplace(name, source.empty() ? absl::StrCat("hashicorp/", name) : source);
  }

  // Blocks nest as deep as the reader of HCL lets them.
  void CollectFiles(const HclBlock& block) {
    for (const HclAttribute& attribute : block.attributes) {
      for (const HclExpression& argument : attribute.value.FirstArguments(FileFunctions())) {
        const std::optional<json> value = names_.Value(argument);
        if (!value.has_value() || !value->is_string()) continue;
        const std::string& text = value->get_ref<const std::string&>();
        // "${path.module}/x" became "/<folder>/x"; other absolute paths are not of the repository,
        // and relative ones count from the folder Terraform runs in.
        const bool of_module = absl::StartsWith(text, absl::StrCat("/", module_.path, "/")) ||
                               (module_.path.empty() && absl::StartsWith(text, "//"));
        if (absl::StartsWith(text, "/") && !of_module) continue;
        const std::optional<std::string> path =
            of_module ? ResolvePath("", text.substr(text.find_first_not_of('/')))
                      : ResolvePath(module_.path, text);
        if (path.has_value()) module_.files_read.push_back(*path);
      }
    }
    for (const HclBlock& inner : block.blocks) CollectFiles(inner);
  }

  const std::map<std::string, std::string>& files_;
  Module module_;
  Names names_;
  std::vector<Found> blocks_;
  std::set<std::string> calls_;
};

}  // namespace

bool IsTerraformFile(absl::string_view name) {
  return (absl::EndsWith(name, ".tf") || absl::EndsWith(name, ".tf.json")) &&
         !absl::StartsWith(name, ".") && !absl::StartsWith(name, "#") && !absl::EndsWith(name, "~");
}

std::optional<std::string> ResolvePath(absl::string_view folder, absl::string_view path) {
  std::vector<absl::string_view> parts = absl::StrSplit(folder, '/', absl::SkipEmpty());
  for (const absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return std::nullopt;
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  return absl::StrJoin(parts, "/");
}

absl::StatusOr<Module> ReadModule(absl::string_view path,
                                  const std::map<std::string, std::string>& files) {
  return Reader(path, files).Read();
}

}  // namespace purser::catalog_providers::terraform
