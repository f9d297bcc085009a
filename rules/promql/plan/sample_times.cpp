// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/sample_times.h"

namespace rules::promql::plan {

SampleTimes::SampleTimes(std::span<const Sample> samples) {
  times_.reserve(samples.size());
  for (const Sample& sample : samples) times_.push_back(sample.time_ms);
}

bool SampleTimes::are_of(std::span<const Sample> samples) const {
  if (samples.size() != times_.size()) return false;
  std::int64_t differences = 0;
  for (std::size_t i = 0; i < times_.size(); ++i) differences |= times_[i] ^ samples[i].time_ms;
  return differences == 0;
}

}  // namespace rules::promql::plan
