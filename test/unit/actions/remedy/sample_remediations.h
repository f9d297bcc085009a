// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actions/remedy/remediation_config.h"

namespace actions::remedy {

inline Step exec_step(std::vector<std::string> argv, bool repeatable = false) {
  ExecStep exec;
  exec.argv = std::move(argv);
  exec.repeatable = repeatable;
  return Step{exec, {}};
}

inline RemediationConfig remediation(std::string name, Level level, std::vector<Step> steps,
                                     const std::string& alertname = "Stuck") {
  RemediationConfig config;
  config.name = std::move(name);
  config.match = {core::ring::Matcher::equal("alertname", alertname)};
  config.level = level;
  config.steps = std::move(steps);
  return config;
}

inline PolicyPtr list_of(std::vector<RemediationConfig> remediations) {
  Policy policy;
  policy.remediations = std::move(remediations);
  return std::make_shared<const Policy>(std::move(policy));
}

inline core::ring::Labels alert_of(const std::string& instance, const std::string& alertname = "Stuck") {
  return core::ring::Labels({{"alertname", alertname}, {"instance", instance}});
}

}  // namespace actions::remedy
