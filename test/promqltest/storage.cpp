// SPDX-License-Identifier: Apache-2.0
#include "storage.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace promqltest {

using core::ring::SeriesRef;

void Storage::load(const Labels& labels, const std::vector<ScriptSample>& samples) {
  const auto [found, added] = index_.try_emplace(labels, series_.size());
  if (added) {
    series_.push_back({std::make_shared<const Labels>(labels), {}, {}, {}});
    ++generation_;
  }
  Stored& target = series_[found->second];
  for (const ScriptSample& sample : samples) {
    target.values.erase(sample.time_ms);
    target.natives.erase(sample.time_ms);
    target.starts.erase(sample.time_ms);
    if (!sample.value) {
      target.natives.insert(sample.time_ms);
      continue;
    }
    target.values[sample.time_ms] = *sample.value;
    if (sample.start_ms != 0) target.starts[sample.time_ms] = sample.start_ms;
  }
}

void Storage::clear() {
  series_.clear();
  index_.clear();
  ++generation_;
}

std::string Storage::take_native_met() const { return std::exchange(native_met_, ""); }

const Storage::Stored& Storage::stored(SeriesRef series) const { return series_[static_cast<std::size_t>(series) - 1]; }

std::vector<core::ring::SelectedSeries> Storage::select(std::span<const core::ring::Matcher> matchers) const {
  std::vector<core::ring::SelectedSeries> selected;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    const Labels& labels = *series_[i].labels;
    const bool matches = std::all_of(matchers.begin(), matchers.end(),
                                     [&labels](const core::ring::Matcher& matcher) { return matcher.matches(labels); });
    if (matches) selected.push_back({static_cast<SeriesRef>(i + 1), series_[i].labels});
  }
  return selected;
}

void Storage::read(SeriesRef series, std::int64_t from_ms, std::int64_t to_ms, std::vector<Sample>& out) const {
  const Stored& source = stored(series);
  out.clear();
  const auto native = source.natives.lower_bound(from_ms);
  if (native != source.natives.end() && *native <= to_ms) native_met_ = source.labels->to_string();
  const auto end = source.values.upper_bound(to_ms);
  for (auto value = source.values.lower_bound(from_ms); value != end; ++value) {
    out.push_back({value->first, value->second});
  }
}

std::optional<Sample> Storage::last(SeriesRef series) const {
  const Stored& source = stored(series);
  // Before a native histogram that is newer than every number, only read() can tell whether a query looks at it.
  const bool native_newest =
      !source.natives.empty() && (source.values.empty() || source.values.rbegin()->first < *source.natives.rbegin());
  if (native_newest) return Sample{std::numeric_limits<std::int64_t>::max(), 0};
  if (source.values.empty()) return std::nullopt;
  return Sample{source.values.rbegin()->first, source.values.rbegin()->second};
}

void Storage::read(SeriesRef series, std::span<const Sample> samples, std::vector<std::int64_t>& out) const {
  const Stored& source = stored(series);
  out.clear();
  for (const Sample& sample : samples) {
    const auto found = source.starts.find(sample.time_ms);
    out.push_back(found == source.starts.end() ? 0 : found->second);
  }
}

}  // namespace promqltest
