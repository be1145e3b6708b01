// JSON written straight into text: for bulk output, where a tree of values would cost 13 times the
// memory.
//
//   std::string out;
//   json::Writer writer(&out);
//   writer.BeginObject().Key("kind").String("Resource").Key("tags").BeginArray();
//   writer.EndArray().EndObject();
#ifndef PURSER_JSON_WRITER_H_
#define PURSER_JSON_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::json {

// Appends compact JSON to a string the caller owns; the caller may take what is there away between
// values (out.clear()) to send it in chunks. Not thread-safe. Misuse of the order (a value where a
// key belongs) is a programming error and asserts.
class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  Writer& BeginObject();
  Writer& EndObject();
  Writer& BeginArray();
  Writer& EndArray();
  Writer& Key(absl::string_view name);
  // Invalid UTF-8 becomes U+FFFD.
  Writer& String(absl::string_view value);
  Writer& Int(int64_t value);
  Writer& Uint(uint64_t value);
  Writer& Bool(bool value);
  Writer& Null();
  // A number as text, e.g. base::Decimal::ToString(): digits go out as they are, nothing is
  // rounded.
  Writer& Number(absl::string_view decimal_text);
  Writer& Value(const nlohmann::json& value);
  // Text that is JSON already.
  Writer& Raw(absl::string_view json);

  // True when every object and array was closed.
  bool complete() const { return open_.empty(); }

 private:
  void BeforeValue();

  std::string* out_;
  struct Open {
    bool object;
    bool first;
  };
  std::vector<Open> open_;
  bool after_key_ = false;
};

// Appends `text` as a JSON string, quotes included.
void AppendQuoted(absl::string_view text, std::string* out);
// Appends `value` as compact JSON: what Dump gives, several times as quick.
void AppendValue(const nlohmann::json& value, std::string* out);

}  // namespace purser::json

#endif  // PURSER_JSON_WRITER_H_
