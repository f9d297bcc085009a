// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/ring/labels.h"
#include "rules/promql/annotations.h"
#include "rules/promql/evaluator.h"
#include "rules/promql/number_text.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

bool counter_by_name(std::string_view name) {
  constexpr std::array<std::string_view, 4> kSuffixes = {"_total", "_sum", "_count", "_bucket"};
  return std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [name](std::string_view suffix) { return name.ends_with(suffix); });
}

RateKind rate_kind(FunctionId id) {
  if (id == FunctionId::kRate) return RateKind::kRate;
  return id == FunctionId::kIncrease ? RateKind::kIncrease : RateKind::kDelta;
}

}  // namespace

std::string doubt_about_counter(const Labels& labels, CounterCheck check) {
  const std::string_view name = labels.metric_name();
  if (name.empty()) return "";
  if (check == CounterCheck::kByTypeLabel) {
    const std::string_view type = labels.get("__type__");
    if (type == "counter" || type == "histogram") return "";
    return fmt::format(
        "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {}: {}",
        core::ring::go_quote(type), core::ring::go_quote(name));
  }
  if (counter_by_name(name)) return "";
  return fmt::format("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                     core::ring::go_quote(name));
}

Result<SeriesList> Evaluator::call_rate(const Expr&, const Call& call) {
  const Expr& argument = *call.args[0];
  const RateKind kind = rate_kind(call.function);
  const WindowEdges edges = shape_of(argument).edges;
  LabelsPtr examined;  // the series whose name was looked at last
  const auto function = [&](const Window& window, std::size_t, const RangeSeries& series) -> Result<RangeValue> {
    RangeValue value;
    if (edges == WindowEdges::kAnchored) {
      value = anchored_rate(window, kind);
    } else if (edges == WindowEdges::kSmoothed) {
      value = smoothed_rate(window, kind);
    } else {
      value = extrapolated_rate(window, kind);
    }
    if (!value || kind == RateKind::kDelta) return value;
    if (overlapping_start_times(window)) {
      context_.annotations.add_overlap(series.labels->metric_name(), argument.place);
    }
    if (examined != series.labels) {
      examined = series.labels;
      std::string doubt = doubt_about_counter(*series.labels, context_.options.counter_check);
      if (!doubt.empty()) context_.annotations.add(AnnotationKind::kInfo, std::move(doubt), argument.place);
    }
    return value;
  };
  return over_windows(argument, function, NameFate::kDropped);
}

Result<SeriesList> Evaluator::call_changes_or_resets(const Expr&, const Call& call) {
  const bool anchored = shape_of(*call.args[0]).edges == WindowEdges::kAnchored;
  const auto count = call.function == FunctionId::kChanges ? changes : resets;
  const auto function = [=](const Window& window, std::size_t, const RangeSeries&) -> Result<RangeValue> {
    return count(anchored ? anchored_part(window) : window);
  };
  return over_windows(*call.args[0], function, NameFate::kDropped);
}

Result<SeriesList> Evaluator::call_predict_linear(const Expr&, const Call& call) {
  const Result<std::vector<double>> seconds = scalar(*call.args[1]);
  if (!seconds) return fail(seconds.error());
  const auto function = [&](const Window& window, std::size_t step, const RangeSeries&) -> Result<RangeValue> {
    return predict_linear(window, (*seconds)[step]);
  };
  return over_windows(*call.args[0], function, NameFate::kDropped);
}

Result<SeriesList> Evaluator::call_quantile_over_time(const Expr&, const Call& call) {
  const Result<std::vector<double>> phi = scalar(*call.args[0]);
  if (!phi) return fail(phi.error());
  const auto function = [&](const Window& window, std::size_t step, const RangeSeries&) -> Result<RangeValue> {
    const double wanted = (*phi)[step];
    if (!(wanted >= 0 && wanted <= 1)) {
      context_.annotations.add(AnnotationKind::kWarning,
                               fmt::format("quantile value should be between 0 and 1, got {}", short_number(wanted)),
                               call.args[0]->place);
    }
    return quantile_over_time(window, wanted);
  };
  return over_windows(*call.args[1], function, NameFate::kDropped);
}

Result<SeriesList> Evaluator::call_double_exponential_smoothing(const Expr&, const Call& call) {
  const Result<std::vector<double>> smoothing = scalar(*call.args[1]);
  if (!smoothing) return fail(smoothing.error());
  const Result<std::vector<double>> trend = scalar(*call.args[2]);
  if (!trend) return fail(trend.error());
  const auto function = [&](const Window& window, std::size_t step, const RangeSeries&) -> Result<RangeValue> {
    const double sf = (*smoothing)[step];
    const double tf = (*trend)[step];
    if (!(sf > 0 && sf < 1)) {
      return fail(Errc::kFailed, "invalid smoothing factor. Expected: 0 < sf < 1, got: {}", fixed_number(sf));
    }
    if (!(tf > 0 && tf < 1)) {
      return fail(Errc::kFailed, "invalid trend factor. Expected: 0 < tf < 1, got: {}", fixed_number(tf));
    }
    return double_exponential_smoothing(window, sf, tf);
  };
  return over_windows(*call.args[0], function, NameFate::kDropped);
}

Labels labels_of_absence(const Expr& argument) {
  const Expr& node = strip_parens(argument);
  const VectorSelector* selector = node.as<VectorSelector>();
  if (const auto* matrix = node.as<MatrixSelector>()) selector = &matrix->selector;
  if (selector == nullptr) return {};
  std::vector<core::ring::Label> labels;
  std::vector<std::string> seen_equal;
  for (const Matcher& matcher : selector->matchers) {
    const std::string& name = matcher.name();
    if (name == core::ring::kMetricName) continue;
    const bool repeated = std::find(seen_equal.begin(), seen_equal.end(), name) != seen_equal.end();
    std::erase_if(labels, [&name](const core::ring::Label& label) { return label.name == name; });
    if (matcher.type() != core::ring::MatchType::kEqual || repeated) continue;
    labels.push_back({name, matcher.value()});
    seen_equal.push_back(name);
  }
  return Labels(std::move(labels));
}

namespace {

SeriesList where_missing(const std::vector<bool>& present, const TimeGrid& grid, Labels labels) {
  Series series{std::make_shared<const Labels>(std::move(labels)), false, {}};
  for (std::size_t step = 0; step < present.size(); ++step) {
    if (!present[step]) series.points.push_back({grid.at(step), 1});
  }
  if (series.points.empty()) return {};
  return SeriesList{std::move(series)};
}

}  // namespace

Result<SeriesList> Evaluator::call_absent(const Expr&, const Call& call) {
  const Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  std::vector<bool> present(grid_.size(), false);
  for (const Series& series : *list) {
    for (const Sample& point : series.points) present[grid_.index(point.time_ms)] = true;
  }
  return where_missing(present, grid_, labels_of_absence(*call.args[0]));
}

Result<SeriesList> Evaluator::call_absent_over_time(const Expr&, const Call& call) {
  std::vector<bool> present(grid_.size(), false);
  const auto function = [&](const Window&, std::size_t step, const RangeSeries&) -> Result<RangeValue> {
    present[step] = true;
    return std::nullopt;
  };
  if (const Result<SeriesList> walked = over_windows(*call.args[0], function, NameFate::kKept); !walked) return walked;
  return where_missing(present, grid_, labels_of_absence(*call.args[0]));
}

}  // namespace rules::promql
