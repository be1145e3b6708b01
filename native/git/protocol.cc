#include "git/protocol.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/pkt_line.h"

namespace purser::git {
namespace {

constexpr char kAgent[] = "agent=purser";

bool ContainsAny(absl::string_view text, std::initializer_list<absl::string_view> words) {
  const std::string lower = absl::AsciiStrToLower(text);
  return std::any_of(words.begin(), words.end(),
                     [&lower](absl::string_view word) { return absl::StrContains(lower, word); });
}

// What a server said in an ERR line, as the error a caller can act on.
absl::Status ServerError(absl::string_view text) {
  const std::string message =
      absl::StrCat("the git server said: ", base::EscapeForDisplay(text, kMaxServerText));
  if (ContainsAny(text,
                  {"not found", "does not exist", "no such repo", "not appear to be a git"})) {
    return absl::NotFoundError(message);
  }
  if (ContainsAny(text, {"denied", "not allowed", "not authorized", "unauthorized", "permission",
                         "forbidden", "archived"})) {
    return absl::PermissionDeniedError(message);
  }
  return absl::FailedPreconditionError(message);
}

// Collects the server's words of side-band 2 and hands on whole lines. A carriage return ends a
// line as well: git redraws its counters with it, and only their last state is worth a line.
class ServerText {
 public:
  explicit ServerText(const ProgressSink& sink) : sink_(sink) {}

  void Add(absl::string_view bytes) {
    for (const char c : bytes) {
      if (c == '\n') {
        Line();
      } else if (c == '\r') {
        pending_ = std::exchange(line_, "");
      } else if (line_.size() < kMaxServerText) {
        line_ += c;
      }
    }
  }
  // The words, one paragraph, shortened; "" when there were none.
  std::string Finish() {
    Line();
    return absl::StrJoin(kept_, "; ");
  }

 private:
  void Line() {
    if (line_.empty()) line_ = std::exchange(pending_, "");
    pending_.clear();
    const std::string line = base::EscapeForDisplay(
        absl::StripAsciiWhitespace(std::exchange(line_, "")), kMaxServerText);
    if (line.empty()) return;
    if (sink_) sink_(line);
    if (bytes_ + line.size() > kMaxServerText) return;
    bytes_ += line.size();
    kept_.push_back(line);
  }

  const ProgressSink& sink_;
  std::string line_;
  std::string pending_;
  std::vector<std::string> kept_;
  size_t bytes_ = 0;
};

absl::Status WithServerText(const absl::Status& status, absl::string_view text) {
  if (status.ok() || text.empty()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(status.message(), " (the server said: ", text, ")"));
}

absl::Status JudgeRefusal(absl::string_view ref, absl::string_view reason) {
  const std::string message = absl::StrCat("push to ", base::EscapeForDisplay(ref),
                                           " was refused: ", base::EscapeForDisplay(reason));
  if (ContainsAny(reason, {"hook declined", "protected", "not allowed", "denied", "prohibited",
                           "permission", "forbidden", "unauthorized"})) {
    return absl::PermissionDeniedError(message);
  }
  if (ContainsAny(reason, {"non-fast-forward", "fetch first", "failed to update ref", "cannot lock",
                           "failed to lock", "stale info", "already exists", "incorrect old value",
                           "failed to transact"})) {
    return absl::AbortedError(message);
  }
  return absl::FailedPreconditionError(message);
}

// The report of receive-pack: "unpack ok", then "ok <ref>" or "ng <ref> <reason>".
absl::Status ParseReport(absl::string_view report, const RefUpdate& update) {
  PktReader reader(report);
  bool unpacked = false;
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const PktReader::Pkt pkt, reader.Next());
    if (pkt.kind != PktReader::Kind::kData) break;
    const absl::string_view line = pkt.line();
    if (absl::StartsWith(line, "unpack ")) {
      unpacked = line == "unpack ok";
      if (!unpacked) {
        return absl::FailedPreconditionError(absl::StrCat(
            "the git server could not take the objects: ", base::EscapeForDisplay(line.substr(7))));
      }
    } else if (line == absl::StrCat("ok ", update.ref)) {
      if (unpacked) return absl::OkStatus();
    } else if (absl::StartsWith(line, absl::StrCat("ng ", update.ref))) {
      return JudgeRefusal(update.ref, line.substr(std::min(line.size(), update.ref.size() + 4)));
    }
  }
  absl::Status status = absl::UnavailableError(
      absl::StrCat("the git server did not say what became of ", update.ref));
  base::SetOutcomeUnknown(status);
  return status;
}

absl::Status AddRef(absl::string_view line, int64_t max_refs, Advertisement& out) {
  const size_t space = line.find(' ');
  const std::optional<ObjectId> id = ObjectId::FromHex(line.substr(0, space));
  if (!id.has_value() || space == absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("not a git ref advertisement: line \"",
                                                   base::EscapeForDisplay(line, 100), "\""));
  }
  const absl::string_view name = line.substr(space + 1);
  // Peeled tags, and the placeholder line of an empty repository.
  if (absl::EndsWith(name, "^{}")) return absl::OkStatus();
  if (static_cast<int64_t>(out.refs.size()) >= max_refs) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the repository advertises more than ", max_refs, " refs (kMaxRefs)"));
  }
  out.refs.emplace(std::string(name), *id);
  return absl::OkStatus();
}

absl::Status ReadCapabilities(absl::string_view text, Advertisement& out) {
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    out.capabilities.emplace_back(word);
    if (absl::StartsWith(word, "symref=HEAD:")) out.head = std::string(word.substr(12));
    if (absl::StartsWith(word, "object-format=") && word != "object-format=sha1") {
      return absl::UnimplementedError(absl::StrCat(
          "the repository uses ", base::EscapeForDisplay(word), "; only sha1 is supported"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view ServiceName(Service service) {
  return service == Service::kUploadPack ? "git-upload-pack" : "git-receive-pack";
}

bool Advertisement::Has(absl::string_view name) const {
  return std::any_of(capabilities.begin(), capabilities.end(), [name](absl::string_view word) {
    return absl::StartsWith(word, name) && (word.size() == name.size() || word[name.size()] == '=');
  });
}

std::optional<ObjectId> Advertisement::Tip(absl::string_view branch) const {
  const auto found = refs.find(absl::StrCat("refs/heads/", branch));
  if (found == refs.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<Advertisement> ParseAdvertisement(absl::string_view bytes, Service service,
                                                 int64_t max_refs) {
  PktReader reader(bytes);
  Advertisement out;
  bool first_line = true;
  bool banner = false;
  bool first_ref = true;
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const PktReader::Pkt pkt, reader.Next());
    if (pkt.kind == PktReader::Kind::kEnd) {
      return absl::InvalidArgumentError("the git ref advertisement is cut");
    }
    if (pkt.kind == PktReader::Kind::kFlush) {
      // Behind the banner of smart HTTP comes a flush, then the refs and another.
      if (banner) {
        banner = false;
        continue;
      }
      return out;
    }
    absl::string_view line = pkt.line();
    if (absl::StartsWith(line, "ERR ")) return ServerError(line.substr(4));
    if (first_line && absl::StartsWith(line, "# service=")) {
      first_line = false;
      banner = true;
      if (line.substr(10) != ServiceName(service)) {
        return absl::InvalidArgumentError(absl::StrCat("asked for ", ServiceName(service), ", got ",
                                                       base::EscapeForDisplay(line)));
      }
      continue;
    }
    first_line = false;
    if (first_ref && line == "version 1") continue;
    if (first_ref && absl::StartsWith(line, "version ")) {
      return absl::UnimplementedError(
          absl::StrCat("the git server answers in protocol ", base::EscapeForDisplay(line)));
    }
    if (absl::StartsWith(line, "shallow ")) continue;
    if (first_ref) {
      const size_t nul = line.find('\0');
      if (nul != absl::string_view::npos) {
        PURSER_RETURN_IF_ERROR(ReadCapabilities(line.substr(nul + 1), out));
        line = line.substr(0, nul);
      }
      first_ref = false;
    }
    PURSER_RETURN_IF_ERROR(AddRef(line, max_refs, out));
  }
}

std::string PushHead(const RefUpdate& update, const Advertisement& advertisement) {
  std::string line = absl::StrCat(update.old_id.ToHex(), " ", update.new_id.ToHex(), " ",
                                  update.ref, absl::string_view("\0", 1));
  // Not "atomic": one ref is atomic by itself, and git hides the reason of a refusal behind it.
  for (const absl::string_view name : {"report-status", "side-band-64k"}) {
    if (advertisement.Has(name)) absl::StrAppend(&line, " ", name);
  }
  if (advertisement.Has("object-format")) absl::StrAppend(&line, " object-format=sha1");
  if (advertisement.Has("agent")) absl::StrAppend(&line, " ", kAgent);
  std::string out;
  AppendPkt(out, line);
  AppendFlush(out);
  return out;
}

absl::Status ParsePushAnswer(absl::string_view bytes, const RefUpdate& update,
                             const Advertisement& advertisement, const ProgressSink& progress) {
  if (!advertisement.Has("report-status")) {
    return absl::FailedPreconditionError(
        "the git server does not report what becomes of a push (report-status)");
  }
  if (!advertisement.Has("side-band-64k")) return ParseReport(bytes, update);
  ServerText text(progress);
  std::string report;
  std::string fatal;
  PktReader reader(bytes);
  while (true) {
    absl::StatusOr<PktReader::Pkt> pkt = reader.Next();
    if (!pkt.ok()) {
      // The pack was sent: whether the server took it is not known.
      absl::Status status = absl::UnavailableError(pkt.status().message());
      base::SetOutcomeUnknown(status);
      return WithServerText(status, text.Finish());
    }
    if (pkt->kind == PktReader::Kind::kEnd) break;
    if (pkt->kind == PktReader::Kind::kFlush || pkt->payload.empty()) continue;
    const absl::string_view piece = pkt->payload.substr(1);
    switch (pkt->payload.front()) {
      case 1:
        report.append(piece.data(), piece.size());
        break;
      case 2:
        text.Add(piece);
        break;
      case 3:
        fatal.append(piece.data(), std::min(piece.size(), kMaxServerText));
        break;
      default:
        if (absl::StartsWith(pkt->payload, "ERR ")) return ServerError(pkt->payload.substr(4));
        break;
    }
  }
  const std::string said = text.Finish();
  if (report.empty() && !fatal.empty()) return WithServerText(ServerError(fatal), said);
  return WithServerText(ParseReport(report, update), said);
}

std::string EncodeFetch(const FetchRequest& request, const Advertisement& advertisement) {
  std::string line = absl::StrCat("want ", request.want.ToHex());
  // multi_ack_detailed changes nothing where nothing is had, but some hosts (Azure DevOps) insist
  // on it.
  for (const absl::string_view name :
       {"multi_ack_detailed", "side-band-64k", "ofs-delta", "shallow", "no-progress"}) {
    if (advertisement.Has(name)) absl::StrAppend(&line, " ", name);
  }
  const bool filter = !request.filter.empty() && advertisement.Has("filter");
  if (filter) absl::StrAppend(&line, " filter");
  if (advertisement.Has("agent")) absl::StrAppend(&line, " ", kAgent);
  std::string out;
  AppendPkt(out, absl::StrCat(line, "\n"));
  if (request.depth > 0 && advertisement.Has("shallow")) {
    AppendPkt(out, absl::StrCat("deepen ", request.depth, "\n"));
  }
  if (filter) AppendPkt(out, absl::StrCat("filter ", request.filter, "\n"));
  AppendFlush(out);
  AppendPkt(out, "done\n");
  return out;
}

absl::StatusOr<std::string> ParseFetchAnswer(absl::string_view bytes,
                                             const Advertisement& advertisement,
                                             const ProgressSink& progress) {
  PktReader reader(bytes);
  // "shallow …" lines and a flush, then NAK (we named nothing that we have), then the pack.
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const PktReader::Pkt pkt, reader.Next());
    if (pkt.kind == PktReader::Kind::kEnd) {
      return absl::UnavailableError("the git server ended its answer before the pack");
    }
    if (pkt.kind == PktReader::Kind::kFlush) continue;
    const absl::string_view line = pkt.line();
    if (absl::StartsWith(line, "ERR ")) return ServerError(line.substr(4));
    if (line == "NAK" || absl::StartsWith(line, "ACK ")) break;
    if (!absl::StartsWith(line, "shallow ") && !absl::StartsWith(line, "unshallow ")) {
      return absl::InvalidArgumentError(absl::StrCat("not an answer to a git fetch: line \"",
                                                     base::EscapeForDisplay(line, 100), "\""));
    }
  }
  if (!advertisement.Has("side-band-64k")) return std::string(reader.rest());
  ServerText text(progress);
  std::string pack;
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const PktReader::Pkt pkt, reader.Next());
    if (pkt.kind != PktReader::Kind::kData) return pack;
    if (pkt.payload.empty()) continue;
    const absl::string_view piece = pkt.payload.substr(1);
    if (pkt.payload.front() == 1) {
      pack.append(piece.data(), piece.size());
    } else if (pkt.payload.front() == 2) {
      text.Add(piece);
    } else if (pkt.payload.front() == 3) {
      return ServerError(piece);
    } else if (absl::StartsWith(pkt.payload, "ERR ")) {
      return ServerError(pkt.payload.substr(4));
    }
  }
}

}  // namespace purser::git
