// The steps of a run as the one text column that holds them: JSON, written and read by hand because
// every change of a run writes it and every claim reads it.
#include <array>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "json/writer.h"
#include "nlohmann/json.hpp"
#include "workflow/records.h"

namespace purser::workflow {
namespace {

constexpr int64_t kUnknownFlag = 1;
constexpr int64_t kEffectFlag = 2;
constexpr int64_t kCallingFlag = 4;
constexpr int64_t kNoTime = -1;
constexpr size_t kNumbers = 13;
constexpr size_t kTexts = 3;
constexpr int64_t kStates = static_cast<int64_t>(StepState::kUndoFailed) + 1;
constexpr size_t kUsualStepBytes = 112;

using Numbers = std::array<int64_t, kNumbers>;
// Of a step that has not begun; what equals these at the end of a step's numbers is left out.
constexpr Numbers kDefaults = {0, 0, 0, 0, 1, 0, 0, 0, 0, kNoTime, kNoTime, kNoTime, kNoTime};

int64_t Micros(absl::Time time) {
  return time == absl::InfiniteFuture() ? kNoTime : absl::ToUnixMicros(time);
}
int64_t Micros(const std::optional<absl::Time>& time) {
  return time.has_value() ? absl::ToUnixMicros(*time) : kNoTime;
}
absl::Time FromMicros(int64_t micros) {
  return micros == kNoTime ? absl::InfiniteFuture() : absl::FromUnixMicros(micros);
}

Numbers NumbersOf(const StepRecord& step) {
  return {static_cast<int64_t>(step.state),
          step.attempts,
          step.failures,
          step.recoveries,
          step.incarnation,
          step.fence,
          (step.unknown ? kUnknownFlag : 0) | (step.effect ? kEffectFlag : 0) |
              (step.calling ? kCallingFlag : 0),
          step.output_at,
          step.done_order,
          Micros(step.deadline),
          Micros(step.due),
          Micros(step.started_at),
          Micros(step.ended_at)};
}

void SetNumbers(const Numbers& numbers, StepRecord& step) {
  step.state = static_cast<StepState>(numbers[0]);
  step.attempts = numbers[1];
  step.failures = numbers[2];
  step.recoveries = numbers[3];
  step.incarnation = numbers[4];
  step.fence = numbers[5];
  step.unknown = (numbers[6] & kUnknownFlag) != 0;
  step.effect = (numbers[6] & kEffectFlag) != 0;
  step.calling = (numbers[6] & kCallingFlag) != 0;
  step.output_at = numbers[7];
  step.done_order = numbers[8];
  step.deadline = FromMicros(numbers[9]);
  step.due = FromMicros(numbers[10]);
  if (numbers[11] != kNoTime) step.started_at = FromMicros(numbers[11]);
  if (numbers[12] != kNoTime) step.ended_at = FromMicros(numbers[12]);
}

void AppendNumber(int64_t number, std::string* out) {
  char digits[24];
  digits[0] = ',';
  const auto end = std::to_chars(digits + 1, digits + sizeof(digits), number);
  out->append(digits, end.ptr - digits);
}

// Reads JSON of the shape [["id",1,2,…,"text",…],…] and no other.
class Reader {
 public:
  explicit Reader(absl::string_view text) : text_(text) {}

  bool Take(char c) {
    if (!At(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool At(char c) const { return !text_.empty() && text_[0] == c; }
  bool AtEnd() const { return text_.empty(); }

  bool TakeNumber(int64_t* number) {
    const auto end = std::from_chars(text_.data(), text_.data() + text_.size(), *number);
    if (end.ec != std::errc()) return false;
    text_.remove_prefix(end.ptr - text_.data());
    return true;
  }

  bool TakeText(std::string* out) {
    if (!At('"')) return false;
    size_t end = 1;
    bool escaped = false;
    while (end < text_.size() && text_[end] != '"') {
      escaped = escaped || text_[end] == '\\';
      end += text_[end] == '\\' ? 2 : 1;
    }
    if (end >= text_.size()) return false;
    const absl::string_view quoted = text_.substr(0, end + 1);
    text_.remove_prefix(end + 1);
    if (!escaped) {
      out->assign(quoted.data() + 1, quoted.size() - 2);
      return true;
    }
    nlohmann::json value =
        nlohmann::json::parse(quoted.begin(), quoted.end(), nullptr, /*allow_exceptions=*/false);
    if (!value.is_string()) return false;
    *out = std::move(value.get_ref<std::string&>());
    return true;
  }

 private:
  absl::string_view text_;
};

void AppendStep(const StepRecord& step, const Numbers& numbers, std::string* out) {
  out->push_back('[');
  json::AppendQuoted(step.id, out);
  size_t count = kNumbers;
  while (count > 0 && numbers[count - 1] == kDefaults[count - 1]) --count;
  for (size_t i = 0; i < count; ++i) AppendNumber(numbers[i], out);
  // Outputs that an event carries are not written again with every change.
  const absl::string_view outputs =
      step.output_at == 0 ? absl::string_view(step.outputs) : absl::string_view();
  // What connectors say may be any bytes.
  const std::string message = CleanMessage(step.message);
  const std::array<absl::string_view, kTexts> texts = {message, outputs, step.pending};
  size_t last = texts.size();
  while (last > 0 && texts[last - 1].empty()) --last;
  for (size_t i = 0; i < last; ++i) {
    out->push_back(',');
    json::AppendQuoted(texts[i], out);
  }
  out->push_back(']');
}

bool TakeStep(Reader& reader, StepRecord* step) {
  if (!reader.Take('[') || !reader.TakeText(&step->id)) return false;
  Numbers numbers = kDefaults;
  size_t next_number = 0;
  const std::array<std::string*, kTexts> texts = {&step->message, &step->outputs, &step->pending};
  size_t next_text = 0;
  while (reader.Take(',')) {
    if (reader.At('"')) {
      if (next_text == kTexts || !reader.TakeText(texts[next_text++])) return false;
    } else if (next_text > 0 || next_number == kNumbers ||
               !reader.TakeNumber(&numbers[next_number++])) {
      return false;
    }
  }
  if (numbers[0] < 0 || numbers[0] >= kStates) return false;
  SetNumbers(numbers, *step);
  return reader.Take(']');
}

}  // namespace

std::string StepsEncoder::Encode(const std::vector<StepRecord>& steps) {
  std::string out;
  out.reserve(steps.size() * kUsualStepBytes);
  out.push_back('[');
  kept_.resize(steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepRecord& step = steps[i];
    if (i > 0) out.push_back(',');
    Kept& kept = kept_[i];
    const Numbers numbers = NumbersOf(step);
    // Texts are few and may be long: steps that have some are written each time.
    const bool has_texts = !step.message.empty() || !step.pending.empty() ||
                           (step.output_at == 0 && !step.outputs.empty());
    if (!has_texts && !kept.text.empty() && kept.numbers == numbers) {
      out.append(kept.text);
      continue;
    }
    const size_t begin = out.size();
    AppendStep(step, numbers, &out);
    kept.numbers = numbers;
    kept.text = has_texts ? std::string() : out.substr(begin);
  }
  out.push_back(']');
  return out;
}

absl::StatusOr<std::vector<StepRecord>> DecodeSteps(absl::string_view text) {
  Reader reader(text);
  std::vector<StepRecord> steps;
  bool good = reader.Take('[');
  if (good && !reader.At(']')) {
    do {
      StepRecord step;
      step.index = static_cast<int64_t>(steps.size());
      good = TakeStep(reader, &step);
      steps.push_back(std::move(step));
    } while (good && reader.Take(','));
  }
  if (!good || !reader.Take(']') || !reader.AtEnd()) {
    return absl::DataLossError(
        "workflow: the steps of a run cannot be read; is the store of a newer "
        "program, or damaged?");
  }
  return steps;
}

}  // namespace purser::workflow
