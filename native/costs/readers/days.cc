#include "costs/readers/days.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace purser::costs {
namespace {

bool Digits(absl::string_view text, size_t at, size_t count, int* out) {
  if (text.size() < at + count) return false;
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  *out = value;
  return true;
}

}  // namespace

absl::StatusOr<absl::CivilDay> ParseDay(absl::string_view text, DateOrder order) {
  const auto bad = [&] {
    return absl::InvalidArgumentError("not a date like 2026-11-01 or 2026-11-01T00:00:00Z");
  };
  if (order == DateOrder::kMonthFirst && text.size() > 2 && (text[1] == '/' || text[2] == '/')) {
    const std::vector<std::string> parts = absl::StrSplit(text, '/');
    if (parts.size() != 3) return bad();
    const std::string iso = absl::StrCat(parts[2], "-", parts[0].size() == 1 ? "0" : "", parts[0],
                                         "-", parts[1].size() == 1 ? "0" : "", parts[1]);
    return ParseDay(iso, DateOrder::kIso);
  }
  int year, month, day;
  if (order == DateOrder::kMonths && text.size() == 6 && Digits(text, 0, 4, &year)) {
    return ParseDay(absl::StrCat(text.substr(0, 4), "-", text.substr(4), "-01"), DateOrder::kIso);
  }
  if (!Digits(text, 0, 4, &year) || !Digits(text, 5, 2, &month) || !Digits(text, 8, 2, &day) ||
      text[4] != '-' || text[7] != '-') {
    return bad();
  }
  const absl::CivilDay date(year, month, day);
  if (date.year() != year || date.month() != month || date.day() != day) {
    return absl::InvalidArgumentError("no such day");
  }
  if (year < 1990 || year > 2199) {
    return absl::InvalidArgumentError("the year is not one of a bill (1990 to 2199)");
  }
  if (text.size() == 10) return date;
  int hour, minute, second = 0;
  if ((text[10] != 'T' && text[10] != ' ') || !Digits(text, 11, 2, &hour) ||
      !Digits(text, 14, 2, &minute) || text[13] != ':' || hour > 23 || minute > 59) {
    return bad();
  }
  size_t at = 16;
  if (at < text.size() && text[at] == ':') {
    if (!Digits(text, 17, 2, &second) || second > 60) return bad();
    at = 19;
    if (at < text.size() && text[at] == '.') {
      const size_t fraction = ++at;
      while (at < text.size() && absl::ascii_isdigit(text[at])) ++at;
      if (at == fraction) return bad();
    }
  }
  absl::string_view zone = text.substr(at);
  if (zone.empty() || zone == "Z" || zone == "z" || zone == " UTC") return date;
  int zone_hour, zone_minute;
  if ((zone[0] != '+' && zone[0] != '-') || zone.size() != 6 || zone[3] != ':' ||
      !Digits(zone, 1, 2, &zone_hour) || !Digits(zone, 4, 2, &zone_minute) || zone_hour > 15 ||
      zone_minute > 59) {
    return bad();
  }
  const int offset = (zone_hour * 60 + zone_minute) * (zone[0] == '-' ? -1 : 1);
  return absl::CivilDay(absl::CivilMinute(year, month, day, hour, minute) - offset);
}

}  // namespace purser::costs
