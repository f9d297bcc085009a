// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/table.h"
#include "core/result.h"
#include "core/ring/matcher.h"
#include "core/time/clock.h"
#include "rules/alert/alert_sink.h"
#include "rules/alert/matcher_config.h"

namespace actions::backup {

struct BackupConfig;

// One entry of a backup's `on`: an alert that begins to fire, or something that a beacon node tells of.
//
// Thread safety: a value.
struct TriggerConfig {
  std::vector<core::ring::Matcher> alert;  // all must match
  std::string event;                       // a topic of the beacon API's event stream

  static const core::config::Table<TriggerConfig>& fields();
};

// How what happens becomes runs of a backup.
//
// Thread safety: a value.
struct TriggerLimits {
  core::Millis after = std::chrono::seconds(30);  // what comes within so long is one reason
  core::Millis every = std::chrono::hours(1);     // between the starts of two runs of this kind

  static const core::config::Table<TriggerLimits>& fields();
};

// What happened that backups are to be taken for, until they have been. A reason is a text that the run keeps as its
// trigger: "alert GethStuck on geth-1 since 2026-05-01T10:00:00Z", the same for all refreshes of one episode of the
// alert, also over a restart.
//
// Thread safety: any thread. No call waits for the disk or a program.
class Triggers final : public rules::AlertSink {
 public:
  static constexpr std::size_t kReasonsMax = 16;    // of one backup; further ones are dropped and counted
  static constexpr std::size_t kAnsweredMax = 256;  // episodes that are remembered as answered, of one backup

  struct Reason {
    std::string text;
    core::SteadyTime since;  // when the first of them came
  };

  explicit Triggers(const core::Clock& clock) : clock_(clock) {}

  void configure(const std::vector<BackupConfig>& backups);
  void on_transitions(std::span<const rules::Transition> transitions) override;
  // `topic`: as the beacon API names it.
  void on_event(std::string_view topic);

  // The reasons for a run of the backup, oldest first.
  std::vector<Reason> reasons(const std::string& backup) const;
  // Takes these reasons off; of alerts, also what their refreshes will say.
  void answered(const std::string& backup, const std::vector<Reason>& reasons);
  std::uint64_t dropped() const { return dropped_; }

  // Whether a run with this trigger was taken for something that happened.
  static bool is_reason(std::string_view trigger);

 private:
  struct Waiting {
    std::vector<TriggerConfig> on;
    std::vector<Reason> reasons;
    std::vector<std::string> answered;  // oldest first
  };

  // REQUIRES: mutex_ is held.
  void add_locked(Waiting& waiting, std::string text);

  const core::Clock& clock_;
  std::atomic<std::uint64_t> dropped_{0};
  mutable std::mutex mutex_;
  std::map<std::string, Waiting> waiting_;  // by backup; those with `on`
};

}  // namespace actions::backup
