#include "template/template.h"

#include <pthread.h>

#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "template/arena.h"
#include "template/growing.h"

namespace purser::tmpl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Repeat(absl::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) absl::StrAppend(&out, text);
  return out;
}

absl::StatusOr<std::string> Render(absl::string_view source, const nlohmann::json& context = {},
                                   const Options& options = {}, const Limits& limits = {}) {
  auto compiled = Template::Compile(source, options, limits);
  if (!compiled.ok()) return compiled.status();
  return compiled->Render(context.is_null() ? nlohmann::json::object() : context, limits);
}

std::string Text(absl::string_view source, const nlohmann::json& context = {}) {
  const auto text = Render(source, context);
  return text.ok() ? *text : absl::StrCat("ERROR ", text.status().message());
}

TEST(TemplateTest, WritesValuesAsJavaScriptDoes) {
  EXPECT_EQ(Text("${{ 1/3 }} ${{ 1e5 }}"),
            "ERROR template:1:16: a number must be decimal digits "
            "with at most one point\n  ${{ 1/3 }} ${{ 1e5 }}\n"
            "                 ^");
  EXPECT_EQ(Text("${{ 0.1 + 0.2 }} ${{ 10 ** 21 }} ${{ 1 / 10 ** 7 }} ${{ 1/0 }} ${{ -(0) }}"),
            "0.30000000000000004 1e+21 1e-7 Infinity 0");
  EXPECT_EQ(
      Text("[${{ nothing }}][${{ null }}][${{ true }}][${{ [1, null, [2]] }}][${{ {a: 1} }}]"),
      "[][][true][1,,2][[object Object]]");
  EXPECT_EQ(
      Text("${{ 1 ~ 2 + 3 }} ${{ '3' * '4' }} ${{ 7 // 2 }} ${{ -7 // 2 }} ${{ 2 ** 3 ** 2 }}"),
      "123 12 3 -4 64");
  EXPECT_EQ(Text("${{ 1 == '1' }} ${{ 1 === '1' }} ${{ null == nothing }} ${{ 3 > 2 > 1 }}"),
            "true false true false");
}

TEST(TemplateTest, CountsUtf16Units) {
  const nlohmann::json context = {{"s", "aß😀"}};
  EXPECT_EQ(
      Text("${{ s.length }} ${{ s | upper }} ${{ s[1] }} ${{ s | list | join('') }}", context),
      "4 ASS😀 ß aß😀");
  // A half that is cut off is written as U+FFFD.
  EXPECT_EQ(Text("${{ s[2] }}|${{ s.slice(0, 3) }}", context), "\xef\xbf\xbd|aß\xef\xbf\xbd");
  EXPECT_EQ(Text("${{ 'ΟΔΟΣ' | lower }} ${{ 'İ'.toLowerCase().length }}"), "οδος 2");
}

TEST(TemplateTest, RunsStatements) {
  EXPECT_EQ(Text("{% for k, v in m %}${{ k }}=${{ v }}${{ ';' if not loop.last }}{% endfor %}",
                 {{"m", {{"a", 1}, {"b", 2}}}}),
            "a=1;b=2");
  EXPECT_EQ(Text("{% macro m(a, b='x') %}${{ a }}${{ b }}${{ caller() if caller }}{% endmacro %}"
                 "${{ m(1) }} ${{ m(1, b=2) }} {% call m(3) %}!{% endcall %}"),
            "1x 12 3x!");
  EXPECT_EQ(Text("{% set x = 1 %}{% if x %}{% set x = 2 %}{% endif %}${{ x }}"
                 "{% switch x %}{% case 1 %}{% case 2 %}two{% default %}no{% endswitch %}"),
            "2two");
  EXPECT_EQ(Text("{% raw %}${{ x }}{% endraw %}{# c #}{% filter upper %}a{% endfilter %}"),
            "${{ x }}A");
}

TEST(TemplateTest, TextWithoutTagsIsItsOwnOutput) {
  auto plain = Template::Compile("a { b } $ {x", {});
  ASSERT_TRUE(plain.ok());
  EXPECT_TRUE(plain->IsPlain());
  EXPECT_EQ(*plain->Render(nlohmann::json::object()), "a { b } $ {x");
  EXPECT_FALSE(Template::Compile("${{ a }}", {})->IsPlain());
  EXPECT_EQ(Text(std::string("caf\xe9 ok")), "caf\xef\xbf\xbd ok");
}

TEST(TemplateTest, ErrorsSayWhere) {
  const auto status = Render("first\n  ${{ values.name | uper }}", {}, {.name = "a.txt"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "a.txt:2:21: unknown filter \"uper\"\n    ${{ values.name | uper }}\n"
            "                      ^");
  for (const char* source :
       {"${{ a", "{% if a %}", "{% nope %}", "${{ a b }}", "${{ [1, }}", "#}", "{% include 'x' %}",
        "${{ ''.constructor }}", "${{ a.__proto__ }}", "{% endfor %}", "${{ r/(/ }}", "${{ 'a }}",
        "{% for x of y %}{% endfor %}", "{% raw %}", "{% set x.y = 1 %}"}) {
    EXPECT_EQ(Render(source).status().code(), absl::StatusCode::kInvalidArgument) << source;
  }
}

TEST(TemplateTest, EvaluateKeepsTypes) {
  const nlohmann::json context = {{"n", 3}, {"list", {1, "a", nullptr}}, {"o", {{"k", true}}}};
  const auto value = [&](const char* source) {
    return *Template::Compile(source, {})->Evaluate(context);
  };
  EXPECT_EQ(value("${{ n }}"), 3);
  EXPECT_EQ(value("${{ list }}"), context["list"]);
  EXPECT_EQ(value("${{ o }}"), context["o"]);
  EXPECT_EQ(value("${{ n }}!"), "3!");
  EXPECT_TRUE(value("${{ missing }}").is_discarded());
  EXPECT_EQ(value("${{ 0/0 }}"), nullptr);
  EXPECT_EQ(value("plain"), "plain");
}

TEST(TemplateTest, EachLimitIsNamed) {
  const auto expect = [](const absl::Status& status, absl::string_view limit) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(limit)));
  };
  expect(Render("0123456789", {}, {}, {.max_source_bytes = 9}).status(), "max_source_bytes");
  expect(
      Render("{% for i in range(100) %}0123456789{% endfor %}", {}, {}, {.max_output_bytes = 100})
          .status(),
      "max_output_bytes");
  expect(
      Render("{% for i in range(1000000) %}{% endfor %}", {}, {}, {.max_steps = 10'000}).status(),
      "max_steps");
  expect(Render("{% set s = 'x' %}{% for i in range(40) %}{% set s = s ~ s %}{% endfor %}", {}, {},
                {.max_memory_bytes = 1 << 20})
             .status(),
         "max_memory_bytes");
  expect(Render("${{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' | replace(r/(a+)+$/, '') }}").status(),
         "max_regex_steps");
  expect(Render("{% for i in range(9000000) %}{% endfor %}", {}, {}, {.max_wall_ms = 1}).status(),
         "max_wall_ms");
  expect(Render(Repeat("{% if 1 %}", 600) + Repeat("{% endif %}", 600)).status(), "max_nesting");
  expect(Render("${{ " + Repeat("(", 600) + "1" + Repeat(")", 600) + " }}").status(),
         "max_nesting");
  expect(Render("{% macro m() %}${{ m() }}{% endmacro %}${{ m() }}").status(), "max_nesting");
  expect(Render("${{ 'x' | center(100000000) }}").status(), "spaces");
  EXPECT_EQ(Text("${{ " + Repeat("(", 200) + "1" + Repeat(")", 200) + " }}"), "1");
}

TEST(TemplateTest, AllErrorsOfInterpolationsAreToldAtOnce) {
  const std::string message(
      Render("a ${{ x + }} b\n${{ ) }}\n${{ fine }}{% if %}x").status().message());
  EXPECT_THAT(message, HasSubstr("template:1:11: expected a value, found the end"));
  EXPECT_THAT(message, HasSubstr("template:2:5: expected a value, found \")\""));
  EXPECT_THAT(message, HasSubstr("template:3:"));
  const std::string many(Render(Repeat("${{ ) }}\n", 1'000)).status().message());
  EXPECT_THAT(many, HasSubstr("template:20:"));
  EXPECT_EQ(many.find("template:21:"), std::string::npos);
}

// The first error is the one that Backstage's engine tells.
TEST(TemplateTest, SyntaxErrorsOfTagsAreToldTogether) {
  const auto places = [](absl::string_view source) {
    const std::string message(Render(source).status().message());
    std::vector<std::string> found;
    for (absl::string_view line : absl::StrSplit(message, '\n')) {
      if (absl::StartsWith(line, "template:")) {
        const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 3));
        found.push_back(absl::StrCat(parts[1], ":", parts[2]));
      }
    }
    return absl::StrJoin(found, " ");
  };
  EXPECT_EQ(
      places(
          "{% if a( %}\n${{ b( }}{% elif ) %}{% for x %}\n{% set = 1 %}{% endfor %}{% nosuch %}\n"
          "{% endif %}{% include 'x' %}"),
      "1:9 2:8 2:18 2:22 3:11 3:26 4:12");
  EXPECT_EQ(
      places("{% macro 1() %}{% endmacro %}{% macro m(a b) %}{% endmacro m %}\n"
             "{% call m %}{% endcall %}{% block 'b' %}${{ ( }}{% endblock %}\n"
             "{% switch ) %}{% case ( %}{% default %}{% endswitch %}{% filter %}{% endfilter %}"),
      "1:1 1:43 1:48 2:1 2:26 2:47 3:11 3:24 3:64");
  // Where it is not clear any more which tags belong together, the list ends.
  EXPECT_EQ(places("${{ ( }}{% if a %}{% for x in y %}{% endif %}${{ ( }}"), "1:7 1:35");
  EXPECT_EQ(places("${{ ( }}{% if a %}{% endfor %}${{ ( }}{% endif %}{% else %}"),
            "1:7 1:19 1:37 1:50");
  EXPECT_EQ(places("{% block a %}{% block a %}{% endblock %}{% endblock %}${{ ( }}"), "1:61 1:14");
  EXPECT_EQ(places("\U0001F600é ${{ ( }}"), "1:11");
}

// Expressions that are written alike are parsed once; their errors are still where they stand.
TEST(TemplateTest, RepeatedExpressionsFailWhereTheyStand) {
  EXPECT_THAT(std::string(Render("{% for x in [[1], 2] %}\n ${{ x | first }}"
                                 "\n${{ x | first }}${{ m() }}{% endfor %}\n${{ m() }}")
                              .status()
                              .message()),
              HasSubstr("template:3:"));
  const std::string twice = "${{ f | upper }}\n{% set f = [1] %}  ${{ f | upper }}";
  EXPECT_THAT(std::string(Render(twice, {{"f", "a"}}).status().message()),
              HasSubstr("template:2:"));
  // The same text means another thing where its names are bound otherwise.
  EXPECT_EQ(Text("${{ x }}{% for x in [1, 2] %}${{ x }}{% endfor %}${{ x }}", {{"x", "o"}}),
            "o12o");
}

// What keeps a loop's record keeps that turn's.
TEST(TemplateTest, KeptLoopRecordsStay) {
  EXPECT_EQ(Text("{% set all = [] %}{% for x in 'abc' %}{% set _ = all.push(loop) %}{% endfor %}"
                 "${{ all[0].index }}${{ all[1].index }}${{ all[2].last }}"),
            "12true");
}

TEST(TemplateTest, BadInputEndsSoonAndIsNamed) {
  const auto fails = [](const std::string& source, absl::string_view part) {
    const absl::Status status = Render(source).status();
    EXPECT_FALSE(status.ok()) << source.substr(0, 80);
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(part)));
    EXPECT_THAT(std::string(status.message()), HasSubstr("template:1:"));
  };
  fails("{% for i in range(1000000000) %}x{% endfor %}", "entries of one container");
  fails(Repeat("{% if 1 %}", 100'000), "max_nesting");
  fails(Repeat("{% for a in b %}", 100'000), "max_nesting");
  fails("${{ " + Repeat("(", 100'000) + " }}", "max_nesting");
  fails("${{ " + Repeat("[", 100'000) + " }}", "max_nesting");
  fails("${{ " + Repeat("{a:", 100'000) + " }}", "max_nesting");
  fails("${{ x" + Repeat(".a", 100'000) + " }}", "max_nesting");
  fails("${{ x" + Repeat(" | upper", 100'000) + " }}", "max_nesting");
  fails("${{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.replace(r/(a|aa)+$/, '') }}",
        "max_regex_steps");
  // Invalid bytes become U+FFFD, with and without tags around.
  EXPECT_EQ(Text("caf\xe9 ${{ 1 }}"), "caf\xef\xbf\xbd 1");
  EXPECT_EQ(Text("caf\xe9"), "caf\xef\xbf\xbd");
}

TEST(TemplateTest, RenderOnceIsCompileAndRender) {
  const auto context = Context::FromText(R"({"a": 1})");
  EXPECT_EQ(*Template::RenderOnce("plain { } # text", {}, *context), "plain { } # text");
  EXPECT_EQ(*Template::RenderOnce("x ${{ a }}", {}, *context), "x 1");
  EXPECT_EQ(*Template::RenderOnce("caf\xe9", {}, *context), "caf\xef\xbf\xbd");
  EXPECT_EQ(Template::RenderOnce("12345", {}, *context, {.max_output_bytes = 4}).status().code(),
            absl::StatusCode::kResourceExhausted);
  Options compat;
  compat.cookiecutter_compat = true;
  EXPECT_EQ(*Template::RenderOnce("{{ a }} ${{ a }}", compat, *context), "1 $1");
  // Marks at every place of a block of bytes are found.
  for (int before = 0; before < 40; ++before) {
    const std::string pad(static_cast<size_t>(before), '{');
    EXPECT_EQ(*Template::RenderOnce(std::string(static_cast<size_t>(before), 'x') + "${{ a }}", {},
                                    *context),
              std::string(static_cast<size_t>(before), 'x') + "1");
    EXPECT_FALSE(
        Template::RenderOnce(std::string(static_cast<size_t>(before), '.') + "#}", {}, *context)
            .ok());
    EXPECT_EQ(*Template::RenderOnce(pad, {}, *context), pad);
  }
}

// Deep templates on a thread with a small stack end with an error, never with an overflow.
TEST(TemplateTest, ASmallStackIsEnough) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 512 * 1024), 0);
  const auto work = +[](void*) -> void* {
    Limits limits;
    limits.max_nesting = 1'000'000;
    for (const char* open : {"(", "[", "-(", "not ", "{a: ", "x | join("}) {
      (void)Render(absl::StrCat("${{ ", Repeat(open, 50'000), "1"), {}, {}, limits);
    }
    const std::string deep = "${{ 1" + Repeat(" + 1", 200'000) + " }}";
    EXPECT_FALSE(Render(deep, {}, {}, limits).ok());
    EXPECT_FALSE(Render("{% set a = [] %}{% for i in range(100000) %}{% set a = [a] %}{% endfor %}"
                        "${{ a | dump }}")
                     .ok());
    EXPECT_FALSE(
        Render("{% macro m(n) %}${{ m(n + 1) }}{% endmacro %}${{ m(0) }}", {}, {}, limits).ok());
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, work, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

// All that max_nesting lets through needs no more stack than this, so that the limit of the stack
// is met by small threads only. Sanitizers make frames several times larger.
TEST(TemplateTest, NestingNeedsLittleStack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
  GTEST_SKIP() << "SKIP stack is measured in the build that ships";
#endif
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 1024 * 1024), 0);
  const auto work = +[](void*) -> void* {
    const auto nested = [](absl::string_view open, absl::string_view inside,
                           absl::string_view close) {
      for (int depth = 32; depth <= 1024; depth *= 2) {
        const auto text = Render(absl::StrCat(Repeat(open, depth), inside, Repeat(close, depth)));
        EXPECT_THAT(std::string(text.status().message()), Not(HasSubstr("stack")))
            << open << " " << depth;
      }
    };
    for (const auto& [open, close] :
         std::vector<std::pair<std::string, std::string>>{{"(", ")"},
                                                          {"[", "]"},
                                                          {"not ", ""},
                                                          {"{a:", " }"},
                                                          {"range(", ")"},
                                                          {"1 | default(", ")"},
                                                          {"x[", "]"},
                                                          {"(1 if ", " else 2)"},
                                                          {"1 + ", ""}}) {
      for (int depth = 32; depth <= 1024; depth *= 2) {
        const auto text =
            Render(absl::StrCat("${{ ", Repeat(open, depth), "1", Repeat(close, depth), " }}"));
        EXPECT_THAT(std::string(text.status().message()), Not(HasSubstr("stack")))
            << open << " " << depth;
      }
    }
    nested("{% if true %}", "x", "{% endif %}");
    nested("{% for a in [1] %}", "x", "{% endfor %}");
    nested("{% set a %}", "x", "{% endset %}");
    nested("{% filter upper %}", "x", "{% endfilter %}");
    EXPECT_THAT(
        std::string(
            Render("{% macro m(n) %}${{ m(n + 1) }}{% endmacro %}${{ m(0) }}").status().message()),
        HasSubstr("max_nesting of 512"));
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, work, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(TemplateTest, StopsWhenAsked) {
  auto compiled = Template::Compile("{% for i in range(9000000) %}{% endfor %}", {});
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(compiled->Render(nlohmann::json::object(), {}, source.get_token()).status().code(),
            absl::StatusCode::kCancelled);
}

// Arrays may be changed while rendering; neither the context nor another rendering sees it.
TEST(TemplateTest, AContextServesManyThreads) {
  const auto context = Context::FromText(R"({"list": [3, 1, 2], "name": "x"})");
  ASSERT_TRUE(context.ok());
  const auto compiled = Template::Compile(
      "{% set _ = list.push(4) %}${{ list.sort() }} ${{ name | upper }} "
      "{% for i in list %}${{ i }}{% endfor %}",
      {});
  ASSERT_TRUE(compiled.ok());
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto text = compiled->Render(*context);
        right += text.ok() && *text == "1,2,3,4 X 1234";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 800);
}

TEST(TemplateTest, GrowingArraysKeepWhatTheyHold) {
  Growing<uint32_t> array;
  constexpr uint32_t kCount = 5'000'000;  // beyond where memory is mapped
  for (uint32_t i = 0; i < kCount; ++i) array.push_back(i * 3);
  ASSERT_EQ(array.size(), kCount);
  for (uint32_t i = 0; i < kCount; i += 997) ASSERT_EQ(array[i], i * 3);
  const std::vector<uint32_t> more = {1, 2, 3};
  array.append(more.begin(), more.end());
  array.push_back(array[1]);
  EXPECT_EQ(array.back(), 3u);
}

TEST(TemplateTest, FreedValuesServeAgain) {
  void* heap = Arena::New(64);
  {
    Arena arena;
    void* first = Arena::New(64);
    std::memset(first, 1, 64);
    Arena::Delete(heap, 64);  // not the arena's, which does not matter
    Arena::Delete(first, 64);
    std::vector<void*> blocks;
    for (int i = 0; i < 10'000; ++i) blocks.push_back(Arena::New(8 + i % 600));
    for (int i = 0; i < 10'000; ++i) std::memset(blocks[i], i, 8 + i % 600);
    for (int i = 0; i < 10'000; ++i) Arena::Delete(blocks[i], 8 + i % 600);
  }
}

TEST(TemplateTest, ContextsAreChecked) {
  EXPECT_FALSE(Context::FromText("[1]").ok());
  EXPECT_FALSE(Context::FromText("{").ok());
  EXPECT_THAT(std::string(Context::FromText(R"({"a": {"__proto__": 1}})").status().message()),
              HasSubstr("__proto__"));
  EXPECT_EQ(Context::FromText(Repeat("{\"a\":", 300) + "1" + Repeat("}", 300)).status().code(),
            absl::StatusCode::kResourceExhausted);
  // Members keep their order, and array indices come first.
  const auto context = Context::FromText(R"({"o": {"b": 1, "2": 2, "a": 3, "1": 4}})");
  EXPECT_EQ(*Template::Compile("${{ o | dump }}", {})->Render(*context),
            R"({"1":4,"2":2,"b":1,"a":3})");
}

// Circles of macros, scopes and arrays are freed; run under AddressSanitizer this is the proof.
TEST(TemplateTest, CirclesAreFreed) {
  EXPECT_EQ(Text("{% macro a() %}${{ b() }}{% endmacro %}{% macro b() %}x{% endmacro %}"
                 "{% set c = [a, b] %}{% macro d(x=c) %}{% endmacro %}"
                 "{% call a() %}${{ caller }}{% endcall %}"),
            "x");
  EXPECT_THAT(Text("{% set a = [] %}${{ a.push(a) }}"), HasSubstr("cannot contain itself"));
}

TEST(TemplateTest, BackstageFilters) {
  EXPECT_EQ(Text("${{ 'github.com?owner=o&repo=r' | projectSlug }}"), "o/r");
  EXPECT_THAT(Text("${{ 'ghe.example.com?owner=o&repo=r' | projectSlug }}"),
              HasSubstr("no integration is configured for the host ghe.example.com"));
  Options options;
  options.scm_hosts["ghe.example.com"] = "github";
  EXPECT_EQ(*Render("${{ 'ghe.example.com?owner=o&repo=r' | projectSlug }}", {}, options), "o/r");
  EXPECT_EQ(Text("${{ 'group:team-a' | parseEntityRef | dump }}"),
            R"({"kind":"group","namespace":"default","name":"team-a"})");
  EXPECT_EQ(Text("${{ o | pick('a.b[1]') }}", {{"o", {{"a", {{"b", {1, 2}}}}}}}), "2");
}

}  // namespace
}  // namespace purser::tmpl
