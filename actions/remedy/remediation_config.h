// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actions/backup/backup_config.h"
#include "core/config/codec.h"
#include "core/config/table.h"
#include "core/ring/matcher.h"

namespace actions::remedy {

// How far a remediation may go by itself.
enum class Level {
  kObserve,  // records what it would do
  kPropose,  // the same, shown as a proposal to people
  kApprove,  // acts once a person approves
  kAuto,     // acts
};

inline constexpr core::config::EnumName<Level> kLevelNames[] = {
    {Level::kObserve, "observe"}, {Level::kPropose, "propose"}, {Level::kApprove, "approve"}, {Level::kAuto, "auto"}};

// Takes the backup of that name. May be repeated: a backup more does no harm.
struct BackupStep {
  std::string backup;
  bool operator==(const BackupStep&) const = default;
};

// Runs a program, never a shell. It learns of the alert from its environment: WATCHKEEPER_ALERTNAME,
// WATCHKEEPER_REMEDIATION, WATCHKEEPER_RUN and WATCHKEEPER_LABEL_<name> for every label.
struct ExecStep {
  std::vector<std::string> argv;
  core::Millis timeout = std::chrono::seconds(60);
  core::config::ByteSize output_limit{64 << 10};
  bool repeatable = false;  // whether it may run again when a crash hid whether it ran

  static const core::config::Table<ExecStep>& fields();
  bool operator==(const ExecStep&) const = default;
};

// One step of a plan: a map with one key, the kind.
struct Step {
  std::variant<BackupStep, ExecStep> action;

  bool repeatable() const;
  std::string_view kind() const;  // "backup", "exec"
  std::string to_string() const;  // backup keys; exec /usr/local/bin/restart geth
  bool operator==(const Step&) const = default;
};

struct Limits {
  core::Millis cooldown = std::chrono::minutes(30);  // between the starts of two runs
  std::uint32_t runs = 3;                            // at most so many starts
  core::Millis window = std::chrono::hours(24);      // in so long

  static const core::config::Table<Limits>& fields();
};

// One entry of `remediations:`.
//
// Thread safety: a value.
struct RemediationConfig {
  std::string name;
  std::vector<core::ring::Matcher> match;  // all must match; never empty
  Level level = Level::kPropose;
  Limits limits;
  core::Millis approval_timeout = std::chrono::hours(1);
  std::vector<Step> steps;

  static const core::config::Table<RemediationConfig>& fields();
};

// Names are unique and the backups that steps name exist. `root` is the configuration's top, for the error's place.
core::Result<void> check_remediations(const std::vector<RemediationConfig>& remediations,
                                      const std::vector<backup::BackupConfig>& backups, const core::config::Node& root);

}  // namespace actions::remedy

namespace core::config {

template <>
struct Codec<actions::remedy::Level> : EnumCodec<actions::remedy::Level, actions::remedy::kLevelNames> {};

// Alertmanager's syntax: alertname="X".
template <>
struct Codec<std::vector<ring::Matcher>> {
  static Result<std::vector<ring::Matcher>> read(const Node& node);
  static std::string print(const std::vector<ring::Matcher>&) { return ""; }
  static TypeDescription describe() { return {"list of matcher", {}}; }
};

template <>
struct Codec<actions::remedy::Step> {
  static Result<actions::remedy::Step> read(const Node& node);
  static std::string print(const actions::remedy::Step&) { return ""; }
  static TypeDescription describe();
};

}  // namespace core::config
