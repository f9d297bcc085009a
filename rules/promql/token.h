// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "rules/promql/ast.h"

namespace rules::promql {

enum class TokenKind : std::uint8_t {
  kEof,
  kError,  // the text is the message
  kIdentifier,
  kMetricIdentifier,  // has a colon
  kString,            // with its quotes
  kNumber,
  kDuration,
  // Punctuation.
  kComma,
  kColon,
  kAssign,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  // Operators.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kTrimUpper,
  kTrimLower,
  kAnd,
  kOr,
  kUnless,
  kRegexMatch,
  kRegexNotMatch,
  kAt,
  // Words.
  kAggregator,
  kOffset,
  kSmoothed,
  kAnchored,
  kBy,
  kWithout,
  kOn,
  kIgnoring,
  kGroupLeft,
  kGroupRight,
  kBool,
  kFill,
  kFillLeft,
  kFillRight,
  kStart,
  kEnd,
  kStep,
  kRange,
  kMaxOf,
  kMinOf,
};

// One token of a query; the text is a view of the query (of a message for kError).
struct Token {
  TokenKind kind = TokenKind::kEof;
  Span span;
  std::string_view text;
};

// The keyword, operator word, aggregator or number word (inf, nan) that `word` is, in any case; else kIdentifier.
TokenKind classify_word(std::string_view word);

bool is_operator(TokenKind kind);

// Whether a word of this kind may stand unquoted as a metric name, and in lists such as by (...).
bool may_name_metric(TokenKind kind);
bool may_name_label(TokenKind kind);

// As messages name a token: identifier "x", <op:*>, <by>, <aggr:sum>, "}", end of input.
std::string describe(const Token& token);

}  // namespace rules::promql
