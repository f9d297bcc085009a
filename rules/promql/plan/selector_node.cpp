// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/selector_node.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "rules/promql/plan/resolved_selector.h"
#include "rules/promql/plan/sample_times.h"

namespace rules::promql::plan {

using core::ring::SeriesRef;

namespace {

constexpr std::uint32_t kNothing = std::numeric_limits<std::uint32_t>::max();

// The newest samples of so many series are asked for together.
constexpr std::size_t kLastsAtOnce = 256;

// Which of a series' samples each step takes; kNothing: none is new enough.
using ChosenSamples = std::vector<std::uint32_t>;

class SelectorNode final : public PlanNode {
 public:
  SelectorNode(const VectorSelector& selector, LabelPool& pool)
      : selector_(selector, pool), offset_ms_(selector.shift.offset_ms) {}

  bool resolve(const core::ring::Reader& reader) override {
    selector_.refresh(reader);
    return true;
  }
  const LabelTablePtr& series() const override { return selector_.series(); }

  std::size_t series_held() const override { return selector_.refs().size(); }

  Status each_block(const PlanRun& run, const BlockSink& sink) override {
    if (!selector_.refs().empty()) run.context.found_series = true;
    ByTimes<ChosenSamples> chosen;
    RowBlock block;
    block.steps = run.grid.size();
    const bool single = run.grid.start_ms == run.grid.end_ms;
    const std::span<const SeriesRef> refs = selector_.refs();
    for (std::uint32_t i = 0; i < refs.size(); ++i) {
      if (single && i % kLastsAtOnce == 0) {
        run.context.reader.lasts(refs.subspan(i, std::min<std::size_t>(kLastsAtOnce, refs.size() - i)), lasts_);
      }
      const std::span<double> row = block.add(i);
      const bool any =
          single ? newest(run, refs[i], lasts_[i % kLastsAtOnce], row[0]) : at_each_step(run, refs[i], chosen, row);
      if (!any) block.take_back();
      if (!block.full() && i + 1 < refs.size()) continue;
      if (Status alive = run.context.check_alive(); !alive) return alive;
      if (block.rows() == 0) continue;
      if (Status taken = sink(block); !taken) return taken;
      block.clear();
    }
    return {};
  }

 private:
  bool newest(const PlanRun& run, SeriesRef ref, const std::optional<Sample>& last, double& value) {
    const std::int64_t at = run.grid.start_ms - offset_ms_;
    const std::int64_t before = at - run.context.options.lookback.count();
    if (!last || last->time_ms <= before) return false;
    if (last->time_ms <= at) {
      run.context.newest_ms = std::max(run.context.newest_ms, last->time_ms);
      run.context.samples_read += 1;
      value = last->value;
      return has_value(value);
    }
    read(run, ref, before + 1, at);
    if (samples_.empty()) return false;
    value = samples_.back().value;
    return has_value(value);
  }

  bool at_each_step(const PlanRun& run, SeriesRef ref, ByTimes<ChosenSamples>& known, std::span<double> row) {
    const std::int64_t lookback = run.context.options.lookback.count();
    const TimeGrid& grid = run.grid;
    read(run, ref, grid.start_ms - offset_ms_ - lookback + 1, grid.end_ms - offset_ms_);
    if (samples_.empty()) return false;
    const ChosenSamples& chosen = known.find(samples_, [&](std::span<const Sample> samples) {
      ChosenSamples choice;
      std::uint32_t after = 0;  // the first sample after the step
      for (std::size_t step = 0; step < grid.size(); ++step) {
        const std::int64_t at = grid.at(step) - offset_ms_;
        while (after < samples.size() && samples[after].time_ms <= at) ++after;
        const bool fresh = after > 0 && samples[after - 1].time_ms > at - lookback;
        choice.push_back(fresh ? after - 1 : kNothing);
      }
      return choice;
    });
    bool any = false;
    for (std::size_t step = 0; step < row.size(); ++step) {
      row[step] = chosen[step] == kNothing ? no_value() : samples_[chosen[step]].value;
      any = any || has_value(row[step]);
    }
    return any;
  }

  void read(const PlanRun& run, SeriesRef ref, std::int64_t from_ms, std::int64_t to_ms) {
    run.context.reader.read(ref, from_ms, to_ms, samples_);
    run.context.note_newest(samples_);
    run.context.samples_read += samples_.size();
  }

  ResolvedSelector selector_;
  std::int64_t offset_ms_;
  std::vector<std::optional<Sample>> lasts_;  // of the next series
  std::vector<Sample> samples_;               // of the series at hand
};

}  // namespace

bool is_plain(const VectorSelector& selector) {
  const TimeShift& shift = selector.shift;
  // Further away, times would overflow; the Evaluator takes care.
  const bool near = shift.offset_ms < kMaxTimeMs && shift.offset_ms > -kMaxTimeMs;
  return near && !shift.at_ms && shift.at_bound == AtBound::kNone && selector.edges == WindowEdges::kPlain;
}

PlanNodePtr make_selector_node(const VectorSelector& selector, LabelPool& pool) {
  if (!is_plain(selector)) return nullptr;
  return std::make_unique<SelectorNode>(selector, pool);
}

}  // namespace rules::promql::plan
