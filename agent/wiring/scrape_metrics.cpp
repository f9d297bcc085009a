// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/scrape_metrics.h"

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/wiring/counter_list.h"

namespace agent {
namespace {

// A target's series of refusals is there from its first scrape on: one that appeared with the first refusal would
// itself find no room in the ring, and nobody would hear of it.
void append_targets(MetricText& text, const std::vector<collector::scrape::PoolStatus>& pools) {
  std::map<std::string, std::map<std::string, double>> by_health;
  std::map<std::pair<std::string, std::string>, double> refused;
  for (const auto& pool : pools) {
    for (const char* const health : {"up", "down", "unknown"}) by_health[pool.job][health] += 0;
    for (const auto& target : pool.active) {
      ++by_health[pool.job][std::string(collector::scrape::to_string(target.health))];
      // Added up, since relabelling may leave several targets with one instance.
      refused[{pool.job, std::string(target.target.labels.get("instance"))}] +=
          as_double(target.last_report.series_refused);
    }
  }
  for (const auto& [job, counts] : by_health) {
    for (const auto& [health, count] : counts) {
      text.gauge("watchkeeper_targets", "Targets by health.", count, {{"scrape_job", job}, {"health", health}});
    }
  }
  for (const auto& [target, count] : refused) {
    text.gauge("watchkeeper_target_series_refused",
               "Samples of the target's last scrape whose series found no room in the ring.", count,
               {{"scrape_job", target.first}, {"scrape_instance", target.second}});
  }
}

void append_discoveries(MetricText& text, const AgentView& agent) {
  for (const auto& status : agent.discoveries()) {
    const MetricLabels of = {{"mechanism", status.mechanism}, {"name", status.name}};
    text.gauge("watchkeeper_discovery_targets", "Targets that the discovery knows.", as_double(status.targets), of);
    text.gauge("watchkeeper_discovery_groups", "Groups that these targets are in.", as_double(status.groups), of);
    text.counter("watchkeeper_discovery_refreshes_total", "Refreshes and changes that were understood.",
                 as_double(status.refreshes), of);
    text.counter("watchkeeper_discovery_refresh_failures_total", "Refreshes that failed; the targets stay.",
                 as_double(status.failures), of);
    text.gauge("watchkeeper_discovery_last_success_timestamp_seconds",
               "When the discovery was last told something or that nothing is new; 0 before that.",
               status.last_success ? unix_seconds(*status.last_success) : 0, of);
  }
}

void append_memory(MetricText& text, const collector::scrape::ScrapeMemory& memory) {
  text.gauge("watchkeeper_scrape_bodies_bytes", "Bytes of large bodies that are received or wait to be read.",
             as_double(memory.bodies->used()));
  text.gauge("watchkeeper_scrape_bodies_limit_bytes", "Bytes that they may take; a target alone half of it.",
             as_double(memory.bodies->limit()));
  if (memory.lines == nullptr) return;
  text.gauge("watchkeeper_scrape_lines_bytes", "Bytes of what is remembered of targets' lines.",
             as_double(memory.lines->used()));
  text.gauge("watchkeeper_scrape_lines_limit_bytes", "Bytes that it may take; a target alone half of it.",
             as_double(memory.lines->limit()));
}

}  // namespace

void append_scrape_metrics(MetricText& text, const AgentView& agent, const collector::scrape::ScrapeStats& stats,
                           const collector::scrape::ScrapeMemory& memory) {
  append_counters(
      text,
      std::array<Named, 15>{{
          {"watchkeeper_scrapes_total", "Scrapes that ended.", stats.scrapes},
          {"watchkeeper_scrape_failures_total", "Of these, without a usable answer.", stats.failures},
          {"watchkeeper_scrape_samples_total", "Samples read from targets.", stats.samples},
          {"watchkeeper_scrape_missed_ticks_total", "Scrapes that did not begin: the one before was still under way.",
           stats.missed_ticks},
          {"watchkeeper_scrape_queue_full_total", "Scrapes dropped: their shard had too much to do.", stats.queue_full},
          {"watchkeeper_scrape_out_of_order_samples_total", "Samples dropped: older than the last one of their series.",
           stats.out_of_order},
          {"watchkeeper_scrape_duplicate_samples_total", "Samples dropped: another value at the same time.",
           stats.duplicates},
          {"watchkeeper_scrape_out_of_bounds_samples_total", "Samples dropped: too far in the future.",
           stats.out_of_bounds},
          {"watchkeeper_scrape_refused_samples_total", "Samples dropped: the ring had no room for their series.",
           stats.series_refused},
          {"watchkeeper_scrape_tolerated_lines_total",
           "Lines taken that are new and that Prometheus would fail a scrape for.", stats.tolerated},
          {"watchkeeper_scrape_target_errors_total", "Targets that could not be made.", stats.target_errors},
          {"watchkeeper_scrape_over_size_total", "Scrapes that failed: their body was as large as body_size_limit.",
           stats.over_size},
          {"watchkeeper_scrape_over_memory_total",
           "Scrapes that failed: for their body, samples or lines there was no memory left.", stats.over_memory},
          {"watchkeeper_scrape_refused_metadata_total",
           "HELP, TYPE and UNIT lines not noted: their target has too many.", stats.families_refused},
          {"watchkeeper_scrape_large_targets_total",
           "Targets moved to the thread of those that are large or take long to read.", stats.moved},
      }});
  append_memory(text, memory);
  append_targets(text, agent.pools());
  append_discoveries(text, agent);
}

}  // namespace agent
