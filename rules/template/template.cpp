// SPDX-License-Identifier: Apache-2.0
#include "rules/template/template.h"

#include "rules/template/executor.h"
#include "rules/template/syntax.h"

namespace rules::templates {

core::Result<std::string> expand(std::string_view text, const AlertContext& data, std::string_view name,
                                 const QueryFunction& query, const Limits& limits) {
  const auto parsed = parse_template(text, name, limits);
  if (!parsed) return core::fail(parsed.error().with_context("error parsing template {}", name));
  FunctionContext context{data, query, limits};
  auto result = execute(*parsed, context);
  if (!result) return core::fail(result.error().with_context("error executing template {}", name));
  return result;
}

core::Result<void> check(std::string_view text, std::string_view name) {
  const auto parsed = parse_template(text, name, Limits{});
  if (!parsed) return core::fail(parsed.error().with_context("error parsing template {}", name));
  return {};
}

}  // namespace rules::templates
