// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "agent/commands/commands.h"
#include "agent/config/load.h"
#include "core/time/clock.h"
#include "rules/alert/rule_file.h"
#include "rules/alert/rule_unit_test.h"

namespace agent {
namespace {

using Files = std::vector<std::string>;

int check_configs(const Files& files) {
  int status = kFine;
  for (const std::string& file : files) {
    const auto config = load_config(file);
    if (!config) {
      for (const core::Error& error : config.error()) std::fprintf(stderr, "%s\n", error.message.c_str());
      status = kFailed;
      continue;
    }
    for (const std::string& warning : (*config)->warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
    std::size_t rules = 0;
    for (const auto& group : (*config)->rule_groups) rules += group.rules.size();
    std::printf("%s: fine: %zu scrape jobs, %zu rules in %zu groups, %zu receivers, %zu backups, %zu remediations\n",
                file.c_str(), (*config)->jobs.size(), rules, (*config)->rule_groups.size(),
                (*config)->settings.receivers.size(), (*config)->settings.backups.size(),
                (*config)->settings.remediations.size());
  }
  return status;
}

int check_rules(const Files& files) {
  int status = kFine;
  for (const std::string& file : files) {
    const rules::RuleFileCheck check = rules::check_rule_file(file);
    for (const core::Error& error : check.errors) std::fprintf(stderr, "%s\n", error.message.c_str());
    for (const std::string& warning : check.warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
    if (!check.errors.empty()) {
      status = kFailed;
      continue;
    }
    std::printf("%s: fine: %zu alerting and %zu recording rules in %zu groups\n", file.c_str(), check.alerting_rules,
                check.recording_rules, check.groups);
  }
  return status;
}

// Prints what promtool prints.
int run_tests(const Files& files) {
  const core::SystemClock clock;
  int status = kFine;
  for (const std::string& file : files) {
    std::printf("Unit Testing:  %s\n", file.c_str());
    const rules::RuleTestReport report = rules::run_rule_tests(file, clock);
    std::printf(report.passed() ? "  SUCCESS\n" : "  FAILED:\n");
    for (const std::string& failure : report.failures) std::printf("%s\n", failure.c_str());
    std::printf("\n");
    if (!report.passed()) status = kFailed;
  }
  return status;
}

}  // namespace

void add_check_commands(const Command& root) {
  const Command check = root.add_command("check", "Check files without running anything");
  const auto files = std::make_shared<Files>();
  const Command config = check.add_command("config", "Configuration files, with the rule files they name");
  config.add_option("FILE", *files, "Configuration files").required();
  config.runs([files] { return check_configs(*files); });
  const Command rules = check.add_command("rules", "Prometheus rule files");
  rules.add_option("FILE", *files, "Rule files").required();
  rules.runs([files] { return check_rules(*files); });
  add_seen_command(check);
}

void add_test_commands(const Command& root) {
  const Command test = root.add_command("test", "Test files without running anything");
  const auto files = std::make_shared<Files>();
  const Command rules = test.add_command("rules", "Rule unit tests, in promtool's format and with its verdicts");
  rules.add_option("FILE", *files, "Files of tests; the rule files they name are relative to them").required();
  rules.runs([files] { return run_tests(*files); });
}

}  // namespace agent
