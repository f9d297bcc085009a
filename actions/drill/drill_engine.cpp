// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_engine.h"

#include <algorithm>

namespace actions::drill {

using core::Errc;
using core::fail;
using core::Result;

Result<void> DrillEngine::start() {
  auto runs = store_.recall();
  if (!runs) return fail(runs.error());
  for (Run& run : *runs) {
    if (run.phase != Phase::kOver) {
      state_.run = std::move(run);
    } else {
      history_.push_back(std::make_shared<const Run>(std::move(run)));
    }
  }
  // A restore that is due does not wait for the disk.
  (void)handle(Restarted{});
  return {};
}

Result<void> DrillEngine::write(const RunPtr& run) {
  due_[run->id] = run;
  return write_what_is_due();
}

Result<void> DrillEngine::write_what_is_due() {
  // What is over goes first: the store takes one open run only.
  for (const bool open : {false, true}) {
    for (auto each = due_.begin(); each != due_.end();) {
      if ((each->second->phase != Phase::kOver) != open) {
        ++each;
        continue;
      }
      if (auto written = store_.put(*each->second); !written) {
        degraded_ = "drills are remembered in memory only: " + written.error().message;
        return written;
      }
      each = due_.erase(each);
    }
  }
  degraded_.clear();
  return {};
}

Result<void> DrillEngine::handle(const Event& event) {
  const bool begins = std::holds_alternative<Begin>(event);
  if (!due_.empty() && (begins || std::holds_alternative<Tick>(event))) {
    if (auto written = write_what_is_due(); !written && begins) return fail(Errc::kUnavailable, "{}", degraded_);
  }
  Decision decision = decide(state_, event, {clock_.wall_now(), clock_.steady_now()});
  Result<void> done;
  for (Effect& effect : decision.effects) {
    if (const auto* refuse = std::get_if<Refuse>(&effect)) {
      done = fail(Errc::kInvalid, "{}", refuse->why);
    } else if (const auto* record = std::get_if<Record>(&effect)) {
      auto written = write(record->run);
      if (!written && begins) {
        // Nothing has happened, and nothing will.
        due_.erase(record->run->id);
        if (due_.empty()) degraded_.clear();
        return fail(Errc::kUnavailable, "the drill cannot be recorded, so it is not begun: {}",
                    written.error().message);
      }
      if (record->run->phase == Phase::kOver) {
        history_.push_front(record->run);
        if (history_.size() > kHistoryMax) history_.pop_back();
      }
    } else {
      effects_.push_back(std::move(effect));
    }
  }
  state_ = std::move(decision.state);
  return done;
}

}  // namespace actions::drill
