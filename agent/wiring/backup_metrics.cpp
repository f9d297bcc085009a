// SPDX-License-Identifier: Apache-2.0
// What the agent says of its backups.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "agent/wiring/counter_list.h"
#include "agent/wiring/self_metrics.h"

namespace agent {
namespace {

void append_watermarks(MetricText& text, const actions::backup::Watermarks& marks, const MetricLabels& of) {
  text.gauge("watchkeeper_backup_slashing_protection_keys", "Keys in the last good export of slashing protection.",
             as_double(marks.keys), of);
  const auto highest = [&](const char* name, const char* help, const std::optional<std::uint64_t>& value) {
    if (value) text.gauge(name, help, as_double(*value), of);
  };
  highest("watchkeeper_backup_slashing_protection_slot", "Highest slot of a signed block in it.", marks.slot);
  highest("watchkeeper_backup_slashing_protection_source_epoch", "Highest source epoch of a signed attestation in it.",
          marks.source_epoch);
  highest("watchkeeper_backup_slashing_protection_target_epoch", "Highest target epoch of a signed attestation in it.",
          marks.target_epoch);
}

// What is known of one backup; what is not known has no series.
void append_backup(MetricText& text, const actions::backup::Status& status) {
  const MetricLabels of = {{"backup", status.name}};
  text.gauge("watchkeeper_backup_reasons", "Things that happened and that the backup is to be taken for.",
             as_double(status.reasons.size()), of);
  text.gauge("watchkeeper_backup_running", "Whether the backup is being taken.", status.running ? 1 : 0, of);
  // Neither a run that is held nor one under way ends a failure: the alert on it has to wait for a while.
  if (status.last_attempt) {
    text.gauge("watchkeeper_backup_last_run_failed", "Whether the last run that ended and was not held failed.",
               status.last_attempt->succeeded ? 0 : 1, of);
  }
  if (status.last_run && status.last_run->finished) {
    const actions::backup::Record& last = *status.last_run;
    text.gauge("watchkeeper_backup_last_run_held",
               "Whether the last run was not begun, because its client must not be stopped.", last.held ? 1 : 0, of);
    text.gauge("watchkeeper_backup_last_run_duration_seconds", "How long the last run took.",
               seconds(*last.finished - last.started), of);
  }
  for (const auto& [kind, last] : {std::pair{"drill", status.last_drill}, std::pair{"check", status.last_check}}) {
    if (!last || !last->finished) continue;
    const MetricLabels labels = {{"backup", status.name}, {"kind", kind}};
    text.gauge("watchkeeper_backup_verification_failed", "Whether the last restore drill or check failed.",
               last->succeeded ? 0 : 1, labels);
    text.gauge("watchkeeper_backup_verification_duration_seconds", "How long it took.",
               seconds(*last->finished - last->started), labels);
  }
  if (status.verified_age) {
    text.gauge("watchkeeper_backup_verified_age_seconds", "Age of the last restore drill or check that succeeded.",
               seconds(*status.verified_age), of);
  }
  if (!status.last_success) return;
  text.gauge("watchkeeper_backup_last_success_timestamp_seconds", "When the last good backup began.",
             unix_seconds(status.last_success->started), of);
  text.gauge("watchkeeper_backup_size_bytes", "Size of what the last good backup holds.",
             as_double(status.last_success->snapshot.bytes), of);
  if (status.last_success->watermarks) append_watermarks(text, *status.last_success->watermarks, of);
  if (const auto& chain = status.last_success->chain) {
    text.gauge("watchkeeper_backup_slashing_protection_compared_keys",
               "Keys in it whose votes were compared with the chain when it was taken.", as_double(chain->keys), of);
    text.gauge("watchkeeper_backup_slashing_protection_behind_chain_keys",
               "Of these, with a later vote on the chain than the database knew of.", as_double(chain->behind), of);
    text.gauge("watchkeeper_backup_slashing_protection_behind_chain_epochs", "By how much the furthest of them.",
               as_double(chain->epochs_max), of);
  }
  if (!status.success_age) return;
  text.gauge("watchkeeper_backup_age_seconds", "Age of the last good backup.", seconds(*status.success_age), of);
}

// A client that is stopped now, or whose snapshot is held; there is no series of others.
void append_stopped(MetricText& text, const actions::backup::StoppedClient& client, core::WallTime now) {
  const MetricLabels of = {{"backup", client.backup}, {"client", client.client}};
  text.gauge("watchkeeper_backup_client_stopped_seconds", "For how long a client has been stopped for its backup.",
             client.stopped ? std::max(0.0, seconds(now - client.since)) : 0, of);
  text.gauge("watchkeeper_backup_snapshot_held", "Whether a snapshot of its volumes is there.",
             client.snapshot_held ? 1 : 0, of);
  text.gauge("watchkeeper_backup_client_attempts_failed",
             "How often it was tried in vain to start it again, or to release the snapshot.",
             as_double(client.attempts),
             {{"backup", client.backup}, {"client", client.client}, {"what", client.stopped ? "start" : "release"}});
}

}  // namespace

void append_backups(MetricText& text, const AgentView& agent, const actions::backup::BackupSet& set) {
  const actions::backup::BackupStats& stats = set.stats();
  append_counters(
      text,
      std::array<Named, 11>{{
          {"watchkeeper_backup_runs_total", "Backups begun.", stats.runs},
          {"watchkeeper_backup_failures_total", "Backups that failed.", stats.failures},
          {"watchkeeper_backup_held_total", "Backups that were not begun, because their client must not be stopped.",
           stats.held},
          {"watchkeeper_backup_added_bytes_total", "Bytes added to repositories.", stats.bytes_added},
          {"watchkeeper_backup_locks_removed_total", "Locks of killed backups that were removed.", stats.locks_removed},
          {"watchkeeper_backup_store_errors_total", "Runs that could not be recorded.", stats.store_errors},
          {"watchkeeper_backup_retention_failures_total", "Times that older snapshots could not be removed.",
           stats.retention_failures},
          {"watchkeeper_backup_drills_total", "Restore drills.", stats.drills},
          {"watchkeeper_backup_drill_failures_total", "Restore drills that failed.", stats.drill_failures},
          {"watchkeeper_backup_checks_total", "Checks of repositories.", stats.checks},
          {"watchkeeper_backup_check_failures_total", "Checks of repositories that failed.", stats.check_failures},
      }});
  text.counter("watchkeeper_backup_client_start_failures_total",
               "Times that a client which was stopped for a backup did not start again.",
               as_double(set.stopped_clients().start_failures()));
  text.counter("watchkeeper_backup_client_journal_errors_total",
               "Times that it could not be written down which clients are stopped.",
               as_double(set.stopped_clients().journal_errors()));
  text.counter("watchkeeper_backup_reasons_dropped_total",
               "Things that happened and were a reason for a backup, dropped because too many waited.",
               as_double(set.triggers().dropped()));
  for (const auto& client : set.stopped_clients().status()) append_stopped(text, client, agent.clock().wall_now());
  for (const auto& status : agent.backups()) append_backup(text, status);
}

}  // namespace agent
