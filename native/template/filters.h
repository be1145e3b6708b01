// The filters, by the file that holds them. Only filters.cc needs these.
#ifndef PURSER_TEMPLATE_FILTERS_H_
#define PURSER_TEMPLATE_FILTERS_H_

#include "template/builtins.h"

namespace purser::tmpl {

// filters_text.cc
bool CapitalizeFilter(const FilterCall& call, Value* out);
bool CenterFilter(const FilterCall& call, Value* out);
bool EscapeFilter(const FilterCall& call, Value* out);
bool ForceEscapeFilter(const FilterCall& call, Value* out);
bool IndentFilter(const FilterCall& call, Value* out);
bool LowerFilter(const FilterCall& call, Value* out);
bool Nl2brFilter(const FilterCall& call, Value* out);
bool ReplaceFilter(const FilterCall& call, Value* out);
bool SafeFilter(const FilterCall& call, Value* out);
bool StringFilter(const FilterCall& call, Value* out);
bool TitleFilter(const FilterCall& call, Value* out);
bool TrimFilter(const FilterCall& call, Value* out);
bool TruncateFilter(const FilterCall& call, Value* out);
bool UpperFilter(const FilterCall& call, Value* out);
bool WordcountFilter(const FilterCall& call, Value* out);
// filters_html.cc
bool StriptagsFilter(const FilterCall& call, Value* out);
bool UrlencodeFilter(const FilterCall& call, Value* out);
bool UrlizeFilter(const FilterCall& call, Value* out);
// filters_value.cc
bool AbsFilter(const FilterCall& call, Value* out);
bool DefaultFilter(const FilterCall& call, Value* out);
bool DumpFilter(const FilterCall& call, Value* out);
bool FirstFilter(const FilterCall& call, Value* out);
bool FloatFilter(const FilterCall& call, Value* out);
bool IntFilter(const FilterCall& call, Value* out);
bool LastFilter(const FilterCall& call, Value* out);
bool LengthFilter(const FilterCall& call, Value* out);
bool ListFilter(const FilterCall& call, Value* out);
bool RandomFilter(const FilterCall& call, Value* out);
bool RoundFilter(const FilterCall& call, Value* out);
// filters_list.cc
bool BatchFilter(const FilterCall& call, Value* out);
bool DictsortFilter(const FilterCall& call, Value* out);
bool GroupbyFilter(const FilterCall& call, Value* out);
bool JoinFilter(const FilterCall& call, Value* out);
bool RejectFilter(const FilterCall& call, Value* out);
bool RejectattrFilter(const FilterCall& call, Value* out);
bool ReverseFilter(const FilterCall& call, Value* out);
bool SelectFilter(const FilterCall& call, Value* out);
bool SelectattrFilter(const FilterCall& call, Value* out);
bool SliceFilter(const FilterCall& call, Value* out);
bool SortFilter(const FilterCall& call, Value* out);
bool SumFilter(const FilterCall& call, Value* out);
// filters_backstage.cc
bool ParseEntityRefFilter(const FilterCall& call, Value* out);
bool ParseRepoUrlFilter(const FilterCall& call, Value* out);
bool PickFilter(const FilterCall& call, Value* out);
bool ProjectSlugFilter(const FilterCall& call, Value* out);

// --- Shared by the filters.

// undefined, null and false count as the empty string.
Value TextInput(const Value& input);
// The input's text; fails when it is no string.
bool RequireText(const FilterCall& call, const Value& input, absl::string_view* out);
// Text that is safe when `input` is.
Value LikeInput(const Value& input, std::string text);
std::string EscapeHtml(absl::string_view text);
// A number of spaces; a huge number fails, NaN and negatives are none.
bool Spaces(Run& run, double count, std::string* out);
// The items "0", "1", … of a record with a length, as JavaScript's array methods see it.
bool RecordItems(Run& run, const RecordObject& record, bool check_length, std::vector<Value>* out);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_FILTERS_H_
