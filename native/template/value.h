// The values a template works with: JavaScript's, as far as templates can see them.
//
// Values are counted references and belong to one thread, except those of a Context or a compiled
// program: these are immortal (never counted, freed with their owner), so that many threads may
// read them. Records never change; arrays may, within one rendering.
#ifndef PURSER_TEMPLATE_VALUE_H_
#define PURSER_TEMPLATE_VALUE_H_

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "template/arena.h"
#include "template/run.h"

namespace purser::tmpl {

// Levels of arrays and records inside each other.
inline constexpr int kMaxValueDepth = 256;
// Entries of one array or record that a template makes.
inline constexpr size_t kMaxContainerEntries = 10'000'000;

enum class Kind : uint8_t {
  kUndefined,
  kHole,  // a missing element; only inside arrays
  kNull,
  kBool,
  kNumber,
  kString,
  kSafe,  // a string marked as safe: an object, so equal only to itself
  kArray,
  kRecord,
  kRegex,
  kCallable,
};

class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  virtual ~Counted();
  static void* operator new(size_t bytes) { return Arena::New(bytes); }
  static void operator delete(void* object, size_t bytes) { Arena::Delete(object, bytes); }

  void Ref() {
    if (!immortal_) ++refs_;
  }
  void Unref() {
    if (!immortal_ && --refs_ == 0) Release(this);
  }
  void MakeImmortal() { immortal_ = true; }
  bool IsShared() const { return immortal_ || refs_ > 1; }

 protected:
  // Corrects what this object is charged with at the meter.
  void Charge(int64_t bytes);

 private:
  // Deletes without recursion, however deep the value is.
  static void Release(Counted* object);

  uint32_t refs_ = 0;
  bool immortal_ = false;
  int64_t charged_ = 0;
  Counted* next_ = nullptr;  // in the list of objects to delete
};

template <typename T>
class RefTo {
 public:
  RefTo() = default;
  explicit RefTo(T* object) : object_(object) {
    if (object_ != nullptr) object_->Ref();
  }
  RefTo(const RefTo& other) : RefTo(other.object_) {}
  RefTo(RefTo&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  RefTo& operator=(RefTo other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~RefTo() {
    if (object_ != nullptr) object_->Unref();
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

class StringObject final : public Counted {
 public:
  explicit StringObject(std::string text);
  const std::string bytes;
  bool ascii;
  size_t length;  // UTF-16 units
};

class ArrayObject;
class RecordObject;
class RegexObject;
class Callable;

class Value {
 public:
  Value() = default;
  Value(const Value& other) : kind_(other.kind_), bits_(other.bits_) {
    if (IsObject()) bits_.object->Ref();
  }
  Value(Value&& other) noexcept : kind_(other.kind_), bits_(other.bits_) {
    other.kind_ = Kind::kUndefined;
  }
  Value& operator=(Value other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(bits_, other.bits_);
    return *this;
  }
  ~Value() {
    if (IsObject()) bits_.object->Unref();
  }

  static Value Undefined() { return Value(); }
  static Value Null() { return Value(Kind::kNull, Bits{.number = 0}); }
  static Value Hole() { return Value(Kind::kHole, Bits{.number = 0}); }
  static Value Bool(bool value) { return Value(Kind::kBool, Bits{.boolean = value}); }
  static Value Number(double value) { return Value(Kind::kNumber, Bits{.number = value}); }
  static Value String(std::string text);
  static Value Safe(std::string text);  // a new safe string
  static Value Array(std::vector<Value> items);
  static Value Of(ArrayObject* array);
  static Value Of(RecordObject* record);
  static Value Of(RegexObject* regex);
  static Value Of(Callable* callable);
  // A plain string with the same text as a (safe or plain) string.
  Value Plain() const { return Value(Kind::kString, bits_, true); }

  Kind kind() const { return kind_; }
  bool IsUndefined() const { return kind_ == Kind::kUndefined || kind_ == Kind::kHole; }
  bool IsNullish() const { return kind_ <= Kind::kNull; }
  bool IsHole() const { return kind_ == Kind::kHole; }
  bool IsBool() const { return kind_ == Kind::kBool; }
  bool IsNumber() const { return kind_ == Kind::kNumber; }
  bool IsString() const { return kind_ == Kind::kString; }
  bool IsSafe() const { return kind_ == Kind::kSafe; }
  bool IsText() const { return kind_ == Kind::kString || kind_ == Kind::kSafe; }
  bool IsArray() const { return kind_ == Kind::kArray; }
  bool IsRecord() const { return kind_ == Kind::kRecord; }
  bool IsRegex() const { return kind_ == Kind::kRegex; }
  bool IsCallable() const { return kind_ == Kind::kCallable; }
  bool IsPrimitive() const { return kind_ <= Kind::kString; }
  bool IsObject() const { return kind_ >= Kind::kString; }

  bool boolean() const { return bits_.boolean; }
  double number() const { return bits_.number; }
  const StringObject& text() const { return *static_cast<StringObject*>(bits_.object); }
  absl::string_view bytes() const { return text().bytes; }
  ArrayObject& array() const;
  RecordObject& record() const;
  RegexObject& regex() const;
  Callable& callable() const;
  const void* identity() const { return bits_.object; }

 private:
  union Bits {
    bool boolean;
    double number;
    Counted* object;
  };
  Value(Kind kind, Bits bits, bool ref = false) : kind_(kind), bits_(bits) {
    if (ref) bits_.object->Ref();
  }

  Kind kind_ = Kind::kUndefined;
  Bits bits_ = {.number = 0};
};

// A list that may have holes. Change the items only through Update, which keeps depth and charge.
class ArrayObject final : public Counted {
 public:
  explicit ArrayObject(std::vector<Value> items) { Update(std::move(items)); }
  const std::vector<Value>& items() const { return items_; }
  size_t size() const { return items_.size(); }
  // Holes read as undefined.
  Value At(size_t index) const;
  int depth() const { return depth_; }
  bool holds_callable() const { return holds_callable_; }
  void Update(std::vector<Value> items);
  // Gives the storage away for a change; Update must follow.
  std::vector<Value> Take() { return std::move(items_); }

 private:
  std::vector<Value> items_;
  int depth_ = 1;
  bool holds_callable_ = false;
};

// Named values in JavaScript's order: array indices by number, then names as they were added.
class RecordObject final : public Counted {
 public:
  using Entry = std::pair<std::string, Value>;
  // A later entry replaces the value of an earlier one with the same name.
  explicit RecordObject(std::vector<Entry> entries);
  const std::vector<Entry>& entries() const { return entries_; }
  // nullptr when there is none.
  const Value* Find(absl::string_view name) const {
    if (!index_.empty()) return FindIndexed(name);
    for (const Entry& entry : entries_) {
      // The first letter mostly tells already.
      if (entry.first.size() == name.size() &&
          (name.empty() || (entry.first[0] == name[0] &&
                            std::memcmp(entry.first.data(), name.data(), name.size()) == 0))) {
        return &entry.second;
      }
    }
    return nullptr;
  }
  // Undefined when there is none.
  Value Get(absl::string_view name) const;
  int depth() const { return depth_; }
  bool holds_callable() const { return holds_callable_; }
  // Puts a value that is no object in the place of one; for a record that nobody else refers to.
  void Replace(size_t index, Value plain) { entries_[index].second = std::move(plain); }

 private:
  const Value* FindIndexed(absl::string_view name) const;

  std::vector<Entry> entries_;
  absl::flat_hash_map<absl::string_view, size_t> index_;  // only for larger records
  int depth_ = 1;
  bool holds_callable_ = false;
};

class RegexObject final : public Counted {
 public:
  RegexObject(std::string source, std::string flags)
      : source(std::move(source)), flags(std::move(flags)) {}
  const std::string source;  // without the slashes
  const std::string flags;
  double last_index = 0;
  std::string ToText() const;
};

inline ArrayObject& Value::array() const { return *static_cast<ArrayObject*>(bits_.object); }
inline RecordObject& Value::record() const { return *static_cast<RecordObject*>(bits_.object); }
inline RegexObject& Value::regex() const { return *static_cast<RegexObject*>(bits_.object); }

int DepthOf(const Value& value);
// "constructor", "prototype" and "__proto__" are refused everywhere.
bool IsReservedName(absl::string_view name);
// "0", "1", … as JavaScript writes an array index; -1 when it is not one.
int64_t ArrayIndex(absl::string_view name);
// For messages: "string", "array", …
absl::string_view KindName(const Value& value);

// --- Conversions. Those that can fail return false with the failure in `run`.

bool Truthy(const Value& value);
// What `${{ value }}` writes: undefined and null are empty.
bool RenderText(Run& run, const Value& value, std::string* out);
bool ToPrimitive(Run& run, const Value& value, Value* out);
bool ToNumber(Run& run, const Value& value, double* out);
// String(value): undefined and null are written out.
bool ToText(Run& run, const Value& value, std::string* out);
bool ToInteger(Run& run, const Value& value, double* out);

bool StrictEqual(const Value& a, const Value& b);
bool LooseEqual(Run& run, const Value& a, const Value& b, bool* out);
bool Add(Run& run, const Value& a, const Value& b, Value* out);
// -1, 0, 1, or NaN when not comparable.
bool Order(Run& run, const Value& a, const Value& b, double* out);

// The property `key` of a value, own ones only; undefined when there is none.
Value Property(const Value& target, absl::string_view key);
bool HasProperty(const Value& target, absl::string_view key);

// Units [begin, end) of a string; both within its length.
std::string Units(const StringObject& text, size_t begin, size_t end);
// The string's units as one-unit strings.
std::vector<Value> SplitUnits(const StringObject& text);

// Makes an array when its size and depth are within the limits.
bool MakeArray(Run& run, std::vector<Value> items, Value* out);
bool MakeRecord(Run& run, std::vector<RecordObject::Entry> entries, Value* out);

// True when a macro or function is, or was when it was made, inside the value.
bool HoldsCallable(const Value& value);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_VALUE_H_
