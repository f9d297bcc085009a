// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/scrape/scrape_pools.h"
#include "collector/scrape/shard.h"
#include "core/ring/matcher.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace collector::scrape {

// One entry of a job's `expect`, its selector read.
struct Expectation {
  std::string job;
  std::string metric;  // as it was written
  std::vector<core::ring::Matcher> matchers;
  std::vector<std::string> targets;

  bool operator==(const Expectation&) const = default;
};

inline constexpr std::string_view kExpectedAbsentName = "watchkeeper_expected_series_absent";

// Looks whether the series are there that configuration says must be, and writes for each target and metric
//
//   watchkeeper_expected_series_absent{<labels of the target>, metric="..."}   1 or 0
//
// A series is there if its last sample is no stale marker and not older than the look-back of a query. A target that
// has not been scraped yet is not judged; one that is listed but not configured, or was dropped by relabelling, has
// the labels job and instance.
//
// Thread safety: confined to the scheduler's thread, except counts: any thread. The looking is the shard's work.
class ExpectedSeries : public std::enable_shared_from_this<ExpectedSeries> {
 public:
  // How often it looks.
  static constexpr core::Millis kInterval = std::chrono::seconds(15);
  // Of targets times metrics; what is beyond it is not looked for, and counted.
  static constexpr std::size_t kWatchedMax = 20'000;

  // Everything passed by reference outlives it; `pools` tells the targets as they are.
  ExpectedSeries(const core::Clock& clock, core::Scheduler& scheduler, Shard& shard, const core::ring::Reader& reader,
                 std::function<std::vector<PoolStatus>()> pools, std::function<void(const Arrival&)> on_arrival = {});

  // From the next look on. The series of what is expected no more end.
  void apply(std::vector<Expectation> expectations);
  void start();
  void stop();

  std::uint64_t watched() const { return watched_.load(std::memory_order_relaxed); }
  std::uint64_t absent() const { return absent_.load(std::memory_order_relaxed); }
  std::uint64_t beyond_limit() const { return beyond_limit_.load(std::memory_order_relaxed); }

 private:
  struct Finding {
    core::ring::Labels labels;
    std::vector<core::ring::Matcher> matchers;
  };
  using Expectations = std::shared_ptr<const std::vector<Expectation>>;

  void tick();
  std::vector<Finding> to_look_for(const std::vector<Expectation>& expectations) const;
  void look(core::ring::Appender& appender, const std::vector<Expectation>& expectations, std::int64_t time_ms);
  bool is_there(const Finding& finding, std::int64_t time_ms) const;

  const core::Clock& clock_;
  core::Scheduler& scheduler_;
  Shard& shard_;
  const core::ring::Reader& reader_;
  std::function<std::vector<PoolStatus>()> pools_;
  std::function<void(const Arrival&)> on_arrival_;
  Expectations expectations_;
  core::SteadyTime next_tick_{};
  core::TimerId timer_ = 0;
  bool in_flight_ = false;
  bool stopped_ = false;

  // On the shard.
  core::ring::TimelineRef timeline_{};
  std::map<core::ring::Labels, core::ring::SeriesRef> series_;

  // relaxed: each number stands alone.
  std::atomic<std::uint64_t> watched_{0};
  std::atomic<std::uint64_t> absent_{0};
  std::atomic<std::uint64_t> beyond_limit_{0};
};

}  // namespace collector::scrape
