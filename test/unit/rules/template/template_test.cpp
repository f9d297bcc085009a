// SPDX-License-Identifier: Apache-2.0
#include "rules/template/template.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace rules::templates {
namespace {

using core::ring::Labels;

AlertContext data_of(double value) {
  AlertContext data;
  data.labels = Labels{{"__name__", "up"}, {"instance", "node1.example.org:9100"}, {"job", "geth"}, {"a-b", "dash"}};
  data.external_labels = Labels{{"site", "fra"}};
  data.external_url = "https://watch.example.org:9780/wk";
  data.value = value;
  data.now_ms = 1'435'065'584'128;
  return data;
}

core::Result<std::vector<QuerySample>> fake_query(std::string_view expr) {
  if (expr == "empty") return std::vector<QuerySample>{};
  if (expr == "bad(") return core::fail(core::Errc::kInvalid, "1:5: parse error: unclosed left parenthesis");
  return std::vector<QuerySample>{{Labels{{"__name__", "m"}, {"host", "b"}, {"__value__", "raw"}}, 2},
                                  {Labels{{"__name__", "m"}, {"host", "a"}}, 1.5},
                                  {Labels{{"__name__", "m"}, {"host", "c"}}, 3}};
}

std::string expanded(std::string_view text, double value = 0.5, const Limits& limits = {}) {
  const auto result = expand(text, data_of(value), "t", fake_query, limits);
  return result ? *result : "!" + result.error().message;
}

struct Case {
  std::string_view text;
  std::string_view expected;
};

template <std::size_t N>
void expect_all(const Case (&cases)[N]) {
  for (const auto& test : cases) EXPECT_EQ(expanded(test.text), test.expected) << test.text;
}

TEST(Template, TextAndActions) {
  const Case kCases[] = {
      {"plain } { text", "plain } { text"},
      {"{{ $labels.instance }} is {{ $value }}", "node1.example.org:9100 is 0.5"},
      {"{{.Labels.job}}/{{.ExternalLabels.site}}/{{$externalLabels.site}}", "geth/fra/fra"},
      {"{{.ExternalURL}} {{$externalURL}} {{.Value}}",
       "https://watch.example.org:9780/wk https://watch.example.org:9780/wk 0.5"},
      {"[{{ $labels.nosuch }}]", "[]"},
      {"{{ index $labels \"a-b\" }}", "dash"},
      {"a {{- 1 -}} b", "a1b"},
      {"a {{/* note {{ */}} b", "a  b"},
      {"a {{- /* note */ -}} b", "ab"},
      {"{{-1}} {{ -1.5e3 }} {{ 0x1F }} {{ 'a' }} {{ 017 }}", "-1 -1500 31 97 15"},
      {"{{ \"q\\t\" }}{{ `raw\\` }}{{ true }}", "q\traw\\true"},
      {"{{ .Labels }}", "map[__name__:up a-b:dash instance:node1.example.org:9100 job:geth]"},
      {"{{ \"x\" | printf \"%s-%s\" \"y\" }}", "y-x"},
      {"{{ (printf \"%d\" 3) | len }}", "1"},
      {"{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", "2"},
      {"{{ (first (query \"m\")).Labels.host }}", "b"},
  };
  expect_all(kCases);
}

TEST(Template, Branches) {
  const Case kCases[] = {
      {"{{if gt $value 0.1}}high{{else}}low{{end}}", "high"},
      {"{{if false}}a{{else if 0}}b{{else if \"x\"}}c{{else}}d{{end}}", "c"},
      {"{{with $labels.job}}{{.}}{{else}}none{{end}}", "geth"},
      {"{{with $labels.nosuch}}{{.}}{{else}}none{{end}}", "none"},
      {"{{with \"\"}}a{{else with \"b\"}}{{.}}{{end}}", "b"},
      {"{{range query \"m\"}}{{.Labels.host}}={{.Value}} {{end}}", "b=2 a=1.5 c=3 "},
      {"{{range query \"empty\"}}x{{else}}nothing{{end}}", "nothing"},
      {"{{range $i, $s := query \"m\"}}{{$i}}:{{$s.Value}};{{end}}", "0:2;1:1.5;2:3;"},
      {"{{range $s := query \"m\"}}{{$s.Labels.host}}{{end}}", "bac"},
      {"{{range $k, $v := $externalLabels}}{{$k}}={{$v}}{{end}}", "site=fra"},
      {"{{range 3}}{{.}}{{end}}", "012"},
      {"{{range query \"m\"}}{{if eq .Labels.host \"a\"}}{{continue}}{{end}}{{.Labels.host}}{{end}}", "bc"},
      {"{{range query \"m\"}}{{if eq .Labels.host \"a\"}}{{break}}{{end}}{{.Labels.host}}{{end}}", "b"},
      {"{{$n := 0}}{{range query \"m\"}}{{$n = .Value}}{{end}}{{$n}}", "3"},
      {"{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"},
      {"{{define \"d\"}}<{{.}}>{{end}}{{template \"d\" $value}}{{template \"d\" \"z\"}}", "<0.5><z>"},
      {"{{block \"b\" $labels.job}}[{{.}}]{{end}}{{template \"b\" 1}}", "[geth][1]"},
      {"{{define \"args\"}}{{.arg0}}+{{.arg1}}+{{.arg2}}{{end}}{{template \"args\" (args 1 \"x\")}}", "1+x+<no value>"},
  };
  expect_all(kCases);
}

TEST(Template, GoFunctions) {
  const Case kCases[] = {
      {"{{and 1 0}} {{and 1 2}} {{or 0 \"\"}} {{or 0 3}} {{not 1}}", "0 2  3 false"},
      {"{{or true (first (query \"empty\"))}}", "true"},
      {"{{eq 1 2 1}} {{eq \"a\" \"b\"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 1.0}} {{ge \"b\" \"a\"}}",
       "true false true true true true true"},
      {"{{len \"abc\"}} {{len $labels}} {{len (query \"m\")}}", "3 4 3"},
      {"{{index (query \"m\") 1 | value}} {{index \"abc\" 0}}", "1.5 97"},
      {"{{slice \"abcd\" 1 3}} {{slice \"abcd\" 2}} {{len (slice (query \"m\") 1)}}", "bc cd 2"},
      {"{{print 1 2 \"a\" 3 4}}|{{println \"a\" 1}}", "1 2a3 4|a 1\n"},
      {"{{html \"<a href='x'>&\"}} {{js \"it's <b>\"}} {{urlquery \"a b&c\"}}",
       "&lt;a href=&#39;x&#39;&gt;&amp; it\\'s \\u003Cb\\u003E a+b%26c"},
  };
  expect_all(kCases);
}

TEST(Template, Printf) {
  const Case kCases[] = {
      {"{{printf \"%d|%5d|%-5d|%05d|%+d|%x|%X|%#x|%o|%b|%c|%q\" 42 42 42 42 42 255 255 255 8 5 65 65}}",
       "42|   42|42   |00042|+42|ff|FF|0xff|10|101|A|'A'"},
      {"{{printf \"%f|%.2f|%8.3f|%-8.1f|%08.2f|%+.1f\" 1.5 1.005 3.14159 2.0 -2.5 1.0}}",
       "1.500000|1.00|   3.142|2.0     |-0002.50|+1.0"},
      {"{{printf \"%g|%.3g|%e|%.1E|%v|%v\" 1000000.0 0.00012345 1234.5 1234.5 1e21 0.1}}",
       "1e+06|0.000123|1.234500e+03|1.2E+03|1e+21|0.1"},
      {"{{printf \"%s|%6s|%-6s|%.2s|%q|%x|%v\" \"ab\" \"ab\" \"ab\" \"abc\" \"a\\\"b\" \"hi\" \"v\"}}",
       "ab|    ab|ab    |ab|\"a\\\"b\"|6869|v"},
      {"{{printf \"%t|%v|%5t|%T %%\" true false true 1.5}}", "true|false| true|float64 %"},
      {"{{printf \"%v|%s\" (toDuration 90) (toTime 0)}}", "1m30s|1970-01-01 00:00:00 +0000 UTC"},
      {"{{printf \"%d\" \"x\"}}", "%!d(string=x)"},
      {"{{printf \"%s\" 1.5}}", "%!s(float64=1.5)"},
      {"{{printf \"%d %d\" 1}}", "1 %!d(MISSING)"},
      {"{{printf \"%d\" 1 2}}", "1%!(EXTRA int=2)"},
      {"{{printf \"%z\" 1}} {{printf \"100%\"}}", "%!z(int=1) 100%!(NOVERB)"},
      {"{{printf \"%99999999d\" 1}}", "%!(BADWIDTH)1"},
      {"{{printf \"%.4g\" (index (query \"m\") 0).Value}}", "2"},
  };
  expect_all(kCases);
}

TEST(Template, SampleFunctions) {
  const Case kCases[] = {
      {"{{query \"m\" | first | value}}", "2"},
      {"{{query \"m\" | first | label \"host\"}} {{query \"m\" | first | strvalue}}", "b raw"},
      {"{{range query \"m\" | sortByLabel \"host\"}}{{.Labels.host}}{{end}}", "abc"},
      {"{{label \"nosuch\" (first (query \"m\"))}}", ""},
  };
  expect_all(kCases);
}

TEST(Template, NumberFunctions) {
  const Case kCases[] = {
      {"{{humanize 0}} {{humanize 12}} {{humanize 1234567}} {{humanize 999999}} {{humanize -48500}} {{humanize "
       "0.0345}} "
       "{{humanize 7.2e-7}} {{humanize \"+Inf\"}} {{humanize \"1e3\"}}",
       "0 12 1.235M 1000k -48.5k 34.5m 720n +Inf 1k"},
      {"{{humanize1024 12}} {{humanize1024 999999}} {{humanize1024 1234567}} {{humanize1024 0.0345}}",
       "12 976.6ki 1.177Mi 0.0345"},
      {"{{humanizeDuration 0}} {{humanizeDuration 1.5}} {{humanizeDuration 61.9}} {{humanizeDuration 3661}} "
       "{{humanizeDuration 90061}} {{humanizeDuration -7325}} {{humanizeDuration 0.5}} {{humanizeDuration 0.0021}} "
       "{{humanizeDuration 59.9999}} {{humanizeDuration \"NaN\"}} {{humanizeDuration (toDuration 61)}}",
       "0s 1.5s 1m 1s 1h 1m 1s 1d 1h 1m 1s -2h 2m 5s 500ms 2.1ms 60s NaN 1m 1s"},
      {"{{humanizePercentage 0.1234567}} {{humanizePercentage 1}} {{humanizePercentage 0.333333333}}",
       "12.35% 100% 33.33%"},
      {"{{humanizeTimestamp 1435065584.128}} {{humanizeTimestamp 0}} {{humanizeTimestamp \"NaN\"}}",
       "2015-06-23 13:19:44.128 +0000 UTC 1970-01-01 00:00:00 +0000 UTC NaN"},
      {"{{(toTime 0).Year}} {{(toTime 1435065584.128).Format \"2006-01-02T15:04:05Z07:00\"}} {{(toTime 0).Month}}",
       "1970 2015-06-23T13:19:44Z January"},
      {"{{toDuration 90.5}} {{toDuration 0.0015}} {{(toDuration 90).Minutes}}", "1m30.5s 1.5ms 1.5"},
      {"{{now | humanizeTimestamp}}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{parseDuration \"1h30m\"}} {{parseDuration \"-5s\"}}", "5400 -5"},
  };
  expect_all(kCases);
}

TEST(Template, ValuesPrintShortest) {
  const struct {
    double value;
    std::string_view expected;
  } kCases[] = {{100000, "100000"},
                {1000000, "1e+06"},
                {1234567, "1.234567e+06"},
                {0.0001, "0.0001"},
                {0.00001, "1e-05"},
                {3, "3"},
                {std::numeric_limits<double>::infinity(), "+Inf"},
                {std::numeric_limits<double>::quiet_NaN(), "NaN"}};
  for (const auto& test : kCases) EXPECT_EQ(expanded("{{ $value }}", test.value), test.expected);
}

TEST(Template, TextFunctions) {
  const Case kCases[] = {
      {"{{title \"foo bAr x-y\"}} {{toUpper \"aé\"}} {{toLower \"AÉ\"}}", "Foo BAr X-Y AÉ aé"},
      {"{{match \"a.c\" \"xabcx\"}} {{match \"^b\" \"ab\"}}", "true false"},
      {"{{reReplaceAll \"a(.)\" \"$1-\" \"abac\"}}", "b-c-"},
      {"{{reReplaceAll \"(?P<x>b)\" \"<${x}$$$9>\" \"abc\"}} {{reReplaceAll \"x*\" \"-\" \"abxc\"}}", "a<b$>c -a-b-c-"},
      {"{{stripPort \"h:9100\"}} {{stripPort \"[::1]:80\"}} {{stripPort \"h\"}}", "h ::1 h"},
      {"{{stripDomain \"a.b.c:80\"}} {{stripDomain \"10.0.0.1:80\"}} {{stripDomain \"a.b\"}} {{stripDomain \"::1\"}}",
       "a:80 10.0.0.1:80 a ::1"},
      {"{{graphLink \"up == 0\"}} {{tableLink \"x\"}}",
       "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=x&g0.tab=1"},
      {"{{urlQueryEscape \"a b&c\"}} {{safeHtml \"<b>\"}}", "a+b%26c <b>"},
      {"{{externalURL}} {{pathPrefix}}", "https://watch.example.org:9780/wk /wk"},
      {"{{args 1 \"x\"}}", "map[arg0:1 arg1:x]"},
  };
  expect_all(kCases);
}

TEST(Template, ParseErrors) {
  const Case kCases[] = {
      {"{{ nosuch }}", "1: function \"nosuch\" not defined"},
      {"a\n{{ $x }}", "2: undefined variable \"$x\""},
      {"{{ if }}x{{ end }}", "1: missing value for if"},
      {"{{ if true }}", "1: unexpected EOF"},
      {"{{ end }}", "1: unexpected {{end}}"},
      {"{{ else }}", "1: unexpected {{else}}"},
      {"{{ $value ", "1: unclosed action"},
      {"{{ (1 }}", "1: unclosed left paren"},
      {"{{ 1) }}", "1: unexpected right paren"},
      {"{{ \"abc }}", "1: unterminated quoted string"},
      {"{{ `abc }}", "1: unterminated raw quoted string"},
      {"{{/* abc }}", "1: unclosed comment"},
      {"{{ # }}", "1: unrecognized character in action: U+0023 '#'"},
      {"{{ $labels.a-b }}", "1: bad character U+002D '-'"},
      {"{{}}", "1: missing value for command"},
      {"{{ 1 | 2 }}", "1: non executable command in pipeline stage 2"},
      {"{{break}}", "1: {{break}} outside {{range}}"},
      {"{{template x}}", "1: unexpected \"x\" in template clause"},
      {"{{if true}}{{define \"x\"}}{{end}}{{end}}", "1: unexpected {{define}}"},
      {"{{ 12abc }}", "1: bad number syntax: \"12abc\""},
      {"{{ \"\\c\" }}", "1: unknown escape sequence U+0063 'c'"},
      {"{{define \"x\"}}{{$labels.a}}{{end}}", "1: undefined variable \"$labels\""},
  };
  for (const auto& test : kCases) {
    const std::string message = "error parsing template t: template: t:" + std::string(test.expected);
    EXPECT_EQ(expanded(test.text), "!" + message) << test.text;
    const auto checked = check(test.text, "t");
    ASSERT_FALSE(checked) << test.text;
    EXPECT_EQ(checked.error().message, message);
  }
  EXPECT_TRUE(check("{{ $labels.x }} {{ query \"bad(\" | first | value }}", "t"));
}

TEST(Template, ExecutionErrors) {
  const Case kCases[] = {
      {"{{ query \"empty\" | first }}",
       "1:20: executing \"t\" at <first>: error calling first: first() called on vector with no elements"},
      {"x\n {{ query \"bad(\" }}",
       "2:5: executing \"t\" at <query>: error calling query: 1:5: parse error: unclosed left parenthesis"},
      {"{{ humanize \"abc\" }}",
       "1:4: executing \"t\" at <humanize>: error calling humanize: strconv.ParseFloat: parsing \"abc\": invalid "
       "syntax"},
      {"{{ gt $value 5 }}", "1:4: executing \"t\" at <gt>: error calling gt: incompatible types for comparison"},
      {"{{ .Nosuch }}", "1:4: executing \"t\" at <.Nosuch>: can't evaluate field Nosuch in type struct"},
      {"{{ $value.x }}", "1:4: executing \"t\" at <$value.x>: can't evaluate field x in type float64"},
      {"{{ $value 1 }}", "1:4: executing \"t\" at <$value>: can't give argument to non-function $value"},
      {"{{ template \"x\" }}", "1:4: executing \"t\" at <{{template \"x\"}}>: template \"x\" not defined"},
      {"{{ humanize }}", "1:4: executing \"t\" at <humanize>: wrong number of args for humanize: want 1 got 0"},
      {"{{ index (query \"m\") 7 }}", "1:4: executing \"t\" at <index>: error calling index: index out of range: 7"},
      {"{{ match \"(\" \"x\" }}",
       "1:4: executing \"t\" at <match>: error calling match: error parsing regexp: missing ): ("},
      {"{{ toTime 1e300 }}",
       "1:4: executing \"t\" at <toTime>: error calling toTime: 1e+300 cannot be represented as a nanoseconds "
       "timestamp since it overflows int64"},
      {"{{ range $value }}{{ end }}", "1:10: executing \"t\" at <range>: range can't iterate over 0.5"},
      {"{{ toUpper 1 }}",
       "1:4: executing \"t\" at <toUpper>: error calling toUpper: wrong type for value; expected string; got int"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(expanded(test.text), "!error executing template t: template: t:" + std::string(test.expected));
  }
  const auto without_query = expand("{{ query \"up\" }}", data_of(1), "t");
  ASSERT_FALSE(without_query);
  EXPECT_NE(without_query.error().message.find("queries cannot be run here"), std::string::npos);
}

TEST(Template, BoundsInsteadOfHanging) {
  const auto code = [](std::string_view text, Limits limits = {}) {
    const auto result = expand(text, data_of(1), "t", fake_query, limits);
    return result ? core::Errc::kFailed : result.error().code;
  };
  EXPECT_EQ(code("{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}"), core::Errc::kLimitExceeded);
  EXPECT_EQ(code("{{range 1000000000}}{{end}}"), core::Errc::kLimitExceeded);
  EXPECT_EQ(code("{{range 1000}}{{range 1000}}{{range 1000}}{{end}}{{end}}{{end}}"), core::Errc::kLimitExceeded);
  EXPECT_EQ(code("{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 60}}{{$x = printf \"%s%s\" $x $x}}{{end}}"),
            core::Errc::kLimitExceeded);
  EXPECT_EQ(code("{{range 10000}}0123456789012345678901234567890{{end}}"), core::Errc::kLimitExceeded);
  EXPECT_EQ(code("{{range 100}}{{query \"m\"}}{{end}}"), core::Errc::kLimitExceeded);
  EXPECT_EQ(code("{{$x := args 1}}{{range 10000}}{{$x = args $x}}{{end}}{{$x}}"), core::Errc::kLimitExceeded);
  EXPECT_EQ(code(std::string(100'000, 'x')), core::Errc::kLimitExceeded);
  std::string nested;
  for (int i = 0; i < 5000; ++i) nested += "{{if 1}}";
  EXPECT_FALSE(check(nested, "t"));
  EXPECT_FALSE(check("{{" + std::string(5000, '(') + "1" + std::string(5000, ')') + "}}", "t"));
}

}  // namespace
}  // namespace rules::templates
