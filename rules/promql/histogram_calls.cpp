// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "rules/promql/evaluator.h"
#include "rules/promql/histogram.h"
#include "rules/promql/number_text.h"

namespace rules::promql {

using core::fail;
using core::Result;

namespace {

constexpr std::string_view kBucketLabel = "le";

std::string quantile_warning(double phi) {
  return fmt::format("quantile value should be between 0 and 1, got {}", short_number(phi));
}

// 0.5, 1.0, +Inf: how a bound or quantile looks as a label value (OpenMetrics).
std::string label_number(double value) {
  std::string text = short_number(value);
  if (text.find_first_of(".eIN") == std::string::npos) text += ".0";
  return text;
}

// The classic histograms of a vector: which series are buckets of which histogram.
class BucketGroups {
 public:
  struct Member {
    std::optional<std::size_t> group;  // none: `le` is missing or no number
    double upper_bound = 0;
  };
  struct Group {
    LabelsPtr labels;  // without le; with the name
    std::vector<Bucket> buckets;
  };

  explicit BucketGroups(const SeriesList& list) : list_(list), cursor_(list) {
    std::unordered_map<Labels, std::size_t, core::ring::LabelsHash> known;
    for (const Series& series : list) {
      const auto bound = parse_float(series.labels->get(kBucketLabel));
      if (!bound) {
        members_.push_back({});
        continue;
      }
      Labels labels = series.labels->without(kBucketLabel);
      const auto [found, added] = known.emplace(std::move(labels), groups_.size());
      if (added) groups_.push_back({std::make_shared<const Labels>(found->first), {}});
      members_.push_back(Member{found->second, *bound});
    }
  }

  std::vector<Group>& groups() { return groups_; }

  // Fills every group with its buckets at this step; on_bad(labels) for each bucket without a bound.
  template <class OnBad>
  void fill(std::int64_t time_ms, OnBad&& on_bad) {
    for (Group& group : groups_) group.buckets.clear();
    cursor_.visit(time_ms, [&](std::size_t i, double value) {
      const Member& member = members_[i];
      if (!member.group) {
        on_bad(*list_[i].labels);
      } else {
        groups_[*member.group].buckets.push_back({member.upper_bound, value});
      }
    });
  }

 private:
  const SeriesList& list_;
  StepCursor cursor_;
  std::vector<Member> members_;
  std::vector<Group> groups_;
};

// ` for metric name "m"`, in delayed mode only: otherwise the name is gone by the time the message is read.
std::string about(const QueryContext& context, const Labels& labels) {
  const std::string_view name = labels.metric_name();
  if (!context.delayed() || name.empty()) return "";
  return fmt::format(" for metric name {}", core::ring::go_quote(name));
}

void warn_bad_bucket(QueryContext& context, const Labels& labels, Place place) {
  context.annotations.add(AnnotationKind::kWarning,
                          fmt::format("bucket label \"le\" is missing or has a malformed value of {}{}",
                                      core::ring::go_quote(labels.get(kBucketLabel)), about(context, labels)),
                          place);
}

void note_repair(QueryContext& context, const Labels& labels, const MonotonicityRepair& repair, std::int64_t time_ms,
                 Place place) {
  context.annotations.add_monotonicity(
      about(context, labels), {repair.lowest_bound, repair.highest_bound, repair.largest_drop, 1, time_ms, time_ms},
      place);
}

}  // namespace

// histogram_quantile(φ, v), and histogram_quantiles(v, "label", φ...), which is the same for several φ.
Result<SeriesList> Evaluator::call_histogram_quantile(const Expr&, const Call& call) {
  const bool several = call.function == FunctionId::kHistogramQuantiles;
  const Expr& operand = *call.args[several ? 0 : 1];
  const std::span<const ExprPtr> arguments(call.args);
  const auto wanted = several ? arguments.subspan(2) : arguments.first(1);
  std::vector<std::vector<double>> phis;
  for (const ExprPtr& argument : wanted) {
    Result<std::vector<double>> values = scalar(*argument);
    if (!values) return fail(values.error());
    phis.push_back(std::move(*values));
  }
  const Result<SeriesList> list = vector(operand);
  if (!list) return list;
  BucketGroups histograms(*list);
  StepAssembler result;
  const auto label = several ? string_argument(*call.args[1]) : std::string();
  for (std::size_t step = 0; step < grid_.size(); ++step) {
    const std::int64_t time = grid_.at(step);
    if (Status alive = context_.check_alive(); !alive) return fail(alive.error());
    histograms.fill(time, [&](const Labels& labels) { warn_bad_bucket(context_, labels, operand.place); });
    for (std::size_t i = 0; i < phis.size(); ++i) {
      const double phi = phis[i][step];
      if (!(phi >= 0 && phi <= 1)) {
        context_.annotations.add(AnnotationKind::kWarning, quantile_warning(phi), wanted[i]->place);
      }
      for (const BucketGroups::Group& group : histograms.groups()) {
        if (group.buckets.empty()) continue;
        const BucketQuantile quantile = bucket_quantile(phi, group.buckets);
        if (quantile.repair) note_repair(context_, *group.labels, *quantile.repair, time, operand.place);
        Series named{group.labels, false, {}};
        mark_name_dropped(named);
        if (several) named.labels = std::make_shared<const Labels>(named.labels->with(label, label_number(phi)));
        if (Status added = result.add(named.labels, named.drop_name, {time, quantile.value}); !added) {
          return fail(added.error());
        }
      }
    }
  }
  return result.take();
}

Result<SeriesList> Evaluator::call_histogram_fraction(const Expr&, const Call& call) {
  const Result<std::vector<double>> lower = scalar(*call.args[0]);
  if (!lower) return fail(lower.error());
  const Result<std::vector<double>> upper = scalar(*call.args[1]);
  if (!upper) return fail(upper.error());
  const Expr& operand = *call.args[2];
  const Result<SeriesList> list = vector(operand);
  if (!list) return list;
  BucketGroups histograms(*list);
  StepAssembler result;
  for (std::size_t step = 0; step < grid_.size(); ++step) {
    const std::int64_t time = grid_.at(step);
    if (Status alive = context_.check_alive(); !alive) return fail(alive.error());
    histograms.fill(time, [&](const Labels& labels) { warn_bad_bucket(context_, labels, operand.place); });
    for (const BucketGroups::Group& group : histograms.groups()) {
      if (group.buckets.empty()) continue;
      Series named{group.labels, false, {}};
      mark_name_dropped(named);
      const double fraction = bucket_fraction((*lower)[step], (*upper)[step], group.buckets);
      if (Status added = result.add(named.labels, named.drop_name, {time, fraction}); !added) {
        return fail(added.error());
      }
    }
  }
  return result.take();
}

}  // namespace rules::promql
