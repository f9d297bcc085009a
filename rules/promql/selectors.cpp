// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <utility>

#include "core/check.h"
#include "rules/promql/evaluator.h"

namespace rules::promql {

using core::fail;
using core::Result;
using core::ring::SelectedSeries;

namespace {

// A query that loops over this many steps without a sample still looks at its deadline.
constexpr std::size_t kStepsBetweenChecks = 4096;

std::int64_t minus(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (!__builtin_sub_overflow(a, b, &result)) return result;
  return b > 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

std::int64_t plus(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (!__builtin_add_overflow(a, b, &result)) return result;
  return b < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

void erase_stale(std::vector<Sample>& samples) {
  std::erase_if(samples, [](const Sample& sample) { return core::ring::is_stale(sample.value); });
}

// The multiple of `step` that follows `time`.
std::int64_t next_multiple(std::int64_t time, std::int64_t step) {
  const std::int64_t quotient = time / step - (time % step < 0 ? 1 : 0);
  return (quotient + 1) * step;
}

// The value of a `smoothed` selector at `ref`: `samples` are those of its window, `next` the first at or after ref.
std::optional<double> smoothed_value(std::span<const Sample> samples, std::size_t next, std::int64_t ref,
                                     std::int64_t lookback) {
  const bool has_after = next < samples.size() && samples[next].time_ms <= plus(ref, lookback);
  if (has_after && samples[next].time_ms == ref) return samples[next].value;
  if (next == 0 || samples[next - 1].time_ms <= minus(ref, lookback)) return std::nullopt;
  if (!has_after) return samples[next - 1].value;
  return interpolate(samples[next - 1], samples[next], ref, false);
}

// The points of a bare `anchored` or `smoothed` range: its samples, and what they say about both borders.
std::vector<Sample> with_borders(const RangeSeries& series, const WindowShape& shape, std::int64_t start,
                                 std::int64_t end) {
  const auto& samples = series.samples;
  if (samples.empty()) return {};
  const bool smooth = shape.edges == WindowEdges::kSmoothed;
  std::size_t first = 0;
  while (first + 2 < samples.size() && samples[first + 1].time_ms <= start) ++first;
  std::size_t last = samples.size() - 1;
  if (smooth) {
    last = 0;
    while (last + 1 < samples.size() && samples[last].time_ms < end) ++last;
  }
  if (samples[last].time_ms <= start || (smooth && samples[first].time_ms > end)) return {};
  double left = samples[first].value;
  if (smooth && samples[first].time_ms < start && first + 1 < samples.size()) {
    left = interpolate(samples[first], samples[first + 1], start, false);
  }
  double right = samples[last].value;
  if (smooth && last > 0 && samples[last].time_ms > end) {
    right = interpolate(samples[last - 1], samples[last], end, false);
  }
  std::vector<Sample> points = {{start, left}};
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(points),
               [&](const Sample& sample) { return start < sample.time_ms && sample.time_ms < end; });
  points.push_back({end, right});
  return points;
}

}  // namespace

std::int64_t WindowShape::end(std::int64_t eval_ms) const { return minus(at_ms.value_or(eval_ms), offset_ms); }

std::int64_t WindowShape::start(std::int64_t eval_ms) const { return minus(end(eval_ms), range_ms); }

std::optional<std::int64_t> Evaluator::pinned(const TimeShift& shift) const {
  switch (shift.at_bound) {
    case AtBound::kStart:
      return context_.start_ms;
    case AtBound::kEnd:
      return context_.end_ms;
    case AtBound::kNone:
      break;
  }
  return shift.at_ms;
}

std::vector<SelectedSeries> Evaluator::select(std::span<const Matcher> matchers) {
  std::vector<SelectedSeries> selected = context_.reader.select(matchers);
  if (!selected.empty()) context_.found_series = true;
  std::sort(selected.begin(), selected.end(),
            [](const SelectedSeries& a, const SelectedSeries& b) { return *a.labels < *b.labels; });
  return selected;
}

// Replaces `buffer` with every sample that some step of the selector may choose.
void Evaluator::read_chosen(const SelectedSeries& selected, const VectorSelector& selector,
                            std::vector<Sample>& buffer) {
  const auto pin = pinned(selector.shift);
  const std::int64_t lookback = context_.options.lookback.count();
  const std::int64_t first_ref = minus(pin.value_or(grid_.start_ms), selector.shift.offset_ms);
  const std::int64_t last_ref = minus(pin.value_or(grid_.end_ms), selector.shift.offset_ms);
  const bool smooth = selector.edges == WindowEdges::kSmoothed;
  if (first_ref == last_ref && !smooth) {
    buffer.clear();
    const std::optional<Sample> newest = context_.reader.last(selected.ref);
    if (!newest || newest->time_ms <= minus(first_ref, lookback)) return;
    if (newest->time_ms <= first_ref) {
      buffer.push_back(*newest);
      context_.note_newest(buffer);
      return;
    }
  }
  const std::int64_t last = smooth ? plus(last_ref, lookback) : last_ref;
  context_.reader.read(selected.ref, plus(minus(first_ref, lookback), 1), last, buffer);
  context_.note_newest(buffer);
  if (smooth) erase_stale(buffer);
}

Result<SeriesList> Evaluator::instant_selector(const VectorSelector& selector, SampleAspect aspect) {
  const auto pin = pinned(selector.shift);
  const std::int64_t lookback = context_.options.lookback.count();
  const bool smooth = selector.edges == WindowEdges::kSmoothed && aspect == SampleAspect::kValue;
  SeriesList result;
  std::vector<Sample> buffer;
  std::vector<std::int64_t> start_times;
  for (const SelectedSeries& selected : select(selector.matchers)) {
    if (Status alive = context_.check_alive(); !alive) return fail(alive.error());
    read_chosen(selected, selector, buffer);
    context_.samples_read += buffer.size();
    if (aspect == SampleAspect::kStartTime) context_.options.start_times->read(selected.ref, buffer, start_times);
    Series series{selected.labels, false, {}};
    std::size_t after = 0;  // the first sample after ref; at or after it, if smoothed
    for (std::size_t step = 0; step < grid_.size(); ++step) {
      if (step % kStepsBetweenChecks == kStepsBetweenChecks - 1) {
        if (Status alive = context_.check_alive(); !alive) return fail(alive.error());
      }
      const std::int64_t time = grid_.at(step);
      const std::int64_t ref = minus(pin.value_or(time), selector.shift.offset_ms);
      const std::int64_t bound = smooth ? ref : plus(ref, 1);
      while (after < buffer.size() && buffer[after].time_ms < bound) ++after;
      if (smooth) {
        if (const auto value = smoothed_value(buffer, after, ref, lookback)) series.points.push_back({time, *value});
        continue;
      }
      if (after == 0) continue;
      const Sample& chosen = buffer[after - 1];
      if (chosen.time_ms <= minus(ref, lookback) || core::ring::is_stale(chosen.value)) continue;
      double value = chosen.value;
      if (aspect == SampleAspect::kTime) value = static_cast<double>(chosen.time_ms) / 1e3;
      if (aspect == SampleAspect::kStartTime) value = static_cast<double>(start_times[after - 1]) / 1e3;
      series.points.push_back({time, value});
    }
    if (series.points.empty()) continue;
    if (Status room = context_.hold(series.points.size()); !room) return fail(room.error());
    result.push_back(std::move(series));
  }
  return result;
}

WindowShape Evaluator::shape_of(const Expr& range_argument) const {
  const Expr& node = strip_parens(range_argument);
  if (const auto* subquery = node.as<Subquery>()) {
    return {subquery->range_ms, subquery->shift.offset_ms, pinned(subquery->shift), WindowEdges::kPlain, 0, 0};
  }
  const auto* matrix = node.as<MatrixSelector>();
  CHECK(matrix != nullptr, "the parser lets only selectors and subqueries be range vectors");
  const VectorSelector& selector = matrix->selector;
  const std::int64_t lookback = context_.options.lookback.count();
  return {matrix->range_ms,
          selector.shift.offset_ms,
          pinned(selector.shift),
          selector.edges,
          selector.edges == WindowEdges::kPlain ? 0 : lookback,
          selector.edges == WindowEdges::kSmoothed ? lookback : 0};
}

Result<SeriesList> Evaluator::subquery_points(const Subquery& subquery) {
  const auto pin = pinned(subquery.shift);
  const std::int64_t step = subquery.step_ms > 0 ? subquery.step_ms : context_.options.default_subquery_step.count();
  const std::int64_t last_step = grid_.at(grid_.size() - 1);
  const std::int64_t low = minus(minus(pin.value_or(grid_.start_ms), subquery.shift.offset_ms), subquery.range_ms);
  const std::int64_t high = minus(pin.value_or(last_step), subquery.shift.offset_ms);
  if (low < -kMaxTimeMs || high > kMaxTimeMs) return SeriesList();
  const TimeGrid inner{next_multiple(low, step), high, step};
  if (inner.size() == 0) return SeriesList();
  return Evaluator(context_, inner).vector(*subquery.expr);
}

// Replaces `out` with the samples that the windows of all steps hold, oldest first.
void Evaluator::read_windows(core::ring::SeriesRef series, const WindowShape& shape, std::vector<Sample>& out) const {
  const auto read = [&](std::size_t first_step, std::size_t last_step, std::vector<Sample>& samples) {
    const std::int64_t from = plus(minus(shape.start(grid_.at(first_step)), shape.before_ms), 1);
    const std::int64_t to = plus(shape.end(grid_.at(last_step)), shape.after_ms);
    context_.reader.read(series, from, to, samples);
    context_.note_newest(samples);
  };
  const std::size_t last_step = grid_.size() - 1;
  const bool apart = !shape.at_ms && plus(shape.range_ms, plus(shape.before_ms, shape.after_ms)) <= grid_.step_ms;
  if (!apart || last_step == 0) {
    read(0, last_step, out);
    return;
  }
  // The windows leave gaps: what lies in those is not read.
  out.clear();
  std::vector<Sample> window;
  for (std::size_t step = 0; step <= last_step; ++step) {
    read(step, step, window);
    out.insert(out.end(), window.begin(), window.end());
  }
}

Status Evaluator::read_range_series(const MatrixSelector& matrix, const WindowShape& shape,
                                    const std::function<Status(RangeSeries&)>& use) {
  RangeSeries series;
  for (const SelectedSeries& selected : select(matrix.selector.matchers)) {
    if (Status alive = context_.check_alive(); !alive) return alive;
    read_windows(selected.ref, shape, series.samples);
    erase_stale(series.samples);
    if (series.samples.empty()) continue;
    context_.samples_read += series.samples.size();
    series.labels = selected.labels;
    if (context_.options.start_times != nullptr) {
      context_.options.start_times->read(selected.ref, series.samples, series.start_times);
    }
    const std::uint64_t held_before = context_.samples_held;
    if (Status room = context_.hold(series.samples.size()); !room) return room;
    if (Status used = use(series); !used) return used;
    context_.samples_held -= std::min(context_.samples_held - held_before, series.samples.size());
  }
  return {};
}

Status Evaluator::each_range_series(const Expr& argument, const std::function<Status(RangeSeries&)>& use) {
  const Expr& node = strip_parens(argument);
  if (const auto* matrix = node.as<MatrixSelector>()) return read_range_series(*matrix, shape_of(node), use);
  const auto* subquery = node.as<Subquery>();
  CHECK(subquery != nullptr, "the parser lets only selectors and subqueries be range vectors");
  Result<SeriesList> list = subquery_points(*subquery);
  if (!list) return fail(list.error());
  for (Series& points : *list) {
    RangeSeries series{points.labels, points.drop_name, std::move(points.points), {}};
    if (Status used = use(series); !used) return used;
  }
  return {};
}

Result<SeriesList> Evaluator::over_windows(const Expr& argument, const WindowFunction& function, NameFate fate) {
  const WindowShape shape = shape_of(argument);
  SeriesList result;
  const auto use = [&](RangeSeries& input) -> Status {
    Series series{input.labels, input.drop_name, {}};
    std::size_t begin = 0;
    std::size_t end = 0;
    for (std::size_t step = 0; step < grid_.size(); ++step) {
      Window window;
      window.eval_ms = grid_.at(step);
      window.start_ms = shape.start(window.eval_ms);
      window.end_ms = shape.end(window.eval_ms);
      while (end < input.samples.size() && input.samples[end].time_ms <= plus(window.end_ms, shape.after_ms)) ++end;
      while (begin < end && input.samples[begin].time_ms <= minus(window.start_ms, shape.before_ms)) ++begin;
      if (begin == end) continue;
      window.samples = std::span(input.samples).subspan(begin, end - begin);
      if (!input.start_times.empty()) window.start_times = std::span(input.start_times).subspan(begin, end - begin);
      const Result<RangeValue> value = function(window, step, input);
      if (!value) return fail(value.error());
      if (*value) series.points.push_back({window.eval_ms, **value});
    }
    if (series.points.empty()) return {};
    if (fate == NameFate::kDropped) mark_name_dropped(series);
    const std::size_t count = series.points.size();
    result.push_back(std::move(series));
    return context_.hold(count);
  };
  if (Status read = each_range_series(argument, use); !read) return fail(read.error());
  if (fate == NameFate::kDropped && !context_.delayed()) {
    std::unordered_set<Labels, core::ring::LabelsHash> seen;
    for (const Series& series : result) {
      if (!seen.insert(*series.labels).second) return fail(duplicate_labels());
    }
  }
  return result;
}

Result<SeriesList> Evaluator::matrix(const Expr& expr) {
  CHECK(grid_.size() == 1, "a range vector has no value over several steps");
  const WindowShape shape = shape_of(expr);
  const std::int64_t start = shape.start(grid_.start_ms);
  const std::int64_t end = shape.end(grid_.start_ms);
  SeriesList result;
  const auto use = [&](RangeSeries& input) -> Status {
    Series series{input.labels, input.drop_name, {}};
    series.points = shape.edges == WindowEdges::kPlain ? input.samples : with_borders(input, shape, start, end);
    if (!series.points.empty()) result.push_back(std::move(series));
    return context_.hold(input.samples.size());
  };
  if (Status read = each_range_series(expr, use); !read) return fail(read.error());
  return result;
}

}  // namespace rules::promql
