// Finds where JSON values end, without parsing them: for the parts of large answers nobody needs.
//
// Brackets are counted 64 bytes at a time where the processor can (AVX2), so that skipping costs a
// fraction of a nanosecond per byte. What is skipped is not checked: `{"a":1]` counts as closed.
#ifndef PURSER_CONNECTORS_KUBERNETES_JSON_SCAN_H_
#define PURSER_CONNECTORS_KUBERNETES_JSON_SCAN_H_

#include <cstdint>

namespace purser::connectors {

// How far a scan got; carries over from one piece of text to the next.
struct JsonScan {
  int64_t depth = 0;
  bool in_string = false;
  bool escaped = false;  // the next character is escaped
};

// Goes on behind `at` until the bracket that brings the depth back to 0, and returns the place
// behind it; nullptr when [at, end) ended before. A scan of depth 0 must begin on a bracket.
const char* ScanToEnd(const char* at, const char* end, JsonScan* scan);

// The same, byte by byte: for processors without AVX2, and to test the other.
const char* ScanToEndBytewise(const char* at, const char* end, JsonScan* scan);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_JSON_SCAN_H_
