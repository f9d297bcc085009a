// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "collector/exposition/parser.h"
#include "core/ring/labels.h"
#include "core/ring/sample.h"

namespace collector::exposition {
namespace {

std::string escape(const std::string& text) {
  std::string escaped = "\"";
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
    } else {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += c;
    }
  }
  return escaped + "\"";
}

// Letters, quotes, escapes and a rune of two bytes: everything that a name or value may hold and a lexer may trip over.
std::string from_indices(const std::vector<std::uint8_t>& indices) {
  const std::vector<std::string> alphabet = {"a",  "Z", "_", "9", " ", "\t", "\n", "\"",
                                             "\\", "{", "}", "=", ",", "#",  "é",  "."};
  std::string text;
  for (const std::uint8_t index : indices) text += alphabet[index % alphabet.size()];
  return text;
}

void print_and_parse(Format format, const std::string& name, const std::vector<core::ring::Label>& pairs, double value,
                     std::int32_t time_s) {
  std::string body = "{" + escape(name);
  for (const auto& pair : pairs) body += "," + escape(pair.name) + "=" + escape(pair.value);
  const bool text = format == Format::kPrometheusText;
  body += fmt::format("}} {} {}\n", value, text ? std::int64_t{time_s} * 1000 : std::int64_t{time_s});
  if (!text) body += "# EOF\n";

  Parser parser(body, format);
  const Entry entry = parser.next();
  if (entry == Entry::kInvalid) RC_FAIL(parser.error().message + " in " + body);
  RC_ASSERT(entry == Entry::kSample);
  std::vector<core::ring::Label> labels;
  parser.labels(labels);
  RC_ASSERT(labels.size() == pairs.size() + 1);
  RC_ASSERT(labels.front().value == name);
  for (std::size_t i = 0; i < pairs.size(); ++i) RC_ASSERT(labels[i + 1] == pairs[i]);
  RC_ASSERT(core::ring::same_bits(parser.value(), value));
  RC_ASSERT(parser.timestamp_ms() == std::int64_t{time_s} * 1000);
  RC_ASSERT(parser.next() == Entry::kEnd);
}

RC_GTEST_PROP(ParserProperty, WhatIsPrintedIsRead, (const std::vector<std::vector<std::uint8_t>>& parts)) {
  std::vector<core::ring::Label> pairs;
  for (std::size_t i = 1; i + 1 < parts.size(); i += 2)
    pairs.push_back({from_indices(parts[i]), from_indices(parts[i + 1])});
  const std::string name = parts.empty() ? "up" : from_indices(parts[0]);
  const double value = *rc::gen::arbitrary<double>();
  const auto time_s = *rc::gen::inRange<std::int32_t>(0, 2'000'000'000);
  print_and_parse(Format::kPrometheusText, name, pairs, value, time_s);
  print_and_parse(Format::kOpenMetrics, name, pairs, value, time_s);
}

// Every body ends, with an entry for at least every byte taken, and labels can always be had.
void walk(const std::string& body, Format format) {
  Parser parser(body, format);
  std::vector<core::ring::Label> labels;
  std::size_t entries = 0;
  for (Entry entry = parser.next(); entry != Entry::kEnd; entry = parser.next()) {
    RC_ASSERT(++entries <= body.size() + 1);
    if (entry == Entry::kSample) {
      parser.labels(labels);
      const bool named = !labels.front().value.empty();
      // An empty name can only be written in quotes.
      RC_ASSERT(named || parser.series().find('"') != std::string_view::npos);
    }
    if (entry == Entry::kInvalid) {
      RC_ASSERT(!parser.error().message.empty());
      return;
    }
  }
}

RC_GTEST_PROP(ParserProperty, NoBytesBreakIt, (const std::string& bytes)) {
  walk(bytes, Format::kPrometheusText);
  walk(bytes, Format::kOpenMetrics);
}

RC_GTEST_PROP(ParserProperty, NoTokensBreakIt, (const std::vector<std::uint8_t>& indices)) {
  const std::vector<std::string> tokens = {"foo", "{", "}",  "a",   "=",       "\"",    "\\",
                                           ",",   " ", "\n", "# ",  "HELP ",   "TYPE ", "UNIT ",
                                           "EOF", "1", "e5", "NaN", "counter", "\xff",  std::string(1, '\0'),
                                           "\t"};
  std::string body;
  for (const std::uint8_t index : indices) body += tokens[index % tokens.size()];
  walk(body, Format::kPrometheusText);
  walk(body, Format::kOpenMetrics);
}

// Pairs read in one go leave the lexer where reading them token by token would have.
RC_GTEST_PROP(ParserProperty, PlainPairsAreSkippedAsTheyAreRead,
              (const std::vector<std::uint8_t>& indices, std::uint8_t most)) {
  const std::vector<std::string> tokens = {"a=\"b\",", "le=\"+Inf\",", "c=\"\"", "d=\"x y\"}", "e=\"\\n\",",
                                           "f=\"é\",", "9=\"b\",",     "_",      ",",          " ",
                                           "\n",       "\"q\"",        "=",      "}",          "1"};
  std::string body = "foo{";
  for (const std::uint8_t index : indices) body += tokens[index % tokens.size()];
  for (const Format format : {Format::kPrometheusText, Format::kOpenMetrics}) {
    Lexer by_token(body, format);
    Lexer in_one_go(body, format);
    for (int i = 0; i < 2; ++i) RC_ASSERT(by_token.next() == in_one_go.next());
    std::size_t pairs = in_one_go.skip_plain_pairs(most);
    RC_ASSERT(pairs <= most);
    while (by_token.end() < in_one_go.end()) {
      if (by_token.next() == Token::kLabelValue) --pairs;
    }
    RC_ASSERT(pairs == 0U);
    RC_ASSERT(by_token.end() == in_one_go.end());
    for (Token token = by_token.next(); token != Token::kEof && token != Token::kInvalid; token = by_token.next()) {
      RC_ASSERT(token == in_one_go.next());
      RC_ASSERT(by_token.start() == in_one_go.start());
      RC_ASSERT(by_token.end() == in_one_go.end());
    }
  }
}

// A body cut anywhere is read up to the cut and either ends well at a line's end or fails.
TEST(ParserProperty, AnyCutIsSurvived) {
  const std::string whole =
      "# HELP a b\n# TYPE a histogram\na_bucket{le=\"1\",x=\"\\\"\\n\"} 1.5e3 17\n{\"q\",b=\"c\"} NaN\n# EOF\n";
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    for (const Format format : {Format::kPrometheusText, Format::kOpenMetrics}) {
      const std::string cut = whole.substr(0, size);
      Parser parser(cut, format);
      std::size_t entries = 0;
      for (Entry entry = parser.next(); entry != Entry::kEnd && entry != Entry::kInvalid; entry = parser.next()) {
        ASSERT_LT(++entries, 10U);
      }
    }
  }
}

}  // namespace
}  // namespace collector::exposition
