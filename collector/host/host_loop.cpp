// SPDX-License-Identifier: Apache-2.0
#include "collector/host/host_loop.h"

#include <utility>

namespace collector::host {

const core::config::Table<HostConfig>& HostConfig::fields() {
  static const auto table =
      core::config::Table<HostConfig>("host", "Metrics of the machine that the agent runs on.")
          .field("enabled", &HostConfig::enabled, {.help = "Whether the host is measured."})
          .field("interval", &HostConfig::interval, {.help = "How often."})
          .field("job", &HostConfig::job, {.help = "The job label of its series."})
          .field("instance", &HostConfig::instance, {.help = "The instance label; empty: the host's name."})
          .check([](const HostConfig& host, const core::config::Node& node) -> core::Result<void> {
            if (host.interval.count() <= 0) return core::fail(node.error("interval: expected more than 0"));
            if (host.job.empty()) return core::fail(node.error("job: expected a name, got an empty text"));
            return {};
          });
  return table;
}

HostLoop::HostLoop(const core::Clock& clock, core::Scheduler& scheduler, scrape::Shard& shard, HostConfig config,
                   std::string host_name, HostPaths paths, std::function<void(const scrape::Arrival&)> on_arrival)
    : clock_(clock),
      scheduler_(scheduler),
      shard_(shard),
      config_(std::move(config)),
      paths_(std::move(paths)),
      on_arrival_(std::move(on_arrival)) {
  if (config_.instance.empty()) config_.instance = std::move(host_name);
  target_.labels = {{"job", config_.job}, {"instance", config_.instance}};
  target_.identity = target_.labels;
  target_.discovered = target_.labels;
  target_.url = "host://" + config_.instance;
  target_.interval = config_.interval;
  target_.timeout = config_.interval;
  scrape::ScrapeConfig job;
  job.job_name = config_.job;
  series_ = std::make_shared<scrape::TargetSeries>(scrape::Job::make(std::move(job)), target_);
  status_.target = target_;
  status_.scrape_pool = config_.job;
}

void HostLoop::start() {
  next_tick_ = clock_.steady_now();
  tick();
}

void HostLoop::stop() {
  stopped_ = true;
  scheduler_.cancel(timer_);
}

void HostLoop::tick() {
  if (stopped_) return;
  const core::SteadyTime now = clock_.steady_now();
  next_tick_ += ((now - next_tick_) / config_.interval + 1) * config_.interval;
  timer_ = scheduler_.schedule_at(next_tick_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
  // A reading that takes longer than the interval is waited for, not added to.
  if (std::exchange(in_flight_, true)) return;
  const core::WallTime time = clock_.wall_now();
  const bool posted = shard_.post([self = shared_from_this(), now, time](core::ring::Appender& appender) {
    scrape::Fetch fetch;
    fetch.time_ms = core::to_unix_ms(time);
    fetch.started = now;
    fetch.content_type = "text/plain";
    fetch.body = host_exposition(self->paths_, time);
    self->note(fetch.time_ms, self->series_->ingest(appender, self->clock_, fetch, self->shard_.scratch()));
    self->scheduler_.post([self] { self->in_flight_ = false; });
  });
  if (posted) return;
  in_flight_ = false;
  scrape::ScrapeReport report;
  report.error = "the collector is overloaded: its queue is full";
  note(core::to_unix_ms(time), report);
}

void HostLoop::note(std::int64_t time_ms, const scrape::ScrapeReport& report) {
  {
    const std::lock_guard lock(mutex_);
    status_.last_error = report.error;
    status_.last_scrape = core::from_unix_ms(time_ms);
    status_.last_duration = report.duration;
    status_.health = report.error.empty() ? scrape::Health::kUp : scrape::Health::kDown;
    status_.last_report = report;
  }
  if (on_arrival_) on_arrival_({config_.job, config_.instance, time_ms});
}

scrape::TargetStatus HostLoop::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace collector::host
