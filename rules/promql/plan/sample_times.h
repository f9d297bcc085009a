// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rules/promql/value.h"

namespace rules::promql::plan {

// The times of a series' samples. The series of one target share theirs, so what follows from times alone is worked out
// once a target.
//
// Thread safety: a value.
class SampleTimes {
 public:
  SampleTimes() = default;
  explicit SampleTimes(std::span<const Sample> samples);
  bool are_of(std::span<const Sample> samples) const;

 private:
  std::vector<std::int64_t> times_;
};

// What was worked out for lists of sample times, in one evaluation. T is made of (samples).
//
// Thread safety: confined to the thread that runs the query.
template <class T>
class ByTimes {
 public:
  // `make(samples)` gives what is not known yet. Valid until the next call. REQUIRES: samples not empty.
  template <class Make>
  const T& find(std::span<const Sample> samples, Make&& make) {
    const auto mixed = static_cast<std::uint64_t>(samples.front().time_ms) * 0x9e3779b97f4a7c15 +
                       static_cast<std::uint64_t>(samples.back().time_ms) * 0xc2b2ae3d27d4eb4f + samples.size();
    if (known_.size() >= kKnownMax) known_.clear();
    auto [found, added] = known_.try_emplace(mixed);
    Entry& entry = found->second;
    if (added || !entry.times.are_of(samples)) entry = {SampleTimes(samples), make(samples)};
    return entry.value;
  }

 private:
  // Series whose samples all have times of their own would fill the memory otherwise.
  static constexpr std::size_t kKnownMax = 256;
  struct Entry {
    SampleTimes times;
    T value;
  };
  std::unordered_map<std::uint64_t, Entry> known_;
};

}  // namespace rules::promql::plan
