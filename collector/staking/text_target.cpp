// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/text_target.h"

#include <algorithm>
#include <utility>

namespace collector::staking {

TextTarget::TextTarget(const core::Clock& clock, scrape::Shard& shard, core::ring::Labels labels, std::string url,
                       core::Millis interval, std::function<void(const scrape::Arrival&)> on_arrival)
    : clock_(clock), shard_(shard), on_arrival_(std::move(on_arrival)) {
  target_.labels = std::move(labels);
  target_.identity = target_.labels;
  target_.discovered = target_.labels;
  target_.url = std::move(url);
  target_.interval = interval;
  target_.timeout = interval;
  scrape::ScrapeConfig job;
  job.job_name = std::string(target_.labels.get("job"));
  status_.scrape_pool = job.job_name;
  series_ = std::make_shared<scrape::TargetSeries>(scrape::Job::make(std::move(job)), target_);
  status_.target = target_;
}

std::int64_t TextTarget::next_time_ms() {
  const std::int64_t now = clock_.unix_ms();
  // A wall clock that goes back for long is time going back: what comes then is out of order, as with any target.
  constexpr std::int64_t kCrowdMs = 1000;
  last_ms_ = now <= last_ms_ && last_ms_ - now < kCrowdMs ? last_ms_ + 1 : now;
  return last_ms_;
}

void TextTarget::publish(std::string text) {
  scrape::Fetch fetch;
  fetch.time_ms = next_time_ms();
  fetch.started = clock_.steady_now();
  fetch.content_type = "text/plain";
  fetch.body = std::move(text);
  const std::int64_t time_ms = fetch.time_ms;
  const bool posted =
      shard_.post([self = shared_from_this(), fetch = std::move(fetch)](core::ring::Appender& appender) {
        self->note(fetch.time_ms, self->series_->ingest(appender, self->clock_, fetch, self->shard_.scratch()));
      });
  if (posted) return;
  scrape::ScrapeReport report;
  report.error = "the collector is overloaded: its queue is full";
  note(time_ms, report);
}

void TextTarget::end() {
  // Without room in the queue the series end by their age.
  (void)shard_.post([self = shared_from_this(), time_ms = next_time_ms()](core::ring::Appender& appender) {
    self->series_->end(appender, time_ms);
    self->series_->close(appender);
  });
}

void TextTarget::note(std::int64_t time_ms, const scrape::ScrapeReport& report) {
  {
    const std::lock_guard lock(mutex_);
    status_.last_error = report.error;
    status_.last_scrape = core::from_unix_ms(time_ms);
    status_.last_duration = report.duration;
    status_.health = report.error.empty() ? scrape::Health::kUp : scrape::Health::kDown;
    status_.last_report = report;
  }
  if (on_arrival_) {
    on_arrival_({std::string(target_.labels.get("job")), std::string(target_.labels.get("instance")), time_ms});
  }
}

scrape::TargetStatus TextTarget::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace collector::staking
