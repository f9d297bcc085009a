// SPDX-License-Identifier: Apache-2.0
// The end of the components, in order.
#include <condition_variable>
#include <mutex>

#include "agent/wiring/components.h"

namespace agent {
namespace {

// How long a stop waits for receivers to answer; what is not answered is sent again after the next start.
constexpr core::Duration kFarewell = std::chrono::seconds(5);

}  // namespace

void Components::stop() {
  if (!stopping_.request_stop()) return;
  if (drills_ != nullptr) drills_->stop();
  const bool running = loop_thread_.joinable();
  if (running) {
    on_loop([this] {
      discoveries_->stop();
      expected_->stop();
      chain_watch_->stop();
      observer_pools_->stop();
      probe_pools_->stop();
      pools_->stop();
      if (const auto measured = host()) measured->stop();
    });
  }
  if (rules_ != nullptr) rules_->stop();
  backup_requests_.stop();
  backup_loop_.reset();
  deciding_ = nullptr;
  remediator_.reset();
  if (running && notifier_ != nullptr) {
    notifier_->hold();
    remotes_->hold();
    const core::SteadyTime deadline = clock_.steady_now() + kFarewell;
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    while ((notifier_->status().in_flight > 0 || remotes_->busy()) && clock_.steady_now() < deadline) {
      never.wait_for(lock, std::chrono::milliseconds(20));
    }
  }
  if (running) {
    loop_.stop();
    loop_thread_.join();
  }
  strand_.stop();
  remote_strand_.stop();
  if (remotes_ != nullptr) remotes_->close();
}

}  // namespace agent
