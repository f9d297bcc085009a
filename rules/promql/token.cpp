// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/token.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/ring/labels.h"

namespace rules::promql {
namespace {

struct Word {
  std::string_view text;  // in lower case
  TokenKind kind;
};

constexpr std::array<Word, 25> kWords = {{
    {"and", TokenKind::kAnd},
    {"or", TokenKind::kOr},
    {"unless", TokenKind::kUnless},
    {"atan2", TokenKind::kAtan2},
    {"offset", TokenKind::kOffset},
    {"smoothed", TokenKind::kSmoothed},
    {"anchored", TokenKind::kAnchored},
    {"by", TokenKind::kBy},
    {"without", TokenKind::kWithout},
    {"on", TokenKind::kOn},
    {"ignoring", TokenKind::kIgnoring},
    {"group_left", TokenKind::kGroupLeft},
    {"group_right", TokenKind::kGroupRight},
    {"bool", TokenKind::kBool},
    {"fill", TokenKind::kFill},
    {"fill_left", TokenKind::kFillLeft},
    {"fill_right", TokenKind::kFillRight},
    {"start", TokenKind::kStart},
    {"end", TokenKind::kEnd},
    {"step", TokenKind::kStep},
    {"range", TokenKind::kRange},
    {"max_of", TokenKind::kMaxOf},
    {"min_of", TokenKind::kMinOf},
    {"inf", TokenKind::kNumber},
    {"nan", TokenKind::kNumber},
}};

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

bool is_modifier(TokenKind kind) { return kind >= TokenKind::kOffset && kind <= TokenKind::kFillRight; }

// At most the first ten runes of a long text, so that a message stays readable.
std::string quote_briefly(std::string_view text) {
  constexpr std::size_t kMaxBytes = 10;
  constexpr std::size_t kMaxRunes = 10;
  if (text.size() <= kMaxBytes) return core::ring::go_quote(text);
  std::size_t end = 0;
  for (std::size_t runes = 0; end < text.size() && runes < kMaxRunes; ++runes) {
    ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  }
  return core::ring::go_quote(text.substr(0, end)) + "...";
}

}  // namespace

TokenKind classify_word(std::string_view word) {
  for (const Word& known : kWords) {
    if (equal_ignoring_case(word, known.text)) return known.kind;
  }
  if (find_aggregate(word)) return TokenKind::kAggregator;
  return TokenKind::kIdentifier;
}

bool is_operator(TokenKind kind) { return kind >= TokenKind::kAdd && kind <= TokenKind::kAt; }

bool may_name_metric(TokenKind kind) {
  switch (kind) {
    case TokenKind::kIdentifier:
    case TokenKind::kMetricIdentifier:
    case TokenKind::kAnd:
    case TokenKind::kOr:
    case TokenKind::kUnless:
      return true;
    case TokenKind::kOn:
    case TokenKind::kIgnoring:
    case TokenKind::kGroupLeft:
    case TokenKind::kGroupRight:
    case TokenKind::kBool:
      return false;
    default:
      return kind >= TokenKind::kAggregator;
  }
}

bool may_name_label(TokenKind kind) {
  switch (kind) {
    case TokenKind::kIdentifier:
    case TokenKind::kMetricIdentifier:
    case TokenKind::kAnd:
    case TokenKind::kOr:
    case TokenKind::kUnless:
    case TokenKind::kAtan2:
      return true;
    case TokenKind::kWithout:
      return false;
    default:
      return kind >= TokenKind::kAggregator;
  }
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEof:
      return "end of input";
    case TokenKind::kError:
      return std::string(token.text);
    case TokenKind::kIdentifier:
      return "identifier " + core::ring::go_quote(token.text);
    case TokenKind::kMetricIdentifier:
      return "metric identifier " + core::ring::go_quote(token.text);
    case TokenKind::kString:
      return "string " + quote_briefly(token.text);
    case TokenKind::kNumber:
      return "number " + quote_briefly(token.text);
    case TokenKind::kDuration:
      return "duration " + quote_briefly(token.text);
    default:
      break;
  }
  if (is_operator(token.kind)) return "<op:" + std::string(token.text) + ">";
  if (token.kind == TokenKind::kAggregator) return "<aggr:" + std::string(token.text) + ">";
  if (is_modifier(token.kind)) return "<" + std::string(token.text) + ">";
  return quote_briefly(token.text);
}

}  // namespace rules::promql
