// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "actions/backup/backup_set.h"
#include "actions/notify/notifier.h"
#include "actions/remedy/run.h"
#include "actions/replace/rollouts.h"
#include "agent/api/query_gate.h"
#include "agent/config/load.h"
#include "collector/discovery/discovery_set.h"
#include "collector/probe/probe_runner.h"
#include "collector/remote_write/remote_status.h"
#include "collector/scrape/scrape_pools.h"
#include "collector/staking/duty_events.h"
#include "core/ring/mapped_ring.h"
#include "core/time/clock.h"
#include "rules/alert/rule_status.h"
#include "rules/promql/engine.h"

namespace actions::drill {
class DrillRunner;
}

namespace agent {

// How the agent itself is doing.
struct AgentStatus {
  core::WallTime started;
  bool ready = false;                 // everything is started
  std::vector<std::string> degraded;  // what does not work as it should; empty: all is well
  bool reload_successful = true;      // the last one
  std::string reload_error;           // why not
  core::WallTime configured;          // when the configuration in use was taken
  std::string listen;                 // the address in use
};

// How the ring is doing.
struct RingStatus {
  core::ring::RingUsage usage;
  core::ring::RingRecovery recovery;  // at the start
  std::string problem;                // empty: none

  // The time that its samples span; 0 while it is empty.
  core::Millis retention() const {
    if (usage.oldest_ms == 0) return core::Millis(0);
    return core::Millis(std::max<std::int64_t>(0, usage.newest_ms - usage.oldest_ms));
  }
};

// What the API reads of a running agent and may ask of it. Implemented in agent/wiring.
//
// Thread safety: any thread.
class AgentView {
 public:
  virtual ~AgentView() = default;

  virtual const core::Clock& clock() const = 0;
  virtual const core::ring::Reader& reader() const = 0;
  virtual rules::promql::EngineOptions engine_options() const = 0;
  virtual std::stop_token stopping() const = 0;
  virtual QueryGate& query_gate() const = 0;

  virtual LoadedConfigPtr config() const = 0;
  virtual AgentStatus status() const = 0;
  virtual RingStatus ring() const = 0;
  virtual std::vector<collector::scrape::PoolStatus> pools() const = 0;
  virtual std::vector<collector::scrape::TargetMetadata> metadata() const = 0;
  virtual std::vector<collector::discovery::DiscoveryStatus> discoveries() const = 0;
  virtual collector::probe::ProbeRunner& prober() = 0;
  virtual std::shared_ptr<const collector::staking::DutySnapshot> duties() const = 0;  // never null
  virtual std::vector<std::shared_ptr<const rules::GroupStatus>> rule_groups() const = 0;
  virtual std::vector<collector::remote_write::RemoteStatus> remotes() const = 0;
  virtual actions::notify::NotifierStatus notifications() const = 0;
  virtual std::vector<actions::backup::Status> backups() const = 0;
  virtual std::vector<actions::remedy::RunPtr> runs() const = 0;  // newest first
  // Kill switches: by remediation, "" for all.
  virtual std::map<std::string, actions::remedy::Pause> pauses() const = 0;
  virtual std::vector<actions::replace::GroupStatus> replacements() const = 0;
  // The evidence of a run, one JSON document; kNotFound while there is none.
  virtual core::Result<std::string> evidence(const std::string& run) const = 0;
  // Which decide themselves whether they may begin.
  virtual actions::drill::DrillRunner& drills() const = 0;
  // The text of /metrics.
  virtual std::string metrics() const = 0;

  // Each returns when it is done or refused; the message of an error is for the person who asked.
  virtual core::Result<void> reload() = 0;
  // `plan`: the hash of what is approved, or its first twelve digits; empty: whatever the run has.
  virtual core::Result<void> approve(const std::string& run, const std::string& who, const std::string& plan) = 0;
  virtual core::Result<void> reject(const std::string& run, const std::string& who) = 0;
  // Of one remediation, or of all if it is empty.
  virtual core::Result<void> pause_automation(const std::string& reason, const std::string& who,
                                              const std::string& remediation) = 0;
  virtual core::Result<void> resume_automation(const std::string& who, const std::string& remediation) = 0;
  // Starts a backup; does not wait for it.
  virtual core::Result<void> run_backup(const std::string& name, const std::string& who) = 0;
  // Likewise of a restore drill, or a check of the repository.
  virtual core::Result<void> verify_backup(const std::string& name, actions::backup::VerificationKind kind,
                                           const std::string& who) = 0;
  // Of a group of `replace:`; only a pause needs a reason.
  virtual core::Result<void> order_rollout(actions::replace::Order order, const std::string& group,
                                           const std::string& who, const std::string& reason) = 0;
};

}  // namespace agent
