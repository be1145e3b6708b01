#include "costs/readers/text_dictionary.h"

namespace purser::costs {

uint32_t TextDictionary::Add(size_t at, uint32_t tag, const char* text, size_t size) {
  const uint32_t code = static_cast<uint32_t>(entries_.size());
  const size_t offset = bytes_.size() - kShortText;
  entries_.push_back({offset, size});
  bytes_.resize(bytes_.size() + size);
  std::copy_n(text, size, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  slots_[at] = {tag, code + 1};
  if (entries_.size() * 2 > slots_.size()) {
    const size_t slots = slots_.size() * 2;
    slots_.assign(slots, Slot());
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      const uint64_t hash = HashBytes(bytes_.data() + entries_[i].offset, entries_[i].size);
      size_t place = hash & mask();
      while (slots_[place].code_plus_one != 0) place = (place + 1) & mask();
      slots_[place] = {static_cast<uint32_t>(hash >> 32), i + 1};
    }
  }
  return code;
}

void TextDictionary::Clear() {
  slots_.assign(kFirstSlots, Slot());
  slots_.shrink_to_fit();
  entries_ = {};
  bytes_ = std::vector<char>(kShortText);
}

}  // namespace purser::costs
