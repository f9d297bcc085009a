// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/expected_series.h"

#include <algorithm>
#include <set>
#include <utility>

namespace collector::scrape {
namespace {

using core::ring::Labels;
using core::ring::Matcher;

// The look-back of a query: an older sample is found by no rule either.
constexpr std::int64_t kLookbackMs = 5 * 60 * 1000;
// Names the timeline across restarts.
constexpr std::uint64_t kTimelineIdentity = 0x65'78'70'65'63'74'65'64;

bool is_expected_of(const Expectation& expectation, std::string_view instance) {
  return expectation.targets.empty() || std::ranges::find(expectation.targets, instance) != expectation.targets.end();
}

}  // namespace

ExpectedSeries::ExpectedSeries(const core::Clock& clock, core::Scheduler& scheduler, Shard& shard,
                               const core::ring::Reader& reader, std::function<std::vector<PoolStatus>()> pools,
                               std::function<void(const Arrival&)> on_arrival)
    : clock_(clock),
      scheduler_(scheduler),
      shard_(shard),
      reader_(reader),
      pools_(std::move(pools)),
      on_arrival_(std::move(on_arrival)),
      expectations_(std::make_shared<const std::vector<Expectation>>()) {}

void ExpectedSeries::apply(std::vector<Expectation> expectations) {
  expectations_ = std::make_shared<const std::vector<Expectation>>(std::move(expectations));
}

void ExpectedSeries::start() {
  next_tick_ = clock_.steady_now() + kInterval;
  timer_ = scheduler_.schedule_at(next_tick_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

void ExpectedSeries::stop() {
  stopped_ = true;
  scheduler_.cancel(timer_);
}

void ExpectedSeries::tick() {
  if (stopped_) return;
  const core::SteadyTime now = clock_.steady_now();
  next_tick_ += ((now - next_tick_) / kInterval + 1) * kInterval;
  timer_ = scheduler_.schedule_at(next_tick_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
  if (std::exchange(in_flight_, true)) return;
  const bool posted = shard_.post([self = shared_from_this(), expectations = expectations_,
                                   time_ms = clock_.unix_ms()](core::ring::Appender& appender) {
    self->look(appender, *expectations, time_ms);
    self->scheduler_.post([self] { self->in_flight_ = false; });
  });
  // The next tick looks again.
  if (!posted) in_flight_ = false;
}

std::vector<ExpectedSeries::Finding> ExpectedSeries::to_look_for(const std::vector<Expectation>& expectations) const {
  std::vector<Finding> findings;
  const std::vector<PoolStatus> pools = pools_();
  for (const Expectation& expectation : expectations) {
    const auto pool = std::ranges::find(pools, expectation.job, &PoolStatus::job);
    std::set<std::string, std::less<>> met;
    const auto add = [&](const Labels& labels) {
      Finding finding{labels.with("metric", expectation.metric), expectation.matchers};
      finding.labels = finding.labels.with(core::ring::kMetricName, kExpectedAbsentName);
      for (const char* const name : {"job", "instance"}) {
        finding.matchers.push_back(Matcher::equal(name, std::string(labels.get(name))));
      }
      findings.push_back(std::move(finding));
    };
    const auto add_missing = [&](std::string_view instance) {
      if (!is_expected_of(expectation, instance) || !met.emplace(instance).second) return;
      add({{"job", expectation.job}, {"instance", std::string(instance)}});
    };
    if (pool != pools.end()) {
      for (const TargetStatus& target : pool->active) {
        const std::string_view instance = target.target.labels.get("instance");
        if (!is_expected_of(expectation, instance)) continue;
        met.emplace(instance);
        if (target.health != Health::kUnknown) add(target.target.labels);
      }
      for (const Labels& dropped : pool->dropped) add_missing(dropped.get("__address__"));
    }
    for (const std::string& instance : expectation.targets) add_missing(instance);
  }
  return findings;
}

bool ExpectedSeries::is_there(const Finding& finding, std::int64_t time_ms) const {
  return std::ranges::any_of(reader_.select(finding.matchers), [&](const core::ring::SelectedSeries& series) {
    const auto last = reader_.last(series.ref);
    return last && !core::ring::is_stale(last->value) && last->time_ms >= time_ms - kLookbackMs;
  });
}

void ExpectedSeries::look(core::ring::Appender& appender, const std::vector<Expectation>& expectations,
                          std::int64_t time_ms) {
  std::vector<Finding> findings = to_look_for(expectations);
  const std::size_t wanted = findings.size();
  findings.resize(std::min(wanted, kWatchedMax));
  beyond_limit_.store(wanted - findings.size(), std::memory_order_relaxed);
  watched_.store(findings.size(), std::memory_order_relaxed);
  if (findings.empty() && series_.empty()) return;
  if (timeline_ == core::ring::TimelineRef::kNone) {
    const auto opened = appender.open_timeline(kTimelineIdentity);
    if (!opened) return;
    timeline_ = *opened;
  }
  std::map<Labels, core::ring::SeriesRef> before = std::exchange(series_, {});
  std::vector<std::pair<core::ring::SeriesRef, bool>> values;
  std::uint64_t absent = 0;
  for (Finding& finding : findings) {
    const bool there = is_there(finding, time_ms);
    if (!there) ++absent;
    before.erase(finding.labels);
    // A series that the ring has no room for is counted there.
    const auto series = appender.upsert(timeline_, finding.labels);
    if (!series) continue;
    values.emplace_back(*series, there);
    series_.emplace(std::move(finding.labels), *series);
  }
  absent_.store(absent, std::memory_order_relaxed);
  appender.begin(timeline_, time_ms);
  for (const auto& [series, there] : values) (void)appender.append(series, there ? 0 : 1);
  for (const auto& [labels, series] : before) (void)appender.append(series, core::ring::stale_marker());
  appender.publish();
  if (!on_arrival_) return;
  std::set<std::pair<std::string, std::string>> targets;
  for (const auto& [labels, series] : series_) targets.emplace(labels.get("job"), labels.get("instance"));
  for (const auto& [job, instance] : targets) on_arrival_({job, instance, time_ms});
}

}  // namespace collector::scrape
