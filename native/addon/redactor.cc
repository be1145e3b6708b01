#include "addon/redactor.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::addon {
namespace {

// Below this the part of a base64 text that does not depend on its neighbours is too short to mean
// anything.
constexpr size_t kMinBase64Bytes = 6;
// A line of a longer secret that is shorter says too little ("}", "-----").
constexpr size_t kMinLineBytes = 8;

std::string PercentEncode(absl::string_view text, bool upper, bool plus_for_space) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      out.push_back(c);
    } else if (c == ' ' && plus_for_space) {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(digits[byte >> 4]);
      out.push_back(digits[byte & 15]);
    }
  }
  return out;
}

// As JavaScript's encodeURIComponent, which leaves !'()* alone.
std::string EncodeUriComponent(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::string_view("!'()*").find(c) != absl::string_view::npos) {
      out.push_back(c);
    } else {
      absl::StrAppend(&out, PercentEncode(absl::string_view(&c, 1), true, false));
    }
  }
  return out;
}

// The characters of base64(prefix of `shift` bytes + text + anything) that `text` alone decides.
std::string Base64Core(absl::string_view text, size_t shift) {
  const std::string encoded = absl::Base64Escape(std::string(shift, 'x') + std::string(text));
  const size_t first = (shift * 8 + 5) / 6;
  const size_t last = (shift + text.size()) * 8 / 6;
  return encoded.substr(first, last - first);
}

}  // namespace

void Redactor::AddPattern(std::string pattern) {
  if (pattern.size() >= kMinSecretBytes) patterns_.push_back(std::move(pattern));
}

absl::StatusOr<Redactor> Redactor::Create(const std::map<std::string, std::string>& secrets) {
  if (secrets.size() > kMaxSecrets) {
    return absl::InvalidArgumentError(
        absl::StrCat("secrets: ", secrets.size(), " given, at most ", kMaxSecrets, " are allowed"));
  }
  Redactor redactor;
  for (const auto& [name, value] : secrets) {
    if (value.size() > kMaxSecretBytes) {
      return absl::InvalidArgumentError(absl::StrCat("secrets.", base::EscapeForDisplay(name), ": ",
                                                     value.size(), " bytes, at most ",
                                                     kMaxSecretBytes, " are allowed"));
    }
    std::vector<std::string> texts = {value};
    if (value.find('\n') != std::string::npos) {
      for (const absl::string_view line : absl::StrSplit(value, absl::ByAnyChar("\r\n"))) {
        if (line.size() >= kMinLineBytes) texts.emplace_back(line);
      }
    }
    for (const std::string& text : texts) {
      redactor.AddPattern(text);
      const std::string quoted = json::Dump(text);
      const std::string escaped = quoted.substr(1, quoted.size() - 2);
      redactor.AddPattern(escaped);
      // JSON inside a JSON string, as outputs and nested logs have it.
      const std::string twice = json::Dump(escaped);
      redactor.AddPattern(twice.substr(1, twice.size() - 2));
      redactor.AddPattern(EncodeUriComponent(text));
      for (const bool plus : {false, true}) {
        redactor.AddPattern(PercentEncode(text, true, plus));
        redactor.AddPattern(PercentEncode(text, false, plus));
      }
      if (text.size() < kMinBase64Bytes) continue;
      for (size_t shift = 0; shift < 3; ++shift) {
        std::string core = Base64Core(text, shift);
        redactor.AddPattern(core);
        std::replace(core.begin(), core.end(), '+', '-');
        std::replace(core.begin(), core.end(), '/', '_');
        redactor.AddPattern(core);
      }
    }
  }
  std::sort(redactor.patterns_.begin(), redactor.patterns_.end());
  redactor.patterns_.erase(std::unique(redactor.patterns_.begin(), redactor.patterns_.end()),
                           redactor.patterns_.end());
  return redactor;
}

std::string Redactor::Redact(absl::string_view text) const {
  // All matches are looked for in the original text, so that one replacement cannot hide or cut
  // another secret that overlaps it.
  std::vector<std::pair<size_t, size_t>> found;
  for (const std::string& pattern : patterns_) {
    for (size_t at = text.find(pattern); at != absl::string_view::npos;
         at = text.find(pattern, at + 1)) {
      found.emplace_back(at, at + pattern.size());
    }
  }
  if (found.empty()) return std::string(text);
  std::sort(found.begin(), found.end());
  std::string out;
  size_t done = 0;
  for (size_t i = 0; i < found.size();) {
    const size_t begin = found[i].first;
    size_t end = found[i].second;
    for (++i; i < found.size() && found[i].first <= end; ++i) end = std::max(end, found[i].second);
    absl::StrAppend(&out, text.substr(done, begin - done), "***");
    done = end;
  }
  absl::StrAppend(&out, text.substr(done));
  return out;
}

absl::Status Redactor::Redact(const absl::Status& status) const {
  if (status.ok()) return status;
  absl::Status redacted(status.code(), Redact(status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    redacted.SetPayload(type, payload);
  });
  return redacted;
}

}  // namespace purser::addon
