// SPDX-License-Identifier: Apache-2.0
#include "core/ring/ring.h"

namespace core::ring {

void Reader::lasts(std::span<const SeriesRef> series, std::vector<std::optional<Sample>>& out) const {
  out.clear();
  out.reserve(series.size());
  for (const SeriesRef each : series) out.push_back(last(each));
}

CounterWindow Reader::counter_window(SeriesRef series, std::int64_t from_ms, std::int64_t to_ms) const {
  std::vector<Sample> samples;
  read(series, from_ms, to_ms, samples);
  CounterWindow window;
  for (const Sample& sample : samples) {
    if (is_stale(sample.value)) continue;
    if (window.count == 0) window.first = sample;
    if (window.count > 0 && sample.value < window.last.value) window.lost_to_resets += window.last.value;
    window.last = sample;
    ++window.count;
  }
  return window;
}

void Reader::counter_windows(std::span<const SeriesRef> series, std::int64_t from_ms, std::int64_t to_ms,
                             std::vector<CounterWindow>& out) const {
  out.clear();
  out.reserve(series.size());
  for (const SeriesRef each : series) out.push_back(counter_window(each, from_ms, to_ms));
}

std::vector<SeriesRef> Reader::list() const {
  std::vector<SeriesRef> refs;
  for (const SelectedSeries& each : select({})) refs.push_back(each.ref);
  return refs;
}

std::shared_ptr<const Labels> Reader::labels(SeriesRef series) const {
  for (SelectedSeries& each : select({})) {
    if (each.ref == series) return std::move(each.labels);
  }
  return nullptr;
}

}  // namespace core::ring
