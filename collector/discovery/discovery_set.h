// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/discovery/discovery.h"
#include "collector/discovery/discovery_configs.h"

namespace collector::discovery {

// Targets that one discovery may bring; with more its update is refused and what it had stays.
inline constexpr std::size_t kTargetsMax = 100'000;
// The first change is handed on after so long, later ones that much after the one before (Prometheus,
// discovery/manager.go).
inline constexpr core::Duration kFirstDelay = std::chrono::milliseconds(100);
inline constexpr core::Duration kDelay = std::chrono::seconds(5);

// One discovery as the API and /metrics show it.
struct DiscoveryStatus {
  std::string mechanism;          // file, http, dns, ec2, kubernetes
  std::string name;               // JOB/MECHANISM/INDEX of the first job that asks for it
  std::vector<std::string> jobs;  // that share it
  std::size_t groups = 0;
  std::size_t targets = 0;
  std::uint64_t refreshes = 0;  // that went well
  std::uint64_t failures = 0;
  std::optional<core::WallTime> last_success;
  std::string last_error;  // of the last refresh; empty: it went well
};

// Every discovery that the jobs ask for. Equal configurations share one, and one whose configuration a reload leaves as
// it was goes on with what it has found.
//
// Thread safety: confined to the scheduler's thread, except status(): any thread.
class DiscoverySet {
 public:
  struct Listener {
    // Everything that is known of a job's targets now.
    std::function<void(const std::string& job, const TargetGroups& groups)> changed;
    // A discovery failed; the same failure is told again every ten minutes at most.
    std::function<void(const std::string& name, const std::string& error)> failed;
  };

  DiscoverySet(const Context& context, Listener listener);
  ~DiscoverySet();
  DiscoverySet(const DiscoverySet&) = delete;
  DiscoverySet& operator=(const DiscoverySet&) = delete;

  // Takes a whole new configuration: job by job. `changed` is not called inside.
  void apply(const std::map<std::string, DiscoveryConfigs>& jobs);
  // What is known of a job's targets now.
  TargetGroups groups(const std::string& job) const;
  void stop();

  std::vector<DiscoveryStatus> status() const;

 private:
  class Provider;

  void note_change(const std::set<std::string>& jobs);
  void deliver();

  const Context context_;
  const Listener listener_;
  std::set<std::string> changed_;
  std::optional<core::SteadyTime> last_delivery_;
  core::TimerId timer_ = 0;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Provider>> providers_;  // changed on the scheduler's thread under mutex_
};

}  // namespace collector::discovery
