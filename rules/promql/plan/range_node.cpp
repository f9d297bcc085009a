// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/range_node.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "rules/promql/plan/counter_doubts.h"
#include "rules/promql/plan/folded_window.h"
#include "rules/promql/plan/grouped_series.h"
#include "rules/promql/plan/rate_windows.h"
#include "rules/promql/plan/resolved_selector.h"
#include "rules/promql/plan/sample_times.h"
#include "rules/promql/plan/selector_node.h"

namespace rules::promql::plan {

using core::ring::SeriesRef;

namespace {

using OfWindow = RangeValue (*)(const Window&);

struct RangeFunction {
  FunctionId id;
  OfWindow of_window;
  NameFate fate;
  std::optional<RateKind> rate;
};

RangeValue rate_of(const Window& window) { return extrapolated_rate(window, RateKind::kRate); }
RangeValue increase_of(const Window& window) { return extrapolated_rate(window, RateKind::kIncrease); }
RangeValue delta_of(const Window& window) { return extrapolated_rate(window, RateKind::kDelta); }

std::optional<RangeFunction> range_function(FunctionId id) {
  switch (id) {
    case FunctionId::kRate:
      return RangeFunction{id, rate_of, NameFate::kDropped, RateKind::kRate};
    case FunctionId::kIncrease:
      return RangeFunction{id, increase_of, NameFate::kDropped, RateKind::kIncrease};
    case FunctionId::kDelta:
      return RangeFunction{id, delta_of, NameFate::kDropped, RateKind::kDelta};
    case FunctionId::kChanges:
      return RangeFunction{id, changes, NameFate::kDropped, std::nullopt};
    case FunctionId::kResets:
      return RangeFunction{id, resets, NameFate::kDropped, std::nullopt};
    default:
      break;
  }
  const WindowCall call = window_call(id);
  if (call.function == nullptr) return std::nullopt;
  return RangeFunction{id, call.function, call.fate, std::nullopt};
}

class RangeNode final : public PlanNode {
 public:
  RangeNode(const RangeFunction& function, const Expr& argument, LabelPool& pool)
      : function_(function), place_(argument.place), selector_(matrix_of(argument).selector, pool) {
    shape_.range_ms = matrix_of(argument).range_ms;
    shape_.offset_ms = matrix_of(argument).selector.shift.offset_ms;
  }

  static const MatrixSelector& matrix_of(const Expr& argument) { return *strip_parens(argument).as<MatrixSelector>(); }

  bool resolve(const core::ring::Reader& reader) override {
    selector_.refresh(reader);
    if (unnamed_.input() == selector_.series()) return unnamed_.all_apart() || function_.fate == NameFate::kKept;
    doubts_.reset();
    unnamed_ = without_reserved(selector_.series());
    return unnamed_.all_apart() || function_.fate == NameFate::kKept;
  }

  const LabelTablePtr& series() const override {
    return function_.fate == NameFate::kKept ? selector_.series() : unnamed_.groups();
  }

  std::size_t series_held() const override { return selector_.refs().size(); }

  Status each_block(const PlanRun& run, const BlockSink& sink) override {
    if (!selector_.refs().empty()) run.context.found_series = true;
    const bool gaps = run.grid.size() == 1 || shape_.range_ms <= run.grid.step_ms;
    if (gaps && is_foldable(function_.id)) {
      return fold(run, sink);
    }
    if (gaps) {
      return each_series(run, sink,
                         [&](SeriesRef ref, std::span<double> row) { return window_by_window(run, ref, row); });
    }
    if (!function_.rate) {
      return each_series(run, sink, [&](SeriesRef ref, std::span<double> row) { return slide(run, ref, row); });
    }
    ByTimes<RateWindows> windows;
    return each_series(run, sink,
                       [&](SeriesRef ref, std::span<double> row) { return slide_rate(run, ref, windows, row); });
  }

 private:
  // Calls of_series(ref, row) -> Result<bool>, whether there is any value, for each series.
  template <class OfSeries>
  Status each_series(const PlanRun& run, const BlockSink& sink, OfSeries of_series) {
    RowBlock block;
    block.steps = run.grid.size();
    const auto& refs = selector_.refs();
    for (std::uint32_t i = 0; i < refs.size(); ++i) {
      const core::Result<bool> any = of_series(refs[i], block.add(i));
      if (!any) return core::fail(any.error());
      if (!*any) block.take_back();
      if (!block.full() && i + 1 < refs.size()) continue;
      if (Status taken = hand_on(run, block, sink); !taken) return taken;
      block.clear();
    }
    return {};
  }

  Status hand_on(const PlanRun& run, RowBlock& block, const BlockSink& sink) {
    if (Status alive = run.context.check_alive(); !alive) return alive;
    if (block.rows() == 0) return {};
    if (function_.rate && *function_.rate != RateKind::kDelta) {
      if (!doubts_) doubts_.emplace(selector_.series(), run.context.options.counter_check);
      if (doubts_->any()) {
        for (const std::uint32_t series : block.series) doubts_->note(series, run.context.annotations, place_);
      }
    }
    return sink(block);
  }

  // The ring folds the windows of many series at a time.
  Status fold(const PlanRun& run, const BlockSink& sink) {
    const std::span<const SeriesRef> refs = selector_.refs();
    RowBlock block;
    block.steps = run.grid.size();
    for (std::size_t begin = 0; begin < refs.size(); begin += block.capacity()) {
      const auto some = refs.subspan(begin, std::min(block.capacity(), refs.size() - begin));
      block.assign(static_cast<std::uint32_t>(begin), some.size());
      for (std::size_t step = 0; step < block.steps; ++step) {
        if (Status folded = fold_step(run, some, step, block); !folded) return folded;
      }
      block.drop_empty_rows();
      if (Status taken = hand_on(run, block, sink); !taken) return taken;
    }
    return {};
  }

  Status fold_step(const PlanRun& run, std::span<const SeriesRef> refs, std::size_t step, RowBlock& block) {
    const std::int64_t end = shape_.end(run.grid.at(step));
    const std::int64_t start = end - shape_.range_ms;
    run.context.reader.counter_windows(refs, start + 1, end, windows_);
    for (std::size_t i = 0; i < refs.size(); ++i) {
      const core::ring::CounterWindow& window = windows_[i];
      if (run.context.exact_newest) note_newest(run, refs[i], start, end);
      if (window.count > 0) run.context.newest_ms = std::max(run.context.newest_ms, window.last.time_ms);
      const FoldedValue folded = folded_value(function_.id, window, start, end);
      RangeValue value = folded.value;
      if (folded.needs_samples) {
        if (Status done = read(run, refs[i], start + 1, end); !done) return done;
        value = at_step(run, step, samples_);
      } else {
        run.context.samples_read += window.count;
      }
      if (value) block.row(i)[step] = *value;
    }
    return {};
  }

  // The ring does not tell of stale markers in a window.
  void note_newest(const PlanRun& run, SeriesRef ref, std::int64_t start, std::int64_t end) {
    const std::optional<Sample> last = run.context.reader.last(ref);
    if (!last || last->time_ms <= start) return;
    if (last->time_ms <= end) {
      run.context.newest_ms = std::max(run.context.newest_ms, last->time_ms);
      return;
    }
    run.context.reader.read(ref, start + 1, end, samples_);
    run.context.note_newest(samples_);
  }

  core::Result<bool> window_by_window(const PlanRun& run, SeriesRef ref, std::span<double> row) {
    bool any = false;
    for (std::size_t step = 0; step < row.size(); ++step) {
      const std::int64_t end = shape_.end(run.grid.at(step));
      if (Status done = read(run, ref, end - shape_.range_ms + 1, end); !done) return core::fail(done.error());
      const RangeValue value = at_step(run, step, samples_);
      row[step] = value.value_or(no_value());
      any = any || value;
    }
    return any;
  }

  core::Result<bool> slide(const PlanRun& run, SeriesRef ref, std::span<double> row) {
    if (Status done = read_all_windows(run, ref); !done) return core::fail(done.error());
    bool any = false;
    std::size_t begin = 0;
    std::size_t end = 0;
    for (std::size_t step = 0; step < row.size(); ++step) {
      const std::int64_t to = shape_.end(run.grid.at(step));
      while (end < samples_.size() && samples_[end].time_ms <= to) ++end;
      while (begin < end && samples_[begin].time_ms <= to - shape_.range_ms) ++begin;
      const RangeValue value = at_step(run, step, std::span(samples_).subspan(begin, end - begin));
      row[step] = value.value_or(no_value());
      any = any || value;
    }
    return any;
  }

  core::Result<bool> slide_rate(const PlanRun& run, SeriesRef ref, ByTimes<RateWindows>& known, std::span<double> row) {
    if (Status done = read_all_windows(run, ref); !done) return core::fail(done.error());
    if (samples_.size() < 2) return false;
    const RateWindows& windows =
        known.find(samples_, [&](std::span<const Sample> samples) { return RateWindows(samples, shape_, run.grid); });
    values_.clear();
    for (const Sample& sample : samples_) values_.push_back(sample.value);
    return windows.extrapolate(values_, *function_.rate, static_cast<double>(shape_.range_ms) / 1e3, row);
  }

  RangeValue at_step(const PlanRun& run, std::size_t step, std::span<const Sample> samples) const {
    if (samples.empty()) return std::nullopt;
    Window window;
    window.samples = samples;
    window.eval_ms = run.grid.at(step);
    window.end_ms = shape_.end(window.eval_ms);
    window.start_ms = window.end_ms - shape_.range_ms;
    return function_.of_window(window);
  }

  Status read_all_windows(const PlanRun& run, SeriesRef ref) {
    const std::int64_t last = shape_.end(run.grid.at(run.grid.size() - 1));
    return read(run, ref, shape_.start(run.grid.start_ms) + 1, last);
  }

  // Into samples_, without stale markers.
  Status read(const PlanRun& run, SeriesRef ref, std::int64_t from_ms, std::int64_t to_ms) {
    QueryContext& context = run.context;
    context.reader.read(ref, from_ms, to_ms, samples_);
    context.note_newest(samples_);
    std::erase_if(samples_, [](const Sample& sample) { return core::ring::is_stale(sample.value); });
    context.samples_read += samples_.size();
    const std::uint64_t held_before = context.samples_held;
    Status room = context.hold(samples_.size());
    context.samples_held = held_before;
    return room;
  }

  RangeFunction function_;
  Place place_;
  WindowShape shape_;
  ResolvedSelector selector_;
  GroupedSeries unnamed_;
  std::optional<CounterDoubts> doubts_;  // made when they are first needed

  std::vector<core::ring::CounterWindow> windows_;  // of the series at hand
  std::vector<Sample> samples_;                     // of one
  std::vector<double> values_;
};

}  // namespace

PlanNodePtr make_range_node(const Call& call, LabelPool& pool) {
  if (call.args.size() != 1) return nullptr;
  const std::optional<RangeFunction> function = range_function(call.function);
  const auto* matrix = strip_parens(*call.args[0]).as<MatrixSelector>();
  if (!function || matrix == nullptr || !is_plain(matrix->selector) || matrix->range_ms >= kMaxTimeMs) return nullptr;
  return std::make_unique<RangeNode>(*function, *call.args[0], pool);
}

}  // namespace rules::promql::plan
