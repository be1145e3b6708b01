// Everything of git that a hostile server or a wrong key file reaches: the protocol's answers,
// packs, deltas, objects and signing keys. Bytes are taken as they are, and as the parts of
// well-formed frames, so that what is behind lengths, checksums and compression is reached as well.
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "git/object.h"
#include "git/pack_reader.h"
#include "git/pkt_line.h"
#include "git/protocol.h"
#include "git/signer.h"

namespace purser::git {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

Advertisement Server(uint8_t bits) {
  Advertisement server;
  if ((bits & 1) != 0) server.capabilities.push_back("report-status");
  if ((bits & 2) != 0) server.capabilities.push_back("side-band-64k");
  return server;
}

// Lines of the input as pkt-lines; "0" alone is a flush.
std::string Framed(absl::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    const absl::string_view line = bytes.substr(0, std::min(end, kMaxPktPayload));
    if (line == "0") {
      AppendFlush(out);
    } else {
      AppendPkt(out, line);
    }
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return out;
}

std::string Deflated(absl::string_view bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  compress2(reinterpret_cast<Bytef*>(out.data()), &size,
            reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uLong>(bytes.size()), 1);
  out.resize(size);
  return out;
}

// Entries of the input (kind, length, content) as a pack whose counts and checksum are right. A
// delta's base is an earlier entry.
std::string Packed(absl::string_view bytes) {
  std::string body;
  std::vector<size_t> offsets;
  uint32_t count = 0;
  while (bytes.size() >= 3 && count < 64) {
    const int kind = bytes[0] & 7;
    const auto back = static_cast<unsigned char>(bytes[1]);
    const size_t size = std::min<size_t>(static_cast<unsigned char>(bytes[2]), bytes.size() - 3);
    const absl::string_view content = bytes.substr(3, size);
    bytes.remove_prefix(3 + size);
    const size_t offset = 12 + body.size();
    auto head = static_cast<unsigned char>(kind << 4 | static_cast<int>(size & 15));
    if (size > 15) {
      body += static_cast<char>(head | 0x80);
      head = static_cast<unsigned char>(size >> 4);
    }
    body += static_cast<char>(head);
    if (kind == 6) {
      size_t distance = back;
      if (!offsets.empty()) distance = offset - offsets[back % offsets.size()];
      std::string encoded(1, static_cast<char>(distance & 0x7F));
      while ((distance >>= 7) != 0) {
        --distance;
        encoded.insert(encoded.begin(), static_cast<char>(0x80 | (distance & 0x7F)));
      }
      body += encoded;
    } else if (kind == 7) {
      body += base::Sha1(absl::StrCat("blob ", back, absl::string_view("\0", 1)));
    }
    body += Deflated(content);
    offsets.push_back(offset);
    ++count;
  }
  std::string out("PACK\0\0\0\2", 8);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(count >> shift & 0xFF);
  out += body;
  return out + base::Sha1(out);
}

void Read(absl::string_view pack, bool skip_blobs) {
  PackReaderOptions options;
  options.limits.max_objects = 1000;
  options.limits.max_object_bytes = 1 << 16;
  options.limits.max_inflated_bytes = 1 << 20;
  options.limits.max_kept_bytes = 1 << 20;
  options.limits.max_delta_depth = 20;
  options.skip_blobs = skip_blobs;
  const auto objects = ReadPack(pack, options);
  if (!objects.ok()) return;
  for (const auto& [id, object] : *objects) Check(HashObject(object.type, object.content) == id);
}

void One(uint8_t kind, absl::string_view bytes) {
  const uint8_t bits = kind >> 4;
  const ProgressSink sink = [](absl::string_view line) { Check(line.find('\x1B') == line.npos); };
  const Service service = (bits & 4) != 0 ? Service::kReceivePack : Service::kUploadPack;
  RefUpdate update;
  update.ref = "refs/heads/main";
  switch (kind & 15) {
    case 0:
      ParseAdvertisement(bytes, service, 100).IgnoreError();
      break;
    case 1:
      ParseAdvertisement(Framed(bytes), service, 100).IgnoreError();
      break;
    case 2:
      ParseFetchAnswer(bytes, Server(bits), sink).IgnoreError();
      break;
    case 3:
      ParseFetchAnswer(absl::StrCat("0008NAK\n", Framed(bytes)), Server(bits), sink).IgnoreError();
      break;
    case 4:
      ParsePushAnswer(bytes, update, Server(bits), sink).IgnoreError();
      break;
    case 5:
      ParsePushAnswer(Framed(bytes), update, Server(bits), sink).IgnoreError();
      break;
    case 6:
      // The report inside the side band.
      ParsePushAnswer(Framed(absl::StrCat("\x01", Framed(bytes))), update, Server(3), sink)
          .IgnoreError();
      break;
    case 7:
      Read(bytes, (bits & 1) != 0);
      break;
    case 8:
      Read(absl::StrCat(bytes, base::Sha1(bytes)), (bits & 1) != 0);
      break;
    case 9:
    case 10:
      Read(Packed(bytes), (bits & 1) != 0);
      break;
    case 11: {
      const size_t half = bytes.size() / 2;
      const auto built = ApplyDelta(bytes.substr(0, half), bytes.substr(half), 1 << 16);
      Check(!built.ok() || built->size() <= 1 << 16);
      break;
    }
    case 12: {
      const auto tree = ParseTree(bytes);
      if (tree.ok()) Check(ParseTree(EncodeTree(*tree)).ok());
      break;
    }
    case 13:
      ParseCommit(bytes).IgnoreError();
      break;
    case 14:
      if (CheckPath(bytes).ok())
        Check(bytes != ".." && bytes.front() != '/' && bytes.find('\0') == bytes.npos);
      CheckBranch(bytes).IgnoreError();
      break;
    default: {
      std::string text;
      static constexpr char kDigits[] =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      uint32_t group = 0;
      int filled = 0;
      for (const char c : bytes) {
        group = group << 8 | static_cast<unsigned char>(c);
        for (filled += 8; filled >= 6; filled -= 6) text += kDigits[group >> (filled - 6) & 63];
      }
      if (filled > 0) text += kDigits[group << (6 - filled) & 63];
      while (text.size() % 4 != 0) text += '=';
      const absl::string_view name =
          (bits & 1) != 0 ? "OPENSSH PRIVATE KEY" : "PGP PRIVATE KEY BLOCK";
      ParseSigningKey(absl::StrCat("-----BEGIN ", name, "-----\n", (bits & 1) != 0 ? "" : "\n",
                                   text, "\n-----END ", name, "-----\n"))
          .IgnoreError();
      break;
    }
  }
}

}  // namespace
}  // namespace purser::git

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  purser::git::One(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}
