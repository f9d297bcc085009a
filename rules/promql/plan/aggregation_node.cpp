// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/aggregation_node.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "rules/promql/plan/group_cells.h"
#include "rules/promql/plan/grouped_series.h"

namespace rules::promql::plan {

namespace {

constexpr std::uint32_t kNoRow = std::numeric_limits<std::uint32_t>::max();

class AggregationNode final : public PlanNode {
 public:
  AggregationNode(const Aggregate& operation, PlanNodePtr operand)
      : operation_(operation), operand_(std::move(operand)) {}

  bool resolve(const core::ring::Reader& reader) override {
    if (!operand_->resolve(reader)) return false;
    if (grouped_.input() != operand_->series()) {
      const auto& names = operation_.grouping;
      const bool by = operation_.mode == GroupingMode::kBy;
      grouped_ = GroupedSeries(operand_->series(), [&names, by](std::string_view name) {
        const bool named = std::find(names.begin(), names.end(), name) != names.end();
        return by ? named : !named && name != core::ring::kMetricName;
      });
    }
    return true;
  }

  const LabelTablePtr& series() const override { return grouped_.groups(); }

  std::size_t series_held() const override { return operand_->series_held(); }

  Status each_block(const PlanRun& run, const BlockSink& sink) override {
    switch (operation_.op) {
      case AggregateOp::kSum:
        return combine<SumRows>(run, sink);
      case AggregateOp::kAvg:
        return combine<CellRows<MeanCell>>(run, sink);
      case AggregateOp::kMin:
        return combine<CellRows<MinCell>>(run, sink);
      case AggregateOp::kMax:
        return combine<CellRows<MaxCell>>(run, sink);
      case AggregateOp::kCount:
        return combine<CellRows<CountCell>>(run, sink);
      case AggregateOp::kStddev:
        return combine<CellRows<VarianceCell<true>>>(run, sink);
      case AggregateOp::kStdvar:
        return combine<CellRows<VarianceCell<false>>>(run, sink);
      default:
        return combine<CellRows<PresenceCell>>(run, sink);
    }
  }

 private:
  template <class Rows>
  Status combine(const PlanRun& run, const BlockSink& sink) {
    const std::size_t steps = run.grid.size();
    Rows rows(steps);
    // Groups come in the order of the first series that has a value.
    std::vector<std::uint32_t> order;
    row_of_.assign(grouped_.groups()->size(), kNoRow);
    const auto gather = [&](RowBlock& block) -> Status {
      for (std::size_t i = 0; i < block.rows(); ++i) {
        const std::uint32_t group = grouped_.group_of(block.series[i]);
        if (row_of_[group] == kNoRow) {
          if (Status room = run.context.hold(steps); !room) return room;
          row_of_[group] = static_cast<std::uint32_t>(order.size());
          order.push_back(group);
          rows.add_row();
        }
        rows.gather(row_of_[group], std::as_const(block).row(i));
      }
      return {};
    };
    const std::uint64_t held_before = run.context.samples_held;
    if (Status gathered = operand_->each_block(run, gather); !gathered) return gathered;
    run.context.samples_held = held_before;
    RowBlock block;
    block.steps = steps;
    for (std::size_t row = 0; row < order.size(); ++row) {
      rows.results(row, block.add(order[row]));
      if (!block.full() && row + 1 < order.size()) continue;
      if (Status taken = sink(block); !taken) return taken;
      block.clear();
    }
    return {};
  }

  const Aggregate& operation_;
  PlanNodePtr operand_;
  GroupedSeries grouped_;
  std::vector<std::uint32_t> row_of_;  // by group, of the evaluation at hand
};

bool is_combined(AggregateOp op) {
  switch (op) {
    case AggregateOp::kSum:
    case AggregateOp::kAvg:
    case AggregateOp::kMin:
    case AggregateOp::kMax:
    case AggregateOp::kCount:
    case AggregateOp::kGroup:
    case AggregateOp::kStddev:
    case AggregateOp::kStdvar:
      return true;
    default:
      return false;
  }
}

}  // namespace

PlanNodePtr make_aggregation_node(const Aggregate& operation, PlanNodePtr operand) {
  if (!operand || !is_combined(operation.op)) return nullptr;
  return std::make_unique<AggregationNode>(operation, std::move(operand));
}

}  // namespace rules::promql::plan
