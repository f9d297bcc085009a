// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/resolved_selector.h"

#include <algorithm>
#include <utility>

namespace rules::promql::plan {

using core::ring::SelectedSeries;
using core::ring::SeriesRef;

void ResolvedSelector::refresh(const core::ring::Reader& reader) {
  // Taken first: what appears while the series are selected makes the next evaluation select again.
  const std::uint64_t generation = reader.index_generation();
  if (generation_ == generation) return;
  generation_ = generation;
  std::vector<SelectedSeries> selected = reader.select(selector_.matchers);
  std::vector<SeriesRef> found;
  found.reserve(selected.size());
  for (const SelectedSeries& each : selected) found.push_back(each.ref);
  // The change was elsewhere: a reference is never given to other labels, so all that was worked out still holds.
  if (series_ && found == found_) return;
  found_ = std::move(found);
  std::sort(selected.begin(), selected.end(),
            [](const SelectedSeries& a, const SelectedSeries& b) { return *a.labels < *b.labels; });
  auto series = std::make_shared<LabelTable>(pool_);
  refs_.clear();
  refs_.reserve(selected.size());
  for (const SelectedSeries& each : selected) {
    refs_.push_back(each.ref);
    series->add(*each.labels);
  }
  series_ = std::move(series);
}

}  // namespace rules::promql::plan
