// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "rules/promql/ast.h"

namespace agent {

// A parsed query as /api/v1/parse_query shows it: a tree of objects with "type" and the fields of that type, their keys
// sorted. The tools that explain queries on Prometheus's own page read it.
std::string syntax_json(const rules::promql::Expr& expr);

}  // namespace agent
