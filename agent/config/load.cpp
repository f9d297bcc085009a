// SPDX-License-Identifier: Apache-2.0
#include "agent/config/load.h"

#include <algorithm>

#include "agent/config/scrape_files.h"
#include "core/config/document.h"
#include "rules/alert/rule_file.h"
#include "rules/promql/parser.h"

namespace agent {
namespace {

using core::Error;
using core::Result;
using core::config::Node;

using Jobs = std::vector<collector::scrape::ScrapeConfig>;

// Jobs, and where each of them stands.
struct PlacedJobs {
  Jobs jobs;
  std::vector<Node> nodes;
};

// Fills in what jobs inherit. The error of a job is placed at that job: the first one without which all is well.
Result<Jobs> inherit(const PlacedJobs& placed, const collector::scrape::GlobalConfig& global) {
  auto jobs = collector::scrape::resolve_jobs(placed.jobs, global);
  if (jobs) return jobs;
  for (std::size_t count = 1; count <= placed.jobs.size() && count <= placed.nodes.size(); ++count) {
    const Jobs first(placed.jobs.begin(), placed.jobs.begin() + static_cast<std::ptrdiff_t>(count));
    auto tried = collector::scrape::resolve_jobs(first, global);
    if (!tried) return core::fail(placed.nodes[count - 1].error("{}", tried.error().message));
  }
  return core::fail(jobs.error());
}

// The jobs of the configuration and of the files it names.
Result<PlacedJobs> resolve(LoadedConfig& loaded, const Node& root) {
  const AgentConfig& config = loaded.settings;
  PlacedJobs all{config.scrape_configs, root.find("scrape_configs").items()};
  auto files = read_scrape_files(config.scrape_config_files);
  if (!files) return core::fail(files.error());
  for (const std::string& pattern : files->unmatched) {
    loaded.warnings.push_back(root.find("scrape_config_files").error("no file matches {}", pattern).message);
  }
  all.jobs.insert(all.jobs.end(), files->jobs.begin(), files->jobs.end());
  all.nodes.insert(all.nodes.end(), files->nodes.begin(), files->nodes.end());
  auto jobs = inherit(all, config.global.scrape);
  if (!jobs) return core::fail(jobs.error());
  return PlacedJobs{std::move(*jobs), std::move(all.nodes)};
}

// The files of `certificate_files`, as a job of probes.
collector::scrape::ScrapeConfig certificate_job(const AgentConfig& config) {
  collector::probe::ProbeJobConfig job;
  job.job_name = "certificate_files";
  job.module = collector::probe::kCertificateModule;
  job.interval = std::chrono::minutes(1);
  job.timeout = std::chrono::seconds(10);
  collector::discovery::StaticConfig group;
  for (const auto& file : config.certificate_files) group.targets.push_back(file.path);
  job.static_configs.push_back(std::move(group));
  return collector::probe::to_scrape_config(job);
}

// The jobs of `probes`: their modules must be there, and their names not those of scrape jobs, whose series they share.
Result<Jobs> resolve_probes(const LoadedConfig& loaded, const Node& root) {
  const AgentConfig& config = loaded.settings;
  PlacedJobs placed{{}, root.find("probes").items()};
  for (std::size_t i = 0; i < config.probes.size(); ++i) {
    const collector::probe::ProbeJobConfig& probe = config.probes[i];
    const bool built_in =
        probe.module == collector::probe::kDefaultModule || probe.module == collector::probe::kCertificateModule;
    if (!config.modules.contains(probe.module) && !built_in) {
      return core::fail(placed.nodes[i].find("module").error("there is no module \"{}\"", probe.module));
    }
    if (std::ranges::find(loaded.jobs, probe.job_name, &collector::scrape::ScrapeConfig::job_name) !=
        loaded.jobs.end()) {
      return core::fail(placed.nodes[i].error("scrape_configs has a job \"{}\" too", probe.job_name));
    }
    if (collector::staking::is_job_of_staking(probe.job_name) && !root.find("staking").is_null()) {
      return core::fail(placed.nodes[i].error("the job \"{}\" is that of the section staking", probe.job_name));
    }
    placed.jobs.push_back(collector::probe::to_scrape_config(probe));
  }
  auto jobs = inherit(placed, config.global.scrape);
  if (!jobs || config.certificate_files.empty()) return jobs;
  const collector::scrape::ScrapeConfig files = certificate_job(config);
  const auto named = [&files](const Jobs& others) {
    return std::ranges::find(others, files.job_name, &collector::scrape::ScrapeConfig::job_name) != others.end();
  };
  if (named(*jobs) || named(loaded.jobs)) {
    return core::fail(
        root.find("certificate_files").error("another job is named \"{}\", as that of these files is", files.job_name));
  }
  auto resolved = collector::scrape::resolve_jobs({files}, config.global.scrape);
  if (!resolved) return core::fail(root.find("certificate_files").error("{}", resolved.error().message));
  jobs->push_back(std::move(resolved->front()));
  return jobs;
}

// Reads what the section refers to, and makes its two jobs.
Result<void> resolve_staking(LoadedConfig& loaded, const Node& root) {
  const Node section = root.find("staking");
  collector::staking::StakingConfig& staking = loaded.settings.staking;
  if (auto read = collector::staking::load_keys(staking, section); !read) return read;
  auto jobs = collector::scrape::resolve_jobs(
      {collector::staking::metrics_job(staking), collector::staking::observation_job(staking)},
      loaded.settings.global.scrape);
  if (!jobs) return core::fail(section.error("{}", jobs.error().message));
  for (const auto& job : loaded.jobs) {
    if (collector::staking::is_job_of_staking(job.job_name) && !section.is_null()) {
      return core::fail(
          root.find("scrape_configs").error("the job \"{}\" is that of the section staking", job.job_name));
    }
  }
  loaded.staking_metrics = std::move(jobs->front());
  loaded.staking_observation = std::move(jobs->back());
  return {};
}

Result<void> check_across(const AgentConfig& config, const Node& root) {
  if (auto checked = actions::notify::check_notify(config.notify(), root); !checked) return checked;
  if (auto checked = actions::backup::check_backups(config.backups, root); !checked) return checked;
  if (auto checked = collector::remote_write::check_remotes(config.remote_write, root.find("remote_write")); !checked) {
    return checked;
  }
  if (auto targets = actions::notify::build_targets(config.alerting); !targets) {
    return core::fail(root.find("alerting").error("{}", targets.error().message));
  }
  return {};
}

// What is done about alerts, with the times that it names.
Result<void> resolve_policy(LoadedConfig& loaded, const Node& root) {
  const AgentConfig& config = loaded.settings;
  auto policy = std::make_shared<actions::remedy::Policy>(config.policy());
  const auto intervals = config.all_time_intervals();
  if (auto checked = actions::remedy::check_policy(*policy, config.backups, intervals, root); !checked) return checked;
  if (auto checked = actions::replace::check_groups(config.replace, root); !checked) return checked;
  auto resolved = actions::remedy::resolve_intervals(intervals);
  if (!resolved) return core::fail(root.find("time_intervals").error("{}", resolved.error().message));
  policy->intervals = std::move(*resolved);
  loaded.policy = std::move(policy);
  return {};
}

// REQUIRES: the policy is there.
Result<void> resolve_drills(LoadedConfig& loaded, const Node& root) {
  auto plan = std::make_shared<actions::drill::DrillPlan>(loaded.settings.drill_plan());
  plan->policy = loaded.policy;
  if (auto checked = actions::drill::check_drills(*plan, root); !checked) return checked;
  loaded.drills = std::move(plan);
  return {};
}

// What each job's `expect` says, its selectors read.
Result<std::vector<collector::scrape::Expectation>> read_expectations(const PlacedJobs& placed) {
  std::vector<collector::scrape::Expectation> expectations;
  for (std::size_t job = 0; job < placed.jobs.size(); ++job) {
    const auto& expected = placed.jobs[job].expect;
    const std::vector<Node> nodes = placed.nodes[job].find("expect").items();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      auto matchers = rules::promql::parse_series_selector(expected[i].series);
      if (!matchers) return core::fail(nodes[i].find("series").error("{}", matchers.error().message));
      expectations.push_back(
          {placed.jobs[job].job_name, expected[i].series, std::move(*matchers), expected[i].targets});
    }
  }
  return expectations;
}

ConfigErrors load_rules(LoadedConfig& loaded, const Node& root) {
  std::vector<std::string> patterns;
  for (const auto& file : loaded.settings.rule_files) patterns.push_back(file.path);
  const auto files = rules::find_rule_files(patterns);
  if (!files) return {root.find("rule_files").error("{}", files.error().message)};
  for (const std::string& pattern : files->unmatched) {
    loaded.warnings.push_back(root.find("rule_files").error("no file matches {}", pattern).message);
  }
  auto groups = rules::load_rule_files(patterns);
  if (!groups) return groups.error();
  loaded.rule_groups = std::move(*groups);
  return {};
}

tl::expected<LoadedConfigPtr, ConfigErrors> load_node(const Node& root, const std::string& path) {
  const auto refused = [](Error error) { return tl::unexpected(ConfigErrors{std::move(error)}); };
  auto settings = AgentConfig::fields().read(root);
  if (!settings) return refused(settings.error());
  auto loaded = std::make_shared<LoadedConfig>();
  loaded->path = path;
  loaded->settings = std::move(*settings);
  auto jobs = resolve(*loaded, root);
  if (!jobs) return refused(jobs.error());
  auto expectations = read_expectations(*jobs);
  if (!expectations) return refused(expectations.error());
  loaded->expectations = std::move(*expectations);
  loaded->jobs = std::move(jobs->jobs);
  if (auto resolved = resolve_staking(*loaded, root); !resolved) return refused(resolved.error());
  auto probe_jobs = resolve_probes(*loaded, root);
  if (!probe_jobs) return refused(probe_jobs.error());
  loaded->probe_jobs = std::move(*probe_jobs);
  for (std::string& warning : collector::probe::module_warnings(loaded->settings.modules)) {
    loaded->warnings.push_back(std::move(warning));
  }
  if (auto checked = check_across(loaded->settings, root); !checked) return refused(checked.error());
  if (auto resolved = resolve_policy(*loaded, root); !resolved) return refused(resolved.error());
  if (auto resolved = resolve_drills(*loaded, root); !resolved) return refused(resolved.error());
  loaded->external_labels = loaded->settings.global.scrape.expanded_external_labels();
  if (ConfigErrors errors = load_rules(*loaded, root); !errors.empty()) return tl::unexpected(std::move(errors));
  loaded->text = core::config::print_yaml(root, AgentConfig::fields().description());
  return loaded;
}

}  // namespace

tl::expected<LoadedConfigPtr, ConfigErrors> load_config(const std::string& path) {
  const auto root = Node::parse_file(path);
  if (!root) return tl::unexpected(ConfigErrors{root.error()});
  return load_node(*root, path);
}

tl::expected<LoadedConfigPtr, ConfigErrors> load_config_text(std::string_view text, const std::string& path) {
  const auto root = Node::parse(text, path);
  if (!root) return tl::unexpected(ConfigErrors{root.error()});
  return load_node(*root, path);
}

}  // namespace agent
