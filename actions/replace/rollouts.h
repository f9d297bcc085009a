// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "actions/replace/described_hosts.h"
#include "actions/replace/group_config.h"
#include "actions/replace/rollout.h"
#include "actions/replace/rollout_store.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::replace {

// Counts since the start.
struct RolloutStats {
  std::atomic<std::uint64_t> hosts_replaced{0};
  std::atomic<std::uint64_t> rollouts_failed{0};
  std::atomic<std::uint64_t> looks_unknown{0};  // at groups, with something that nobody knows
  std::atomic<std::uint64_t> store_errors{0};
};

// What rolling updates see and do. The real ones are the ring and the remediation engine.
//
// Thread safety: any thread.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  // The series of an expression, whose samples are not older than `fresh_within`.
  virtual core::Result<std::vector<Host>> hosts(const std::string& expr, core::Millis fresh_within) = 0;
  // The hosts of a group with a wanted image, as whoever runs them shows them.
  virtual core::Result<DescribedHosts> described(const GroupConfig& group, const std::stop_token& stop) = 0;
  // Null: the engine has none of that id.
  virtual remedy::RunPtr run(const std::string& id) = 0;
  virtual core::Result<void> raise(const core::ring::Labels& alert, core::WallTime since) = 0;
  virtual core::Result<void> withdraw(const core::ring::Labels& alert, core::WallTime since) = 0;
};

// What a person asks for.
enum class Order { kStart, kPause, kResume, kStop };

// A group for people.
struct GroupStatus {
  std::string name;
  Driver driver = Driver::kExec;
  remedy::Level level = remedy::Level::kPropose;
  bool has_rollout = false;
  std::optional<std::vector<Host>> members;   // none: not known
  std::optional<std::vector<Host>> outdated;  // none: not known
  std::string problem;                        // why not
  std::optional<Rollout> last;
};

// The configured groups and their rolling updates. One thread looks every few seconds and goes on with what may go on.
//
// Thread safety: any thread. What people ask for returns once it is stored.
class Rollouts {
 public:
  struct Dependencies {
    Surroundings& around;
    const core::Clock& clock;
  };

  static core::Result<std::unique_ptr<Rollouts>> open(std::vector<GroupConfig> groups,
                                                      std::unique_ptr<RolloutStore> store, Dependencies with);
  ~Rollouts();

  // kNotFound: no such group; kInvalid: it makes no sense now; kUnavailable: not known, or not stored. Only a pause
  // needs a reason.
  core::Result<void> carry_out(Order order, const std::string& group, const std::string& who,
                               const std::string& reason);
  core::Result<void> start(const std::string& group, const std::string& who);
  core::Result<void> pause(const std::string& group, const std::string& who, const std::string& reason);
  core::Result<void> resume(const std::string& group, const std::string& who);
  core::Result<void> stop(const std::string& group, const std::string& who);

  std::vector<GroupStatus> status() const;
  // From now on these are the groups. A rolling update of one that is gone is not gone on with.
  void configure(std::vector<GroupConfig> groups);
  const RolloutStats& stats() const { return stats_; }

  // One round over all groups: what the thread does every few seconds.
  void tick(const std::stop_token& stop = {});
  // Begins to look by itself.
  void run();

 private:
  Rollouts(std::unique_ptr<RolloutStore> store, Dependencies with) : with_(with), store_(std::move(store)) {}

  core::Result<void> carry_out_now(Order order, const std::string& group, const std::string& who,
                                   const std::string& reason);
  View look(const GroupConfig& group, const std::optional<Rollout>& rollout, const std::stop_token& stop);
  // REQUIRES: mutex_ is held.
  std::optional<GroupConfig> find_locked(const std::string& name) const;
  core::Result<void> save_locked(Rollout rollout);
  core::Result<void> change(const std::string& group, const std::function<core::Result<Rollout>(Rollout)>& how);
  // Whether a group's hosts are looked at in this round.
  bool is_due(const GroupConfig& group, const std::optional<Rollout>& rollout);
  void advance_group(const GroupConfig& group, const std::stop_token& stop);

  const Dependencies with_;
  RolloutStats stats_;
  mutable std::mutex mutex_;
  std::unique_ptr<RolloutStore> store_;            // guarded by mutex_
  std::vector<GroupConfig> groups_;                // guarded by mutex_
  std::map<std::string, Rollout> rollouts_;        // guarded by mutex_; by group
  std::map<std::string, core::SteadyTime> asked_;  // guarded by mutex_; when the hosts of a group were last described
  std::map<std::string, View> seen_;               // guarded by mutex_; the last look at each group
  bool ordered_ = false;                           // guarded by mutex_; since the last round
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace actions::replace
