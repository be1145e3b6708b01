// Which roots a change of files reaches: those it lies in, and those that are made of modules it
// lies in, however many modules are between.
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_AFFECTED_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_AFFECTED_H_

#include <string>
#include <vector>

#include "catalog-providers/terraform/tree.h"

namespace purser::catalog_providers::terraform {

inline constexpr size_t kMaxReasons = 10;  // of one root; the rest is counted only

struct AffectedRoot {
  std::string path;
  RootPlace place;
  // The root's files are gone; nothing is left to plan, what it made may be.
  bool removed = false;
  std::vector<std::string> because;  // for people, the first few
};

struct AffectedOptions {
  bool readers = false;  // also roots that read the state of an affected one, and so on
};

// In the order in which they are to be applied; removed ones come last, what builds on others
// first. `changed` are paths from the repository's root, of files that are there and files that are
// gone. Texts that Terraform does not read (*.md) count only where file() names them. A root whose
// files, or whose modules' files, cannot be read is affected by every change: it cannot be told.
std::vector<AffectedRoot> Affected(const Tree& tree, const Layout& layout,
                                   const std::vector<std::string>& changed,
                                   const AffectedOptions& options = {});

}  // namespace purser::catalog_providers::terraform

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_AFFECTED_H_
