// SPDX-License-Identifier: Apache-2.0
#include "collector/host/host_loop.h"

#include <algorithm>
#include <utility>

namespace collector::host {
namespace {

// A folder of bad files has as many complaints; a few say enough.
constexpr std::size_t kComplaintsShownMax = 8;

std::string join(const std::vector<std::string>& complaints) {
  const auto end = complaints.begin() + static_cast<std::ptrdiff_t>(std::min(complaints.size(), kComplaintsShownMax));
  return fmt::format("{}{}", fmt::join(complaints.begin(), end, "; "), end == complaints.end() ? "" : "; ...");
}

}  // namespace

HostLoop::HostLoop(const core::Clock& clock, core::Scheduler& scheduler, scrape::Shard& shard, HostConfig config,
                   std::string host_name, std::function<void(const scrape::Arrival&)> on_arrival)
    : clock_(clock),
      scheduler_(scheduler),
      shard_(shard),
      config_(std::move(config)),
      on_arrival_(std::move(on_arrival)),
      metrics_(clock, config_) {
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
    auto reading = self->metrics_.read();
    fetch.body = std::move(reading.text);
    self->note(fetch.time_ms, self->series_->ingest(appender, self->clock_, fetch, self->shard_.scratch()),
               reading.complaints);
    self->scheduler_.post([self] { self->in_flight_ = false; });
  });
  if (posted) return;
  in_flight_ = false;
  scrape::ScrapeReport report;
  report.error = "the collector is overloaded: its queue is full";
  note(core::to_unix_ms(time), report, {});
}

void HostLoop::note(std::int64_t time_ms, const scrape::ScrapeReport& report,
                    const std::vector<std::string>& complaints) {
  {
    const std::lock_guard lock(mutex_);
    status_.last_error = report.error.empty() ? join(complaints) : report.error;
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
