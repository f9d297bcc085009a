// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "agent/config/agent_config.h"
#include "collector/scrape/expected_series.h"
#include "core/error.h"
#include "rules/alert/rule_spec.h"

namespace agent {

// A configuration file with all it refers to, checked as a whole: ready to be put to work.
//
// Thread safety: immutable after construction; shared as shared_ptr<const LoadedConfig>.
struct LoadedConfig {
  std::string path;
  std::string text;  // the file printed anew, secrets as <secret>
  AgentConfig settings;
  std::vector<collector::scrape::ScrapeConfig> jobs;         // of scrape_configs, with everything they inherit
  std::vector<collector::scrape::Expectation> expectations;  // of the jobs
  collector::scrape::ScrapeConfig staking_metrics;           // of staking: what is scraped, the same way
  collector::scrape::ScrapeConfig staking_observation;       // and what is observed
  std::vector<collector::scrape::ScrapeConfig> probe_jobs;   // of probes, the same way
  std::vector<rules::RuleGroupSpec> rule_groups;
  actions::remedy::PolicyPtr policy;  // what is done about alerts
  actions::drill::DrillPlanPtr drills;
  core::ring::Labels external_labels;
  std::vector<std::string> warnings;  // not wrong, but to be looked at: a pattern without a file
};

using LoadedConfigPtr = std::shared_ptr<const LoadedConfig>;
using ConfigErrors = std::vector<core::Error>;  // each begins with file:line:column where there is one

// Reads and checks everything; the first error of the file itself, or all errors of its rule files.
tl::expected<LoadedConfigPtr, ConfigErrors> load_config(const std::string& path);
// The same for a text; relative paths are taken from the folder of `path`.
tl::expected<LoadedConfigPtr, ConfigErrors> load_config_text(std::string_view text, const std::string& path);

}  // namespace agent
