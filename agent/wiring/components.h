// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "actions/backup/backup_set.h"
#include "actions/drill/drill_runner.h"
#include "actions/notify/flap_damper.h"
#include "actions/notify/notifier.h"
#include "actions/remedy/announcer.h"
#include "actions/remedy/condition.h"
#include "actions/remedy/remediator.h"
#include "actions/remedy/step_executor.h"
#include "actions/remedy/stop_conditions.h"
#include "actions/replace/rollouts.h"
#include "agent/config/load.h"
#include "agent/wiring/alert_log.h"
#include "agent/wiring/data_dir.h"
#include "agent/wiring/evidence.h"
#include "collector/discovery/discovery_set.h"
#include "collector/discovery/folder_watch.h"
#include "collector/host/host_loop.h"
#include "collector/probe/probe_pools.h"
#include "collector/probe/probe_runner.h"
#include "collector/remote_write/remote_writer.h"
#include "collector/scrape/expected_series.h"
#include "collector/scrape/scrape_pools.h"
#include "collector/staking/chain_watch.h"
#include "collector/staking/duty_store.h"
#include "collector/staking/observer_client.h"
#include "core/net/dns_client.h"
#include "core/net/http_client.h"
#include "core/net/io_loop.h"
#include "core/process/child_process.h"
#include "core/process/service_control.h"
#include "core/ring/mapped_ring.h"
#include "core/time/clock.h"
#include "core/time/serial_thread.h"
#include "rules/alert/alert_store.h"
#include "rules/alert/rule_runner.h"
#include "rules/promql/engine.h"

namespace agent {

// Everything between the sockets and the API, built from a configuration and started and stopped in order. The members'
// order is the order of their lives.
//
// Thread safety: open(), start(), reconfigure() and stop() on one thread; the parts as their own classes say.
class Components {
 public:
  // Opens the ring and the stores and restores what they hold; nothing is scraped, evaluated or sent yet.
  // `external_url` has no trailing slash.
  static core::Result<std::unique_ptr<Components>> open(const LoadedConfig& config, const DataDir& data,
                                                        const core::Clock& clock, const std::string& external_url);
  ~Components();
  Components(const Components&) = delete;
  Components& operator=(const Components&) = delete;

  core::Result<void> start(const LoadedConfig& config, const std::string& external_url);
  // All of the new configuration or nothing: `before` is taken back if a part refuses the new one.
  core::Result<void> reconfigure(const LoadedConfig& config, const LoadedConfig& before,
                                 const std::string& external_url);
  // Scrapes no more, lets what is being sent be answered for a moment, ends what runs. Idempotent.
  void stop();

  core::net::IoLoop& loop() { return loop_; }
  const core::ring::MappedRing& ring() const { return *ring_; }
  const core::ring::Reader& reader() const { return ring_->reader(); }
  const collector::scrape::ScrapePools& pools() const { return *pools_; }
  const collector::probe::ProbePools& probe_pools() const { return *probe_pools_; }
  collector::probe::ProbeRunner& prober() { return *prober_; }
  // The jobs of the configuration, and this host's own if it is measured.
  std::vector<collector::scrape::PoolStatus> pool_status() const;
  std::vector<collector::scrape::TargetMetadata> metadata() const;
  const collector::remote_write::RemoteWriter& remotes() const { return *remotes_; }
  const collector::scrape::ExpectedSeries& expected() const { return *expected_; }
  std::vector<collector::discovery::DiscoveryStatus> discoveries() const { return discoveries_->status(); }
  std::shared_ptr<const collector::staking::DutySnapshot> duties() const { return chain_watch_->duties(); }
  std::uint64_t duty_store_failures() const { return duty_store_failures_.load(std::memory_order_relaxed); }
  const rules::RuleRunner& rules() const { return *rules_; }
  const rules::promql::EngineOptions& engine_options() const { return engine_.options(); }
  const actions::notify::Notifier& notifier() const { return *notifier_; }
  const actions::notify::FlapDamper& flap_damper() const { return *flap_damper_; }
  actions::remedy::Remediator& remediator() { return *remediator_; }
  const actions::remedy::Remediator& remediator() const { return *remediator_; }
  actions::replace::Rollouts& rollouts() { return *rollouts_; }
  const actions::replace::Rollouts& rollouts() const { return *rollouts_; }
  const EvidenceStore& evidence() const { return *evidence_; }
  actions::drill::DrillRunner& drills() const { return *drills_; }
  const actions::backup::BackupSet& backups() const { return *backups_; }

  // Takes a backup on a thread of its own, one after another. kNotFound; kLimitExceeded while too many wait.
  core::Result<void> ask_for_backup(const std::string& name, const std::string& who);
  // Likewise.
  core::Result<void> ask_for_verification(const std::string& name, actions::backup::VerificationKind kind,
                                          const std::string& who);

 private:
  Components(const LoadedConfig& config, const core::Clock& clock, std::unique_ptr<core::ring::MappedRing> ring);

  core::Result<void> open_stores(const LoadedConfig& config, const DataDir& data, const std::string& external_url);
  core::Result<void> open_backups(const LoadedConfig& config, const DataDir& data);
  // Of the watched validators, as far as their duties were judged.
  actions::backup::VotedEpochs votes_on_chain() const;
  core::Result<void> open_remediator(const LoadedConfig& config, const DataDir& data);
  core::Result<void> open_drills(const LoadedConfig& config, const DataDir& data);
  actions::drill::Situation situation() const;
  void protect(const LoadedConfig& config);
  // What steps and rolling updates ask services with.
  actions::remedy::Surroundings service_surroundings();
  core::Result<void> open_rollouts(const LoadedConfig& config, const DataDir& data);
  // Runs `task` after what was asked for before.
  core::Result<void> queue_backup_task(const std::string& name, std::function<void()> task);
  void make_pools(collector::staking::DutyLoop::Keeping duties);
  core::Result<collector::staking::DutyLoop::Keeping> keep_duties();
  std::vector<collector::remote_write::FamilyText> family_texts() const;
  std::function<void(const collector::scrape::Arrival&)> arrival_hook();
  void make_discoveries();
  // What is known already of what these jobs discover.
  collector::scrape::ScrapePools::Discovered discovered_of(
      const std::vector<collector::scrape::ScrapeConfig>& jobs) const;
  void apply_jobs(const LoadedConfig& config);
  void apply_staking(const LoadedConfig& config);
  void apply_host(const LoadedConfig& config);
  std::shared_ptr<collector::host::HostLoop> host() const;
  void give_memory_back();
  // Runs `task` on the loop's thread and waits for it.
  void on_loop(const std::function<void()>& task);

  const core::Clock& clock_;
  core::net::IoLoop loop_;
  std::unique_ptr<core::net::HttpClient> http_;
  std::unique_ptr<core::net::DnsClient> dns_;
  std::unique_ptr<collector::discovery::FolderWatches> folders_;
  std::unique_ptr<collector::probe::ProbeRunner> prober_;
  core::process::ChildProcessRunner commands_;
  std::unique_ptr<core::ring::MappedRing> ring_;
  rules::promql::Engine engine_;
  AlertLog alert_log_;
  std::unique_ptr<rules::AlertStore> alert_store_;
  std::unique_ptr<core::process::ServiceControl> services_;
  std::optional<actions::remedy::RingLookout> lookout_;
  std::optional<actions::remedy::StopConditions> stop_conditions_;
  std::unique_ptr<actions::backup::BackupSet> backups_;
  std::optional<actions::remedy::StepExecutor> steps_;
  core::SerialThread strand_;
  core::SerialThread remote_strand_;
  core::SerialThread backup_requests_;
  std::unique_ptr<actions::notify::Notifier> notifier_;
  std::unique_ptr<actions::notify::FlapDamper> flap_damper_;
  std::optional<EvidenceStore> evidence_;
  actions::drill::DrillMarks drill_marks_;
  std::optional<actions::drill::MarkingSink> marked_alerts_;     // on the way to flap_damper_
  std::optional<actions::drill::MarkingSink> marked_decisions_;  // of remediations, on the way to notifier_
  std::optional<actions::remedy::Announcer> announcer_;          // after notifier_: it tells that
  std::unique_ptr<actions::remedy::Remediator> remediator_;
  std::atomic<const actions::remedy::Remediator*> deciding_{nullptr};  // remediator_ as long as it may be asked
  std::optional<actions::drill::FaultInjector> injector_;
  std::unique_ptr<actions::drill::DrillRunner> drills_;
  std::atomic<const actions::drill::DrillRunner*> drilling_{nullptr};  // drills_ as soon as it may be asked
  std::unique_ptr<actions::replace::Surroundings> rollouts_around_;
  std::unique_ptr<actions::replace::Rollouts> rollouts_;  // after remediator_: it tells that
  std::unique_ptr<rules::RuleRunner> rules_;
  std::unique_ptr<collector::scrape::ScrapePools> pools_;
  std::unique_ptr<collector::remote_write::RemoteWriter> remotes_;
  std::unique_ptr<collector::discovery::DiscoverySet> discoveries_;
  std::unique_ptr<collector::staking::ObserverClient> observers_;
  std::unique_ptr<collector::scrape::ScrapePools> observer_pools_;  // whose scrapes are answered by observers_
  std::unique_ptr<collector::staking::DutyStore> duty_store_;       // used by the shard's thread, once it runs
  std::atomic<std::uint64_t> duty_store_failures_{0};
  std::unique_ptr<collector::scrape::Shard> chain_shard_;
  std::unique_ptr<collector::staking::ChainWatch> chain_watch_;
  std::atomic<const collector::staking::ChainWatch*> watched_chain_{nullptr};  // chain_watch_, once it may be asked
  std::unique_ptr<collector::probe::ProbePools> probe_pools_;
  mutable std::mutex host_mutex_;
  std::shared_ptr<collector::host::HostLoop> host_;  // guarded by host_mutex_; none if the host is not measured
  // A shard of its own, because a sick disk makes it wait. After host_: its tasks use that.
  std::unique_ptr<collector::scrape::Shard> host_shard_;
  std::shared_ptr<collector::scrape::ExpectedSeries> expected_;
  std::unique_ptr<collector::scrape::Shard> expected_shard_;  // after expected_: its tasks use that
  std::unique_ptr<actions::backup::BackupLoop> backup_loop_;
  std::stop_source stopping_;
  std::atomic<int> backups_asked_{0};
  std::uint64_t series_when_given_back_ = 0;  // the ring's index generation; confined to the loop's thread
  std::thread loop_thread_;
};

}  // namespace agent
