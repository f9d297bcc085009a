// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/lexer.h"

#include <gtest/gtest.h>

#include "rules/promql/literals.h"

namespace rules::promql {
namespace {

// Kinds and texts, so that a case is one line.
std::string tokens_of(std::string_view query) {
  TokenList list;
  tokenize(query, list);
  std::string text;
  for (const Token& token : list.tokens) {
    if (!text.empty()) text += ' ';
    text += token.kind == TokenKind::kError ? fmt::format("!{}:{}", token.span.start, token.text)
            : token.kind == TokenKind::kEof ? fmt::format("eof@{}", token.span.start)
                                            : describe(token);
  }
  return text;
}

TEST(Lexer, TokensAndErrors) {
  const struct {
    std::string_view query;
    std::string_view expected;
  } kCases[] = {
      {"", "eof@0"},
      {"foo # comment\n + bar", "identifier \"foo\" <op:+> identifier \"bar\" eof@20"},
      {"a:b :c", "metric identifier \"a:b\" metric identifier \":c\" eof@6"},
      {"SUM by AND Atan2", "<aggr:SUM> <by> <op:AND> <op:Atan2> eof@16"},
      {"{sum=\"x\"}", "\"{\" identifier \"sum\" \"=\" string \"\\\"x\\\"\" \"}\" eof@9"},
      {"fill fill(", "identifier \"fill\" <fill> \"(\" !10:unclosed left parenthesis"},
      {"1 .5 5. 1e3 0x1F 1_000 Inf nan",
       "number \"1\" number \".5\" number \"5.\" number \"1e3\" number \"0x1F\" "
       "number \"1_000\" number \"Inf\" number \"nan\" eof@30"},
      {"5m 1h30m 100ms", "duration \"5m\" duration \"1h30m\" duration \"100ms\" eof@14"},
      {"x[5m:1m]", "identifier \"x\" \"[\" duration \"5m\" \":\" duration \"1m\" \"]\" eof@8"},
      {"x[Step()*2]", "identifier \"x\" \"[\" \"Step\" \"(\" \")\" <op:*> number \"2\" \"]\" eof@11"},
      {"a </ b >/ c <= d != e @ 1",
       "identifier \"a\" <op:</> identifier \"b\" <op:>/> identifier \"c\" <op:<=> "
       "identifier \"d\" <op:!=> identifier \"e\" <op:@> number \"1\" eof@25"},
      {"5mm", "!0:bad number or duration syntax: \"5mm\""},
      {"1__0", "!0:bad number or duration syntax: \"1__\""},
      {"0x1.5", "!0:bad number or duration syntax: \"0x1.\""},
      {"1.2.3", "!0:bad number or duration syntax: \"1.2.\""},
      {"foo $", "identifier \"foo\" !4:unexpected character: '$'"},
      {"a =~ b", "identifier \"a\" !2:unexpected character after '=': '~'"},
      {"a ! b", "identifier \"a\" !2:unexpected character after '!': ' '"},
      {"foo)", "identifier \"foo\" !4:unexpected right parenthesis ')'"},
      {"(foo", "\"(\" identifier \"foo\" !4:unclosed left parenthesis"},
      {"a]", "identifier \"a\" !1:unexpected right bracket ']'"},
      {"a[5m[", "identifier \"a\" \"[\" duration \"5m\" !4:unexpected left bracket '['"},
      {"a[5m", "identifier \"a\" \"[\" duration \"5m\" !4:unclosed left bracket"},
      {"a[", "identifier \"a\" \"[\" !2:unexpected end of input in duration expression"},
      {"a[foo]", "identifier \"a\" \"[\" !2:unexpected character in duration expression: 'f'"},
      {"a[5m foo]", "identifier \"a\" \"[\" duration \"5m\" !5:unexpected character: 'f', expected ':'"},
      {"a[5m:1m:1m]", "identifier \"a\" \"[\" duration \"5m\" \":\" duration \"1m\" !7:unexpected colon ':'"},
      {"{", "\"{\" !1:unexpected end of input inside braces"},
      {"{a:b}", "\"{\" identifier \"a\" !2:unexpected character inside braces: ':'"},
      {"{a{", "\"{\" identifier \"a\" !2:unexpected left brace '{'"},
      {"\"abc", "!0:unterminated quoted string"},
      {"\"a\nb\"", "!0:unterminated quoted string"},
      {"`abc", "!0:unterminated raw string"},
      {"\"\xff\"", "!0:invalid UTF-8 rune"},
      {"'\\\"'", "!0:unknown escape sequence U+0022 '\"'"},
      {"\"\\c\"", "!0:unknown escape sequence U+0063 'c'"},
      {"\"\\x.1\"", "!0:illegal character U+002E '.' in escape sequence"},
      {"\"\\uD800\"", "!0:escape sequence is an invalid Unicode code point"},
      {"\"\\400\"", "!0:escape sequence is an invalid Unicode code point"},
      {"\"\\", "!0:escape sequence not terminated"},
  };
  for (const auto& test : kCases) EXPECT_EQ(tokens_of(test.query), test.expected) << test.query;
}

TEST(Literals, Strings) {
  const struct {
    std::string_view text;
    std::string_view value;
  } kCases[] = {
      {R"("a\n\t\\\"b")", "a\n\t\\\"b"},
      {R"('it\'s')", "it's"},
      {R"("\x41\101")", "AA"},
      {R"("\u00e9\U0001F600")", "é😀"},
      {"`raw \\n\nline`", "raw \\n\nline"},
  };
  for (const auto& test : kCases) {
    const auto value = unquote(test.text);
    ASSERT_TRUE(value) << test.text << ": " << value.error().message;
    EXPECT_EQ(*value, test.value) << test.text;
  }
  EXPECT_FALSE(unquote("abc"));
  EXPECT_FALSE(unquote("\"a\" "));
  EXPECT_FALSE(unquote("\""));
}

TEST(Literals, Numbers) {
  const struct {
    std::string_view text;
    double value;
  } kCases[] = {
      {"017", 15}, {"08", 8},   {"0x_ff", 255}, {"0XfF", 255}, {"1_000", 1000},
      {"5.", 5},   {".5", 0.5}, {"1e3", 1000},  {"1e-400", 0}, {"9223372036854775808", 9223372036854775808.0}};
  for (const auto& test : kCases) {
    const auto value = parse_number(test.text);
    ASSERT_TRUE(value) << test.text;
    EXPECT_EQ(*value, test.value) << test.text;
  }
  EXPECT_EQ(parse_number("1e999").error().message, "error parsing number: parsing \"1e999\": value out of range");
  EXPECT_FALSE(parse_number("1_"));
  EXPECT_FALSE(parse_number("1e+"));
}

TEST(Literals, Durations) {
  EXPECT_EQ(*parse_duration_seconds("1h30m5ms"), 5400.005);
  EXPECT_EQ(parse_duration_seconds("5m1h").error().message, "not a valid duration string: \"5m1h\"");
  EXPECT_EQ(parse_duration_seconds("5y1hs").error().message, "unknown unit \"hs\" in duration \"5y1hs\"");
  EXPECT_EQ(parse_duration_seconds("999999y").error().message, "duration out of range");
  EXPECT_EQ(literal_milliseconds(1.5), 1500);
  EXPECT_EQ(literal_milliseconds(-0.0019), -1);
  EXPECT_EQ(literal_milliseconds(1e10), std::nullopt);
}

}  // namespace
}  // namespace rules::promql
