// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/time/clock.h"

namespace rules {

// The verdict over one file of rule unit tests, in promtool's format and with its verdicts.
struct RuleTestReport {
  // What failed, as promtool words it: each several lines long, indented by four blanks. Empty: success.
  std::vector<std::string> failures;
  bool passed() const { return failures.empty(); }
};

// Runs the tests of a file over simulated time. `clock` serves query timeouts only.
RuleTestReport run_rule_tests(const std::string& path, const core::Clock& clock);

}  // namespace rules
