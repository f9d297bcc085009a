// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/probe/cel_value.h"
#include "collector/probe/pattern.h"
#include "core/result.h"

namespace collector::probe::cel {

// What may be asked of one expression.
inline constexpr std::size_t kTextBytesMax = 4096;
inline constexpr std::size_t kNodesMax = 512;
inline constexpr std::size_t kDepthMax = 64;
inline constexpr std::size_t kMacrosNestedMax = 3;

enum class Op : std::uint8_t {
  kLiteral,
  kVariable,
  kList,
  kMap,  // key, value, key, value
  kSelect,
  kHas,
  kIndex,
  kNot,
  kNegate,
  kMultiply,
  kDivide,
  kModulo,
  kAdd,
  kSubtract,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kIn,
  kAnd,
  kOr,
  kConditional,
  kFunction,
  kAll,  // of macros: the range, then what is evaluated for each element
  kExists,
  kExistsOne,
  kFilter,
  kTransform,  // map(): the range, a condition if there are three, what is made of each element
};

enum class Function : std::uint8_t {
  kSize,
  kContains,
  kStartsWith,
  kEndsWith,
  kMatches,
  kInt,
  kUint,
  kDouble,
  kString,
  kBool,
  kTypeOf,
  kDyn,
};

struct Node {
  Op op = Op::kLiteral;
  Function function = Function::kSize;
  Type type = Type::kDyn;  // as far as the text alone tells
  std::size_t column = 0;  // from 1
  std::size_t slot = 0;    // of a variable; of the one that a macro binds
  Value literal;
  std::string field;  // of kSelect and kHas
  Pattern pattern;    // of matches() with a literal
  std::vector<Node> parts;
};

// A whole expression; slot 0 is `body`.
struct Program {
  Node root;
  std::size_t slots = 1;
};

// kInvalid and kNotSupported: "text (column 3)".
core::Result<Program> parse(std::string_view text);

enum class TokenKind : std::uint8_t { kEnd, kName, kLiteral, kSymbol };
struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // as written
  Value literal;
  std::size_t column = 1;
};
core::Result<std::vector<Token>> split(std::string_view text);

// The error of something at a column of the text.
core::Error error_at(core::Errc code, std::size_t column, std::string_view what);

// Finds out the types that the text alone tells, and refuses what can have no value whatever the body is.
core::Result<void> check_types(Node& node);

}  // namespace collector::probe::cel
