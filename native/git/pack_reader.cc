#include "git/pack_reader.h"

#include <zlib.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"

namespace purser::git {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr int kOffsetDelta = 6;
constexpr int kReferenceDelta = 7;
constexpr size_t kInflateStep = 64 << 10;
constexpr size_t kHashStep = 256 << 10;

uint32_t ReadUint32(absl::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// Seven bits a byte, low ones first, as sizes in deltas are written. False at the end of the input
// or beyond 63 bits.
bool ReadVarint(absl::string_view& in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 63; shift += 7) {
    if (in.empty()) return false;
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

enum class State : uint8_t { kWaiting, kKept, kSkipped };

struct Entry {
  size_t offset = 0;
  int kind = 0;  // ObjectType, or one of the two deltas
  State state = State::kWaiting;
  int depth = 0;
  size_t base_index = 0;                // kOffsetDelta
  ObjectId base_id;                     // kReferenceDelta
  ObjectId id;                          // once resolved
  ObjectType type = ObjectType::kBlob;  // once resolved
  std::string content;                  // inflated: the object, or the delta until resolved
};

class Reader {
 public:
  Reader(absl::string_view pack, const PackReaderOptions& options)
      : pack_(pack), options_(options), limits_(options.limits) {}
  ~Reader() {
    if (inflater_ready_) inflateEnd(&inflater_);
  }

  absl::StatusOr<ObjectMap> Read() {
    PURSER_RETURN_IF_ERROR(ReadEntries());
    PURSER_RETURN_IF_ERROR(Resolve());
    ObjectMap objects;
    objects.reserve(entries_.size());
    for (Entry& entry : entries_) {
      if (entry.state != State::kKept) continue;
      objects.try_emplace(entry.id, Object{entry.type, std::move(entry.content)});
    }
    return objects;
  }

 private:
  absl::Status Bad(absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat("bad pack at byte ", offset_, ": ", why));
  }
  absl::Status TooMuch(absl::string_view what, absl::string_view limit, int64_t value) const {
    return absl::ResourceExhaustedError(
        absl::StrCat("pack: ", what, " (", limit, " is ", value, ")"));
  }

  absl::Status Look() const {
    if (!options_.stop.stop_requested()) return absl::OkStatus();
    return absl::CancelledError("reading a pack was stopped");
  }

  absl::Status Count(int64_t inflated) {
    inflated_ += inflated;
    if (inflated_ > limits_.max_inflated_bytes) {
      return TooMuch("inflates to too many bytes", "max_inflated_bytes",
                     limits_.max_inflated_bytes);
    }
    return absl::OkStatus();
  }
  absl::Status Keep(int64_t bytes) {
    kept_ += bytes;
    if (kept_ > limits_.max_kept_bytes) {
      return TooMuch("holds too many bytes", "max_kept_bytes", limits_.max_kept_bytes);
    }
    return absl::OkStatus();
  }

  absl::Status ReadEntries() {
    if (pack_.size() < kHeaderBytes + ObjectId::kBytes || !absl::StartsWith(pack_, "PACK")) {
      return Bad("it does not start as a pack, or is cut");
    }
    const uint32_t version = ReadUint32(pack_.substr(4));
    if (version != 2 && version != 3) return Bad(absl::StrCat("version ", version));
    const int64_t count = ReadUint32(pack_.substr(8));
    if (count > limits_.max_objects) {
      return TooMuch(absl::StrCat(count, " objects"), "max_objects", limits_.max_objects);
    }
    end_ = pack_.size() - ObjectId::kBytes;
    PURSER_RETURN_IF_ERROR(CheckSum());
    if (inflateInit(&inflater_) != Z_OK)
      return absl::ResourceExhaustedError("no memory to inflate");
    inflater_ready_ = true;
    offset_ = kHeaderBytes;
    for (int64_t i = 0; i < count; ++i) PURSER_RETURN_IF_ERROR(ReadEntry());
    if (offset_ != end_) return Bad("bytes behind the last object");
    return absl::OkStatus();
  }

  absl::Status CheckSum() {
    base::Hasher hasher(base::HashKind::kSha1);
    for (absl::string_view rest = pack_.substr(0, end_); !rest.empty();) {
      PURSER_RETURN_IF_ERROR(Look());
      hasher.Update(rest.substr(0, kHashStep));
      rest.remove_prefix(std::min(kHashStep, rest.size()));
    }
    if (hasher.Finish() == pack_.substr(end_)) return absl::OkStatus();
    offset_ = end_;
    return Bad("the checksum does not match");
  }

  absl::StatusOr<unsigned char> Byte() {
    if (offset_ >= end_) return Bad("it ends inside an object's head");
    return static_cast<unsigned char>(pack_[offset_++]);
  }

  absl::Status ReadEntry() {
    Entry entry;
    entry.offset = offset_;
    PURSER_ASSIGN_OR_RETURN(unsigned char byte, Byte());
    entry.kind = byte >> 4 & 7;
    uint64_t size = byte & 15;
    for (int shift = 4; (byte & 0x80) != 0; shift += 7) {
      if (shift > 56) return Bad("an object's size does not fit");
      PURSER_ASSIGN_OR_RETURN(byte, Byte());
      size |= static_cast<uint64_t>(byte & 0x7F) << shift;
    }
    if (size > static_cast<uint64_t>(limits_.max_object_bytes)) {
      return TooMuch(absl::StrCat("an object of ", size, " bytes"), "max_object_bytes",
                     limits_.max_object_bytes);
    }
    if (entry.kind == kOffsetDelta) {
      PURSER_RETURN_IF_ERROR(ReadBaseOffset(entry));
    } else if (entry.kind == kReferenceDelta) {
      if (end_ - offset_ < ObjectId::kBytes) return Bad("cut base name");
      entry.base_id = *ObjectId::FromRaw(pack_.substr(offset_, ObjectId::kBytes));
      offset_ += ObjectId::kBytes;
    } else if (entry.kind < 1 || entry.kind > 4) {
      return Bad(absl::StrCat("unknown object type ", entry.kind));
    }

    const bool keep = !(options_.skip_blobs && entry.kind == static_cast<int>(ObjectType::kBlob));
    if (entry.kind >= 1 && entry.kind <= 4) {
      entry.type = static_cast<ObjectType>(entry.kind);
      entry.state = keep ? State::kKept : State::kSkipped;
    }
    PURSER_RETURN_IF_ERROR(Inflate(size, keep, entry));
    PURSER_RETURN_IF_ERROR(Keep(static_cast<int64_t>(sizeof(Entry) + (keep ? size : 0))));
    entries_.push_back(std::move(entry));
    return absl::OkStatus();
  }

  // Offsets count back from the entry, big end first, with one added per further byte.
  absl::Status ReadBaseOffset(Entry& entry) {
    PURSER_ASSIGN_OR_RETURN(unsigned char byte, Byte());
    uint64_t back = byte & 0x7F;
    while ((byte & 0x80) != 0) {
      if (back > (uint64_t{1} << 48)) return Bad("a base offset does not fit");
      PURSER_ASSIGN_OR_RETURN(byte, Byte());
      back = (back + 1) << 7 | (byte & 0x7F);
    }
    if (back == 0 || back > entry.offset) return Bad("a base offset outside the pack");
    const size_t base = entry.offset - back;
    const auto found =
        std::lower_bound(entries_.begin(), entries_.end(), base,
                         [](const Entry& other, size_t offset) { return other.offset < offset; });
    if (found == entries_.end() || found->offset != base)
      return Bad("a base offset hits no object");
    entry.base_index = static_cast<size_t>(found - entries_.begin());
    return absl::OkStatus();
  }

  // Inflates exactly `size` bytes; memory grows with what really comes, not with what is declared.
  absl::Status Inflate(uint64_t size, bool keep, Entry& entry) {
    PURSER_RETURN_IF_ERROR(Count(static_cast<int64_t>(size)));
    inflateReset(&inflater_);
    base::Hasher hasher(base::HashKind::kSha1);
    const bool whole = entry.kind >= 1 && entry.kind <= 4;
    if (whole) {
      hasher.Update(absl::StrCat(TypeName(entry.type), " ", size, absl::string_view("\0", 1)));
    }
    std::string scratch;
    uint64_t done = 0;
    int code = Z_OK;
    while (code != Z_STREAM_END) {
      PURSER_RETURN_IF_ERROR(Look());
      std::string& out = keep ? entry.content : scratch;
      const size_t at = keep ? static_cast<size_t>(done) : 0;
      // One byte more than allowed, so that a stream longer than declared is seen.
      const size_t room = static_cast<size_t>(std::min<uint64_t>(size - done + 1, kInflateStep));
      if (keep && out.capacity() < at + room) out.reserve(std::min(2 * (at + room), size + 1));
      out.resize(at + room);
      inflater_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(pack_.data() + offset_));
      // zlib counts in 32 bits; what is beyond comes in further rounds.
      inflater_.avail_in = static_cast<uInt>(std::min<size_t>(end_ - offset_, UINT32_MAX / 2));
      const uInt given = inflater_.avail_in;
      inflater_.next_out = reinterpret_cast<Bytef*>(out.data() + at);
      inflater_.avail_out = static_cast<uInt>(room);
      code = inflate(&inflater_, Z_NO_FLUSH);
      offset_ += given - inflater_.avail_in;
      const size_t made = room - inflater_.avail_out;
      if (whole) hasher.Update(absl::string_view(out).substr(at, made));
      out.resize(at + made);
      done += made;
      if (done > size) return Bad("an object is longer than declared");
      if (code != Z_OK && code != Z_STREAM_END) return Bad("an object does not inflate");
      if (code == Z_OK && made == 0 && offset_ >= end_) return Bad("it ends inside an object");
    }
    if (done != size) return Bad("an object is shorter than declared");
    if (whole) entry.id = *ObjectId::FromRaw(hasher.Finish());
    return absl::OkStatus();
  }

  // Breadth first from the whole objects over the deltas that build on them: no recursion, each
  // delta applied once.
  absl::Status Resolve() {
    absl::flat_hash_map<size_t, std::vector<size_t>> by_index;
    absl::flat_hash_map<ObjectId, std::vector<size_t>> by_id;
    std::vector<size_t> queue;
    size_t waiting = 0;
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      if (entry.kind == kOffsetDelta) {
        by_index[entry.base_index].push_back(i);
      } else if (entry.kind == kReferenceDelta) {
        by_id[entry.base_id].push_back(i);
      } else {
        queue.push_back(i);
        continue;
      }
      ++waiting;
    }
    const auto drain = [&]() -> absl::Status {
      while (!queue.empty()) {
        const size_t base = queue.back();
        queue.pop_back();
        std::vector<size_t> children;
        if (const auto found = by_index.find(base); found != by_index.end()) {
          children = std::move(found->second);
          by_index.erase(found);
        }
        const auto named = by_id.find(entries_[base].id);
        // A skipped delta has no name; nothing can refer to it.
        if (named != by_id.end() && !entries_[base].id.IsZero()) {
          children.insert(children.end(), named->second.begin(), named->second.end());
          by_id.erase(named);
        }
        for (const size_t child : children) {
          PURSER_RETURN_IF_ERROR(Build(entries_[base], entries_[child]));
          --waiting;
          queue.push_back(child);
        }
      }
      return absl::OkStatus();
    };
    PURSER_RETURN_IF_ERROR(drain());
    if (waiting > 0 && options_.find_base)
      PURSER_RETURN_IF_ERROR(ResolveThin(by_id, queue, waiting));
    PURSER_RETURN_IF_ERROR(drain());
    // Where blobs are skipped, a delta on a blob that is itself a delta cannot be named; the trees
    // that matter are there or their lookup fails by name.
    if (waiting > 0 && !options_.skip_blobs) {
      return absl::InvalidArgumentError(
          absl::StrCat("bad pack: ", waiting, " deltas build on objects that are not there"));
    }
    return absl::OkStatus();
  }

  absl::Status ResolveThin(absl::flat_hash_map<ObjectId, std::vector<size_t>>& by_id,
                           std::vector<size_t>& queue, size_t& waiting) {
    for (auto it = by_id.begin(); it != by_id.end();) {
      std::optional<Object> outside = options_.find_base(it->first);
      if (!outside.has_value()) {
        ++it;
        continue;
      }
      Entry base;
      base.state = State::kKept;
      base.type = outside->type;
      base.content = std::move(outside->content);
      for (const size_t child : it->second) {
        PURSER_RETURN_IF_ERROR(Build(base, entries_[child]));
        --waiting;
        queue.push_back(child);
      }
      by_id.erase(it++);
    }
    return absl::OkStatus();
  }

  absl::Status Build(const Entry& base, Entry& child) {
    PURSER_RETURN_IF_ERROR(Look());
    offset_ = child.offset;
    child.depth = base.depth + 1;
    if (child.depth > limits_.max_delta_depth) {
      return TooMuch("a chain of deltas is too long", "max_delta_depth", limits_.max_delta_depth);
    }
    child.type = base.type;
    if (base.state == State::kSkipped) {
      child.state = State::kSkipped;
      kept_ -= static_cast<int64_t>(child.content.size());
      child.content = std::string();
      return absl::OkStatus();
    }
    absl::StatusOr<std::string> built =
        ApplyDelta(base.content, child.content, limits_.max_object_bytes);
    if (!built.ok()) {
      return base::Annotate(built.status(), absl::StrCat("pack, object at byte ", child.offset));
    }
    PURSER_RETURN_IF_ERROR(Count(static_cast<int64_t>(built->size())));
    kept_ -= static_cast<int64_t>(child.content.size());
    PURSER_RETURN_IF_ERROR(Keep(static_cast<int64_t>(built->size())));
    child.content = *std::move(built);
    child.id = HashObject(child.type, child.content);
    child.state = State::kKept;
    return absl::OkStatus();
  }

  absl::string_view pack_;
  const PackReaderOptions& options_;
  const PackReaderLimits& limits_;
  z_stream inflater_{};
  bool inflater_ready_ = false;
  size_t offset_ = 0;
  size_t end_ = 0;
  int64_t inflated_ = 0;
  int64_t kept_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace

absl::StatusOr<ObjectMap> ReadPack(absl::string_view pack, const PackReaderOptions& options) {
  return Reader(pack, options).Read();
}

absl::StatusOr<std::string> ApplyDelta(absl::string_view base, absl::string_view delta,
                                       int64_t max_bytes) {
  const auto bad = [](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("bad delta: ", why));
  };
  uint64_t base_size = 0;
  uint64_t size = 0;
  if (!ReadVarint(delta, &base_size) || !ReadVarint(delta, &size)) return bad("cut sizes");
  if (base_size != base.size()) return bad("it is for a base of another size");
  if (size > static_cast<uint64_t>(max_bytes)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a delta makes an object of ", size, " bytes, more than ", max_bytes));
  }
  std::string out;
  while (!delta.empty()) {
    const auto op = static_cast<unsigned char>(delta.front());
    delta.remove_prefix(1);
    absl::string_view piece;
    if ((op & 0x80) != 0) {
      // Copy from the base: the low seven bits say which bytes of offset and length follow.
      uint64_t offset = 0;
      uint64_t length = 0;
      for (int i = 0; i < 7; ++i) {
        if ((op & 1 << i) == 0) continue;
        if (delta.empty()) return bad("cut copy");
        const uint64_t byte = static_cast<unsigned char>(delta.front());
        delta.remove_prefix(1);
        if (i < 4) {
          offset |= byte << (8 * i);
        } else {
          length |= byte << (8 * (i - 4));
        }
      }
      if (length == 0) length = 0x10000;
      if (offset > base.size() || length > base.size() - offset)
        return bad("copy outside the base");
      piece = base.substr(offset, length);
    } else {
      if (op == 0) return bad("reserved operation");
      if (op > delta.size()) return bad("cut insert");
      piece = delta.substr(0, op);
      delta.remove_prefix(op);
    }
    if (piece.size() > size - out.size()) return bad("it makes more than it declares");
    out.append(piece.data(), piece.size());
  }
  if (out.size() != size) return bad("it makes less than it declares");
  return out;
}

}  // namespace purser::git
