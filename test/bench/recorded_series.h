// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"
#include "sample_source.h"

namespace ring_bench {

// A target as it was over a number of scrapes.
struct RecordedTarget {
  std::string name;
  std::vector<std::int64_t> due_ms;      // one interval apart
  std::vector<std::int64_t> scraped_ms;  // when the request went out: a little later
  std::vector<core::ring::Labels> labels;
  std::vector<std::uint64_t> bits;  // of the values: series after series, one for each scrape, or kAbsentBits

  std::size_t scrapes() const { return due_ms.size(); }
  std::size_t series() const { return labels.size(); }
  std::span<const std::uint64_t> bits_of(std::size_t series) const {
    return std::span(bits).subspan(series * scrapes(), scrapes());
  }
};

// Reads a recording:
//
//   char[8] "WKSER1\0\0", u32 number of targets, u32 0
//   target: u16 name length, u32 scrapes K, u32 series N, name
//           i64[K] due times, i64[K] request times, in ms
//           N x { u8 type, u16 key length, key: name{labels} as exposed }
//           u64[N][K] values, series after series
//
// all little-endian. The labels get a job ("recorded") and the target's name as instance.
core::Result<std::vector<RecordedTarget>> load_recorded_series(const std::filesystem::path& file);

// What `scrapes` scrapes of a source gave, on time, `interval_ms` apart.
std::vector<RecordedTarget> record(SampleSource& source, std::size_t scrapes, std::int64_t interval_ms);

// Plays a recording over and over, as often beside itself as makes `series_wanted`: copies differ in the instance label
// and in where they start, so that equal series do not fill their chunks at the same moment. Where the number does not
// divide, every copy of every target leaves out its share of series, evenly.
//
// Thread safety: confined to one thread.
class Replay final : public SampleSource {
 public:
  Replay(std::vector<RecordedTarget> recording, std::size_t series_wanted);

  std::size_t targets() const override { return targets_.size(); }
  std::size_t series(std::size_t target) const override { return targets_[target].picked.size(); }
  core::ring::Labels labels(std::size_t target, std::size_t series) const override;
  std::int64_t scrape(std::size_t target, std::int64_t step, std::span<double> row) override;

 private:
  struct Target {
    std::size_t recorded = 0;
    std::size_t copy = 0;
    std::size_t phase = 0;
    std::vector<std::uint32_t> picked;  // series of the recorded target
  };

  std::vector<RecordedTarget> recording_;
  // By recorded target: the values scrape after scrape, as a scraper meets them.
  std::vector<std::vector<std::uint64_t>> rows_;
  std::vector<Target> targets_;
};

}  // namespace ring_bench
