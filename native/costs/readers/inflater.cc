#include "costs/readers/inflater.h"

#include <dlfcn.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>

#include "base/status.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define PURSER_HAS_ISAL 1
#include <isa-l/igzip_lib.h>
#endif

namespace purser::costs {
namespace {

constexpr size_t kMostAtOnce = 1 << 30;

class ZlibInflater final : public Inflater {
 public:
  ~ZlibInflater() override {
    if (open_) inflateEnd(&stream_);
  }
  bool Start() {
    open_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
    return open_;
  }
  Step Run(absl::string_view packed, char* out, size_t room) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(std::min(packed.size(), kMostAtOnce));
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(std::min(room, kMostAtOnce));
    const uInt in = stream_.avail_in, space = stream_.avail_out;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    Step step{static_cast<std::ptrdiff_t>(in - stream_.avail_in), space - stream_.avail_out};
    if (code == Z_STREAM_END) {
      step.state = State::kMemberEnd;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      step.state = State::kDamaged;
      problem_ = stream_.msg != nullptr ? stream_.msg : "not a gzip stream";
    }
    return step;
  }
  void Restart() override { inflateReset(&stream_); }
  absl::string_view problem() const override { return problem_; }

 private:
  z_stream stream_ = {};
  bool open_ = false;
  absl::string_view problem_;
};

#if defined(PURSER_HAS_ISAL)

// Looked up when the program runs, so that it also starts on machines without the library.
struct Isal {
  decltype(&isal_inflate_init) init = nullptr;
  decltype(&isal_inflate_reset) reset = nullptr;
  decltype(&isal_inflate) inflate = nullptr;
};

const Isal* LoadIsal() {
  static const Isal isal = [] {
    Isal loaded;
    void* const library = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return loaded;
    loaded.init = reinterpret_cast<decltype(loaded.init)>(dlsym(library, "isal_inflate_init"));
    loaded.reset = reinterpret_cast<decltype(loaded.reset)>(dlsym(library, "isal_inflate_reset"));
    loaded.inflate = reinterpret_cast<decltype(loaded.inflate)>(dlsym(library, "isal_inflate"));
    return loaded;
  }();
  return isal.init != nullptr && isal.reset != nullptr && isal.inflate != nullptr ? &isal : nullptr;
}

class IsalInflater final : public Inflater {
 public:
  explicit IsalInflater(const Isal& isal) : isal_(isal) {
    isal_.init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }
  Step Run(absl::string_view packed, char* out, size_t room) override {
    state_.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(packed.data()));
    state_.avail_in = static_cast<uint32_t>(std::min(packed.size(), kMostAtOnce));
    state_.next_out = reinterpret_cast<uint8_t*>(out);
    state_.avail_out = static_cast<uint32_t>(std::min(room, kMostAtOnce));
    const uint32_t in = state_.avail_in, space = state_.avail_out;
    const int code = isal_.inflate(&state_);
    Step step{std::ptrdiff_t{in} - std::ptrdiff_t{state_.avail_in}, space - state_.avail_out};
    if (code < 0 || (code > 0 && code != ISAL_END_INPUT && code != ISAL_OUT_OVERFLOW)) {
      step.state = State::kDamaged;
      problem_ = code == ISAL_INCORRECT_CHECKSUM ? "incorrect data check"
                 : code == ISAL_INVALID_WRAPPER  ? "incorrect header check"
                                                 : "invalid block";
    } else if (state_.block_state == ISAL_BLOCK_FINISH) {
      step.state = State::kMemberEnd;
    }
    return step;
  }
  void Restart() override {
    isal_.reset(&state_);
    state_.crc_flag = ISAL_GZIP;
  }
  absl::string_view problem() const override { return problem_; }

 private:
  const Isal& isal_;
  inflate_state state_;
  absl::string_view problem_;
};

#endif  // PURSER_HAS_ISAL

}  // namespace

absl::StatusOr<std::unique_ptr<Inflater>> NewInflater(InflateMethod method) {
#if defined(PURSER_HAS_ISAL)
  if (method != InflateMethod::kZlib) {
    if (const Isal* const isal = LoadIsal()) return std::make_unique<IsalInflater>(*isal);
  }
#endif
  if (method == InflateMethod::kIsal) return std::unique_ptr<Inflater>();
  auto inflater = std::make_unique<ZlibInflater>();
  if (!inflater->Start()) return base::ErrnoStatus(ENOMEM, "unpack gzip");
  return inflater;
}

}  // namespace purser::costs
