// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_set>

#include "rules/promql/ast.h"

namespace rules::promql {

namespace plan {
class Plan;
}

// A query that is evaluated again and again: keeps what its selectors found, and what was worked out of labels alone,
// until the ring's index changes. Memory: some 120 bytes for each series that its selectors find.
//
// Thread safety: one thread at a time.
class PreparedQuery {
 public:
  explicit PreparedQuery(ExprPtr expr);
  ~PreparedQuery();
  PreparedQuery(PreparedQuery&&) noexcept;
  PreparedQuery& operator=(PreparedQuery&&) noexcept;

  const ExprPtr& expr() const { return expr_; }

  // QueryResult::newest_ms is to count stale markers in ranges too, which costs a second look at each series. They may
  // be overlooked otherwise.
  void want_exact_newest(bool wanted) { exact_newest_ = wanted; }
  bool wants_exact_newest() const { return exact_newest_; }

  // Nodes whose value is the same at every step (find_invariant).
  const std::unordered_set<const Expr*>& invariant() const { return invariant_; }
  // How many series its selectors found at the last evaluation.
  std::size_t series_held() const;
  // Null if durations of the query depend on the evaluation, and so does the tree.
  plan::Plan* plan() const { return plan_.get(); }

 private:
  ExprPtr expr_;
  std::unordered_set<const Expr*> invariant_;
  std::unique_ptr<plan::Plan> plan_;
  bool exact_newest_ = false;
};

}  // namespace rules::promql
