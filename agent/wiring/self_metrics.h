// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actions/backup/backup_set.h"
#include "actions/drill/drill_runner.h"
#include "actions/remedy/engine.h"
#include "actions/replace/rollouts.h"
#include "agent/api/agent_view.h"
#include "agent/api/http_server.h"
#include "agent/metrics/metric_text.h"
#include "agent/wiring/evidence.h"
#include "collector/scrape/expected_series.h"
#include "rules/promql/query_cache.h"

namespace agent {

// The counters of all components, gathered for one answer of /metrics.
struct SelfCounters {
  const collector::scrape::ScrapeStats& scrape;
  const collector::scrape::ScrapeMemory& scrape_memory;
  const collector::scrape::ExpectedSeries& expected;
  const collector::scrape::ScrapeStats& probe_scrape;  // what became of the samples of probes
  const collector::probe::ProbeStats& probe;
  const rules::RuleCounters& rules;
  const actions::notify::FlapCounters& flaps;
  const actions::backup::BackupSet& backup;
  const actions::remedy::RemedyStats& remedy;
  const EvidenceStore::Stats& evidence;
  const actions::drill::DrillStats& drills;
  const actions::replace::RolloutStats& replace;
  RequestCounts requests;
  rules::promql::QueryCache::Counts prepared;
  std::uint64_t duty_store_failures;
};

// Of these, the part about backups.
void append_backups(MetricText& text, const AgentView& agent, const actions::backup::BackupSet& set);
// And that about remediations.
void append_remedy(MetricText& text, const AgentView& agent, const actions::remedy::RemedyStats& stats,
                   const EvidenceStore::Stats& evidence);
// And that about drills.
void append_drills(MetricText& text, const AgentView& agent, const actions::drill::DrillStats& stats);

// The part about host replacement.
void append_replace(MetricText& text, const AgentView& agent, const actions::replace::RolloutStats& stats);

// Everything the agent says of itself, as watchkeeper_*.
void append_self_metrics(MetricText& text, const AgentView& agent, const SelfCounters& counters);

}  // namespace agent
