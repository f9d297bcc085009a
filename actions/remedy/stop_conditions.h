// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "actions/backup/stop_gate.h"
#include "actions/remedy/condition.h"
#include "actions/remedy/engine.h"
#include "actions/remedy/remediation_config.h"

namespace actions::remedy {

// What remediations know, asked before a backup stops a client: its conditions, the gates that it names, that nothing
// is paused, and that no remediation and no drill works on this host meanwhile.
//
// Thread safety: any thread.
class StopConditions final : public backup::StopGate {
 public:
  // The engine as it is now; none before it is there, which is an objection.
  using Engine = std::function<std::shared_ptr<const Snapshot>()>;

  // What drills have against it; none if none runs.
  using Drills = std::function<std::optional<std::string>()>;

  StopConditions(Lookout& lookout, Engine engine, Drills drills, PolicyPtr policy)
      : lookout_(lookout), engine_(std::move(engine)), drills_(std::move(drills)), policy_(std::move(policy)) {}

  void configure(PolicyPtr policy);
  std::optional<std::string> objection(const backup::ClientConfig& client, const std::string& trigger,
                                       std::stop_token stop) override;

 private:
  Lookout& lookout_;
  const Engine engine_;
  const Drills drills_;
  mutable std::mutex mutex_;
  PolicyPtr policy_;  // guarded by mutex_
};

}  // namespace actions::remedy
