// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/element_nodes.h"

#include <algorithm>
#include <utility>

#include "rules/promql/matching.h"
#include "rules/promql/plan/grouped_series.h"

namespace rules::promql::plan {

using core::fail;
using core::Result;

namespace {

// The series of an operand whose reserved labels go.
//
// Thread safety: confined to the thread that runs the query.
class UnnamedSeries {
 public:
  // False if series would have to be merged.
  bool refresh(const LabelTablePtr& operand) {
    if (unnamed_.input() != operand) unnamed_ = without_reserved(operand);
    return unnamed_.all_apart();
  }
  // Numbered as the operand's.
  const LabelTablePtr& series() const { return unnamed_.groups(); }

 private:
  GroupedSeries unnamed_;
};

class ElementNode final : public PlanNode {
 public:
  ElementNode(PlanNodePtr operand, double (*function)(double)) : operand_(std::move(operand)), function_(function) {}

  bool resolve(const core::ring::Reader& reader) override {
    return operand_->resolve(reader) && unnamed_.refresh(operand_->series());
  }
  const LabelTablePtr& series() const override { return unnamed_.series(); }
  std::size_t series_held() const override { return operand_->series_held(); }

  Status each_block(const PlanRun& run, const BlockSink& sink) override {
    return operand_->each_block(run, [&](RowBlock& block) {
      transform_values(block, [this](double value, std::size_t) { return function_(value); });
      return sink(block);
    });
  }

 private:
  PlanNodePtr operand_;
  double (*function_)(double);
  UnnamedSeries unnamed_;
};

class ScalarOperandNode final : public PlanNode {
 public:
  ScalarOperandNode(const Binary& operation, PlanNodePtr vector)
      : operation_(operation),
        vector_(std::move(vector)),
        scalar_left_(value_type(*operation.lhs) == ValueType::kScalar),
        filters_(is_comparison(operation.op) && !operation.return_bool) {}

  bool resolve(const core::ring::Reader& reader) override {
    return vector_->resolve(reader) && (filters_ || unnamed_.refresh(vector_->series()));
  }
  const LabelTablePtr& series() const override { return filters_ ? vector_->series() : unnamed_.series(); }

  std::size_t series_held() const override { return vector_->series_held(); }

  Status each_block(const PlanRun& run, const BlockSink& sink) override {
    const Result<std::vector<double>> scalars = run.scalar(scalar_left_ ? *operation_.lhs : *operation_.rhs);
    if (!scalars) return fail(scalars.error());
    return vector_->each_block(run, [&](RowBlock& block) -> Status {
      calculate(block, *scalars);
      if (filters_) block.drop_empty_rows();
      return block.rows() == 0 ? Status() : sink(block);
    });
  }

 private:
  void calculate(RowBlock& block, const std::vector<double>& scalars) const {
    const auto each = [&](auto&& combine) {
      transform_values(block, [&](double value, std::size_t step) {
        return scalar_left_ ? combine(scalars[step], value, value) : combine(value, scalars[step], value);
      });
    };
    const BinaryOp op = operation_.op;
    if (filters_) {
      each([op](double lhs, double rhs, double value) { return holds(op, lhs, rhs) ? value : no_value(); });
    } else if (is_comparison(op)) {
      each([op](double lhs, double rhs, double) { return holds(op, lhs, rhs) ? 1.0 : 0.0; });
    } else {
      each([op](double lhs, double rhs, double) { return arithmetic(op, lhs, rhs); });
    }
  }

  const Binary& operation_;
  PlanNodePtr vector_;
  bool scalar_left_;
  bool filters_;
  UnnamedSeries unnamed_;
};

class AbsentNode final : public PlanNode {
 public:
  AbsentNode(PlanNodePtr operand, const Labels& labels, LabelPool& pool) : operand_(std::move(operand)) {
    auto table = std::make_shared<LabelTable>(pool);
    table->add(labels);
    series_ = std::move(table);
  }

  bool resolve(const core::ring::Reader& reader) override { return operand_->resolve(reader); }
  const LabelTablePtr& series() const override { return series_; }

  std::size_t series_held() const override { return operand_->series_held(); }

  Status each_block(const PlanRun& run, const BlockSink& sink) override {
    RowBlock absent;
    absent.steps = run.grid.size();
    const std::span<double> row = absent.add(0);
    std::fill(row.begin(), row.end(), 1);
    const auto look = [&](RowBlock& block) -> Status {
      for (std::size_t i = 0; i < block.values.size(); ++i) {
        if (has_value(block.values[i])) row[i % block.steps] = no_value();
      }
      return {};
    };
    if (Status looked = operand_->each_block(run, look); !looked) return looked;
    absent.drop_empty_rows();
    return absent.rows() == 0 ? Status() : sink(absent);
  }

 private:
  PlanNodePtr operand_;
  LabelTablePtr series_;
};

}  // namespace

PlanNodePtr make_element_node(PlanNodePtr operand, double (*function)(double)) {
  if (!operand) return nullptr;
  return std::make_unique<ElementNode>(std::move(operand), function);
}

PlanNodePtr make_scalar_operand_node(const Binary& operation, PlanNodePtr vector) {
  if (!vector || is_trim(operation.op)) return nullptr;
  return std::make_unique<ScalarOperandNode>(operation, std::move(vector));
}

PlanNodePtr make_absent_node(PlanNodePtr operand, const Labels& labels, LabelPool& pool) {
  if (!operand) return nullptr;
  return std::make_unique<AbsentNode>(std::move(operand), labels, pool);
}

}  // namespace rules::promql::plan
