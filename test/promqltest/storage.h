// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/ring/ring.h"
#include "rules/promql/engine.h"

namespace promqltest {

using core::ring::Labels;
using core::ring::Sample;

// A sample as a script describes it. Native histograms are known to exist, but not what they hold.
struct ScriptSample {
  std::int64_t time_ms = 0;
  std::optional<double> value;  // none: a native histogram
  std::int64_t start_ms = 0;    // start timestamp; 0 if none was given
};

// The samples a script has loaded: everything in memory, nothing dropped, in any order of loading.
//
// Thread safety: confined to one thread; reading notes which native histograms were met.
class Storage final : public core::ring::Reader, public rules::promql::StartTimes {
 public:
  // A sample at a time the series has one at already replaces it.
  void load(const Labels& labels, const std::vector<ScriptSample>& samples);
  void clear();

  // The series whose native histograms were inside a range read since the last call; "" if there were none.
  std::string take_native_met() const;

  std::vector<core::ring::SelectedSeries> select(std::span<const core::ring::Matcher> matchers) const override;
  std::uint64_t index_generation() const override { return generation_; }
  void read(core::ring::SeriesRef series, std::int64_t from_ms, std::int64_t to_ms,
            std::vector<Sample>& out) const override;
  std::optional<Sample> last(core::ring::SeriesRef series) const override;
  core::ring::RingUsage usage() const override { return {}; }

  void read(core::ring::SeriesRef series, std::span<const Sample> samples,
            std::vector<std::int64_t>& out) const override;

 private:
  struct Stored {
    std::shared_ptr<const Labels> labels;
    std::map<std::int64_t, double> values;
    std::map<std::int64_t, std::int64_t> starts;
    std::set<std::int64_t> natives;
  };
  const Stored& stored(core::ring::SeriesRef series) const;

  std::vector<Stored> series_;
  std::map<Labels, std::size_t> index_;
  std::uint64_t generation_ = 0;
  mutable std::string native_met_;
};

}  // namespace promqltest
