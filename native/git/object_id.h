// The name of a git object: its SHA-1.
#ifndef PURSER_GIT_OBJECT_ID_H_
#define PURSER_GIT_OBJECT_ID_H_

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace purser::git {

struct ObjectId {
  static constexpr size_t kBytes = 20;

  // Forty hexadecimal digits of either case; nullopt for anything else.
  static std::optional<ObjectId> FromHex(absl::string_view hex);
  // Exactly kBytes raw bytes (a digest, an entry of a tree); nullopt for another length.
  static std::optional<ObjectId> FromRaw(absl::string_view raw);

  std::string ToHex() const;  // lower case
  absl::string_view raw() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // All zeros: git's way of saying "no object".
  bool IsZero() const { return *this == ObjectId(); }

  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const ObjectId& id) {
    return H::combine(std::move(state), id.bytes);
  }

  std::array<unsigned char, kBytes> bytes{};
};

}  // namespace purser::git

#endif  // PURSER_GIT_OBJECT_ID_H_
