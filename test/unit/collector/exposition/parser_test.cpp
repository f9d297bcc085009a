// SPDX-License-Identifier: Apache-2.0
#include "collector/exposition/parser.h"

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/ring/labels.h"
#include "core/ring/sample.h"

namespace collector::exposition {
namespace {

using testing::ElementsAre;

// A body as lines: series values@time, `HELP family text`, `TYPE family`, or the error.
std::vector<std::string> read(std::string_view body, Format format = Format::kPrometheusText) {
  std::vector<std::string> lines;
  Parser parser(body, format);
  for (;;) {
    switch (parser.next()) {
      case Entry::kEnd:
        return lines;
      case Entry::kInvalid:
        lines.push_back("error: " + parser.error().message);
        return lines;
      case Entry::kComment:
        break;
      case Entry::kHelp:
        lines.push_back(fmt::format("HELP {} {}", parser.family(), decode_help(parser.text(), format)));
        break;
      case Entry::kType:
        lines.push_back(fmt::format("TYPE {} {}", parser.family(), to_string(parser.type())));
        break;
      case Entry::kUnit:
        lines.push_back(fmt::format("UNIT {} {}", parser.family(), parser.text()));
        break;
      case Entry::kSample: {
        std::vector<core::ring::Label> labels;
        parser.labels(labels);
        std::string text;
        for (const auto& [name, value] : labels) text += fmt::format("{}={} ", name, core::ring::go_quote(value));
        text += fmt::format("{}", parser.value());
        if (parser.timestamp_ms()) text += fmt::format("@{}", *parser.timestamp_ms());
        lines.push_back(text);
      }
    }
  }
}

std::string first(std::string_view body, Format format = Format::kPrometheusText) {
  const auto lines = read(body, format);
  return lines.empty() ? "" : lines.front();
}

struct Case {
  std::string_view body;
  std::string expected;
};

TEST(TextParser, AcceptsWhatPrometheusAccepts) {
  const Case cases[] = {
      {"", ""},
      {"\n", ""},
      {"   \n\t\t\n", ""},
      {"foo 1\n", R"(__name__="foo" 1)"},
      {"foo 1", R"(__name__="foo" 1)"},
      {"foo 1 1700000000000\n", R"(__name__="foo" 1@1700000000000)"},
      {"foo  \t 1 \t 5  \t\n", R"(__name__="foo" 1@5)"},
      {"foo 1 0", R"(__name__="foo" 1@0)"},
      {"foo{} 1", R"(__name__="foo" 1)"},
      {"foo {} 1", R"(__name__="foo" 1)"},
      {"foo\t{a=\"b\"}\t1\t5", R"(__name__="foo" a="b" 1@5)"},
      {"foo{}1", R"(__name__="foo" 1)"},
      {"{\"foo\"}1", R"(__name__="foo" 1)"},
      {"foo{a=\"b\" c=\"d\"} 1", R"(__name__="foo" a="b" c="d" 1)"},
      {"foo{a=\"b\",} 1", R"(__name__="foo" a="b" 1)"},
      {"foo{ a = \"b\" , c=\"d\" } 1", R"(__name__="foo" a="b" c="d" 1)"},
      {"{\"foo\",a=\"b\"} 1", R"(__name__="foo" a="b" 1)"},
      {"{a=\"b\",\"foo\"} 1", R"(__name__="foo" a="b" 1)"},
      {"foo{\"a.b\"=\"c\"} 1", R"(__name__="foo" a.b="c" 1)"},
      {"{\"my.metric\"} 1", R"(__name__="my.metric" 1)"},
      {"{\"q\\\"n\\\\\"} 1", R"(__name__="q\"n\\" 1)"},
      {"foo{a=\"\\\\ \\\" \\n \\t\"} 1", R"(__name__="foo" a="\\ \" \n \\t" 1)"},
      {"foo{a=\"x\ny\"} 1", R"(__name__="foo" a="x\ny" 1)"},
      {"foo{a=\"\"} 1", R"(__name__="foo" a="" 1)"},
      {std::string_view("foo{a=\"x\0y\"} 1", 14), R"(__name__="foo" a="x\x00y" 1)"},
      {" foo 1\n", R"(__name__=" foo" 1)"},
      {" {\"foo\"} 1", R"(__name__="foo" 1)"},
      {"foo:bar 1", R"(__name__="foo:bar" 1)"},
      {"foo{le=\"10\"} 1", R"(__name__="foo" le="10" 1)"},
  };
  for (const Case& each : cases) EXPECT_EQ(first(each.body), each.expected) << each.body;
}

TEST(TextParser, SaysWhatPrometheusSaysAboutWrongLines) {
  const Case cases[] = {
      {"foo{,} 1", R"(expected label name, got ",}" ("COMMA") while parsing: "foo{,}" (line 1))"},
      {"foo{a=\"b\",,} 1", R"(expected label name, got ",}" ("COMMA") while parsing: "foo{a=\"b\",,}" (line 1))"},
      {"foo{a=\"b\"\n} 1", R"(expected label name, got "\n" ("INVALID") while parsing: "foo{a=\"b\"\n" (line 1))"},
      {"{\"foo\" a=\"b\"} 1", R"(expected equal, got "a=" ("LNAME") while parsing: "{\"foo\" a=" (line 1))"},
      {"foo{\"bar\"} 1", R"(metric name already set while parsing: "foo{\"bar\"}" (line 1))"},
      {"{\"foo\",\"bar\"} 1", R"(metric name already set while parsing: "{\"foo\",\"bar\"}" (line 1))"},
      {"{a=\"b\"} 1", R"(metric name not set while parsing: "{a=\"b\"} 1" (line 1))"},
      {"{} 1", R"(metric name not set while parsing: "{} 1" (line 1))"},
      {"9foo 1", R"(expected a valid start token, got "9" ("INVALID") while parsing: "9" (line 1))"},
      {"\xef\xbb\xbf"
       "foo 1",
       R"(expected a valid start token, got "\xef" ("INVALID") while parsing: "\xef" (line 1))"},
      {"foo.bar 1", R"(strconv.ParseFloat: parsing ".bar": invalid syntax while parsing: "foo.bar" (line 1))"},
      {"foo{a:b=\"c\"} 1", R"(expected equal, got ":" ("INVALID") while parsing: "foo{a:" (line 1))"},
      {"foo", R"(expected value after metric, got "\n" ("INVALID") while parsing: "foo\n" (line 1))"},
      {"foo 1 # {a=\"b\"} 1",
       R"(expected timestamp or new record, got "#" ("INVALID") while parsing: "foo 1 #" (line 1))"},
      {"foo 1\r\n", R"(strconv.ParseFloat: parsing "1\r": invalid syntax while parsing: "foo 1\r" (line 1))"},
      {"# TYPE a gauge\r\n", R"(invalid metric type "gauge\r" (line 1))"},
      {"\r\n", R"(expected a valid start token, got "\r" ("INVALID") while parsing: "\r" (line 1))"},
      {"foo 1 -5", R"(expected timestamp or new record, got "-" ("INVALID") while parsing: "foo 1 -" (line 1))"},
      {"foo 1 1.5", R"(expected next entry after timestamp, got "." ("INVALID") while parsing: "foo 1 1." (line 1))"},
      {"foo 1 99999999999999999999",
       "strconv.ParseInt: parsing \"99999999999999999999\": value out of range while parsing: "
       "\"foo 1 99999999999999999999\" (line 1)"},
      {"foo{a=\"\xff\"} 1", R"(invalid UTF-8 label value: "\"\xff\"" (line 1))"},
      {"# HELP a \xff\n", R"(help text "\xff" is not a valid utf8 string (line 1))"},
      {std::string_view("a\0 1", 4),
       R"(expected value after metric, got "\x00" ("INVALID") while parsing: "a\x00" (line 1))"},
      {"# HELP \n", R"(expected metric name after HELP, got "\n" ("INVALID") while parsing: "# HELP \n" (line 1))"},
      {"# HELP 9foo x", R"(expected metric name after HELP, got "9" ("INVALID") while parsing: "# HELP 9" (line 1))"},
      {"# TYPE foo", R"(invalid metric type "" (line 1))"},
      {"# TYPE foo  gauge", R"(invalid metric type " gauge" (line 1))"},
      {"# TYPE foo gauge ", R"(invalid metric type "gauge " (line 1))"},
      {"# TYPE foo Gauge", R"(invalid metric type "Gauge" (line 1))"},
      {"# TYPE foo unknown", R"(invalid metric type "unknown" (line 1))"},
      {"{a", R"(expected equal, got "\n" ("INVALID") while parsing: "{a\n" (line 1))"},
      {"{", R"(expected label name, got "\n" ("INVALID") while parsing: "{\n" (line 1))"},
      {"{\"", R"(expected label name, got "\"\n" ("INVALID") while parsing: "{\"\n" (line 1))"},
      {"{\"foo\"", R"(expected equal, got "\n" ("INVALID") while parsing: "{\"foo\"\n" (line 1))"},
      {"\n# c\n\nfoo 1\nbar x\n", R"(strconv.ParseFloat: parsing "x": invalid syntax while parsing: "bar x" (line 5))"},
  };
  for (const Case& each : cases) {
    const auto lines = read(each.body);
    ASSERT_FALSE(lines.empty()) << each.body;
    EXPECT_EQ(lines.back(), "error: " + each.expected) << each.body;
  }
}

TEST(TextParser, ReadsNumbersAsGoDoes) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const std::pair<std::string_view, double> good[] = {{"1", 1},
                                                      {"-1", -1},
                                                      {"+5", 5},
                                                      {"01", 1},
                                                      {".5", .5},
                                                      {"5.", 5},
                                                      {"1E3", 1000},
                                                      {"1e-7", 1e-7},
                                                      {"Inf", kInf},
                                                      {"+inf", kInf},
                                                      {"-INF", -kInf},
                                                      {"Infinity", kInf},
                                                      {"1e-400", 0},
                                                      {"5e-324", 5e-324},
                                                      {"-1e-400", -0.0},
                                                      {"0e999999999999999999", 0},
                                                      {"1.7976931348623157e308", 1.7976931348623157e308},
                                                      {"123456789012345678901234567890", 1.2345678901234568e29},
                                                      {"0.000001e5", 0.1},
                                                      {"-infinity", -kInf}};
  for (const auto& [text, value] : good) {
    const std::string body = fmt::format("foo {}", text);
    Parser parser(body, Format::kPrometheusText);
    ASSERT_EQ(parser.next(), Entry::kSample) << text << " " << parser.error().message;
    EXPECT_TRUE(core::ring::same_bits(parser.value(), value)) << text << " " << parser.value();
  }
  for (const std::string_view text : {"NaN", "nan", "nAN"}) {
    const std::string body = fmt::format("foo {}", text);
    Parser parser(body, Format::kPrometheusText);
    ASSERT_EQ(parser.next(), Entry::kSample) << text;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(parser.value()), core::ring::kNanBits);
  }
  for (const std::string_view text : {"1e", "1,5", "-", "+", "1d", "0b1", "+NaN", "-NaN", "NaN(1)", "0x10", ".", "+-1",
                                      "--1", "infin", "1.2.3", "e5", "1e+"}) {
    EXPECT_EQ(
        first(fmt::format("foo {}", text)),
        fmt::format("error: strconv.ParseFloat: parsing \"{0}\": invalid syntax while parsing: \"foo {0}\" (line 1)",
                    text));
  }
  for (const std::string_view text : {"1e400", "-1e400", "1e99999999999999999999"}) {
    EXPECT_EQ(first(fmt::format("foo {}", text)),
              fmt::format(
                  "error: strconv.ParseFloat: parsing \"{0}\": value out of range while parsing: \"foo {0}\" (line 1)",
                  text));
  }
  for (const std::string_view text : {"1_2", "0x1p-3", "p"}) {
    EXPECT_EQ(first(fmt::format("foo {}", text)),
              fmt::format("error: unsupported character in float while parsing: \"foo {}\" (line 1)", text));
  }
}

TEST(TextParser, WritesBucketBoundsInOneForm) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"1", "1.0"},         {"100000", "100000.0"}, {"1000000", "1e+06"},  {"1234567", "1.234567e+06"},
      {"0.00001", "1e-05"}, {"1e2", "100.0"},       {"+Inf", "+Inf"},      {"abc", "abc"},
      {"0", "0.0"},         {"-1", "-1.0"},         {"0.005", "0.005"},    {"0.0001", "0.0001"},
      {"1e300", "1e+300"},  {"nan", "NaN"},         {"2.5e-09", "2.5e-09"}};
  for (const auto& [given, expected] : cases) {
    const auto histogram = read(fmt::format("# TYPE h histogram\nx_bucket{{le=\"{}\"}} 1", given));
    EXPECT_EQ(histogram.back(), fmt::format("__name__=\"x_bucket\" le=\"{}\" 1", expected));
    const auto summary = read(fmt::format("# TYPE s summary\ns{{quantile=\"{0}\",le=\"7\"}} 1", given));
    EXPECT_EQ(summary.back(), fmt::format("__name__=\"s\" quantile=\"{}\" le=\"7\" 1", expected));
  }
  // The type holds until the next TYPE line, whatever it names.
  EXPECT_THAT(
      read("# TYPE h histogram\na{le=\"1\"} 1\n# TYPE g gauge\na{le=\"1\"} 1"),
      ElementsAre("TYPE h histogram", R"(__name__="a" le="1.0" 1)", "TYPE g gauge", R"(__name__="a" le="1" 1)"));
}

TEST(TextParser, TellsMetadataFromComments) {
  for (const std::string_view body : {"#x", "# x", "#", "# ", "#HELP a b", "#TYPE a bogus", "# help a b", "# UNIT a b",
                                      "# EOF", "# HELP", "# TYPE", "# HELPX a b", "#\t"}) {
    EXPECT_THAT(read(body), ElementsAre()) << body;
    EXPECT_THAT(read(fmt::format("{}\nfoo 1\n", body)), ElementsAre(R"(__name__="foo" 1)")) << body;
  }
  const Case cases[] = {
      {"# HELP foo", "HELP foo "},
      {"# HELP foo ", "HELP foo "},
      {"# HELP foo   x  ", "HELP foo   x  "},
      {"#\tHELP foo x", "HELP foo x"},
      {"# HELP\tfoo\tx", "HELP foo x"},
      {"# TYPE foo\tgauge", "TYPE foo gauge"},
      {"# TYPE foo untyped", "TYPE foo unknown"},
      {"# HELP foo a\\\\b\\nc\\\"", "HELP foo a\\b\nc\\\""},
      {"# HELP \"a\\\"b\" x", "HELP a\\\"b x"},
      {"  # HELP foo x", "HELP foo x"},
      {"# HELP a b\r\n", "HELP a b\r"},
  };
  for (const Case& each : cases) EXPECT_EQ(first(each.body), each.expected) << each.body;
}

// What real exporters of this trade print.
TEST(TextParser, ReadsSloppyExporters) {
  EXPECT_THAT(read("# TYPE chain_head_block gauge\nchain_head_block 9\n\n"
                   "# TYPE rpc_duration_count counter\nrpc_duration_count 5\n\n"
                   "# TYPE rpc_duration summary\nrpc_duration {quantile=\"0.5\", method=\"a\"} 12\n\n"),
              ElementsAre("TYPE chain_head_block gauge", R"(__name__="chain_head_block" 9)",
                          "TYPE rpc_duration_count counter", R"(__name__="rpc_duration_count" 5)",
                          "TYPE rpc_duration summary", R"(__name__="rpc_duration" quantile="0.5" method="a" 12)"));
  // Prometheus text with an OpenMetrics tail, all under text/plain.
  EXPECT_THAT(read("# TYPE a gauge\na 1\n# HELP b Seconds.\n# TYPE b counter\n# UNIT b seconds\nb_total 2\n"
                   "# TYPE c histogram\nc_sum 1.5\nc_count 1\nc_bucket{le=\"1.0\"} 1\n# EOF\n"),
              ElementsAre("TYPE a gauge", R"(__name__="a" 1)", "HELP b Seconds.", "TYPE b counter",
                          R"(__name__="b_total" 2)", "TYPE c histogram", R"(__name__="c_sum" 1.5)",
                          R"(__name__="c_count" 1)", R"(__name__="c_bucket" le="1.0" 1)"));
}

TEST(TextParser, BoundsALine) {
  std::string many = "foo{";
  for (std::size_t i = 0; i <= kLabelsPerSeriesMax; ++i) many += fmt::format("l{}=\"x\",", i);
  EXPECT_EQ(first(many + "} 1"), fmt::format("error: more than {} labels (line 1)", kLabelsPerSeriesMax));
  const std::string longest(kSeriesBytesMax, 'x');
  EXPECT_EQ(first(longest + " 1").substr(0, 9), "__name__=");
  EXPECT_EQ(first(longest + "y 1"),
            fmt::format("error: series text of {} bytes, more than {} (line 1)", kSeriesBytesMax + 1, kSeriesBytesMax));
  // A message repeats a bounded part of the body.
  EXPECT_LT(first("foo " + std::string(1 << 20, 'x')).size(), 2000U);
  EXPECT_LT(first("foo{a=\"" + std::string(1 << 20, 'x')).size(), 2000U);
}

// Most pairs are read in one go; what comes after them is judged as ever.
TEST(TextParser, ReadsOnAfterPlainPairs) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"foo{a=\"b\",c=\"d\"} 1", R"(__name__="foo" a="b" c="d" 1)"},
      {"foo{a=\"b\",c=\"d\",} 1", R"(__name__="foo" a="b" c="d" 1)"},
      {"foo{a=\"b\" c=\"d\"} 1", R"(__name__="foo" a="b" c="d" 1)"},
      {"foo{a=\"b\", c = \"d\" } 1", R"(__name__="foo" a="b" c="d" 1)"},
      {"foo{a=\"b\",c=\"\\\"\",d=\"é\",e=\"f\"} 1", R"(__name__="foo" a="b" c="\"" d="é" e="f" 1)"},
      {"{a=\"b\",\"foo\",c=\"d\"} 1", R"(__name__="foo" a="b" c="d" 1)"},
      {"{a=\"b\"} 1", "error: metric name not set while parsing: \"{a=\\\"b\\\"} 1\" (line 1)"},
      {"foo{a=\"b\",,c=\"d\"} 1",
       "error: expected label name, got \",c\" (\"COMMA\") while parsing: \"foo{a=\\\"b\\\",,c\" (line 1)"},
      {"foo{a=\"b\",c=d} 1",
       "error: expected label value, got \"d\" (\"INVALID\") while parsing: \"foo{a=\\\"b\\\",c=d\" (line 1)"},
      {"foo{a=\"b\",c=\"\xff\"} 1", "error: invalid UTF-8 label value: \"\\\"\\xff\\\"\" (line 1)"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(first(body), expected) << body;
}

TEST(TextParser, StaysAtItsEnd) {
  Parser good("foo 1", Format::kPrometheusText);
  EXPECT_EQ(good.next(), Entry::kSample);
  EXPECT_EQ(good.next(), Entry::kEnd);
  EXPECT_EQ(good.next(), Entry::kEnd);
  Parser bad("foo x\nbar 1\n", Format::kPrometheusText);
  EXPECT_EQ(bad.next(), Entry::kInvalid);
  EXPECT_EQ(bad.next(), Entry::kInvalid);
}

TEST(OpenMetricsParser, AcceptsWhatPrometheusAccepts) {
  const Case cases[] = {
      {"# EOF", ""},
      {"# EOF\n", ""},
      {"foo 1\n# EOF", R"(__name__="foo" 1)"},
      {"foo{a=\"b\",c=\"d\",} 1\n# EOF", R"(__name__="foo" a="b" c="d" 1)"},
      {"{\"foo\",a=\"b\"} 1\n# EOF", R"(__name__="foo" a="b" 1)"},
      {"foo 1 1520879607.7894\n# EOF", R"(__name__="foo" 1@1520879607789)"},
      {"foo 1 -1.5\n# EOF", R"(__name__="foo" 1@-1500)"},
      {"foo 1 1e3\n# EOF", R"(__name__="foo" 1@1000000)"},
      {"foo_total 1 # {a=\"b\"} 0.5\n# EOF", R"(__name__="foo_total" 1)"},
      {"foo_total 1 2 # {} 0.5 7\n# EOF", R"(__name__="foo_total" 1@2000)"},
      {"# TYPE foo gaugehistogram\n# EOF", "TYPE foo gaugehistogram"},
      {"# HELP m \n# EOF", "HELP m "},
      {"# HELP m a\\\"b\\n\n# EOF", "HELP m a\"b\n"},
      {"# UNIT m_seconds seconds\n# EOF", "UNIT m_seconds seconds"},
      {"# UNIT m \n# EOF", "UNIT m "},
  };
  for (const Case& each : cases) EXPECT_EQ(first(each.body, Format::kOpenMetrics), each.expected) << each.body;
}

TEST(OpenMetricsParser, SaysWhatPrometheusSaysAboutWrongLines) {
  const Case cases[] = {
      {"", "data does not end with # EOF"},
      {"foo 1\n", "data does not end with # EOF"},
      {"# EOF\n\n", "unexpected data after # EOF"},
      {"# EOF \n", "unexpected data after # EOF"},
      {"# EOFa", "unexpected data after # EOF"},
      {"# EOF\r\n", "unexpected data after # EOF"},
      {"\n", R"(expected a valid start token, got "\n" ("INVALID") while parsing: "\n")"},
      {"# foo x\n", R"(expected a valid start token, got "# f" ("INVALID") while parsing: "# f")"},
      {"#EOF\n", R"(expected a valid start token, got "#E" ("INVALID") while parsing: "#E")"},
      {"foo  1\n", R"(expected value after metric, got "  " ("INVALID") while parsing: "foo  ")"},
      {"a 1 2 \n", R"(expected next entry after timestamp, got " \n" ("INVALID") while parsing: "a 1 2 \n")"},
      {"foo {} 1\n", R"(strconv.ParseFloat: parsing "{}": invalid syntax while parsing: "foo {}")"},
      {"{a=\"b\", c=\"d\"} 1\n", R"(expected label name, got " " ("INVALID") while parsing: "{a=\"b\", ")"},
      {"foo{a=\"b\"}1\n", R"(expected value after metric, got "1" ("INVALID") while parsing: "foo{a=\"b\"}1")"},
      {"f{a=\"b\"c=\"d\"} 1\n", R"(expected comma or brace close, got "c=" ("LNAME") while parsing: "f{a=\"b\"c=")"},
      {"f{a=\"b\n\"} 1\n", R"(expected label value, got "\"b\n" ("INVALID") while parsing: "f{a=\"b\n")"},
      {"foo 1 NaN\n", "invalid timestamp NaN"},
      {"foo 1 Inf\n", "invalid timestamp +Inf"},
      {"# TYPE a untyped\n", R"(invalid metric type "untyped")"},
      {"# HELP m\n", "expected text in HELP"},
      {"# UNIT m seconds\n", R"(unit "seconds" not a suffix of metric "m")"},
      {"f 1 # {} 1 NaN\n", "invalid exemplar timestamp NaN"},
      {"f 1 # {}\n", R"(expected value after exemplar labels, got "\n" ("INVALID") while parsing: "f 1 # {}\n")"},
      {"f 1 # {a=b} 1\n", R"(expected label value, got "b" ("INVALID") while parsing: "f 1 # {a=b")"},
      {"f 1 # {a} 1\n", R"(expected equal, got "} " ("BCLOSE") while parsing: "f 1 # {a} ")"},
      {"foo 1 st@15\n", R"(strconv.ParseFloat: parsing "st@15": invalid syntax while parsing: "foo 1 st@15")"},
  };
  for (const Case& each : cases) {
    const auto lines = read(each.body, Format::kOpenMetrics);
    ASSERT_FALSE(lines.empty()) << each.body;
    EXPECT_EQ(lines.back().substr(0, lines.back().find(" (line")), "error: " + each.expected) << each.body;
  }
}

}  // namespace
}  // namespace collector::exposition
