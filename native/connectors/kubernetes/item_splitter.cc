#include "connectors/kubernetes/item_splitter.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace purser::connectors {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Whether the envelope ends in `"items":`, so that a '[' begins them.
bool ItemsBegin(absl::string_view envelope) {
  envelope = absl::StripTrailingAsciiWhitespace(envelope);
  if (!absl::ConsumeSuffix(&envelope, ":")) return false;
  return absl::EndsWith(absl::StripTrailingAsciiWhitespace(envelope), "\"items\"");
}

}  // namespace

ItemSplitter::ItemSplitter(Form form, OnItem on_item)
    : form_(form),
      on_item_(std::move(on_item)),
      state_(form == Form::kList ? State::kBefore : State::kBetween) {}

absl::Status ItemSplitter::Feed(absl::string_view piece) {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  while (at < end) {
    switch (state_) {
      case State::kBefore:
      case State::kAfter:
        if (IsSpace(*at)) {
          ++at;
        } else if (state_ == State::kBefore && *at == '{') {
          state_ = State::kEnvelope;
        } else {
          return absl::InvalidArgumentError(state_ == State::kAfter
                                                ? "there is text behind the list"
                                                : "the answer is no JSON object");
        }
        break;
      case State::kEnvelope:
        PURSER_RETURN_IF_ERROR(Envelope(&at, end));
        break;
      case State::kBetween:
        PURSER_RETURN_IF_ERROR(Between(&at, end));
        break;
      case State::kItem:
        PURSER_RETURN_IF_ERROR(Item(&at, end));
        break;
    }
  }
  return absl::OkStatus();
}

// Few bytes: byte by byte.
absl::Status ItemSplitter::Envelope(const char** at, const char* end) {
  while (*at < end) {
    const char c = *(*at)++;
    const bool begins_items =
        c == '[' && !scan_.in_string && scan_.depth == 1 && ItemsBegin(envelope_);
    if (envelope_.size() == kMaxEnvelopeBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the list says more than ", kMaxEnvelopeBytes,
                       " bytes beside its items (kMaxEnvelopeBytes)"));
    }
    envelope_.push_back(c);
    if (ScanToEndBytewise(&c, &c + 1, &scan_) != nullptr) {
      state_ = State::kAfter;
      return absl::OkStatus();
    }
    if (begins_items) {
      envelope_scan_ = std::exchange(scan_, JsonScan());
      state_ = State::kBetween;
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status ItemSplitter::Between(const char** at, const char* end) {
  while (*at < end) {
    const char c = **at;
    if (c == '{') {
      scan_ = JsonScan();
      carried_.clear();
      state_ = State::kItem;
      return absl::OkStatus();
    }
    if (form_ == Form::kList && c == ']') {
      scan_ = envelope_scan_;
      state_ = State::kEnvelope;
      return absl::OkStatus();
    }
    if (!IsSpace(c) && !(form_ == Form::kList && c == ',')) {
      return absl::InvalidArgumentError(form_ == Form::kList ? "an item of the list is no object"
                                                             : "an event is no JSON object");
    }
    ++*at;
  }
  return absl::OkStatus();
}

absl::Status ItemSplitter::Item(const char** at, const char* end) {
  const char* const behind = ScanToEnd(*at, end, &scan_);
  const size_t size = static_cast<size_t>((behind != nullptr ? behind : end) - *at);
  if (carried_.size() + size > kMaxItemBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("an object is larger than ", kMaxItemBytes, " bytes (kMaxItemBytes)"));
  }
  absl::string_view text(*at, size);
  *at += size;
  if (behind == nullptr) {
    carried_.append(text.data(), text.size());
    return absl::OkStatus();
  }
  if (!carried_.empty()) {
    carried_.append(text.data(), text.size());
    text = carried_;
  }
  state_ = State::kBetween;
  return on_item_(text);
}

absl::Status ItemSplitter::Finish() {
  const bool whole = form_ == Form::kList ? state_ == State::kAfter : state_ == State::kBetween;
  if (whole) return absl::OkStatus();
  return absl::InvalidArgumentError(state_ == State::kBefore ? "the answer is empty"
                                                             : "the answer ends in the middle");
}

}  // namespace purser::connectors
