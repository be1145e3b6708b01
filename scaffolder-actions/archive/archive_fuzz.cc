// Any bytes as an archive: refused, or entries within the limits whose paths stay inside.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "scaffolder-actions/archive/entries.h"

namespace {

using purser::actions::Entry;
using purser::actions::EntryKind;

class Judge final : public purser::actions::EntrySink {
 public:
  absl::Status Begin(const Entry& entry) override {
    if (entry.path.empty() || entry.path[0] == '/' || entry.path == ".." ||
        absl::StartsWith(entry.path, "../") || absl::StrContains(entry.path, "/../") ||
        absl::EndsWith(entry.path, "/..")) {
      __builtin_trap();
    }
    left_ = entry.kind == EntryKind::kFile ? entry.bytes : 0;
    return absl::OkStatus();
  }
  absl::Status Content(absl::string_view piece) override {
    left_ -= static_cast<int64_t>(piece.size());
    if (left_ < 0) __builtin_trap();
    return absl::OkStatus();
  }
  absl::Status End() override {
    if (left_ != 0) __builtin_trap();
    return absl::OkStatus();
  }

 private:
  int64_t left_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const purser::actions::TextBytes archive(std::string(reinterpret_cast<const char*>(data), size));
  const purser::actions::Step step = [](int64_t) { return absl::OkStatus(); };
  Judge judge;
  purser::actions::ReadZip(archive, judge, step).IgnoreError();
  purser::actions::ReadTar(archive, judge, step).IgnoreError();
  return 0;
}
