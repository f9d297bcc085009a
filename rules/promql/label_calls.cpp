// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "rules/promql/evaluator.h"
#include "rules/promql/label_functions.h"
#include "rules/promql/statistics.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

// Label names may hold any text in UTF-8.
bool is_label_name(std::string_view name) { return !name.empty() && core::ring::is_valid_utf8(name); }

}  // namespace

Result<SeriesList> Evaluator::call_label_replace(const Expr&, const Call& call) {
  const std::string& target = string_argument(*call.args[1]);
  const std::string& source = string_argument(*call.args[3]);
  const Result<LabelRewrite> rewrite =
      LabelRewrite::make(string_argument(*call.args[4]), string_argument(*call.args[2]));
  if (!rewrite) return fail(rewrite.error());
  if (!is_label_name(target)) {
    return fail(Errc::kFailed, "invalid destination label name in label_replace(): {}", target);
  }
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  for (Series& series : *list) {
    const auto value = rewrite->apply(series.labels->get(source));
    if (!value) continue;
    series.labels = std::make_shared<const Labels>(series.labels->with(target, *value));
    if (target == core::ring::kMetricName) series.drop_name = false;
  }
  if (Status unique = merge_equal(*list); !unique) return fail(unique.error());
  return list;
}

Result<SeriesList> Evaluator::call_label_join(const Expr&, const Call& call) {
  const std::string& target = string_argument(*call.args[1]);
  const std::string& separator = string_argument(*call.args[2]);
  std::vector<std::string> sources;
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    sources.push_back(string_argument(*call.args[i]));
    if (!is_label_name(sources.back())) {
      return fail(Errc::kFailed, "invalid source label name in label_join(): {}", sources.back());
    }
  }
  if (!is_label_name(target)) {
    return fail(Errc::kFailed, "invalid destination label name in label_join(): {}", target);
  }
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  for (Series& series : *list) {
    std::string joined;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (i > 0) joined += separator;
      joined += series.labels->get(sources[i]);
    }
    series.labels = std::make_shared<const Labels>(series.labels->with(target, joined));
    if (target == core::ring::kMetricName) series.drop_name = false;
  }
  if (Status unique = merge_equal(*list); !unique) return fail(unique.error());
  return list;
}

// sort and sort_desc. Over several steps there is no order to make: results are sorted by labels in the end.
Result<SeriesList> Evaluator::call_sort(const Expr& node, const Call& call) {
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  if (grid_.size() > 1) {
    warn_ineffective_sort(node);
    return list;
  }
  const bool descending = call.function == FunctionId::kSortDesc;
  std::stable_sort(list->begin(), list->end(), [descending](const Series& a, const Series& b) {
    const double left = a.points.front().value;
    const double right = b.points.front().value;
    if (std::isnan(left) || std::isnan(right)) return less_nan_last(left, right);
    return descending ? left > right : left < right;
  });
  return list;
}

Result<SeriesList> Evaluator::call_sort_by_label(const Expr& node, const Call& call) {
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  if (grid_.size() > 1) {
    warn_ineffective_sort(node);
    return list;
  }
  std::vector<std::string> names;
  for (std::size_t i = 1; i < call.args.size(); ++i) names.push_back(string_argument(*call.args[i]));
  const auto before = [&names](const Series& a, const Series& b) {
    for (const std::string& name : names) {
      const int order = compare_naturally(a.labels->get(name), b.labels->get(name));
      if (order != 0) return order < 0;
    }
    return *a.labels < *b.labels;
  };
  std::stable_sort(list->begin(), list->end(), before);
  if (call.function == FunctionId::kSortByLabelDesc) std::reverse(list->begin(), list->end());
  return list;
}

void Evaluator::warn_ineffective_sort(const Expr& node) {
  context_.annotations.add(AnnotationKind::kWarning,
                           "sort is ineffective for range queries since results are always ordered by labels",
                           node.place);
}

}  // namespace rules::promql
