// The shape of the generated tables in unicode_tables.cc; only unicode.cc reads them.
#ifndef PURSER_TEMPLATE_UNICODE_TABLES_H_
#define PURSER_TEMPLATE_UNICODE_TABLES_H_

#include <cstddef>
#include <cstdint>

namespace purser::tmpl {

// Code points first, first+step, … last map to themselves plus delta. Sorted by `first`.
struct CaseRun {
  uint32_t first;
  uint32_t last;
  uint32_t step;
  int32_t delta;
};
// A code point that maps to two or three (0 = none).
struct CaseSpecial {
  uint32_t code_point;
  uint32_t mapped[3];
};
struct CodePointRange {
  uint32_t first;
  uint32_t last;
};

extern const CaseRun kLowerRuns[];
extern const size_t kLowerRunsCount;
extern const CaseRun kUpperRuns[];
extern const size_t kUpperRunsCount;
extern const CaseSpecial kLowerSpecials[];
extern const size_t kLowerSpecialsCount;
extern const CaseSpecial kUpperSpecials[];
extern const size_t kUpperSpecialsCount;
extern const CodePointRange kCased[];
extern const size_t kCasedCount;
extern const CodePointRange kCaseIgnorable[];
extern const size_t kCaseIgnorableCount;

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_UNICODE_TABLES_H_
