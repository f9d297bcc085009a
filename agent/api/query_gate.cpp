// SPDX-License-Identifier: Apache-2.0
#include "agent/api/query_gate.h"

namespace agent {

QueryGate::Place::~Place() {
  if (gate_ != nullptr) gate_->leave();
}

core::Result<QueryGate::Place> QueryGate::enter(core::Millis timeout, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (running_ >= limit_ && waiting_ >= most_waiting_) {
    ++refused_;
    return core::fail(core::Errc::kUnavailable, "too many queries: {} run and {} wait", running_, waiting_);
  }
  ++waiting_;
  const bool entered = free_.wait_for(lock, stop, timeout, [this] { return running_ < limit_; });
  --waiting_;
  if (entered) {
    ++running_;
    return Place(*this);
  }
  if (stop.stop_requested()) return core::fail(core::Errc::kCancelled, "query was canceled in query queue");
  ++timed_out_;
  return core::fail(core::Errc::kTimeout, "query timed out in query queue");
}

QueryGateCounts QueryGate::counts() const {
  const std::lock_guard lock(mutex_);
  return {.limit = limit_, .running = running_, .waiting = waiting_, .timed_out = timed_out_, .refused = refused_};
}

void QueryGate::leave() {
  {
    const std::lock_guard lock(mutex_);
    --running_;
  }
  free_.notify_one();
}

}  // namespace agent
