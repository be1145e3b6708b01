// Which items of a changed list were there before.
#ifndef PURSER_EDIT_PAIRING_H_
#define PURSER_EDIT_PAIRING_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "edit/tree.h"

namespace purser::edit {

// Which old item becomes which new one; both ascending, and never crossing.
struct Pairing {
  std::vector<std::pair<size_t, size_t>> pairs;
};

// Equal items and items of the same name belong together; between them, the rest in order. What it
// gives after a stop means nothing: look.status() tells.
Pairing Pair(const Model& old, const Model& wanted, StopLook& look);

}  // namespace purser::edit

#endif  // PURSER_EDIT_PAIRING_H_
