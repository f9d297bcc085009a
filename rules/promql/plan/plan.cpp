// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/plan.h"

#include <utility>

#include "rules/promql/plan/aggregation_node.h"
#include "rules/promql/plan/element_nodes.h"
#include "rules/promql/plan/histogram_node.h"
#include "rules/promql/plan/range_node.h"
#include "rules/promql/plan/selector_node.h"

namespace rules::promql::plan {

using core::fail;
using core::Result;

namespace {

// So many label pairs are kept before it is asked whether they still belong to a series.
constexpr std::size_t kPairsKept = 4096;

Result<SeriesList> to_list(PlanNode& node, const PlanRun& run) {
  SeriesList list;
  const LabelTable& table = *node.series();
  const auto collect = [&](RowBlock& block) -> Status {
    for (std::size_t i = 0; i < block.rows(); ++i) {
      Series& series = list.emplace_back(Series{table.labels(block.series[i]), false, {}});
      const std::span<const double> row = std::as_const(block).row(i);
      series.points.reserve(row.size());
      for (std::size_t step = 0; step < row.size(); ++step) {
        if (has_value(row[step])) series.points.push_back({run.grid.at(step), row[step]});
      }
    }
    return run.context.hold(block.values.size());
  };
  if (Status done = node.each_block(run, collect); !done) return fail(done.error());
  return list;
}

}  // namespace

void Plan::build() {
  nodes_.clear();
  pool_ = std::make_unique<LabelPool>();
  pool_limit_ = kPairsKept;
  add(query_);
}

void Plan::begin() {
  if (pool_->size() <= pool_limit_) return;
  // Labels come and go with their series. Begin anew, and allow for as many again as there turn out to be.
  const std::size_t before = pool_->size();
  build();
  pool_limit_ = 2 * before;
}

void Plan::add(const Expr& part) {
  if (PlanNodePtr node = make(part)) {
    nodes_.emplace(&part, std::move(node));
    return;
  }
  for (const ExprPtr& child : children(part)) add(*child);
}

PlanNodePtr Plan::make(const Expr& expr) {
  if (const auto* selector = expr.as<VectorSelector>()) return make_selector_node(*selector, *pool_);
  if (const auto* paren = expr.as<Paren>()) return make(*paren->expr);
  if (const auto* unary = expr.as<Unary>()) {
    if (value_type(expr) != ValueType::kVector) return nullptr;
    if (unary->op == UnaryOp::kPlus) return make(*unary->expr);
    return make_element_node(make(*unary->expr), [](double value) { return -value; });
  }
  if (const auto* operation = expr.as<Aggregate>()) return make_aggregation_node(*operation, make(*operation->expr));
  if (const auto* call = expr.as<Call>()) return make_call(*call);
  const auto* operation = expr.as<Binary>();
  if (operation == nullptr || operation->matching || value_type(expr) != ValueType::kVector) return nullptr;
  const bool scalar_left = value_type(*operation->lhs) == ValueType::kScalar;
  PlanNodePtr node = make_scalar_operand_node(*operation, make(scalar_left ? *operation->rhs : *operation->lhs));
  // The Evaluator finds the scalar, in which there may be vectors.
  if (node) add(scalar_left ? *operation->lhs : *operation->rhs);
  return node;
}

PlanNodePtr Plan::make_call(const Call& call) {
  if (call.function == FunctionId::kAbsent) {
    return make_absent_node(make(*call.args[0]), labels_of_absence(*call.args[0]), *pool_);
  }
  if (call.function == FunctionId::kHistogramQuantile) {
    PlanNodePtr node = make_histogram_node(call, make(*call.args[1]));
    if (node) add(*call.args[0]);
    return node;
  }
  if (const ElementFunction function = element_function(call.function); function != nullptr && call.args.size() == 1) {
    return make_element_node(make(*call.args[0]), function);
  }
  return make_range_node(call, *pool_);
}

std::size_t Plan::series_held() const {
  std::size_t held = 0;
  for (const auto& [part, node] : nodes_) held += node->series_held();
  return held;
}

std::optional<Result<SeriesList>> Plan::vector(const Expr& part, QueryContext& context, const TimeGrid& grid) {
  const auto found = nodes_.find(&part);
  if (found == nodes_.end() || grid.size() == 0 || !found->second->resolve(context.reader)) return std::nullopt;
  return to_list(*found->second, PlanRun{context, grid});
}

}  // namespace rules::promql::plan
