// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/self_metrics.h"

#include <array>
#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/api/status_api.h"
#include "agent/metrics/process_metrics.h"
#include "agent/wiring/counter_list.h"
#include "agent/wiring/scrape_metrics.h"

namespace agent {
namespace {

void append_agent(MetricText& text, const AgentView& agent) {
  const AgentStatus status = agent.status();
  const BuildInfo& build = build_info();
  text.gauge("watchkeeper_build_info", "1, with what this program was built from as labels.", 1,
             {{"version", build.version}, {"revision", build.revision}, {"compiler", build.compiler}});
  text.gauge("watchkeeper_start_time_seconds", "When the agent started.", unix_seconds(status.started));
  text.gauge("watchkeeper_config_last_reload_successful", "Whether the last reload of the configuration was taken.",
             status.reload_successful ? 1 : 0);
  text.gauge("watchkeeper_config_last_reload_success_timestamp_seconds", "When the configuration in use was taken.",
             unix_seconds(status.configured));
  text.gauge("watchkeeper_degraded", "How many things do not work as they should; /-/ready has the reasons.",
             as_double(status.degraded.size()));
}

void append_ring(MetricText& text, const RingStatus& ring) {
  const core::ring::RingUsage& usage = ring.usage;
  text.gauge("watchkeeper_ring_series", "Series in the ring.", as_double(usage.series));
  text.gauge("watchkeeper_ring_series_limit", "Series the ring may hold.", as_double(usage.series_limit));
  text.gauge("watchkeeper_ring_bytes", "Bytes the ring occupies.", as_double(usage.bytes));
  text.gauge("watchkeeper_ring_limit_bytes", "Bytes the ring may occupy.", as_double(usage.bytes_limit));
  text.counter("watchkeeper_ring_samples_appended_total", "Samples written into the ring.",
               as_double(usage.samples_appended));
  text.gauge("watchkeeper_ring_oldest_timestamp_seconds", "The oldest sample in the ring; 0 while it is empty.",
             static_cast<double>(usage.oldest_ms) / 1000);
  text.gauge("watchkeeper_ring_retention_seconds",
             "From the oldest sample in the ring to the newest; 0 while it is empty.", seconds(ring.retention()));
  text.counter("watchkeeper_ring_series_refused_total", "Times that there was no room for a series.",
               as_double(usage.series_refused));
  text.counter("watchkeeper_ring_series_reclaimed_total",
               "Series given up: their samples were overwritten, or they had ended and made room.",
               as_double(usage.series_reclaimed));
  text.counter("watchkeeper_ring_damaged_total", "Series, chunks and pages of times dropped: their bytes were bad.",
               as_double(usage.damaged));
  text.gauge("watchkeeper_ring_problem", "Whether something keeps the ring from remembering; /-/ready has the reason.",
             ring.problem.empty() ? 0 : 1);
  text.gauge("watchkeeper_ring_start_info", "1, with how the ring was found at the start.", 1,
             {{"found", std::string(to_string(ring.recovery.found))}});
  text.gauge("watchkeeper_ring_start_series", "Series that were taken over at the start.",
             as_double(ring.recovery.series));
}

void append_expected(MetricText& text, const collector::scrape::ExpectedSeries& expected) {
  text.gauge("watchkeeper_expected_series", "Series that `expect` says must be there, one for each target.",
             as_double(expected.watched()));
  text.gauge("watchkeeper_expected_series_missing", "Of these, absent; watchkeeper_expected_series_absent says which.",
             as_double(expected.absent()));
  text.gauge("watchkeeper_expected_series_unwatched", "Series beyond the limit of what is looked for.",
             as_double(expected.beyond_limit()));
}

// Every reason is there from the start: a counter that appeared with its first event would hide that event from rate().
void append_probes(MetricText& text, const collector::scrape::ScrapeStats& stats,
                   const collector::probe::ProbeStats& probes) {
  using collector::probe::Blame;
  for (const auto& row : collector::probe::kReasons) {
    const double count = as_double(probes.by_reason[static_cast<std::size_t>(row.reason)].load());
    text.counter("watchkeeper_probes_total", "Probes that ended, by why they failed (none: they passed).", count,
                 {{"reason", std::string(row.name)}});
    if (row.blame == Blame::kObserver) {
      text.counter("watchkeeper_probe_unknown_total", "Probes that could not be tried from here, by the cause.", count,
                   {{"cause", std::string(row.name)}});
    }
  }
  text.gauge("watchkeeper_probes_in_flight", "Probes under way.", as_double(probes.in_flight.load()));
  text.gauge("watchkeeper_probes_in_flight_max", "Probes that may be under way at once.",
             as_double(probes.in_flight_max));
  append_counters(
      text,
      std::array<Named, 3>{{
          {"watchkeeper_probe_missed_ticks_total", "Probes that did not begin: the one before was still under way.",
           stats.missed_ticks},
          {"watchkeeper_probe_queue_full_total", "Results dropped: their shard had too much to do.", stats.queue_full},
          {"watchkeeper_probe_target_errors_total", "Targets of probes that could not be made.", stats.target_errors},
      }});
}

void append_rules(MetricText& text, const AgentView& agent, const rules::RuleCounters& counters) {
  append_counters(
      text,
      std::array<Named, 6>{{
          {"watchkeeper_rule_evaluations_total", "Evaluations of rules at their intervals.", counters.evaluations},
          {"watchkeeper_rule_evaluation_failures_total", "Of these, failed.", counters.evaluation_failures},
          {"watchkeeper_rule_missed_slots_total", "Evaluations of groups skipped: too late.", counters.missed_slots},
          {"watchkeeper_rule_dropped_samples_total", "Results that could not be written.", counters.samples_dropped},
          {"watchkeeper_alert_transitions_total", "Changes and refreshes of alerts.", counters.transitions},
          {"watchkeeper_alert_state_write_failures_total", "Alert states that could not be stored.",
           counters.state_write_failures},
      }});
  double pending = 0;
  double firing = 0;
  double failing = 0;
  double without_series = 0;
  for (const auto& group : agent.rule_groups()) {
    text.gauge("watchkeeper_rule_group_duration_seconds", "How long the last evaluation of the group took.",
               seconds(group->evaluation_time), {{"file", group->file}, {"rule_group", group->name}});
    for (const auto& rule : group->rules) {
      if (rule.health == rules::RuleHealth::kFailing) ++failing;
      if (rule.watches_nothing()) ++without_series;
      for (const auto& alert : rule.alerts) {
        if (alert.state == rules::AlertState::kPending) ++pending;
        if (alert.state == rules::AlertState::kFiring) ++firing;
      }
    }
  }
  text.gauge("watchkeeper_alerts", "Alerts by state.", pending, {{"state", "pending"}});
  text.gauge("watchkeeper_alerts", "Alerts by state.", firing, {{"state", "firing"}});
  text.gauge("watchkeeper_rules_failing", "Rules whose last evaluation failed.", failing);
  text.gauge("watchkeeper_rules_without_series", "Rules whose selectors have found no sample taken since the start.",
             without_series);
}

void append_arrivals(MetricText& text, const rules::RuleCounters& counters) {
  append_counters(text,
                  std::array<Named, 4>{{
                      {"watchkeeper_rule_arrivals_total", "Scrapes that may feed an alerting rule.", counters.arrivals},
                      {"watchkeeper_rule_arrivals_coalesced_total",
                       "Evaluations asked for by an arrival while one was due already.", counters.arrivals_coalesced},
                      {"watchkeeper_rule_arrivals_dropped_total", "Arrivals left to the interval: too many jobs.",
                       counters.arrivals_dropped},
                      {"watchkeeper_rule_arrival_evaluations_total", "Evaluations of alerting rules on arrival.",
                       counters.arrival_evaluations},
                  }});
  // relaxed: each number stands alone.
  const auto spent = [](const std::atomic<std::uint64_t>& ns) {
    return seconds(std::chrono::nanoseconds(ns.load(std::memory_order_relaxed)));
  };
  text.counter("watchkeeper_rule_arrival_busy_seconds_total", "Time spent on evaluations on arrival.",
               spent(counters.arrival_busy_ns));
  text.counter("watchkeeper_rule_arrival_latency_seconds_total",
               "From the landing of a scrape to the end of the evaluation, added up.",
               spent(counters.arrival_latency_ns));
}

void append_flaps(MetricText& text, const actions::notify::FlapCounters& counters) {
  append_counters(
      text,
      std::array<Named, 4>{{
          {"watchkeeper_notification_delay_dropped_total",
           "Transitions that did not fit into the queue; the next refresh brings them again.", counters.dropped},
          {"watchkeeper_notification_suppressed_firings_total",
           "Alerts that were over before notification_delay had passed.", counters.suppressed_firings},
          {"watchkeeper_notification_suppressed_resolutions_total",
           "Resolved alerts that fired again before notification_delay had passed.", counters.suppressed_resolutions},
          {"watchkeeper_notification_undelayed_total",
           "Alerts to which notification_delay was not applied: too many are known.", counters.undelayed},
      }});
}

void append_lane(MetricText& text, const actions::notify::LaneStatus& lane) {
  const MetricLabels to = {{"integration", lane.integration}};
  const auto& counters = lane.counters;
  text.counter("watchkeeper_notifications_sent_total", "Messages that a receiver took.", as_double(counters.delivered),
               to);
  text.counter("watchkeeper_notification_attempts_total", "Attempts to deliver a message.",
               as_double(counters.attempts), to);
  text.counter("watchkeeper_notification_failures_total", "Attempts that failed and are made again.",
               as_double(counters.retried), to);
  const std::array<std::pair<const char*, std::uint64_t>, 5> dropped = {{{"rejected", counters.rejected},
                                                                         {"expired", counters.expired},
                                                                         {"overflowed", counters.overflowed},
                                                                         {"collapsed", counters.collapsed},
                                                                         {"orphaned", counters.orphaned}}};
  for (const auto& [reason, count] : dropped) {
    text.counter("watchkeeper_notifications_dropped_total", "Messages that were not delivered, by reason.",
                 as_double(count), {{"integration", lane.integration}, {"reason", reason}});
  }
  text.gauge("watchkeeper_notifications_waiting", "Messages that wait for their receiver.", as_double(lane.waiting),
             to);
  text.gauge("watchkeeper_notification_oldest_age_seconds", "How long the oldest of them has waited.",
             lane.oldest_age ? seconds(*lane.oldest_age) : 0, to);
}

void append_notifications(MetricText& text, const actions::notify::NotifierStatus& status) {
  for (const auto& lane : status.integrations) append_lane(text, lane);
  for (const auto& feed : status.alertmanagers) {
    const MetricLabels to = {{"alertmanager", feed.url}};
    text.counter("watchkeeper_alertmanager_alerts_sent_total", "Alerts an Alertmanager took.", as_double(feed.sent),
                 to);
    text.counter("watchkeeper_alertmanager_errors_total", "Alerts in requests that failed.", as_double(feed.errors),
                 to);
    text.counter("watchkeeper_alertmanager_alerts_dropped_total", "Alerts given up.", as_double(feed.dropped), to);
    text.gauge("watchkeeper_alertmanager_alerts_waiting", "Alerts that wait for an Alertmanager.",
               as_double(feed.waiting), to);
  }
  text.gauge("watchkeeper_notification_groups", "Groups of alerts that are being told.", as_double(status.groups));
  text.counter("watchkeeper_notification_news_dropped_total",
               "Transitions that did not fit into the inbox; the next refresh brings them again.",
               as_double(status.news_dropped));
  text.counter("watchkeeper_notification_ledger_failures_total", "Writes of the outbox that failed.",
               as_double(status.ledger_failures));
}

// Named after prometheus_remote_storage_*, for those who know these.
void append_remote(MetricText& text, const collector::remote_write::RemoteStatus& status, std::int64_t now_ms) {
  const MetricLabels to = {{"remote_name", status.name}, {"url", status.url}};
  const auto counter = [&](const char* name, const char* help, double value) { text.counter(name, help, value, to); };
  const auto gauge = [&](const char* name, const char* help, double value) { text.gauge(name, help, value, to); };
  const auto total = [&](const char* name, const char* help, std::uint64_t value) {
    counter(name, help, as_double(value));
  };
  const auto now = [&](const char* name, const char* help, std::uint64_t value) {
    gauge(name, help, as_double(value));
  };
  total("watchkeeper_remote_write_samples_total", "Samples in requests; each attempt counts.", status.samples_sent);
  total("watchkeeper_remote_write_samples_failed_total", "Samples that the remote refused for good.",
        status.samples_failed);
  total("watchkeeper_remote_write_samples_retried_total", "Samples in requests that failed and are sent again.",
        status.samples_retried);
  for (const auto& [reason, count] :
       {std::pair{"too_old", status.samples_too_old}, std::pair{"repeated", status.samples_repeated}}) {
    text.counter("watchkeeper_remote_write_samples_dropped_total",
                 "Samples dropped: past sample_age_limit, or refused because they had been taken before a restart.",
                 as_double(count), {{"remote_name", status.name}, {"url", status.url}, {"reason", reason}});
  }
  now("watchkeeper_remote_write_samples_pending", "Samples read from the ring that have no answer yet.",
      status.samples_pending);
  total("watchkeeper_remote_write_overwritten_samples_total",
        "Samples, about, that the ring overwrote before they were sent.", status.overwritten_samples);
  total("watchkeeper_remote_write_overwritten_series_total", "Times that a series lost samples in that way.",
        status.overwritten_series);
  total("watchkeeper_remote_write_bytes_total", "Bytes of requests with samples.", status.bytes);
  total("watchkeeper_remote_write_requests_total", "Requests with samples.", status.requests);
  counter("watchkeeper_remote_write_request_seconds_total", "Time spent waiting for their answers.",
          status.request_seconds);
  total("watchkeeper_remote_write_metadata_total", "Metric families told; each attempt counts.", status.metadata_sent);
  total("watchkeeper_remote_write_metadata_failed_total", "Metric families that the remote refused for good.",
        status.metadata_failed);
  total("watchkeeper_remote_write_metadata_retried_total",
        "Metric families in requests that failed and are sent again.", status.metadata_retried);
  total("watchkeeper_remote_write_metadata_bytes_total", "Bytes of requests with metadata.", status.metadata_bytes);
  total("watchkeeper_remote_write_cursor_failures_total", "Times that the place in the ring could not be stored.",
        status.cursor_failures);
  gauge("watchkeeper_remote_write_lag_seconds", "Age of the moment up to which everything was sent.",
        static_cast<double>(std::max<std::int64_t>(0, now_ms - status.covered_ms)) / 1000);
  now("watchkeeper_remote_write_highest_sent_timestamp_seconds",
      "The newest sample that was taken or refused, in whole seconds.",
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, status.newest_sent_ms / 1000)));
  now("watchkeeper_remote_write_series", "Series of the ring that the remote is sent, or would be.", status.series);
  now("watchkeeper_remote_write_series_dropped", "Of these, dropped by relabelling.", status.series_dropped);
  now("watchkeeper_remote_write_shards", "Requests at once.", status.shards);
  now("watchkeeper_remote_write_shards_min", "min_shards.", status.shards_min);
  now("watchkeeper_remote_write_shards_max", "max_shards.", status.shards_max);
  now("watchkeeper_remote_write_shard_capacity", "capacity.", status.capacity);
  now("watchkeeper_remote_write_max_samples_per_send", "max_samples_per_send.", status.samples_per_send_max);
}

void append_remotes(MetricText& text, const AgentView& agent) {
  const auto remotes = agent.remotes();
  if (remotes.empty()) return;
  text.gauge("watchkeeper_remote_write_highest_timestamp_seconds", "The newest sample in the ring, in whole seconds.",
             static_cast<double>(agent.ring().usage.newest_ms / 1000));
  const std::int64_t now_ms = agent.clock().unix_ms();
  for (const auto& status : remotes) append_remote(text, status, now_ms);
}

void append_queries(MetricText& text, const QueryGateCounts& queries) {
  text.gauge("watchkeeper_queries_running", "Queries of the API that run now.", as_double(queries.running));
  text.gauge("watchkeeper_queries_waiting", "Queries of the API that wait for a place.", as_double(queries.waiting));
  text.gauge("watchkeeper_queries_running_max", "Queries of the API that may run at once.", as_double(queries.limit));
  text.counter("watchkeeper_queries_waited_in_vain_total", "Queries of the API that found no place in time.",
               as_double(queries.timed_out));
  text.counter("watchkeeper_queries_refused_total", "Queries of the API refused because too many waited already.",
               as_double(queries.refused));
}

void append_prepared(MetricText& text, const rules::promql::QueryCache::Counts& prepared) {
  text.gauge("watchkeeper_queries_prepared", "Queries of the API that are kept prepared.", as_double(prepared.queries));
  text.gauge("watchkeeper_queries_prepared_series", "Series that their selectors found.", as_double(prepared.series));
  text.counter("watchkeeper_queries_prepared_hits_total", "Queries of the API that were found prepared.",
               as_double(prepared.hits));
  text.counter("watchkeeper_queries_prepared_misses_total", "Queries of the API that had to be prepared.",
               as_double(prepared.misses));
}

void append_requests(MetricText& text, const RequestCounts& counts) {
  for (const auto& [key, count] : counts) {
    const MetricLabels labels = {{"handler", key.first}, {"code", std::to_string(key.second)}};
    text.counter("watchkeeper_http_requests_total", "Requests answered.", as_double(count.requests), labels);
    text.counter("watchkeeper_http_request_seconds_total", "Time spent answering them.", seconds(count.took), labels);
  }
}

}  // namespace

void append_self_metrics(MetricText& text, const AgentView& agent, const SelfCounters& counters) {
  append_agent(text, agent);
  append_ring(text, agent.ring());
  append_scrape_metrics(text, agent, counters.scrape, counters.scrape_memory);
  append_expected(text, counters.expected);
  append_probes(text, counters.probe_scrape, counters.probe);
  append_rules(text, agent, counters.rules);
  append_arrivals(text, counters.rules);
  append_notifications(text, agent.notifications());
  append_remotes(text, agent);
  append_flaps(text, counters.flaps);
  append_remedy(text, agent, counters.remedy, counters.evidence);
  append_drills(text, agent, counters.drills);
  append_replace(text, agent, counters.replace);
  append_backups(text, agent, counters.backup);
  append_queries(text, agent.query_gate().counts());
  append_prepared(text, counters.prepared);
  append_requests(text, counters.requests);
  text.counter("watchkeeper_duty_store_failures_total", "Times that the books of duties could not be stored.",
               as_double(counters.duty_store_failures));
  append_process_metrics(text);
}

}  // namespace agent
