// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/histogram_node.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "rules/promql/histogram.h"
#include "rules/promql/number_text.h"
#include "rules/promql/plan/grouped_series.h"

namespace rules::promql::plan {

using core::fail;
using core::Result;

namespace {

constexpr std::string_view kBucketLabel = "le";
constexpr std::uint32_t kNoPlace = std::numeric_limits<std::uint32_t>::max();

class HistogramNode final : public PlanNode {
 public:
  HistogramNode(const Call& call, PlanNodePtr buckets)
      : phi_(*call.args[0]), place_(call.args[1]->place), buckets_(std::move(buckets)) {}

  bool resolve(const core::ring::Reader& reader) override {
    if (!buckets_->resolve(reader)) return false;
    if (histograms_.input() != buckets_->series()) regroup();
    // The Evaluator knows what to say of buckets without a bound, and of histograms that differ by name alone.
    return bounds_.size() == buckets_->series()->size() && unnamed_.all_apart();
  }

  const LabelTablePtr& series() const override { return unnamed_.groups(); }

  std::size_t series_held() const override { return buckets_->series_held(); }

  Status each_block(const PlanRun& run, const BlockSink& sink) override {
    const Result<std::vector<double>> phi = run.scalar(phi_);
    if (!phi) return fail(phi.error());
    for (const double wanted : *phi) warn_about(run, wanted);
    const std::uint64_t held_before = run.context.samples_held;
    if (Status gathered = gather(run); !gathered) return gathered;
    RowBlock block;
    block.steps = run.grid.size();
    for (std::size_t i = 0; i < present_.size(); ++i) {
      calculate(run, present_[i], *phi, block.add(present_[i].group));
      if (!block.full() && i + 1 < present_.size()) continue;
      if (Status alive = run.context.check_alive(); !alive) return alive;
      if (Status taken = sink(block); !taken) return taken;
      block.clear();
    }
    run.context.samples_held = held_before;
    return {};
  }

 private:
  // A histogram with a value at some step.
  struct Histogram {
    std::uint32_t group = 0;
    std::size_t first_step = 0;
    std::vector<std::size_t> rows;  // of all_
  };

  void regroup() {
    const LabelTablePtr& series = buckets_->series();
    histograms_ = GroupedSeries(series, [](std::string_view name) { return name != kBucketLabel; });
    unnamed_ = without_reserved(histograms_.groups());
    bounds_.clear();
    for (std::size_t i = 0; i < series->size(); ++i) {
      const std::optional<double> bound = parse_float(series->value(i, kBucketLabel));
      if (!bound) return;
      bounds_.push_back(*bound);
    }
  }

  Status gather(const PlanRun& run) {
    all_.clear();
    all_.steps = run.grid.size();
    present_.clear();
    place_of_.assign(histograms_.groups()->size(), kNoPlace);
    const auto keep = [&](RowBlock& block) -> Status {
      for (std::size_t i = 0; i < block.rows(); ++i) add(block.series[i], std::as_const(block).row(i));
      return run.context.hold(block.values.size());
    };
    if (Status gathered = buckets_->each_block(run, keep); !gathered) return gathered;
    // In the order in which results are found when one goes step by step.
    std::stable_sort(present_.begin(), present_.end(),
                     [](const Histogram& a, const Histogram& b) { return a.first_step < b.first_step; });
    return {};
  }

  void add(std::uint32_t series, std::span<const double> row) {
    std::uint32_t& place = place_of_[histograms_.group_of(series)];
    if (place == kNoPlace) {
      place = static_cast<std::uint32_t>(present_.size());
      present_.push_back({histograms_.group_of(series), row.size(), {}});
    }
    Histogram& histogram = present_[place];
    histogram.rows.push_back(all_.rows());
    const std::span<double> kept = all_.add(series);
    std::copy(row.begin(), row.end(), kept.begin());
    const auto first = static_cast<std::size_t>(std::find_if(row.begin(), row.end(), has_value) - row.begin());
    histogram.first_step = std::min(histogram.first_step, first);
  }

  void calculate(const PlanRun& run, const Histogram& histogram, const std::vector<double>& phi,
                 std::span<double> out) const {
    std::vector<Bucket> buckets;
    for (std::size_t step = 0; step < out.size(); ++step) {
      buckets.clear();
      for (const std::size_t row : histogram.rows) {
        const double count = all_.row(row)[step];
        if (has_value(count)) buckets.push_back({bounds_[all_.series[row]], count});
      }
      out[step] = no_value();
      if (buckets.empty()) continue;
      const BucketQuantile quantile = bucket_quantile(phi[step], buckets);
      if (quantile.repair) note_repair(run, *quantile.repair, run.grid.at(step));
      out[step] = quantile.value;
    }
  }

  void warn_about(const PlanRun& run, double phi) const {
    if (phi >= 0 && phi <= 1) return;
    run.context.annotations.add(AnnotationKind::kWarning,
                                fmt::format("quantile value should be between 0 and 1, got {}", short_number(phi)),
                                phi_.place);
  }

  void note_repair(const PlanRun& run, const MonotonicityRepair& repair, std::int64_t time_ms) const {
    run.context.annotations.add_monotonicity(
        "", {repair.lowest_bound, repair.highest_bound, repair.largest_drop, 1, time_ms, time_ms}, place_);
  }

  const Expr& phi_;
  Place place_;
  PlanNodePtr buckets_;
  GroupedSeries histograms_;    // by all labels but the bound
  GroupedSeries unnamed_;       // of their labels; numbered as they are
  std::vector<double> bounds_;  // by series; shorter if one has none
  // Of the evaluation at hand.
  RowBlock all_;
  std::vector<Histogram> present_;
  std::vector<std::uint32_t> place_of_;  // by histogram, in present_ before it is sorted
};

}  // namespace

PlanNodePtr make_histogram_node(const Call& call, PlanNodePtr buckets) {
  if (!buckets) return nullptr;
  return std::make_unique<HistogramNode>(call, std::move(buckets));
}

}  // namespace rules::promql::plan
