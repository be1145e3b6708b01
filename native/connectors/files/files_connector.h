// Writes files into a folder that stands for a GitOps checkout, a mounted share or a drop box.
//
//   - id: manifests
//     uses: files/write
//     with: {folder: workspaces/x, files: {notebook.yaml: "…"}}
//
// Class `put`: the same call gives the same files. Every file is replaced as a whole and is on disk
// when the call returns; no path leads out of the configured root.
#ifndef PURSER_CONNECTORS_FILES_FILES_CONNECTOR_H_
#define PURSER_CONNECTORS_FILES_FILES_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"

namespace purser::connectors {

inline constexpr int kMaxWrittenFiles = 5000;
inline constexpr int64_t kMaxWrittenFileBytes = 16 << 20;

// Thread-safe. Two calls that write the same file at once: the last one wins, whole.
class FilesConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override;
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  // Of write: what the files hold. Further files in the folder are nobody's concern.
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;

 private:
  FilesConnector(std::string name, std::string root)
      : name_(std::move(name)), root_(std::move(root)) {}
  absl::StatusOr<CallResult> Write(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Remove(const nlohmann::json& input, CallContext& context) const;

  const std::string name_;
  const std::string root_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_FILES_FILES_CONNECTOR_H_
