#include "costs/readers/duckdb/duckdb_library.h"

#include <dlfcn.h>

#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::costs {
namespace {

// What a file can do is decided here, not by what DuckDB may find on the machine.
constexpr std::pair<const char*, const char*> kSettings[] = {
    {"threads", "2"},
    {"memory_limit", kDuckDbMemory},
    {"autoinstall_known_extensions", "false"},
    {"autoload_known_extensions", "false"},
    {"allow_community_extensions", "false"},
};
constexpr size_t kShownBytes = 500;

template <typename Function>
absl::Status Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("it has no function ", name, ": is it a libduckdb of version 1.2 or later?"));
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

}  // namespace

// A database in memory and a connection to it.
class DuckDb::Session {
 public:
  explicit Session(const DuckDb& api) : api_(api) {}
  ~Session() {
    if (connection_ != nullptr) api_.disconnect_(&connection_);
    if (database_ != nullptr) api_.close_(&database_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  absl::Status Open() {
    Handle config = nullptr;
    if (api_.create_config_(&config) != kSuccess) return Failed("its configuration");
    for (const auto& [name, value] : kSettings) {
      if (api_.set_config_(config, name, value) == kSuccess) continue;
      api_.destroy_config_(&config);
      return Failed(absl::StrCat("its setting ", name));
    }
    char* error = nullptr;
    const int opened = api_.open_ext_(":memory:", &database_, config, &error);
    api_.destroy_config_(&config);
    if (opened != kSuccess) {
      const std::string why = error == nullptr ? "a database" : error;
      if (error != nullptr) api_.free_(error);
      return Failed(why);
    }
    if (api_.connect_(database_, &connection_) != kSuccess) return Failed("a connection");
    return absl::OkStatus();
  }
  absl::Status Run(const std::string& sql) {
    Result result;
    const bool good = api_.query_(connection_, sql.c_str(), &result) == kSuccess;
    const char* const why = good ? nullptr : api_.result_error_(&result);
    const std::string text = why == nullptr ? "it says nothing" : why;
    api_.destroy_result_(&result);
    if (good) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("DuckDB: ", base::EscapeForDisplay(text, kShownBytes)));
  }
  void Interrupt() { api_.interrupt_(connection_); }

 private:
  static absl::Status Failed(absl::string_view what) {
    return absl::FailedPreconditionError(
        absl::StrCat("DuckDB does not start: ", base::EscapeForDisplay(what, kShownBytes)));
  }

  const DuckDb& api_;
  Handle database_ = nullptr;
  Handle connection_ = nullptr;
};

absl::StatusOr<const DuckDb*> DuckDb::Load(const std::string& path) {
  static base::Mutex& mutex = *new base::Mutex;
  static auto& loaded = *new std::map<std::string, std::unique_ptr<const DuckDb>>;
  base::MutexLock lock(mutex);
  if (const auto known = loaded.find(path); known != loaded.end()) return known->second.get();
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("libduckdb ", path, " cannot be loaded: ", dlerror()));
  }
  auto api = std::unique_ptr<DuckDb>(new DuckDb);
  const absl::Status found[] = {
      Find(library, "duckdb_create_config", api->create_config_),
      Find(library, "duckdb_set_config", api->set_config_),
      Find(library, "duckdb_destroy_config", api->destroy_config_),
      Find(library, "duckdb_open_ext", api->open_ext_),
      Find(library, "duckdb_close", api->close_),
      Find(library, "duckdb_connect", api->connect_),
      Find(library, "duckdb_disconnect", api->disconnect_),
      Find(library, "duckdb_interrupt", api->interrupt_),
      Find(library, "duckdb_query", api->query_),
      Find(library, "duckdb_result_error", api->result_error_),
      Find(library, "duckdb_destroy_result", api->destroy_result_),
      Find(library, "duckdb_free", api->free_),
  };
  for (const absl::Status& status : found) {
    if (status.ok()) continue;
    dlclose(library);
    return base::Annotate(status, absl::StrCat("libduckdb ", path));
  }
  return loaded.emplace(path, std::move(api)).first->second.get();
}

absl::Status DuckDb::Rewrite(const std::string& folder, const std::string& from,
                             const std::string& to, std::stop_token stop) const {
  Session session(*this);
  PURSER_RETURN_IF_ERROR(session.Open());
  // A link is judged by what it points to.
  std::error_code error;
  const std::string source =
      std::filesystem::canonical(absl::StrCat(folder, "/", from), error).string();
  if (error) return base::ErrnoStatus(error.value(), "find the file to be rewritten");
  for (const std::string& setting :
       {absl::StrCat("SET temp_directory = ", Quoted(folder + "/spill")),
        absl::StrCat("SET allowed_paths = [", Quoted(source), "]"),
        absl::StrCat("SET allowed_directories = [", Quoted(folder), "]"),
        std::string("SET enable_external_access = false"),
        std::string("SET lock_configuration = true")}) {
    PURSER_RETURN_IF_ERROR(session.Run(setting));
  }
  const std::stop_callback interrupt(stop, [&] { session.Interrupt(); });
  if (stop.stop_requested()) return absl::CancelledError("reading was cancelled");
  // Small row groups: each is held in memory whole.
  const absl::Status done = session.Run(
      absl::StrCat("COPY (SELECT * FROM read_parquet(", Quoted(absl::StrCat(folder, "/", from)),
                   ", hive_partitioning = false, file_row_number = false)) TO ",
                   Quoted(absl::StrCat(folder, "/", to)),
                   " (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 20480)"));
  if (!done.ok() && stop.stop_requested()) return absl::CancelledError("reading was cancelled");
  return done;
}

}  // namespace purser::costs
