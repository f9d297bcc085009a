// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/matcher_config.h"

#include "rules/alert/matcher_syntax.h"

namespace core::config {

Result<std::vector<ring::Matcher>> Codec<std::vector<ring::Matcher>>::read(const Node& node) {
  if (!node.is_sequence()) return fail(node.error("expected a list of matchers, got {}", node.describe()));
  std::vector<ring::Matcher> all;
  for (const Node& item : node.items()) {
    if (!item.is_scalar())
      return fail(item.error("expected a matcher such as alertname=\"X\", got {}", item.describe()));
    const Result<std::vector<ring::Matcher>> matchers = rules::parse_matchers(item.scalar());
    if (!matchers) return fail(item.error("{}", matchers.error().message));
    all.insert(all.end(), matchers->begin(), matchers->end());
  }
  return all;
}

}  // namespace core::config
