#include "scaffolder-actions/render_support.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/transport.h"
#include "json/json.h"
#include "scaffolder-actions/kept_outputs.h"
#include "template/unicode.h"

namespace purser::actions {
namespace {

// The portal's engine has a limit of its own; this one only ends what hangs.
constexpr absl::Duration kPortalRenderTimeout = absl::Minutes(5);
constexpr int64_t kMaxPortalAnswerBytes = 256 << 20;

nlohmann::json CountProperty(const char* title, int example) {
  return {{"type", "integer"}, {"minimum", 0}, {"title", title}, {"examples", {example}}};
}

absl::StatusOr<std::string> RenderInPortal(action::Context& context, absl::string_view name,
                                           absl::string_view source, std::stop_token stop) {
  http::Request request;
  request.method = "POST";
  request.url = kPortalRenderUrl;
  request.headers = {{"content-type", "application/json"}};
  request.body =
      json::Dump({{"name", base::EscapeForDisplay(name)}, {"source", tmpl::DecodeUtf8(source)}});
  http::CallOptions options;
  options.timeout = kPortalRenderTimeout;
  options.max_response_bytes = kMaxPortalAnswerBytes;
  options.stop = std::move(stop);
  PURSER_ASSIGN_OR_RETURN(http::Response answer, context.transport().Send(request, options));
  if (answer.status == 200) return std::move(answer.body);
  return absl::InvalidArgumentError(
      absl::StrCat("the portal's own engine: ", base::EscapeForDisplay(answer.body, 1000)));
}

nlohmann::json OutputsOf(const tmpl::TreeCounts& counts) {
  const size_t listed = std::min(counts.paths.size(), kMaxListedPaths);
  nlohmann::json paths = std::vector<std::string>(
      counts.paths.begin(), counts.paths.begin() + static_cast<ptrdiff_t>(listed));
  return {{"files", counts.files},   {"bytes", counts.bytes},     {"rendered", counts.rendered},
          {"copied", counts.copied}, {"skipped", counts.skipped}, {"paths", std::move(paths)}};
}

void Say(action::Context& context, const tmpl::TreeCounts& counts, const nlohmann::json& outputs,
         const std::string& where) {
  GiveOutputs(context, outputs);
  std::string line = absl::StrCat("wrote ", counts.files, " files (", counts.rendered,
                                  " rendered, ", counts.copied, " copied, ", counts.bytes,
                                  " bytes) to ", where, "; ", counts.skipped, " skipped");
  if (counts.foreign > 0) {
    absl::StrAppend(
        &line, "; ", counts.foreign,
        " rendered by the portal's own engine, because they use its filters or globals");
  }
  context.Log(action::LogLevel::kInfo, line);
}

}  // namespace

nlohmann::json Property(nlohmann::json type, const char* title, const char* description) {
  return {{"type", std::move(type)}, {"title", title}, {"description", description}};
}

nlohmann::json Flag(const char* title, const char* description) {
  nlohmann::json property = Property("boolean", title, description);
  property["default"] = false;
  return property;
}

nlohmann::json UrlProperty(const char* what) {
  nlohmann::json url = Property("string", "Location", what);
  url["minLength"] = 1;
  url["maxLength"] = 2048;
  return url;
}

nlohmann::json TokenProperty() {
  return Property("string", "Token",
                  "Credential for reading the URL, instead of the integration's.");
}

nlohmann::json ValuesProperty() {
  return Property("object", "Values",
                  "What the templates see, as values.name (cookiecutter.name with "
                  "cookiecutterCompat).");
}

nlohmann::json ReservedProperties() {
  return {{"^sourcePath$", {{"type", "string"}, {"minLength", 1}, {"maxLength", 4096}}},
          {"^valuesText$", {{"type", "string"}}},
          {"^scmHosts$", {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}}},
          {"^portalNames$", {{"type", "array"}, {"items", {{"type", "string"}}}}}};
}

nlohmann::json OutputSchema() {
  return {{"type", "object"},
          {"required", {"files", "bytes", "rendered", "copied", "skipped", "paths"}},
          {"properties",
           {{"files", CountProperty("Files written", 2)},
            {"bytes", CountProperty("Bytes written", 512)},
            {"rendered", CountProperty("Files whose contents were rendered", 1)},
            {"copied", CountProperty("Files and links copied as they are", 1)},
            {"skipped", CountProperty("Entries dropped by their name, or there already", 0)},
            {"paths",
             {{"type", "array"},
              {"items", {{"type", "string"}}},
              {"maxItems", kMaxListedPaths},
              {"title", "Files"},
              {"description", "Paths below the target, at most 1,000."},
              {"examples", nlohmann::json::array({nlohmann::json::array(
                               {"catalog-info.yaml", "docs/index.md"})})}}}}}};
}

absl::StatusOr<std::string> SourcePathOf(const nlohmann::json& input) {
  std::string path = input.value("sourcePath", "");
  if (!absl::StartsWith(path, "/")) {
    return absl::FailedPreconditionError(
        "the portal gave no sourcePath: it reads the url and hands over what it read");
  }
  return path;
}

absl::StatusOr<tmpl::Context> VariablesOf(const nlohmann::json& input, bool cookiecutter_compat) {
  const char* name = cookiecutter_compat ? "cookiecutter" : "values";
  if (const auto text = input.find("valuesText"); text != input.end()) {
    return tmpl::Context::FromText(
        absl::StrCat("{\"", name, "\":", text->get_ref<const std::string&>(), "}"));
  }
  nlohmann::json variables = nlohmann::json::object();
  if (const auto values = input.find("values"); values != input.end()) variables[name] = *values;
  return tmpl::Context::FromJson(variables);
}

absl::StatusOr<std::string> ReadSourceFile(const std::string& path) {
  const size_t slash = path.rfind('/');
  PURSER_ASSIGN_OR_RETURN(const base::Directory folder,
                          base::Directory::Open(slash == 0 ? "/" : path.substr(0, slash)));
  return folder.ReadFile(path.substr(slash + 1), tmpl::TreeLimits().max_file_bytes);
}

tmpl::TreeOptions CommonOptionsOf(action::Context& context) {
  const nlohmann::json& input = context.input();
  tmpl::TreeOptions options;
  options.cookiecutter_compat = input.value("cookiecutterCompat", false);
  options.trim_blocks = input.value("trimBlocks", false);
  options.lstrip_blocks = input.value("lstripBlocks", false);
  options.replace = input.value("replace", false);
  options.scm_hosts = input.value("scmHosts", std::map<std::string, std::string>());
  options.foreign.names = input.value("portalNames", std::vector<std::string>());
  options.foreign.render = [&context](absl::string_view name, absl::string_view source,
                                      std::stop_token stop) {
    return RenderInPortal(context, name, source, std::move(stop));
  };
  return options;
}

void Report(action::Context& context, const tmpl::TreeCounts& counts, const std::string& where) {
  Say(context, counts, OutputsOf(counts), where);
}

RenderReport::RenderReport(action::Context& context, tmpl::TreeOptions& options)
    : context_(context) {
  options.before_publishing = [this](const tmpl::TreeCounts& counts) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(outputs_, KeptOutputs(context_, OutputsOf(counts)));
    return absl::OkStatus();
  };
}

void RenderReport::Give(const tmpl::TreeCounts& counts, const std::string& where) {
  Say(context_, counts, outputs_, where);
}

}  // namespace purser::actions
