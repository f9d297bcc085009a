// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/api/agent_view.h"
#include "agent/api/http_server.h"
#include "agent/api/router.h"
#include "agent/wiring/components.h"
#include "agent/wiring/data_dir.h"
#include "rules/promql/query_cache.h"

namespace agent {

struct AgentOptions {
  std::string config_path;
  std::string data_dir = "/var/lib/watchkeeper";
  std::optional<ListenAddress> listen;  // instead of the configured one
};

// The running agent: its components, its API, and the thread that takes orders (reload, stop) one after another.
//
// Thread safety: start(), run() and destruction on one thread; the view from any.
class Agent final : public AgentView {
 public:
  // Everything is up when this returns. What cannot be had (port, data directory, stores) is an error that names it,
  // and nothing has been acted on then.
  static core::Result<std::unique_ptr<Agent>> start(const AgentOptions& options, LoadedConfigPtr config,
                                                    const core::Clock& clock);
  ~Agent() override;

  // Carries out orders until SIGTERM, SIGINT or stop().
  void run();
  void stop();
  const ListenAddress& address() const { return server_->address(); }

  const core::Clock& clock() const override { return clock_; }
  const core::ring::Reader& reader() const override { return components_->reader(); }
  rules::promql::EngineOptions engine_options() const override;
  std::stop_token stopping() const override { return stopping_.get_token(); }
  QueryGate& query_gate() const override { return query_gate_; }
  LoadedConfigPtr config() const override;
  AgentStatus status() const override;
  RingStatus ring() const override;
  std::vector<collector::scrape::PoolStatus> pools() const override { return components_->pool_status(); }
  std::vector<collector::scrape::TargetMetadata> metadata() const override { return components_->metadata(); }
  std::vector<collector::discovery::DiscoveryStatus> discoveries() const override { return components_->discoveries(); }
  collector::probe::ProbeRunner& prober() override { return components_->prober(); }
  std::shared_ptr<const collector::staking::DutySnapshot> duties() const override { return components_->duties(); }
  std::vector<std::shared_ptr<const rules::GroupStatus>> rule_groups() const override {
    return components_->rules().groups();
  }
  std::vector<collector::remote_write::RemoteStatus> remotes() const override {
    return components_->remotes().status();
  }
  actions::notify::NotifierStatus notifications() const override { return components_->notifier().status(); }
  std::vector<actions::backup::Status> backups() const override { return components_->backups().status(); }
  std::vector<actions::remedy::RunPtr> runs() const override { return components_->remediator().snapshot()->runs; }
  std::map<std::string, actions::remedy::Pause> pauses() const override {
    return components_->remediator().snapshot()->pauses;
  }
  actions::drill::DrillRunner& drills() const override { return components_->drills(); }
  std::vector<actions::replace::GroupStatus> replacements() const override { return components_->rollouts().status(); }
  core::Result<std::string> evidence(const std::string& run) const override {
    return components_->evidence().read(run);
  }
  std::string metrics() const override;

  core::Result<void> reload() override;
  core::Result<void> approve(const std::string& run, const std::string& who, const std::string& plan) override;
  core::Result<void> reject(const std::string& run, const std::string& who) override;
  core::Result<void> pause_automation(const std::string& reason, const std::string& who,
                                      const std::string& remediation) override;
  core::Result<void> resume_automation(const std::string& who, const std::string& remediation) override;
  core::Result<void> run_backup(const std::string& name, const std::string& who) override;
  core::Result<void> verify_backup(const std::string& name, actions::backup::VerificationKind kind,
                                   const std::string& who) override;
  core::Result<void> order_rollout(actions::replace::Order order, const std::string& group, const std::string& who,
                                   const std::string& reason) override;

 private:
  using ReloadAnswer = std::promise<core::Result<void>>;

  Agent(const core::Clock& clock, LoadedConfigPtr config, DataDir data, std::unique_ptr<HttpServer> server);

  void watch_signals();
  void pet_watchdog();
  bool evaluation_progresses();
  core::Result<void> carry_out_reload();
  core::Result<void> load_and_swap();

  const core::Clock& clock_;
  const core::WallTime started_;
  DataDir data_;
  std::stop_source stopping_;
  std::unique_ptr<HttpServer> server_;
  std::string external_url_;
  mutable QueryGate query_gate_;
  mutable rules::promql::QueryCache query_cache_;
  std::unique_ptr<Components> components_;
  std::optional<Router> router_;
  std::atomic<bool> ready_{false};

  // Of the watchdog, on the loop's thread.
  std::uint64_t last_evaluations_ = 0;
  core::SteadyTime last_progress_;

  mutable std::mutex mutex_;
  std::condition_variable ordered_;
  std::deque<std::shared_ptr<ReloadAnswer>> reloads_;  // guarded by mutex_
  bool stop_ordered_ = false;                          // guarded by mutex_
  LoadedConfigPtr config_;                             // guarded by mutex_
  core::WallTime configured_;                          // guarded by mutex_
  std::string reload_error_;                           // guarded by mutex_; empty: the last one was taken
};

}  // namespace agent
