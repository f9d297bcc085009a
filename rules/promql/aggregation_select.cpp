// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "rules/promql/aggregation.h"
#include "rules/promql/number_text.h"
#include "rules/promql/xxhash.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

// The doubles next to the bounds of a 64-bit integer that still convert.
constexpr double kLowestCount = -9223372036854775808.0;
constexpr double kHighestCount = 9223372036854774784.0;

struct Candidate {
  double value = 0;
  std::size_t series = 0;
};

// The k largest (or smallest) values seen: a binary heap with the one to be replaced next at its root. It moves
// elements as Go's container/heap does, so that the same ones of several equal values are kept.
class Selection {
 public:
  explicit Selection(AggregateOp op) : largest_(op == AggregateOp::kTopk) {}

  void clear() { heap_.clear(); }

  void offer(Candidate next, std::uint64_t k) {
    if (heap_.size() < k) {
      heap_.push_back(next);
      rise(heap_.size() - 1);
      return;
    }
    const double root = heap_.front().value;
    const bool better = largest_ ? root < next.value : root > next.value;
    if (better || (std::isnan(root) && !std::isnan(next.value))) {
      heap_.front() = next;
      sink(0);
    }
  }

  // Best first, NaN last.
  const std::vector<Candidate>& sorted() {
    std::stable_sort(heap_.begin(), heap_.end(), [this](const Candidate& a, const Candidate& b) {
      if (std::isnan(a.value) || std::isnan(b.value)) return !std::isnan(a.value) && std::isnan(b.value);
      return largest_ ? a.value > b.value : a.value < b.value;
    });
    return heap_;
  }

 private:
  bool worse(std::size_t i, std::size_t j) const {
    if (std::isnan(heap_[i].value)) return true;
    return largest_ ? heap_[i].value < heap_[j].value : heap_[i].value > heap_[j].value;
  }

  void rise(std::size_t i) {
    while (i > 0) {
      const std::size_t parent = (i - 1) / 2;
      if (!worse(i, parent)) return;
      std::swap(heap_[i], heap_[parent]);
      i = parent;
    }
  }

  void sink(std::size_t i) {
    for (;;) {
      std::size_t child = 2 * i + 1;
      if (child >= heap_.size()) return;
      if (child + 1 < heap_.size() && worse(child + 1, child)) ++child;
      if (!worse(child, i)) return;
      std::swap(heap_[i], heap_[child]);
      i = child;
    }
  }

  bool largest_;
  std::vector<Candidate> heap_;
};

// Gives each chosen input series its output series.
class Chosen {
 public:
  explicit Chosen(const SeriesList& input) : input_(input), output_of_(input.size()) {}

  void add(std::size_t series, Sample point) {
    auto& output = output_of_[series];
    if (!output) {
      output = result_.size();
      result_.push_back({input_[series].labels, input_[series].drop_name, {}});
    }
    result_[*output].points.push_back(point);
  }

  SeriesList take() { return std::move(result_); }

 private:
  const SeriesList& input_;
  std::vector<std::optional<std::size_t>> output_of_;
  SeriesList result_;
};

struct Extremes {
  double lowest = std::numeric_limits<double>::max();
  double highest = std::numeric_limits<double>::lowest();
  bool any_nan = false;
};

Extremes extremes_of(std::span<const double> parameter) {
  Extremes extremes;
  for (const double value : parameter) {
    extremes.any_nan = extremes.any_nan || std::isnan(value);
    extremes.lowest = std::fmin(extremes.lowest, value);
    extremes.highest = std::fmax(extremes.highest, value);
  }
  return extremes;
}

// limit_ratio: where in [0, 1] a series lies, always at the same place.
double ratio_offset(const Labels& labels) {
  std::string bytes;
  const auto append = [&bytes](const std::string& text) {
    constexpr std::size_t kLongLength = 255;
    if (text.size() < kLongLength) {
      bytes += static_cast<char>(text.size());
    } else {
      bytes += static_cast<char>(kLongLength);
      for (unsigned shift = 0; shift < 24; shift += 8) bytes += static_cast<char>((text.size() >> shift) & 0xff);
    }
    bytes += text;
  };
  for (const auto& [name, value] : labels) {
    append(name);
    append(value);
  }
  return static_cast<double>(xxhash64(bytes)) / 18446744073709551615.0;
}

SeriesList choose_share(QueryContext& context, const TimeGrid& grid, const Expr& parameter_node,
                        const SeriesList& input, std::span<const double> parameter) {
  const auto warn = [&](double ratio, int cap) {
    context.annotations.add(
        AnnotationKind::kWarning,
        fmt::format("ratio value should be between -1 and 1, got {}, capping to {}", short_number(ratio), cap),
        parameter_node.place);
  };
  const Extremes extremes = extremes_of(parameter);
  if (extremes.highest > 1) warn(extremes.highest, 1);
  if (extremes.lowest < -1) warn(extremes.lowest, -1);
  Chosen chosen(input);
  for (std::size_t i = 0; i < input.size(); ++i) {
    const double offset = ratio_offset(*input[i].labels);
    for (const Sample& point : input[i].points) {
      const double ratio = std::clamp(parameter[grid.index(point.time_ms)], -1.0, 1.0);
      if (ratio >= 0 ? offset < ratio : offset >= 1 + ratio) chosen.add(i, point);
    }
  }
  return chosen.take();
}

Result<SeriesList> choose_counted(QueryContext& context, const TimeGrid& grid, const Aggregate& operation,
                                  const SeriesList& input, std::span<const double> parameter) {
  const Grouping grouping = group_series(operation, input);
  const bool any = operation.op == AggregateOp::kLimitk;
  std::vector<Selection> selections(grouping.groups.size(), Selection(operation.op));
  std::vector<std::uint64_t> taken(grouping.groups.size(), 0);
  Chosen chosen(input);
  StepCursor cursor(input);
  for (std::size_t step = 0; step < grid.size(); ++step) {
    if (Status alive = context.check_alive(); !alive) return fail(alive.error());
    if (parameter[step] < 1) {
      cursor.visit(grid.at(step), [](std::size_t, double) {});
      continue;
    }
    const auto k = static_cast<std::uint64_t>(parameter[step]);
    const std::int64_t time = grid.at(step);
    for (Selection& selection : selections) selection.clear();
    std::fill(taken.begin(), taken.end(), 0);
    cursor.visit(time, [&](std::size_t i, double value) {
      const std::size_t group = grouping.group_of[i];
      if (!any) {
        selections[group].offer({value, i}, k);
      } else if (taken[group] < k) {
        ++taken[group];
        chosen.add(i, {time, value});
      }
    });
    for (Selection& selection : selections) {
      for (const Candidate& candidate : selection.sorted()) chosen.add(candidate.series, {time, candidate.value});
    }
  }
  return chosen.take();
}

}  // namespace

Result<SeriesList> select_series(QueryContext& context, const TimeGrid& grid, const Aggregate& operation,
                                 const SeriesList& input, std::span<const double> parameter) {
  const Extremes extremes = extremes_of(parameter);
  if (operation.op == AggregateOp::kLimitRatio) {
    if (extremes.any_nan) return fail(Errc::kFailed, "Ratio value is NaN");
    if (extremes.highest == 0 && extremes.lowest == 0) return SeriesList();
    return choose_share(context, grid, *operation.param, input, parameter);
  }
  if (!extremes.any_nan && extremes.highest < 1) return SeriesList();
  if (extremes.any_nan) return fail(Errc::kFailed, "Parameter value is NaN");
  if (extremes.lowest <= kLowestCount) {
    return fail(Errc::kFailed, "Scalar value {} underflows int64", short_number(extremes.lowest));
  }
  if (extremes.highest >= kHighestCount) {
    return fail(Errc::kFailed, "Scalar value {} overflows int64", short_number(extremes.highest));
  }
  return choose_counted(context, grid, operation, input, parameter);
}

}  // namespace rules::promql
