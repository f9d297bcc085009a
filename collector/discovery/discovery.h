// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collector/discovery/target_group.h"
#include "core/result.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace core::net {
class DnsClient;
class HttpClient;
}  // namespace core::net

namespace collector::discovery {

class FolderWatches;

// Who a discovery reports to.
//
// Thread safety: confined to the scheduler's thread.
class Sink {
 public:
  virtual ~Sink() = default;
  // These groups are new or changed, or gone if they have no targets. Says too that all is well. False if they are
  // refused, all of them: there are too many. What was told before stays, and the next update has to go on from there.
  [[nodiscard]] virtual bool update(std::vector<TargetGroup> groups) = 0;
  // Nothing changed, and all is well.
  virtual void refreshed() = 0;
  // What was found before stays. The message names what could not be read and why.
  virtual void failed(const core::Error& error) = 0;
};

// What discoveries stand on. Everything outlives them.
struct Context {
  const core::Clock& clock;
  core::Scheduler& scheduler;
  core::net::HttpClient& http;
  core::net::DnsClient& dns;
  FolderWatches& folders;
  // The environment of the process, for what the clouds' own tools look up there. "" if absent.
  std::function<std::string(const char*)> environment;
};

// Looks for targets from its construction to its destruction and tells its sink, never inside the call that made it.
//
// Thread safety: confined to the scheduler's thread.
class Discovery {
 public:
  virtual ~Discovery() = default;
};

// Calls `work` soon, and then once an interval.
//
// Thread safety: confined to the scheduler's thread.
class RefreshTimer {
 public:
  RefreshTimer(const Context& context, core::Duration interval, std::function<void()> work)
      : context_(context), interval_(interval), work_(std::move(work)), next_(context.clock.steady_now()) {
    arm();
  }
  ~RefreshTimer() { context_.scheduler.cancel(timer_); }
  RefreshTimer(const RefreshTimer&) = delete;
  RefreshTimer& operator=(const RefreshTimer&) = delete;

 private:
  void arm() {
    timer_ = context_.scheduler.schedule_at(next_, [this] {
      // Refreshes that were missed are not made up for.
      const core::SteadyTime now = context_.clock.steady_now();
      next_ += interval_;
      if (next_ <= now) next_ = now + interval_;
      arm();
      work_();
    });
  }

  const Context& context_;
  core::Duration interval_;
  std::function<void()> work_;
  core::SteadyTime next_;
  core::TimerId timer_ = 0;
};

}  // namespace collector::discovery
