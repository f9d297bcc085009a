// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actions/drill/drill_decision.h"
#include "actions/drill/drill_store.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::drill {

// The decisions with their store: an event goes in, what decide() makes of it is written, and only then are its effects
// handed out. Whoever drives it carries them out and reports Injected and Restored.
//
// Thread safety: confined to one thread.
// Invariants: no Inject is handed out that the store has not confirmed. A restore waits for no store: what could not be
// written is written later, and until then no drill begins.
class DrillEngine {
 public:
  // Runs that are over and remembered; at most as many as the store keeps, and a few more until the next start.
  static constexpr std::size_t kHistoryMax = 200;

  DrillEngine(DrillStore& store, const core::Clock& clock) : store_(store), clock_(clock) {}

  // REQUIRES: called once, before handle(). An error: the store cannot be read.
  core::Result<void> start();
  // kUnavailable: the store cannot be written, so nothing was begun; kInvalid: the event makes no sense now.
  core::Result<void> handle(const Event& event);
  // The effects to carry out since the last call; never a Record or a Refuse.
  std::vector<Effect> take_effects() { return std::exchange(effects_, {}); }

  const std::optional<Run>& current() const { return state_.run; }
  const std::optional<DrillConfig>& config() const { return state_.config; }
  // Newest first.
  const std::deque<RunPtr>& history() const { return history_; }
  // Why what was decided is in memory only; empty: it is on the disk.
  const std::string& degraded() const { return degraded_; }

 private:
  core::Result<void> write(const RunPtr& run);
  core::Result<void> write_what_is_due();

  DrillStore& store_;
  const core::Clock& clock_;
  DrillState state_;
  std::deque<RunPtr> history_;
  std::map<std::string, RunPtr> due_;  // not written yet, by id: the current run and the one before it
  std::vector<Effect> effects_;
  std::string degraded_;
};

}  // namespace actions::drill
