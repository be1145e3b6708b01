#include "catalog-providers/helm/helm_release.h"

#include <zlib.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "connectors/kubernetes/field_selection.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers {
namespace {

absl::StatusOr<std::string> Gunzip(absl::string_view packed) {
  z_stream stream = {};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
    return absl::ResourceExhaustedError("no memory to unpack the release");
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  int result = Z_OK;
  while (result == Z_OK) {
    const size_t before = text.size();
    if (before > static_cast<size_t>(kMaxReleaseBytes)) break;
    // One byte beyond the limit tells that there are more.
    const size_t room = std::min(before == 0 ? packed.size() * 8 + 4096 : before,
                                 static_cast<size_t>(kMaxReleaseBytes) + 1 - before);
    text.resize(before + room);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    result = inflate(&stream, Z_NO_FLUSH);
    text.resize(before + room - stream.avail_out);
    if (result == Z_BUF_ERROR && stream.avail_in == 0) break;
  }
  inflateEnd(&stream);
  if (text.size() > static_cast<size_t>(kMaxReleaseBytes)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the release unpacks to more than ", kMaxReleaseBytes, " bytes (kMaxReleaseBytes)"));
  }
  if (result != Z_STREAM_END) {
    return absl::InvalidArgumentError("the release is cut or damaged (gzip)");
  }
  return text;
}

}  // namespace

absl::StatusOr<nlohmann::json> DecodeHelmRelease(absl::string_view data) {
  std::string encoded;
  std::string packed;
  if (data.empty() || !absl::Base64Unescape(data, &encoded) ||
      !absl::Base64Unescape(encoded, &packed)) {
    return absl::InvalidArgumentError("the release is no base64 of base64");
  }
  std::string text;
  if (absl::StartsWith(packed, "\x1f\x8b\x08")) {
    PURSER_ASSIGN_OR_RETURN(text, Gunzip(packed));
  } else {
    text = std::move(packed);
  }
  connectors::FieldSelection fields;
  for (const char* field : {"name", "namespace", "version"}) fields.Add({field});
  for (const char* field : {"status", "first_deployed", "last_deployed"}) {
    fields.Add({"info", field});
  }
  for (const char* field : {"name", "version", "appVersion", "description", "home", "icon",
                            "sources", "keywords", "deprecated"}) {
    fields.Add({"chart", "metadata", field});
  }
  absl::StatusOr<nlohmann::json> release = fields.Read(text);
  // The parser's own words might quote what it read.
  if (!release.ok()) return absl::InvalidArgumentError("the release is no JSON object");
  return release;
}

}  // namespace purser::catalog_providers
