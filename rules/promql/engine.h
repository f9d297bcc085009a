// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string_view>

#include "core/result.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "rules/promql/ast.h"
#include "rules/promql/value.h"

namespace rules::promql {

struct EngineOptions {
  core::Millis lookback = std::chrono::minutes(5);
  core::Millis default_subquery_step = std::chrono::minutes(1);  // the global evaluation interval
  core::Millis timeout = std::chrono::minutes(2);
  std::uint64_t max_samples = 50'000'000;  // held in memory at once by one query
  bool delayed_name_removal = false;
};

struct RangeParameters {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;  // > 0 (REQUIRES)
};

// Evaluates PromQL over a ring.
//
// Errors: kInvalid for what is wrong with the query itself (the API's bad_data), kFailed for one that failed while
// running (execution), kTimeout, kCancelled, kNotSupported for what is refused by name.
//
// Thread safety: any thread; immutable after construction.
class Engine {
 public:
  Engine(const core::ring::Reader& reader, const core::Clock& clock, EngineOptions options = {});

  core::Result<QueryResult> instant(std::string_view query, std::int64_t time_ms, std::stop_token stop = {}) const;
  core::Result<QueryResult> range(std::string_view query, RangeParameters range, std::stop_token stop = {}) const;
  // The same for a query that was parsed before, as rules are.
  core::Result<QueryResult> instant(const Expr& query, std::int64_t time_ms, std::stop_token stop = {}) const;
  core::Result<QueryResult> range(const Expr& query, RangeParameters range, std::stop_token stop = {}) const;

  const EngineOptions& options() const { return options_; }

 private:
  const core::ring::Reader& reader_;
  const core::Clock& clock_;
  EngineOptions options_;
};

}  // namespace rules::promql
