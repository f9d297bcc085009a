// SPDX-License-Identifier: Apache-2.0
// What the agent says of its drills.
#include <array>
#include <chrono>
#include <string>

#include "actions/drill/drill_runner.h"
#include "agent/wiring/counter_list.h"
#include "agent/wiring/self_metrics.h"

namespace agent {
namespace {

using actions::drill::Ending;
using actions::drill::Expectation;
using actions::drill::Run;

void append_took(MetricText& text, const Run& run, Expectation::Kind kind, const char* name, const char* help) {
  const Expectation* const expectation = run.find(kind);
  if (expectation == nullptr) return;
  if (const auto took = run.took(*expectation)) text.gauge(name, help, seconds(*took), {{"drill", run.drill}});
}

void append_last(MetricText& text, const Run& run) {
  const MetricLabels labels = {{"drill", run.drill}};
  text.gauge("watchkeeper_drill_last_run_timestamp_seconds", "When the last run of a drill began.",
             unix_seconds(run.created), labels);
  if (run.phase != actions::drill::Phase::kOver) return;
  text.gauge("watchkeeper_drill_last_run_passed", "Whether everything expected happened in time in the last run.",
             run.ending == Ending::kPassed ? 1 : 0, labels);
  if (run.finished) {
    text.gauge("watchkeeper_drill_duration_seconds", "How long the last run took.",
               seconds(*run.finished - run.created), labels);
  }
  append_took(text, run, Expectation::Kind::kAlert, "watchkeeper_drill_detection_seconds",
              "From the injection to the expected alert, in the last run.");
  append_took(text, run, Expectation::Kind::kNotified, "watchkeeper_drill_notification_seconds",
              "From the injection to a receiver's answer, in the last run.");
  append_took(text, run, Expectation::Kind::kRemediation, "watchkeeper_drill_remediation_seconds",
              "From the injection to the expected state of the remediation, in the last run.");
  append_took(text, run, Expectation::Kind::kResolved, "watchkeeper_drill_resolution_seconds",
              "From the restore to the end of the alert, in the last run.");
}

}  // namespace

void append_drills(MetricText& text, const AgentView& agent, const actions::drill::DrillStats& stats) {
  // relaxed: each number stands alone.
  const auto value = [](const std::atomic<std::uint64_t>& count) {
    return static_cast<double>(count.load(std::memory_order_relaxed));
  };
  text.counter("watchkeeper_drill_runs_begun_total", "Drills begun.", value(stats.begun));
  const std::array<std::pair<const char*, double>, 4> endings = {{{"passed", value(stats.passed)},
                                                                  {"failed", value(stats.failed)},
                                                                  {"cancelled", value(stats.cancelled)},
                                                                  {"interrupted", value(stats.interrupted)}}};
  for (const auto& [result, count] : endings) {
    text.counter("watchkeeper_drill_runs_ended_total", "Drills that are over, by what they came to.", count,
                 {{"result", result}});
  }
  text.counter("watchkeeper_drill_refused_total", "Drills that were not begun, because something objected.",
               value(stats.refused));
  text.counter("watchkeeper_drill_restores_failed_total", "Attempts to restore that failed; they are repeated.",
               value(stats.restores_failed));
  text.counter("watchkeeper_drill_alerts_dropped_total", "News of alerts that found the queue full.",
               value(stats.alerts_dropped));
  const auto snapshot = agent.drills().snapshot();
  const bool hurt = snapshot->current != nullptr && snapshot->current->may_be_injected();
  text.gauge("watchkeeper_drill_running", "Whether a drill is under way.", snapshot->current != nullptr ? 1 : 0);
  text.gauge("watchkeeper_drill_not_restored", "Whether a restore has failed and is being repeated.",
             hurt && !snapshot->current->restore_error.empty() ? 1 : 0);
  for (const auto& drill : snapshot->plan->drills) {
    if (const auto last = snapshot->last(drill.name)) append_last(text, *last);
    if (const auto passed = snapshot->last_passed(drill.name); passed != nullptr && passed->finished) {
      text.gauge("watchkeeper_drill_last_success_timestamp_seconds", "When a run of the drill last passed.",
                 unix_seconds(*passed->finished), {{"drill", drill.name}});
    }
  }
}

}  // namespace agent
