#include "template/filters.h"

#include <algorithm>
#include <iterator>

namespace purser::tmpl {
namespace {

struct Named {
  absl::string_view name;
  Filter filter;
};

// Sorted by name.
constexpr Named kFilters[] = {
    {"abs", AbsFilter},
    {"batch", BatchFilter},
    {"capitalize", CapitalizeFilter},
    {"center", CenterFilter},
    {"d", DefaultFilter},
    {"default", DefaultFilter},
    {"dictsort", DictsortFilter},
    {"dump", DumpFilter},
    {"e", EscapeFilter},
    {"escape", EscapeFilter},
    {"first", FirstFilter},
    {"float", FloatFilter},
    {"forceescape", ForceEscapeFilter},
    {"groupby", GroupbyFilter},
    {"indent", IndentFilter},
    {"int", IntFilter},
    {"join", JoinFilter},
    {"last", LastFilter},
    {"length", LengthFilter},
    {"list", ListFilter},
    {"lower", LowerFilter},
    {"nl2br", Nl2brFilter},
    {"random", RandomFilter},
    {"reject", RejectFilter},
    {"rejectattr", RejectattrFilter},
    {"replace", ReplaceFilter},
    {"reverse", ReverseFilter},
    {"round", RoundFilter},
    {"safe", SafeFilter},
    {"select", SelectFilter},
    {"selectattr", SelectattrFilter},
    {"slice", SliceFilter},
    {"sort", SortFilter},
    {"string", StringFilter},
    {"striptags", StriptagsFilter},
    {"sum", SumFilter},
    {"title", TitleFilter},
    {"trim", TrimFilter},
    {"truncate", TruncateFilter},
    {"upper", UpperFilter},
    {"urlencode", UrlencodeFilter},
    {"urlize", UrlizeFilter},
    {"wordcount", WordcountFilter},
};

}  // namespace

Filter FindFilter(absl::string_view name, bool cookiecutter) {
  if (cookiecutter && name == "jsonify") return DumpFilter;
  const auto* found =
      std::lower_bound(std::begin(kFilters), std::end(kFilters), name,
                       [](const Named& entry, absl::string_view key) { return entry.name < key; });
  return found != std::end(kFilters) && found->name == name ? found->filter : nullptr;
}

Filter FindBackstageFilter(absl::string_view name) {
  if (name == "parseEntityRef") return ParseEntityRefFilter;
  if (name == "parseRepoUrl") return ParseRepoUrlFilter;
  if (name == "pick") return PickFilter;
  if (name == "projectSlug") return ProjectSlugFilter;
  return nullptr;
}

}  // namespace purser::tmpl
