// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rules/promql/ast.h"

namespace rules::promql {

struct TypeError {
  std::uint32_t offset = 0;
  std::string message;
};

// The first violation of the typing rules (LANGUAGE.md 2.5) in a tree read from `text`; children come before parents.
std::optional<TypeError> check_types(const Expr& expr, std::string_view text);

}  // namespace rules::promql
