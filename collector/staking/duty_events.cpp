// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/duty_events.h"

#include <algorithm>

#include <fmt/format.h>

namespace collector::staking {

void DutyEvents::add(DutyEvent event) {
  std::size_t same = 0;
  DutyEvent* rest = nullptr;
  // The events of an epoch stand together, at the end.
  for (auto at = events_.rbegin(); at != events_.rend() && same < kOfOneKindMax; ++at) {
    if (at->kind != event.kind || at->epoch != event.epoch) continue;
    if (!at->validator && rest == nullptr) rest = &*at;
    ++same;
  }
  if (same >= kOfOneKindMax && event.validator) {
    ++dropped_;
    if (rest != nullptr) {
      const std::uint64_t more = std::stoull(rest->reason) + 1;
      rest->reason = fmt::format("{} more", more);
      return;
    }
    event.slot.reset();
    event.validator.reset();
    event.key.reset();
    event.reason = "1 more";
  }
  events_.push_back(std::move(event));
  if (events_.size() > kMost) events_.pop_front();
}

}  // namespace collector::staking
