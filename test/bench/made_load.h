// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dice.h"
#include "sample_source.h"

namespace ring_bench {

// Busy services, as load tests of whole agents use them: of every hundred series twenty count requests, 28 are two
// histograms, eight count CPU seconds, twelve bytes, twenty are gauges and twelve never change. Half of the samples
// differ from the one before (51 %), twice what real targets show: the hard case.
//
// Thread safety: confined to one thread.
class MadeLoad final : public SampleSource {
 public:
  MadeLoad(std::size_t targets, std::size_t series_each, std::int64_t interval_ms);

  std::size_t targets() const override { return targets_.size(); }
  std::size_t series(std::size_t) const override { return plan_.size(); }
  core::ring::Labels labels(std::size_t target, std::size_t series) const override;
  std::int64_t scrape(std::size_t target, std::int64_t step, std::span<double> row) override;

 private:
  enum class Kind : std::uint8_t { kConstant, kCounter, kGauge, kBucket, kSum, kCount };
  // What a series is like, in every target.
  struct Planned {
    core::ring::Labels labels = {};  // without the target's
    Kind kind = Kind::kConstant;
    int of_256 = 0;          // how probable a change is; of a bucket: the share of the observations it takes
    std::int64_t step = 0;   // a counter adds less than this; a gauge moves by so much at most
    std::int64_t start = 0;  // the first value lies below; constants: at
    int decimals = 0;        // the value is a whole number of these
  };
  struct Target {
    Dice dice;
    std::vector<std::int64_t> values;
  };

  void plan(std::size_t series);
  void plan_requests(const std::string& service, std::size_t block);
  void plan_latency(const std::string& service, std::size_t block);
  void plan_resources(const std::string& service, std::size_t block);
  void add(const std::string& metric, std::initializer_list<core::ring::Label> labels, Planned planned);

  std::int64_t interval_ms_;
  std::vector<Planned> plan_;
  std::vector<Target> targets_;
};

}  // namespace ring_bench
