// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "actions/remedy/run.h"
#include "core/time/clock.h"
#include "rules/alert/alert_sink.h"

namespace actions::remedy {

// Tells people of decisions, the ones not to act among them, as alerts of their own: WatchkeeperRemediation with the
// labels remediation, state, run, severity, alert and instance goes the ways of all alerts (routes, silences, queues
// that survive a restart). A state that waits for something stands until it changes; an end stands for a few minutes.
//
// Thread safety: any thread.
class Announcer {
 public:
  // What stands at once; more is told once and not kept up.
  static constexpr std::size_t kStandingMax = 2000;

  Announcer(rules::AlertSink& sink, const core::Clock& clock) : sink_(sink), clock_(clock) {}

  // `remediation`: null if it is not configured any more.
  void on_record(const Run& run, const RemediationConfig* remediation);
  // The text of a notify step.
  void tell(const Run& run, const std::string& text);
  // To be called every few seconds: keeps up what stands and ends what has stood long enough.
  void refresh();

 private:
  struct Standing {
    rules::Transition transition;
    core::SteadyTime since;
    core::SteadyTime told;
    bool final = false;
  };

  rules::Transition transition(const Run& run, std::string_view state, std::string_view severity,
                               std::string summary) const;

  rules::AlertSink& sink_;
  const core::Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Standing> standing_;  // guarded by mutex_; by run id, or run id and step for messages
};

}  // namespace actions::remedy
