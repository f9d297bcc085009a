// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "rules/promql/ast.h"

namespace rules::promql {

// The canonical text of a query: what rules show, what generator URLs hold. parse(print(e)) has the meaning of e.
std::string print(const Expr& expr);

// The same over several lines where a part is longer than 100 bytes, as /api/v1/format_query answers.
std::string print_pretty(const Expr& expr);

std::string print(const DurationExpr& expr);

}  // namespace rules::promql
