// Cuts a stream of JSON into its objects as it arrives, so that only one stands in memory.
#ifndef PURSER_CONNECTORS_KUBERNETES_ITEM_SPLITTER_H_
#define PURSER_CONNECTORS_KUBERNETES_ITEM_SPLITTER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "connectors/kubernetes/json_scan.h"

namespace purser::connectors {

inline constexpr size_t kMaxItemBytes = 8 << 20;      // of one object; etcd keeps at most 1.5 MB
inline constexpr size_t kMaxEnvelopeBytes = 1 << 20;  // of what a list says beside its items

// One stream, one thread. After an error it is of no more use.
class ItemSplitter {
 public:
  enum class Form {
    kList,    // {"kind": …, "metadata": {…}, "items": [{…}, {…}]}
    kStream,  // {…}{…}, with spaces or line ends between: a watch
  };
  using OnItem = std::function<absl::Status(absl::string_view text)>;

  ItemSplitter(Form form, OnItem on_item);

  // A status of `on_item` is returned. INVALID_ARGUMENT: this is not of that form;
  // RESOURCE_EXHAUSTED names the limit. The text handed out lives until on_item returns.
  absl::Status Feed(absl::string_view piece);
  // INVALID_ARGUMENT when the stream ended in the middle.
  absl::Status Finish();

  // Of a list: its text with the items left out, whole after Finish.
  const std::string& envelope() const { return envelope_; }

 private:
  enum class State { kBefore, kEnvelope, kBetween, kItem, kAfter };

  absl::Status Envelope(const char** at, const char* end);
  absl::Status Between(const char** at, const char* end);
  absl::Status Item(const char** at, const char* end);

  const Form form_;
  const OnItem on_item_;
  State state_;
  JsonScan scan_;           // of the envelope, then of the current item
  JsonScan envelope_scan_;  // put aside while items are read
  std::string envelope_;
  std::string carried_;  // beginning of an item that came with earlier pieces
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_ITEM_SPLITTER_H_
