// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "rules/promql/evaluator.h"
#include "rules/promql/plan/label_table.h"
#include "rules/promql/plan/row_block.h"

namespace rules::promql::plan {

// One evaluation of a plan.
//
// Thread safety: confined to the thread that runs the query.
struct PlanRun {
  QueryContext& context;
  const TimeGrid& grid;

  core::Result<std::vector<double>> scalar(const Expr& expr) const { return Evaluator(context, grid).scalar(expr); }
};

// Takes a block; it may change it, and the block is only valid during the call.
using BlockSink = std::function<Status(RowBlock&)>;

// One part of a query in the form that is evaluated again and again: what depends on labels alone is worked out when
// the series change (resolve), and an evaluation (each_block) moves numbers only. Gives exactly what the Evaluator
// gives for the same expression, the digits and the order of series included.
//
// Thread safety: confined to the thread that runs the query.
class PlanNode {
 public:
  virtual ~PlanNode() = default;

  // Brings series() up to date with the index. False if these series are beyond the node: the Evaluator has to do it.
  virtual bool resolve(const core::ring::Reader& reader) = 0;

  // The series that a result may have. The same table for as long as they do not change.
  // REQUIRES: resolve() said true.
  virtual const LabelTablePtr& series() const = 0;

  // How many series the selectors below found.
  virtual std::size_t series_held() const = 0;

  // Hands all series that have a value at some step to `sink`. REQUIRES: as series().
  virtual Status each_block(const PlanRun& run, const BlockSink& sink) = 0;
};

using PlanNodePtr = std::unique_ptr<PlanNode>;

}  // namespace rules::promql::plan
