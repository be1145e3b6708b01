#include "template/callable.h"

namespace purser::tmpl {

Value* Scope::FindHere(uint32_t name) {
  for (auto& [key, value] : entries_) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Scope::Set(uint32_t name, Value value) {
  if (Value* found = FindHere(name)) {
    *found = std::move(value);
  } else {
    entries_.emplace_back(name, std::move(value));
  }
}

bool Scope::Has(uint32_t name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent_.get()) {
    for (const auto& [key, value] : scope->entries_) {
      if (key == name) return true;
    }
    if (scope->isolates_) return false;
  }
  return false;
}

void Scope::Assign(uint32_t name, Value value) {
  if (!isolates_ && FindHere(name) == nullptr && parent_ && parent_->Has(name)) {
    parent_->Assign(name, std::move(value));
  } else {
    Set(name, std::move(value));
  }
}

const Value* Scope::Find(uint32_t name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent_.get()) {
    for (const auto& [key, value] : scope->entries_) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

}  // namespace purser::tmpl
