// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/arrival_queue.h"

#include <algorithm>

namespace rules {

ArrivalQueue::Offered ArrivalQueue::offer(const Arrival& arrival, core::SteadyTime now) {
  {
    const std::lock_guard lock(mutex_);
    if (!interest_) return Offered::kIgnored;
    std::pair key(arrival.job, arrival.instance);
    auto known = numbers_.find(key);
    const bool is_new = known == numbers_.end();
    if (is_new) {
      if (numbers_.size() >= kSourcesMax) return Offered::kDropped;
      known = numbers_.emplace(std::move(key), static_cast<SourceNumber>(numbers_.size())).first;
    }
    const SourceNumber source = known->second;
    const bool wanted = is_new || interest_->includes(source) || interest_->generation != reader_.index_generation();
    if (!wanted) return Offered::kIgnored;
    if (const auto waiting = waiting_.find(source); waiting != waiting_.end()) {
      SourceArrivals& earlier = waiting->second;
      earlier.first_ms = std::min(earlier.first_ms, arrival.time_ms);
      earlier.last_ms = std::max(earlier.last_ms, arrival.time_ms);
      return Offered::kCoalesced;
    }
    waiting_.emplace(source,
                     SourceArrivals{source, arrival.job, arrival.instance, arrival.time_ms, arrival.time_ms, now});
  }
  changed_.notify_one();
  return Offered::kTaken;
}

std::vector<SourceArrivals> ArrivalQueue::take() {
  std::vector<SourceArrivals> taken;
  const std::lock_guard lock(mutex_);
  taken.reserve(waiting_.size());
  for (auto& [source, arrivals] : waiting_) taken.push_back(std::move(arrivals));
  waiting_.clear();
  return taken;
}

void ArrivalQueue::set_interest(std::optional<ArrivalInterest> interest) {
  const std::lock_guard lock(mutex_);
  interest_ = std::move(interest);
}

void ArrivalQueue::wait(const std::stop_token& stop, core::Duration at_most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, at_most, [this] { return woken_ || !waiting_.empty(); });
  woken_ = false;
}

void ArrivalQueue::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

}  // namespace rules
