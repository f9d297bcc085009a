// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/matcher_syntax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rules {
namespace {

using ::testing::HasSubstr;

std::string printed(std::string_view text) {
  const auto matchers = parse_matchers(text);
  if (!matchers) return "error: " + matchers.error().message;
  std::string all;
  for (const auto& matcher : *matchers) all += (all.empty() ? "" : " ") + matcher.to_string();
  return all;
}

struct SyntaxCase {
  std::string_view text;
  std::string_view expected;
};

TEST(MatcherSyntax, ReadsWhatAlertmanagerReads) {
  const SyntaxCase cases[] = {
      {"", ""},
      {"{}", ""},
      {R"(alertname="InstanceDown")", R"(alertname="InstanceDown")"},
      {"foo=bar", R"(foo="bar")"},
      {"foo=", R"(foo="")"},
      {"foo!=bar", R"(foo!="bar")"},
      {R"(foo=~"bar|baz")", R"(foo=~"bar|baz")"},
      {R"(foo!~"bar.*")", R"(foo!~"bar.*")"},
      {R"({b="2", a="1",})", R"(a="1" b="2")"},
      {R"(a="1,2", b=3)", R"(a="1,2" b="3")"},
      {R"( foo = "a b" )", R"(foo="a b")"},
      {"foo=~a b", R"(foo=~"a b")"},
      {R"(foo="\d+")", R"(foo="\\d+")"},
      {R"(foo="\\d+")", R"(foo="\\d+")"},
      {R"(foo="a\"b")", R"(foo="a\"b")"},
      // The classic reading counts where there is one: the backslashes are literal.
      {R"(foo="\xf0\x9f")", R"(foo="\\xf0\\x9f")"},
      // Only the newer grammar reads these.
      {R"("a b"=c)", R"("a b"="c")"},
      {"größe=XL", R"("größe"="XL")"},
      {R"({"a b"="\u00e4\n", c!~"x"})", R"("a b"="ä\n" c!~"x")"},
  };
  for (const SyntaxCase& each : cases) EXPECT_EQ(printed(each.text), each.expected) << each.text;
}

TEST(MatcherSyntax, RefusesInAlertmanagersWords) {
  const SyntaxCase cases[] = {
      {"foo", "bad matcher format: foo"},
      {R"(foo="a)", R"(matcher value contains unescaped double quote: "a)"},
      {R"(foo="a"b")", R"(matcher value contains unescaped double quote: "a"b")"},
      {"=x", "bad matcher format: =x"},
      {"a!b", "bad matcher format: a!b"},
      {R"("a b")", R"(bad matcher format: "a b")"},
      {"foo=~(", "error parsing regexp"},
      {",", "bad matcher format"},
  };
  for (const SyntaxCase& each : cases)
    EXPECT_THAT(printed(each.text), HasSubstr(std::string(each.expected))) << each.text;
}

TEST(MatcherSyntax, OneMatcherMeansOne) {
  ASSERT_TRUE(parse_matcher("a=b"));
  EXPECT_EQ(parse_matcher("").error().message, "no matchers");
  EXPECT_EQ(parse_matcher("a=b,c=d").error().message, "expected 1 matcher, found 2");
  EXPECT_EQ(parse_matcher("{a=b}").error().message, "unexpected open or close brace: {a=b}");
}

}  // namespace
}  // namespace rules
