#include "connectors/ldap/ldap_message.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/ldap/ber.h"
#include "connectors/ldap/ldap_text.h"

namespace purser::connectors {
namespace {

constexpr int kVersion = 3;
constexpr uint8_t kSimpleAuthentication = 0x80;
constexpr uint8_t kRequestName = 0x80;
constexpr uint8_t kControls = 0xA0;
constexpr size_t kMaxDetailBytes = 300;

std::string Message(int32_t id, absl::string_view operation, absl::string_view controls = "") {
  return BerElement(kBerSequence, absl::StrCat(BerNumber(kBerInteger, id), operation, controls));
}

absl::StatusCode CodeOf(int64_t result) {
  switch (result) {
    case 3:   // timeLimitExceeded
    case 51:  // busy
    case 52:  // unavailable
      return absl::StatusCode::kUnavailable;
    case 4:   // sizeLimitExceeded
    case 11:  // adminLimitExceeded
      return absl::StatusCode::kResourceExhausted;
    case 49:  // invalidCredentials
      return absl::StatusCode::kUnauthenticated;
    case 48:  // inappropriateAuthentication
    case 50:  // insufficientAccessRights
      return absl::StatusCode::kPermissionDenied;
    case 32:  // noSuchObject
      return absl::StatusCode::kNotFound;
    case 18:  // inappropriateMatching
    case 21:  // invalidAttributeSyntax
    case 34:  // invalidDNSyntax
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kFailedPrecondition;
  }
}

absl::string_view NameOf(int64_t result) {
  switch (result) {
    case 1:
      return "operations error (does the server want a bind first?)";
    case 3:
      return "time limit exceeded";
    case 4:
      return "size limit exceeded (the server allows no more, even page by page)";
    case 7:
      return "authentication method not supported";
    case 8:
      return "stronger authentication required";
    case 10:
      return "referral to another server";
    case 11:
      return "administrative limit exceeded";
    case 12:
      return "unavailable critical extension (the server has no paged results)";
    case 13:
      return "confidentiality required (use ldaps:// or startTls)";
    case 32:
      return "no such object";
    case 34:
      return "invalid distinguished name";
    case 48:
      return "inappropriate authentication";
    case 49:
      return "invalid credentials";
    case 50:
      return "insufficient access rights";
    case 51:
      return "busy";
    case 52:
      return "unavailable";
    case 53:
      return "unwilling to perform";
    default:
      return "refused";
  }
}

}  // namespace

const std::vector<std::string>& LdapEntry::All(absl::string_view attribute) const {
  static const auto& none = *new std::vector<std::string>();
  const auto found = attributes.find(absl::AsciiStrToLower(attribute));
  return found == attributes.end() ? none : found->second;
}
const std::string& LdapEntry::First(absl::string_view attribute) const {
  static const auto& empty = *new std::string();
  const std::vector<std::string>& values = All(attribute);
  return values.empty() ? empty : values.front();
}

std::string EncodeBind(int32_t id, absl::string_view dn, absl::string_view password) {
  return Message(
      id, BerElement(kLdapBindRequest,
                     absl::StrCat(BerNumber(kBerInteger, kVersion), BerElement(kBerOctets, dn),
                                  BerElement(kSimpleAuthentication, password))));
}

std::string EncodeUnbind(int32_t id) { return Message(id, BerElement(kLdapUnbindRequest, "")); }

std::string EncodeStartTls(int32_t id) {
  return Message(id, BerElement(kLdapExtendedRequest, BerElement(kRequestName, kStartTlsOid)));
}

absl::StatusOr<std::string> EncodeSearch(int32_t id, const LdapSearch& search, int page_size,
                                         absl::string_view cookie) {
  PURSER_ASSIGN_OR_RETURN(const std::string filter, EncodeLdapFilter(search.filter));
  std::string attributes;
  for (const std::string& attribute : search.attributes) {
    attributes += BerElement(kBerOctets, attribute);
  }
  const std::string request =
      BerElement(kLdapSearchRequest,
                 absl::StrCat(BerElement(kBerOctets, search.base),
                              BerNumber(kBerEnumerated, static_cast<int64_t>(search.scope)),
                              BerNumber(kBerEnumerated, 0),  // aliases are not followed
                              BerNumber(kBerInteger, 0), BerNumber(kBerInteger, 0), BerFlag(false),
                              filter, BerElement(kBerSequence, attributes)));
  if (page_size <= 0) return Message(id, request);
  const std::string value = BerElement(kBerSequence, absl::StrCat(BerNumber(kBerInteger, page_size),
                                                                  BerElement(kBerOctets, cookie)));
  // Critical: a server without it would give what its size limit allows, and no more.
  const std::string control =
      BerElement(kBerSequence, absl::StrCat(BerElement(kBerOctets, kPagedResultsOid), BerFlag(true),
                                            BerElement(kBerOctets, value)));
  return Message(id, request, BerElement(kControls, control));
}

absl::StatusOr<LdapMessage> ParseLdapMessage(absl::string_view bytes) {
  BerReader outer(bytes);
  PURSER_ASSIGN_OR_RETURN(const absl::string_view content, outer.Next(kBerSequence));
  BerReader reader(content);
  LdapMessage message;
  PURSER_ASSIGN_OR_RETURN(const int64_t id, reader.Number(kBerInteger));
  if (id < 0 || id > INT32_MAX) return absl::InvalidArgumentError("not LDAP: a message's id");
  message.id = static_cast<int32_t>(id);
  message.operation = reader.tag();
  PURSER_ASSIGN_OR_RETURN(message.content, reader.Next());
  if (reader.tag() == kControls) {
    PURSER_ASSIGN_OR_RETURN(message.controls, reader.Next());
  }
  return message;
}

absl::StatusOr<LdapEntry> ParseLdapEntry(absl::string_view content) {
  BerReader reader(content);
  LdapEntry entry;
  PURSER_ASSIGN_OR_RETURN(const absl::string_view dn, reader.Next(kBerOctets));
  entry.dn = std::string(dn);
  PURSER_ASSIGN_OR_RETURN(const absl::string_view list, reader.Next(kBerSequence));
  for (BerReader attributes(list); !attributes.done();) {
    PURSER_ASSIGN_OR_RETURN(const absl::string_view attribute, attributes.Next(kBerSequence));
    BerReader parts(attribute);
    PURSER_ASSIGN_OR_RETURN(const absl::string_view type, parts.Next(kBerOctets));
    PURSER_ASSIGN_OR_RETURN(const absl::string_view set, parts.Next(kBerSet));
    std::vector<std::string>& values = entry.attributes[absl::AsciiStrToLower(type)];
    for (BerReader each(set); !each.done();) {
      PURSER_ASSIGN_OR_RETURN(const absl::string_view value, each.Next(kBerOctets));
      values.emplace_back(value);
    }
  }
  return entry;
}

absl::Status ParseLdapResult(absl::string_view content, absl::string_view what) {
  BerReader reader(content);
  PURSER_ASSIGN_OR_RETURN(const int64_t result, reader.Number(kBerEnumerated));
  PURSER_ASSIGN_OR_RETURN(const absl::string_view matched, reader.Next(kBerOctets));
  PURSER_ASSIGN_OR_RETURN(const absl::string_view detail, reader.Next(kBerOctets));
  if (result == 0) return absl::OkStatus();
  std::string text = absl::StrCat(what, ": ", NameOf(result), " (result ", result, ")");
  if (!detail.empty()) {
    absl::StrAppend(&text, ": ", base::EscapeForDisplay(detail, kMaxDetailBytes));
  }
  if (!matched.empty()) {
    absl::StrAppend(&text, "; ", base::EscapeForDisplay(matched, kMaxDetailBytes), " is there");
  }
  return absl::Status(CodeOf(result), text);
}

absl::StatusOr<std::string> ParsePageCookie(absl::string_view controls) {
  for (BerReader list(controls); !list.done();) {
    PURSER_ASSIGN_OR_RETURN(const absl::string_view control, list.Next(kBerSequence));
    BerReader parts(control);
    PURSER_ASSIGN_OR_RETURN(const absl::string_view oid, parts.Next(kBerOctets));
    if (oid != kPagedResultsOid) continue;
    if (parts.tag() == kBerBoolean) {
      PURSER_RETURN_IF_ERROR(parts.Next().status());
    }
    PURSER_ASSIGN_OR_RETURN(const absl::string_view value, parts.Next(kBerOctets));
    BerReader outer(value);
    PURSER_ASSIGN_OR_RETURN(const absl::string_view pair, outer.Next(kBerSequence));
    BerReader inner(pair);
    PURSER_RETURN_IF_ERROR(inner.Number(kBerInteger).status());
    PURSER_ASSIGN_OR_RETURN(const absl::string_view cookie, inner.Next(kBerOctets));
    return std::string(cookie);
  }
  return absl::FailedPreconditionError(
      "the server did not answer page by page, so that its answer may not be whole");
}

}  // namespace purser::connectors
