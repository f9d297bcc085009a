// SPDX-License-Identifier: Apache-2.0
// Drills and what they stand on.
#include "actions/drill/first_sample.h"
#include "agent/wiring/components.h"

namespace agent {

using core::fail;
using core::Result;

actions::drill::Situation Components::situation() const {
  actions::drill::Situation situation;
  situation.rules = rules_->groups();
  situation.remedy = remediator_->snapshot();
  const auto notifications = notifier_->status();
  situation.notifier_degraded = notifications.degraded;
  situation.somebody_is_told = !notifications.integrations.empty() || !notifications.alertmanagers.empty();
  for (const auto& client : backups_->stopped_clients().status()) {
    if (client.stopped) situation.resting.push_back(client.client);
  }
  return situation;
}

Result<void> Components::open_drills(const LoadedConfig& config, const DataDir& data) {
  marked_alerts_.emplace(drill_marks_, *flap_damper_);
  injector_.emplace(actions::drill::FaultInjector::Dependencies{
      .commands = commands_, .services = *services_, .data_folder = data.file(""), .cluster = service_surroundings()});
  auto drills = actions::drill::DrillRunner::open(
      config.drills, data.file("drills.db"),
      {.injector = *injector_,
       .lookout = *lookout_,
       .marks = drill_marks_,
       .clock = clock_,
       .situation = [this] { return situation(); },
       .first_sample =
           [this](const actions::drill::FindFirstSample& asked, std::stop_token stop) {
             return actions::drill::first_bad_sample(engine_, rules_->groups(), asked.alert, asked.from, asked.until,
                                                     std::move(stop));
           }});
  if (!drills) return fail(drills.error());
  drills_ = std::move(*drills);
  drilling_ = drills_.get();
  return {};
}

}  // namespace agent
