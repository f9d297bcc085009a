// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/template/syntax.h"

namespace rules::templates {

enum class TokenKind {
  kText,       // outside actions, trimmed
  kActionEnd,  // }}
  kWord,       // a function, keyword, true, false or nil
  kField,      // .Name
  kDot,        // .
  kVariable,   // $name or $
  kString,     // quoted or raw, as written
  kNumber,     // and character constants
  kPipe,       // |
  kDeclare,    // :=
  kAssign,     // =
  kComma,
  kLeftParen,
  kRightParen,
  kEof,
};

struct Token {
  TokenKind kind{};
  std::string text;
  Position position;
  bool after_space = false;  // a field right after an operand belongs to it, one after a space does not
};

struct LexError {
  Position position;
  std::string message;
};

// Cuts a template into texts and the tokens of its actions. Every action ends with kActionEnd, the list with kEof.
tl::expected<std::vector<Token>, LexError> lex(std::string_view text);

}  // namespace rules::templates
