// SPDX-License-Identifier: Apache-2.0
#include "core/ring/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/ring/matcher.h"

namespace core::ring {
namespace {

TEST(Labels, AreSortedUniqueAndNeverEmpty) {
  const Labels labels{{"b", "2"}, {"a", "1"}, {"c", ""}, {"b", "3"}};
  EXPECT_EQ(labels.to_string(), R"({a="1", b="3"})");
  EXPECT_EQ(labels.get("c"), "");
  // The later of two pairs wins, also when it removes the label.
  EXPECT_TRUE(Labels({{"a", "1"}, {"a", ""}}).empty());
}

TEST(Labels, WithAndWithoutKeepOrder) {
  const Labels labels{{"b", "2"}};
  EXPECT_EQ(labels.with("a", "1").with("c", "3").to_string(), R"({a="1", b="2", c="3"})");
  EXPECT_EQ(labels.with("b", "x").get("b"), "x");
  EXPECT_TRUE(labels.without("b").empty());
  EXPECT_EQ(labels.without("zz"), labels);
}

TEST(Labels, PrintAsPrometheusPrints) {
  EXPECT_EQ(Labels({{"__name__", "up"}}).to_string(), "up");
  EXPECT_EQ(Labels().to_string(), "{}");
  EXPECT_EQ(Labels({{"__name__", "up"}, {"job", "a\"b\n"}}).to_string(), R"(up{job="a\"b\n"})");
  EXPECT_EQ(Labels({{"__name__", "a.b"}, {"c.d", "x"}}).to_string(), R"({__name__="a.b", "c.d"="x"})");
}

TEST(Labels, FingerprintIsThatOfPrometheus) {
  // FNV-1a's offset basis: what prometheus/common gives for an empty set.
  EXPECT_EQ(Labels().fingerprint(), 0xcbf29ce484222325ULL);
  EXPECT_NE(Labels({{"a", "bc"}}).fingerprint(), Labels({{"ab", "c"}}).fingerprint());
}

TEST(Labels, OrderIsPairByPair) {
  EXPECT_LT(Labels({{"a", "1"}}), Labels({{"a", "1"}, {"b", "1"}}));
  EXPECT_LT(Labels({{"a", "1"}, {"b", "9"}}), Labels({{"a", "2"}}));
  EXPECT_LT(Labels({{"A", "9"}}), Labels({{"_", "1"}}));
}

TEST(GoQuote, EscapesAsGoDoes) {
  EXPECT_EQ(go_quote("a\tb\\\"\x01\x7f"), R"("a\tb\\\"\x01\x7f")");
  EXPECT_EQ(go_quote("caf\xc3\xa9 \xe2\x82\xac"), "\"caf\xc3\xa9 \xe2\x82\xac\"");
  EXPECT_EQ(go_quote("\xff\xc3"), R"("\xff\xc3")");
  EXPECT_EQ(go_quote("\xe2\x80\x8b"), R"("\u200b")");
  EXPECT_EQ(go_quote("\xf3\xa0\x80\x81"), R"("\U000e0001")");
}

TEST(Utf8, OverlongSurrogateAndCutFormsAreInvalid) {
  EXPECT_TRUE(is_valid_utf8("\xf0\x9f\x94\xa5"));
  for (const std::string_view bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
}

TEST(Matcher, ComparesAbsentLabelsAsEmpty) {
  const Labels labels{{"job", "geth"}};
  EXPECT_TRUE(Matcher::equal("zone", "").matches(labels));
  EXPECT_FALSE(Matcher::make(MatchType::kNotEqual, "zone", "")->matches(labels));
  EXPECT_TRUE(Matcher::make(MatchType::kRegexMatch, "zone", "|a")->matches(labels));
  EXPECT_TRUE(Matcher::make(MatchType::kRegexNotMatch, "zone", "a.*")->matches(labels));
}

TEST(Matcher, RegexesAreAnchoredAndDotMatchesNewline) {
  const Matcher matcher = *Matcher::make(MatchType::kRegexMatch, "a", "x.y|z");
  EXPECT_TRUE(matcher.matches("x\ny"));
  EXPECT_FALSE(matcher.matches("xxy2"));
  EXPECT_FALSE(matcher.matches("az"));
}

TEST(Matcher, SimplePatternsMeanWhatTheirExpressionsDo) {
  const std::vector<std::string> expressions = {"a",     "a|b",   "b|a|",    "|",  "ab.*", "ab.+", ".*",     ".+",
                                                "a b|c", "a.*|b", "x-1|x/2", "a*", "a.+b", "a|.*", "a\\.b|c"};
  const std::vector<std::string> texts = {"",    "a",   "b",   "ab",  "abc", "ab\n", "c",   "a b",
                                          "x-1", "x/2", "a.b", "aab", "a|b", "ba",   "axb", "|"};
  for (const std::string& expression : expressions) {
    const Matcher matcher = *Matcher::make(MatchType::kRegexMatch, "l", expression);
    // A group of its own keeps the same expression from being taken as a simple one.
    const Matcher compiled = *Matcher::make(MatchType::kRegexMatch, "l", "(?:" + expression + ")");
    for (const std::string& text : texts) {
      EXPECT_EQ(matcher.matches(text), compiled.matches(text)) << expression << " on " << text;
    }
  }
}

TEST(Matcher, BadRegexesAreNamedInPrometheusWords) {
  struct Case {
    std::string_view pattern;
    std::string_view message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"(", "error parsing regexp: missing closing ): `^(?s:()$`"},
           {")", "error parsing regexp: unexpected ): `^(?s:))$`"},
           {"[a", "error parsing regexp: missing closing ]: `[a)$`"},
           {"*", "error parsing regexp: missing argument to repetition operator: `*`"},
           {"(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
       }) {
    const auto matcher = Matcher::make(MatchType::kRegexMatch, "a", std::string(c.pattern));
    ASSERT_FALSE(matcher) << c.pattern;
    EXPECT_EQ(matcher.error().message, c.message);
  }
}

TEST(Matcher, PrintsAsInAQuery) {
  EXPECT_EQ(Matcher::make(MatchType::kRegexNotMatch, "a.b", "x\"")->to_string(), R"("a.b"!~"x\"")");
}

}  // namespace
}  // namespace core::ring
