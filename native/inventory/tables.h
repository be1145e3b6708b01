// The tables of the inventory.
#ifndef PURSER_INVENTORY_TABLES_H_
#define PURSER_INVENTORY_TABLES_H_

#include <vector>

#include "store/store.h"

namespace purser::inventory {

const std::vector<store::Migration>& Migrations();

}  // namespace purser::inventory

#endif  // PURSER_INVENTORY_TABLES_H_
