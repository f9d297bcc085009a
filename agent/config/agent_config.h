// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actions/backup/backup_config.h"
#include "actions/drill/drill_config.h"
#include "actions/notify/alerting_config.h"
#include "actions/notify/config.h"
#include "actions/notify/flap_damper.h"
#include "actions/remedy/protection.h"
#include "actions/remedy/remediation_config.h"
#include "actions/replace/group_config.h"
#include "collector/host/host_config.h"
#include "collector/probe/module_config.h"
#include "collector/probe/probe_client.h"
#include "collector/remote_write/remote_write_config.h"
#include "collector/scrape/scrape_config.h"
#include "collector/staking/staking_config.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/ring/mapped_ring.h"
#include "rules/alert/rules_config.h"

namespace agent {

// `global`: Prometheus's keys and Alertmanager's in one map.
struct GlobalSection {
  collector::scrape::GlobalConfig scrape;
  actions::notify::NotifyGlobalConfig notify;
  static const core::config::Table<GlobalSection>& fields();
};

// `rules`: how rules are evaluated, and how steady a state must be to be told.
struct RulesSection {
  rules::RulesConfig evaluation;
  actions::notify::NotificationDelayConfig notification_delay;
  static const core::config::Table<RulesSection>& fields();
};

// `ring`: how much the agent remembers.
struct RingConfig {
  core::config::ByteSize size{core::ring::MappedRingOptions{}.size_bytes};
  std::optional<std::uint64_t> max_series;  // none: one for each kBytesPerSeriesDefault of the size
  bool lock_memory = false;
  bool huge_pages = false;
  core::config::FilePath folder = {};  // of its file; empty: the data folder
  bool operator==(const RingConfig&) const = default;
  static const core::config::Table<RingConfig>& fields();
};

// `api`: who may reach the agent, and by what name.
struct ApiConfig {
  std::string listen = "127.0.0.1:9780";
  std::string external_url;  // without a trailing slash
  bool allow_remote_changes = false;
  std::chrono::milliseconds query_timeout = std::chrono::minutes(2);
  std::uint64_t query_max_samples = 50'000'000;
  std::uint32_t query_max_concurrency = 4;
  std::chrono::milliseconds query_lookback_delta = std::chrono::minutes(5);
  bool operator==(const ApiConfig&) const = default;
  static const core::config::Table<ApiConfig>& fields();
};

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };
inline constexpr core::config::EnumName<LogLevel> kLogLevelNames[] = {
    {LogLevel::kDebug, "debug"}, {LogLevel::kInfo, "info"}, {LogLevel::kWarn, "warn"}, {LogLevel::kError, "error"}};
inline constexpr core::config::EnumName<LogFormat> kLogFormatNames[] = {{LogFormat::kText, "text"},
                                                                        {LogFormat::kJson, "json"}};

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  bool operator==(const LogConfig&) const = default;
  static const core::config::Table<LogConfig>& fields();
};

// The whole configuration file: the sections of all components. Owns none of their meaning.
//
// Thread safety: a value.
struct AgentConfig {
  GlobalSection global;
  std::vector<collector::scrape::ScrapeConfig> scrape_configs;
  std::vector<core::config::FilePath> scrape_config_files;
  collector::probe::Modules modules;
  std::vector<collector::probe::ProbeJobConfig> probes;
  std::vector<core::config::FilePath> certificate_files;
  std::vector<core::config::FilePath> rule_files;
  RulesSection rules;
  actions::notify::AlertingConfig alerting;
  std::optional<actions::notify::RouteConfig> route;
  std::vector<actions::notify::ReceiverConfig> receivers;
  std::vector<actions::notify::InhibitRuleConfig> inhibit_rules;
  std::vector<actions::notify::TimeIntervalConfig> time_intervals;
  std::vector<actions::notify::TimeIntervalConfig> mute_time_intervals;
  std::optional<collector::host::HostConfig> host;  // none: the host is not measured
  std::vector<collector::remote_write::RemoteWriteConfig> remote_write;
  collector::staking::StakingConfig staking;
  RingConfig ring;
  std::vector<actions::backup::BackupConfig> backups;
  std::vector<actions::remedy::RemediationConfig> remediations;
  std::vector<actions::remedy::BudgetConfig> remediation_budgets;
  std::vector<actions::remedy::GateConfig> remediation_gates;
  actions::remedy::StormConfig remediation_storm;
  actions::remedy::EvidenceLimits remediation_evidence;
  std::vector<actions::drill::DrillableConfig> drillable;
  std::vector<actions::drill::DrillConfig> drills;
  actions::remedy::ProtectionConfig protection;
  std::vector<actions::replace::GroupConfig> replace;
  ApiConfig api;
  LogConfig log;

  // The parts that say who is told what.
  actions::notify::NotifyConfig notify() const;
  // The named times of both lists.
  std::vector<actions::notify::TimeIntervalConfig> all_time_intervals() const;
  // The parts that say what is done; its intervals are not resolved.
  actions::remedy::Policy policy() const;
  // What drills are run by; its policy is not resolved.
  actions::drill::DrillPlan drill_plan() const;

  static const core::config::Table<AgentConfig>& fields();
};

}  // namespace agent

namespace core::config {
template <>
struct Codec<agent::LogLevel> : EnumCodec<agent::LogLevel, agent::kLogLevelNames> {};
template <>
struct Codec<agent::LogFormat> : EnumCodec<agent::LogFormat, agent::kLogFormatNames> {};
}  // namespace core::config
