#include "costs/readers/csv_index.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "base/decimal.h"
#include "base/rng.h"
#include "costs/readers/amount.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_scanner.h"
#include "costs/readers/text_dictionary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

// All that can be tested on this machine.
std::vector<SimdLevel> LevelsHere() {
  std::vector<SimdLevel> levels;
  for (int level = 0; level <= static_cast<int>(MachineSimdLevel()); ++level) {
    levels.push_back(static_cast<SimdLevel>(level));
  }
  return levels;
}

struct Found {
  std::vector<uint32_t> ends;
  size_t feeds = 0;
  bool irregular = false, inside = false, high = false, nul = false;
  friend bool operator==(const Found&, const Found&) = default;
};

Found Index(SimdLevel level, const std::string& text, size_t step) {
  const std::string padded = text + std::string(kCsvIndexSlack, '"');
  CsvIndex index(level);
  for (size_t at = 0; at < text.size(); at += step) {
    index.Scan(padded.data(), at, std::min(text.size(), at + step));
  }
  return {{index.ends(), index.ends() + index.count()},
          index.feeds(),
          index.irregular(),
          index.inside_quotes(),
          index.has_high_bytes(),
          index.has_nul()};
}

// One character after another.
Found Slowly(const std::string& text) {
  Found found;
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char before = i > 0 ? text[i - 1] : '\n';
    if (c == '"') {
      found.irregular |= !inside && before != ',' && before != '\n' && before != '"';
    } else if (!inside && before == '"') {
      found.irregular |= c != ',' && c != '\n' && c != '\r';
    }
    if (!inside && before == '\r' && i > 1 && text[i - 2] == '"') found.irregular |= c != '\n';
    found.high |= (c & 0x80) != 0;
    found.nul |= c == '\0';
    if (c == '"') inside = !inside;
    found.feeds += c == '\n';
    if ((c != ',' && c != '\n') || inside) continue;
    found.ends.push_back(static_cast<uint32_t>(i));
  }
  found.inside = inside;
  return found;
}

// As RFC 4180 says, in lines that end with or without a carriage return.
std::string Records(base::SeededRng& rng, size_t size) {
  std::string text;
  const std::string line_end = rng.Below(2) == 0 ? "\r\n" : "\n";
  do {
    text += rng.Below(2) == 0 ? R"("a ""quoted"", text")" : std::string(rng.Below(40), 'x');
    text += rng.Below(4) == 0 ? line_end : ",";
  } while (text.size() < size);
  return text;
}

TEST(CsvIndexTest, AllLevelsFindTheSameAtEveryPlace) {
  base::SeededRng rng(3);
  const std::string alphabet({'a', ',', '"', '\n', '\r', '\xC3', '\0', 'b', 'c', 'd', 'e', 'f'});
  int regular = 0;
  for (int round = 0; round < 6'000; ++round) {
    std::string text;
    const uint64_t letters = 2 + rng.Below(alphabet.size() - 1);
    // Longer than the groups of blocks that are looked at together, now and then.
    const uint64_t size = rng.Below(rng.Below(8) == 0 ? 6'000 : 700);
    if (round % 2 == 0) {
      while (text.size() < size) text += alphabet[rng.Below(letters)];
    } else {
      text = Records(rng, size);
      if (rng.Below(2) == 0) text[rng.Below(text.size())] = alphabet[rng.Below(letters)];
    }
    const Found expected = Slowly(text);
    regular += text.size() > 500 && !expected.irregular;
    for (const SimdLevel level : LevelsHere()) {
      SCOPED_TRACE(SimdLevelName(level));
      EXPECT_EQ(Index(level, text, 1 << 20), expected);
      EXPECT_EQ(Index(level, text, 64), expected);
      EXPECT_EQ(Index(level, text, 64 * (1 + rng.Below(20))), expected);
      EXPECT_EQ(Index(level, text, 1 + rng.Below(200)), expected);
    }
  }
  EXPECT_GT(regular, 500);
}

TEST(SimdLevelTest, IsLoweredByName) {
  EXPECT_LE(UsedSimdLevel(), MachineSimdLevel());
  EXPECT_EQ(LimitedSimdLevel(SimdLevel::kAvx512, "avx2"), SimdLevel::kAvx2);
  EXPECT_EQ(LimitedSimdLevel(SimdLevel::kAvx512, "baseline"), SimdLevel::kBaseline);
  EXPECT_EQ(LimitedSimdLevel(SimdLevel::kAvx2, "avx512"), SimdLevel::kAvx2);
  EXPECT_EQ(LimitedSimdLevel(SimdLevel::kAvx512, ""), SimdLevel::kAvx512);
}

// A regular text is one that the scanner of records has nothing to say against; and the other way
// round, but for lone carriage returns, which the scanner skips where a record would begin.
TEST(CsvIndexTest, WhatIsIrregularIsWhatTheScannerObjectsTo) {
  base::SeededRng rng(5);
  const std::string alphabet = "a,\"\n\r";
  int regular = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const size_t lead = rng.Below(rng.Below(2) == 0 ? 130 : 1'100);
    text.append(lead, 'x');
    if (lead > 0) text += ',';
    for (uint64_t size = rng.Below(9); size > 0; --size) text += alphabet[rng.Below(5)];
    text += "\n";
    StringSource source(text);
    CsvScanner scanner(source, "a.csv");
    bool fine = true;
    while (true) {
      const absl::StatusOr<const CsvRecord*> record = scanner.Next();
      fine = fine && record.ok() && (*record == nullptr || (*record)->problem.empty());
      if (!record.ok() || *record == nullptr) break;
    }
    const std::string behind(rng.Below(2) * 600, 'x');  // a record without an end
    for (const SimdLevel level : LevelsHere()) {
      SCOPED_TRACE(SimdLevelName(level));
      const Found found =
          Index(level, text + behind, rng.Below(2) == 0 ? 1 << 20 : 1 + rng.Below(200));
      const bool is_regular = !found.irregular && !found.inside;
      if (is_regular) {
        EXPECT_TRUE(fine) << text;
      }
      if (fine && text.find('\r') == std::string::npos) {
        EXPECT_TRUE(is_regular) << text;
      }
      regular += is_regular;
    }
  }
  EXPECT_GT(regular, 1'000);
}

TEST(TextDictionaryTest, NumbersTexts) {
  TextDictionary texts;
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < 10'000; ++i) {
      EXPECT_EQ(texts.CodeOf("text " + std::string(i % 40, '-') + std::to_string(i)), i);
    }
  }
  EXPECT_EQ(texts.TextOf(45), "text -----45");
  EXPECT_EQ(texts.size(), 10'000u);
  texts.Clear();
  EXPECT_EQ(texts.CodeOf(""), 0u);
  EXPECT_EQ(texts.TextOf(0), "");
}

TEST(TextDictionaryTest, LooksAtEachByte) {
  for (size_t size = 0; size < 260; ++size) {
    const std::string text(size, 'a');
    ASSERT_TRUE(SameBytes(text.data(), std::string(size, 'a').data(), size)) << size;
    for (size_t place = 0; place < size; ++place) {
      std::string other = text;
      other[place] = 'b';
      ASSERT_FALSE(SameBytes(text.data(), other.data(), size)) << size << " " << place;
      ASSERT_NE(HashBytes(text.data(), size), HashBytes(other.data(), size)) << size << place;
    }
  }
}

TEST(TextDictionaryTest, PaddedTextsAreTheSame) {
  TextDictionary texts;
  for (size_t size = 0; size <= kShortText + 4; ++size) {
    // NULs at the end are bytes like others.
    for (const char c : {'a', '\0'}) {
      const std::string text(size, c);
      const std::string padded = text + std::string(kShortText, 'b');
      const uint32_t code = texts.CodeOfPadded(padded.data(), size);
      EXPECT_EQ(texts.CodeOf(text), code) << size;
      EXPECT_EQ(texts.CodeOfPadded((text + std::string(kShortText, '\0')).data(), size), code);
      EXPECT_EQ(texts.TextOf(code), text);
    }
  }
  EXPECT_EQ(texts.size(), 2 * (kShortText + 4) + 1);
}

// An amount as exports write it, or nearly.
std::string RandomAmount(base::SeededRng& rng) {
  std::string text = rng.Below(3) == 0 ? "-" : "";
  for (uint64_t digits = 1 + rng.Below(14); digits > 0; --digits) text += '0' + rng.Below(10);
  if (rng.Below(2) == 0) {
    text += '.';
    for (uint64_t digits = 1 + rng.Below(14); digits > 0; --digits) text += '0' + rng.Below(10);
  }
  if (rng.Below(2) == 0) {
    text += rng.Below(2) == 0 ? "E-" : "e";
    text += std::to_string(rng.Below(rng.Below(4) == 0 ? 60 : 20));
  }
  if (rng.Below(30) == 0) text[rng.Below(text.size())] = 'x';
  return text;
}

constexpr const char* kAmounts[] = {"",
                                    "-",
                                    "0",
                                    "-0",
                                    "1.",
                                    ".5",
                                    "-.5",
                                    "+1",
                                    "1e",
                                    "1e+",
                                    "1e-",
                                    "1e+3",
                                    "1e--3",
                                    "1e5-",
                                    "1-2",
                                    "E5",
                                    "-e5",
                                    "1.E5",
                                    "1E5",
                                    "1E5.5",
                                    "1E005",
                                    "35.2E-7",
                                    "1e-400",
                                    "1e400",
                                    "0e400",
                                    "99999999999999999999",
                                    "170141183460469231731.687303715884105727",
                                    "170141183460469231732",
                                    "0.0000000000000000005",
                                    "0.00000000000000000051",
                                    "12345678",
                                    "1234567890123456",
                                    "12345678901234567",
                                    "123456789012345678",
                                    "1234567890123456789",
                                    "0.123456789012345",
                                    "9.7379661922E-8",
                                    "1 ",
                                    " 1",
                                    "1,5",
                                    "NULL",
                                    "0x10",
                                    "1.2.3",
                                    "1e5e5",
                                    "0000000000000001.5",
                                    "00000000000000000000000000001.5"};

// All methods read a column as ParseAmount reads its texts, or leave them to it.
TEST(AmountTest, ReadsColumns) {
  base::SeededRng rng(11);
  size_t all = 0, left = 0;
  for (int round = 0; round < 400; ++round) {
    std::string text;
    std::vector<std::string> amounts;
    std::vector<uint32_t> ends = {~uint32_t{0}};
    const size_t rows = rng.Below(150);
    for (size_t row = 0; row < rows; ++row) {
      const std::string amount =
          rng.Below(9) == 0 ? kAmounts[rng.Below(std::size(kAmounts))] : RandomAmount(rng);
      amounts.push_back(amount);
      text += rng.Below(4) == 0 ? "\"" + amount + "\"" : amount;
      ends.push_back(static_cast<uint32_t>(text.size()));
      text += ",4E-9,";  // and a column that is not asked for
      ends.push_back(static_cast<uint32_t>(text.size() - 1));
    }
    // No byte more than may be read.
    std::vector<char> bytes(text.begin(), text.end());
    bytes.resize(bytes.size() + kAmountPadding, '7');
    for (const SimdLevel level : LevelsHere()) {
      SCOPED_TRACE(SimdLevelName(level));
      std::vector<__int128> units(rows);
      std::vector<uint32_t> others(rows);
      others.resize(ParseAmounts({bytes.data(), ends.data() + 1, 2, rows}, units.data(),
                                 others.data(), level));
      EXPECT_TRUE(std::is_sorted(others.begin(), others.end()));
      for (size_t row = 0; row < rows; ++row) {
        __int128 expected = 0;
        const AmountKind kind = ParseAmount(amounts[row].data(), amounts[row].size(), &expected);
        if (std::binary_search(others.begin(), others.end(), static_cast<uint32_t>(row))) {
          continue;
        }
        ASSERT_EQ(kind, AmountKind::kExact) << amounts[row];
        ASSERT_TRUE(units[row] == expected) << amounts[row];
      }
      all += rows;
      left += others.size();
    }
  }
  EXPECT_LT(left, all / 2);
}

TEST(AmountTest, IsWhatDecimalReads) {
  base::SeededRng rng(9);
  const auto same = [](const std::string& text) {
    __int128 units = 0;
    bool rounded = false;
    const absl::StatusOr<base::Decimal> expected = base::Decimal::Parse(text, &rounded);
    const AmountKind kind = ParseAmount(text.data(), text.size(), &units);
    ASSERT_EQ(kind == AmountKind::kBad, !expected.ok()) << text;
    // What stands behind the amount in the file is no part of it.
    const std::string padded = text + "7.9E-12" + std::string(kAmountPadding, '8');
    __int128 padded_units = 0;
    ASSERT_EQ(ParsePaddedAmount(padded.data(), text.size(), &padded_units), kind) << text;
    if (!expected.ok()) {
      EXPECT_FALSE(AmountProblem(text).empty());
      return;
    }
    EXPECT_EQ(kind == AmountKind::kRounded, rounded) << text;
    EXPECT_TRUE(units == expected->units()) << text;
    EXPECT_TRUE(padded_units == expected->units()) << text;
  };
  for (const char* const text : kAmounts) same(text);
  for (int round = 0; round < 50'000; ++round) same(RandomAmount(rng));
}

}  // namespace
}  // namespace purser::costs
