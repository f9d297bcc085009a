// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/promql/token.h"

namespace rules::promql {

// What a query was cut into. The last token is kEof or kError; nothing follows an error.
//
// Invariants: token texts are views of the query, which has to outlive this; that of an error token views `message`.
struct TokenList {
  std::vector<Token> tokens;
  std::string message;

  TokenList() = default;
  TokenList(const TokenList&) = delete;
  TokenList& operator=(const TokenList&) = delete;
};

// Replaces `list` with the tokens of `query`; comments and white space are left out.
void tokenize(std::string_view query, TokenList& list);

}  // namespace rules::promql
