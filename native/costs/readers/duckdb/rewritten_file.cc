#include "costs/readers/duckdb/rewritten_file.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/temporary_folder.h"
#include "costs/readers/duckdb/duckdb_library.h"
#include "costs/readers/parquet/parquet_file.h"

namespace purser::costs {
namespace {

constexpr char kFrom[] = "from.parquet";
constexpr char kTo[] = "to.parquet";

// The rows are those of the rewritten file; the content is that of the one delivered.
class RewrittenFile final : public BillFile {
 public:
  RewrittenFile(std::unique_ptr<BillFile> delivered, std::unique_ptr<BillFile> rewritten)
      : delivered_(std::move(delivered)), rewritten_(std::move(rewritten)) {}

  const std::vector<std::string>& columns() const override { return rewritten_->columns(); }
  absl::Status Check(const Binding& binding) const override { return rewritten_->Check(binding); }
  std::unique_ptr<RowReader> NewReader(const Binding& binding,
                                       std::vector<SourceDictionary>& dictionaries) override {
    return rewritten_->NewReader(binding, dictionaries);
  }
  int64_t total_bytes() const override { return delivered_->total_bytes(); }
  int64_t bytes_read() const override {
    const double share = rewritten_->total_bytes() == 0
                             ? 1
                             : static_cast<double>(rewritten_->bytes_read()) /
                                   static_cast<double>(rewritten_->total_bytes());
    return static_cast<int64_t>(share * static_cast<double>(delivered_->total_bytes()));
  }
  std::string Digest() override { return delivered_->Digest(); }

 private:
  const std::unique_ptr<BillFile> delivered_;
  const std::unique_ptr<BillFile> rewritten_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BillFile>> OpenRewritten(const std::string& library,
                                                        const std::string& path,
                                                        const BillFile::Options& options,
                                                        std::stop_token stop) {
  PURSER_ASSIGN_OR_RETURN(const DuckDb* const duckdb, DuckDb::Load(library));
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<BillFile> delivered, parquet::OpenParquet(path, options));
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<base::TemporaryFolder> folder,
                          base::TemporaryFolder::Create("a rewritten bill"));
  // By a name of ours: DuckDB takes stars and brackets in names for patterns.
  std::error_code error;
  std::filesystem::create_symlink(std::filesystem::absolute(path), folder->path() + "/" + kFrom,
                                  error);
  if (error) return base::ErrnoStatus(error.value(), absl::StrCat("link to ", path));
  const absl::Status rewritten = duckdb->Rewrite(folder->path(), kFrom, kTo, stop);
  if (!rewritten.ok()) return base::Annotate(rewritten, path);
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<BillFile> file,
                          parquet::OpenParquet(folder->path() + "/" + kTo, options));
  return std::make_unique<RewrittenFile>(std::move(delivered), std::move(file));
}

}  // namespace purser::costs
