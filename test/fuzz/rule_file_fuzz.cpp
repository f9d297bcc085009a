// SPDX-License-Identifier: Apache-2.0
// Rule files from outside: whatever the bytes are, there are groups or errors that say where. What was read has an
// expression that prints and reads back, as the API and the links in messages need it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "rules/alert/rule_evaluation.h"
#include "rules/alert/rule_file.h"
#include "rules/promql/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  // Past this the inputs grow slow, not new.
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto groups = rules::parse_rule_file(text, "fuzz.yml");
  if (!groups) {
    CHECK(!groups.error().empty(), "a refusal has a reason");
    for (const core::Error& error : groups.error()) {
      CHECK(error.message.starts_with("fuzz.yml"), "an error names its place");
    }
    return 0;
  }
  for (const rules::RuleGroupSpec& group : *groups) {
    CHECK(!group.name.empty(), "a group has a name");
    for (const rules::RuleSpec& rule : group.rules) {
      CHECK(rule.expr != nullptr && !rule.name.empty(), "a rule has a name and an expression");
      CHECK(rules::promql::parse(rule.query).has_value(), "a printed query parses");
      (void)rules::window(*rule.expr);
    }
  }
  return 0;
}
