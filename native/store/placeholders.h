// Texts of statements that take as many values as there are keys.
#ifndef PURSER_STORE_PLACEHOLDERS_H_
#define PURSER_STORE_PLACEHOLDERS_H_

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"

namespace purser::store {

// "$first,$first+1,…", `count` of them.
inline std::string Placeholders(size_t first, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&text, i == 0 ? "$" : ",$", first + i);
  return text;
}

}  // namespace purser::store

#endif  // PURSER_STORE_PLACEHOLDERS_H_
