// SPDX-License-Identifier: Apache-2.0
// What the agent says of its remediations.
#include <array>
#include <map>
#include <string>

#include "agent/wiring/counter_list.h"
#include "agent/wiring/self_metrics.h"

namespace agent {
namespace {

void append_open_runs(MetricText& text, const AgentView& agent) {
  using actions::remedy::RunState;
  std::map<RunState, int> open = {{RunState::kWaiting, 0}, {RunState::kRunning, 0}, {RunState::kInterrupted, 0}};
  for (const auto& run : agent.runs()) {
    const auto counted = open.find(run->state);
    if (counted != open.end() && !run->final) ++counted->second;
  }
  for (const auto& [state, count] : open) {
    text.gauge("watchkeeper_remediation_runs_open",
               "Remediations that wait for approval, run, or were interrupted and need a person.", count,
               {{"state", std::string(actions::remedy::to_string(state))}});
  }
}

}  // namespace

void append_remedy(MetricText& text, const AgentView& agent, const actions::remedy::RemedyStats& stats,
                   const EvidenceStore::Stats& evidence) {
  const auto number = [](const std::atomic<std::uint64_t>& value) { return static_cast<double>(value.load()); };
  text.gauge("watchkeeper_remediation_evidence_files", "Runs whose evidence is kept.", number(evidence.files));
  text.gauge("watchkeeper_remediation_evidence_bytes", "Bytes of it.", number(evidence.bytes));
  text.counter("watchkeeper_remediation_evidence_removed_total", "Files of it that had to go for newer ones.",
               number(evidence.removed));
  text.counter("watchkeeper_remediation_evidence_failures_total", "Files of it that could not be written.",
               number(evidence.failures));
  const std::array<Named, 11> counters = {{
      {"watchkeeper_remediation_alerts_total", "Transitions that a remediation matches.", stats.alerts},
      {"watchkeeper_remediation_alerts_dropped_total", "Of these, dropped: the queue was full.", stats.alerts_dropped},
      {"watchkeeper_remediation_runs_started_total", "Remediations begun.", stats.runs_started},
      {"watchkeeper_remediation_runs_succeeded_total", "Remediations that did all their steps.", stats.runs_succeeded},
      {"watchkeeper_remediation_runs_failed_total", "Remediations with a failed step or verification.",
       stats.runs_failed},
      {"watchkeeper_remediation_runs_refused_total", "Remediations held back by a guard.", stats.runs_refused},
      {"watchkeeper_remediation_runs_interrupted_total",
       "Remediations that stopped with an effect nobody can be sure of.", stats.runs_interrupted},
      {"watchkeeper_remediation_steps_started_total", "Steps begun.", stats.steps_started},
      {"watchkeeper_remediation_journal_errors_total", "Writes of the journal that failed.", stats.journal_errors},
      {"watchkeeper_remediation_looks_total", "Looks at preconditions and verifications.", stats.looks},
      {"watchkeeper_remediation_looks_unknown_total", "Of these, with something that nobody knows.",
       stats.looks_unknown},
  }};
  append_counters(text, counters);
  append_open_runs(text, agent);
  const auto pauses = agent.pauses();
  text.gauge("watchkeeper_automation_paused", "Whether a person has paused all remediations.",
             pauses.contains("") ? 1 : 0);
  for (const auto& [remediation, pause] : pauses) {
    if (remediation.empty()) continue;
    text.gauge("watchkeeper_remediation_paused", "1 for each remediation that a person has paused.", 1,
               {{"remediation", remediation}});
  }
}

}  // namespace agent
