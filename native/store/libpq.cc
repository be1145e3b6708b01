#include "store/libpq.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace purser::store {
namespace {

constexpr char kLibrary[] = "libpq.so.5";

absl::StatusOr<const Libpq*> LoadOnce() {
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("a PostgreSQL store needs ", kLibrary,
                                                      ", which cannot be loaded (", dlerror(),
                                                      "): install the package libpq5"));
  }
  auto* functions = new Libpq();
#define PURSER_LIBPQ_FIND(name)                                                         \
  functions->name = reinterpret_cast<decltype(functions->name)>(dlsym(library, #name)); \
  if (functions->name == nullptr) {                                                     \
    delete functions;                                                                   \
    return absl::FailedPreconditionError(                                               \
        absl::StrCat(kLibrary, " has no ", #name, ": version 14 or newer is needed"));  \
  }
  PURSER_LIBPQ_FUNCTIONS(PURSER_LIBPQ_FIND)
#undef PURSER_LIBPQ_FIND
  return functions;
}

}  // namespace

absl::StatusOr<const Libpq*> Libpq::Load() {
  // Never unloaded, so that no connection outlives its code.
  static base::Mutex& mutex = *new base::Mutex();
  static const Libpq* loaded = nullptr;
  base::MutexLock lock(mutex);
  if (loaded != nullptr) return loaded;
  absl::StatusOr<const Libpq*> result = LoadOnce();
  if (result.ok()) loaded = *result;
  return result;
}

}  // namespace purser::store
