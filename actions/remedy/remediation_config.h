// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actions/backup/backup_config.h"
#include "actions/notify/time_interval.h"
#include "actions/remedy/step.h"
#include "core/config/codec.h"
#include "core/config/table.h"
#include "core/ring/matcher.h"
#include "rules/alert/matcher_config.h"

namespace actions::remedy {

// How far a remediation may go by itself.
enum class Level {
  kObserve,  // records what it would do
  kPropose,  // the same, shown as a proposal to people
  kApprove,  // acts once people approve
  kAuto,     // acts
};

inline constexpr core::config::EnumName<Level> kLevelNames[] = {
    {Level::kObserve, "observe"}, {Level::kPropose, "propose"}, {Level::kApprove, "approve"}, {Level::kAuto, "auto"}};

// Which decisions people are told of, beside the alert itself.
enum class Telling {
  kNone,
  kAttention,  // all but what goes as it should: the alert's own end tells of a success
  kAll,
};

inline constexpr core::config::EnumName<Telling> kTellingNames[] = {
    {Telling::kNone, "none"}, {Telling::kAttention, "attention"}, {Telling::kAll, "all"}};

struct Limits {
  core::Millis cooldown = std::chrono::minutes(30);  // between the starts of two runs
  std::uint32_t runs = 3;                            // at most so many starts
  core::Millis window = std::chrono::hours(24);      // in so long
  std::string budget = {};                           // shared with other remediations; empty: none

  static const core::config::Table<Limits>& fields();
};

// With level approve: who must agree.
struct ApprovalConfig {
  std::uint32_t required = 1;               // different people
  std::vector<std::string> approvers = {};  // empty: anybody
  core::Millis expires = std::chrono::hours(1);

  static const core::config::Table<ApprovalConfig>& fields();
};

struct BackupFreshConfig {
  std::string name;
  core::Millis max_age{0};

  static const core::config::Table<BackupFreshConfig>& fields();
};

// What must hold after the steps, and until when.
struct VerifyConfig {
  std::string expr;
  core::Millis within = std::chrono::minutes(10);

  static const core::config::Table<VerifyConfig>& fields();
};

struct OnFailureConfig {
  bool notify = true;
  std::string then;  // another remediation; empty: none

  static const core::config::Table<OnFailureConfig>& fields();
};

// The alertname by which a rolling update tells the engine of a host (actions/replace). Only remediations that were
// made for it match: one for every alert of a host is not meant.
inline constexpr const char* kRolloutAlert = "WatchkeeperRollout";

// One entry of `remediations:`.
//
// Thread safety: a value.
struct RemediationConfig {
  std::string name;
  std::vector<core::ring::Matcher> match;  // all must match; empty: only as another's `then`
  Level level = Level::kPropose;
  std::vector<std::string> require;  // PromQL
  core::Millis fresh_within = std::chrono::minutes(2);
  std::vector<std::string> gates;  // by name
  std::optional<BackupFreshConfig> backup_fresh;
  Limits limits;
  std::vector<std::string> active_time_intervals;
  std::vector<std::string> mute_time_intervals;
  ApprovalConfig approval;
  std::vector<Step> steps;
  std::optional<VerifyConfig> verify;
  OnFailureConfig on_failure;
  Telling notify = Telling::kAttention;
  bool generated = false;          // not an entry of its own: it may match no alert
  bool spares_validators = false;  // no plan for an alert whose labels speak of a validator client

  bool matches(const core::ring::Labels& alert) const;

  static const core::config::Table<RemediationConfig>& fields();
};

// One entry of `remediation_budgets:`, shared by the remediations that name it: how much may be touched at once.
struct BudgetConfig {
  std::string name;
  std::uint32_t max_at_once = 1;  // runs
  std::string healthy;            // PromQL: how many are healthy; empty: not looked at
  std::uint32_t min_healthy = 0;  // beside those that runs of this budget work on

  static const core::config::Table<BudgetConfig>& fields();
};

// One entry of `remediation_gates:`: a condition that several remediations need.
struct GateConfig {
  std::string name;
  std::string expr;

  static const core::config::Table<GateConfig>& fields();
};

// `remediation_storm`: when so much happens at once, the watcher or the network is likelier wrong than all targets.
struct StormConfig {
  std::uint32_t runs = 5;     // started within the window: further ones are only proposed
  std::uint32_t alerts = 20;  // that began within the window: nothing is started
  core::Millis window = std::chrono::minutes(10);

  static const core::config::Table<StormConfig>& fields();
};

// `remediation_evidence`: how much of what runs leave is kept.
//
// Thread safety: a value.
struct EvidenceLimits {
  std::uint32_t runs = 100;
  core::config::ByteSize size{std::uint64_t{256} << 20};

  static const core::config::Table<EvidenceLimits>& fields();
};

// All that decisions are made by. The maps of intervals are resolved from names.
//
// Thread safety: a value; shared ones are immutable.
struct Policy {
  std::vector<RemediationConfig> remediations;
  std::vector<BudgetConfig> budgets;
  std::vector<GateConfig> gates;
  StormConfig storm;
  EvidenceLimits evidence = {};
  std::map<std::string, std::vector<notify::IntervalSpec>> intervals;

  const RemediationConfig* find(const std::string& name) const;
  const BudgetConfig* budget(const std::string& name) const;
  const GateConfig* gate(const std::string& name) const;  // one of `gates`, or else a shipped one
};

using PolicyPtr = std::shared_ptr<const Policy>;

// Names are unique and what they refer to exists, expressions can be read, and `then` leads nowhere twice. `root` is
// the configuration's top, for the error's place; `policy.intervals` is not needed here.
core::Result<void> check_policy(const Policy& policy, const std::vector<backup::BackupConfig>& backups,
                                const std::vector<notify::TimeIntervalConfig>& intervals,
                                const core::config::Node& root);

// kInvalid: an interval that cannot be read.
core::Result<std::map<std::string, std::vector<notify::IntervalSpec>>> resolve_intervals(
    const std::vector<notify::TimeIntervalConfig>& intervals);

}  // namespace actions::remedy

namespace core::config {

template <>
struct Codec<actions::remedy::Level> : EnumCodec<actions::remedy::Level, actions::remedy::kLevelNames> {};
template <>
struct Codec<actions::remedy::Telling> : EnumCodec<actions::remedy::Telling, actions::remedy::kTellingNames> {};

}  // namespace core::config
