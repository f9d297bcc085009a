// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "rules/promql/ast.h"
#include "rules/promql/prepared_query.h"
#include "rules/promql/value.h"

namespace rules::promql {

class QueryCache;

// Tells when the counter behind a sample began, for a store that keeps start timestamps.
//
// Thread safety: any thread.
class StartTimes {
 public:
  virtual ~StartTimes() = default;
  // Replaces `out` with one start timestamp (ms; 0 where none is known) for each of the series' `samples`.
  virtual void read(core::ring::SeriesRef series, std::span<const Sample> samples,
                    std::vector<std::int64_t>& out) const = 0;
};

enum class NameRemoval {
  kImmediate,  // a function drops the metric name from its result
  kDelayed,    // it marks it, and the name goes when the query ends (promql-delayed-name-removal)
};

enum class CounterCheck {
  kByName,       // a counter's name ends in _total, _sum, _count or _bucket
  kByTypeLabel,  // a counter has __type__="counter" or "histogram" (type-and-unit-labels)
};

struct EngineOptions {
  core::Millis lookback = std::chrono::minutes(5);
  core::Millis default_subquery_step = std::chrono::minutes(1);  // the global evaluation interval
  core::Millis timeout = std::chrono::minutes(2);
  std::uint64_t max_samples = 50'000'000;  // held in memory at once by one query
  NameRemoval name_removal = NameRemoval::kImmediate;
  CounterCheck counter_check = CounterCheck::kByName;
  const StartTimes* start_times = nullptr;  // null: start timestamps are not used
  // False: without plans (plan/plan.h), which are there for speed only. For comparing the two.
  bool planned = true;
  QueryCache* cache = nullptr;  // of queries that are given as text; null: each is prepared anew
};

struct RangeParameters {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;  // > 0 (REQUIRES)
};

// Times further than this from the epoch are refused; some 140 000 years.
inline constexpr std::int64_t kMaxTimeMs = std::int64_t{1} << 52;

// Evaluates PromQL over a ring.
//
// Errors: kInvalid for what is wrong with the query itself (the API's bad_data), kFailed for one that failed while
// running (execution), kLimitExceeded for one that holds too many samples, kTimeout, kCancelled.
//
// Thread safety: any thread; immutable after construction.
class Engine {
 public:
  // `reader`, `clock`, options.start_times and options.cache must outlive the engine.
  Engine(const core::ring::Reader& reader, const core::Clock& clock, EngineOptions options = {});

  core::Result<QueryResult> instant(std::string_view query, std::int64_t time_ms, std::stop_token stop = {}) const;
  core::Result<QueryResult> range(std::string_view query, RangeParameters range, std::stop_token stop = {}) const;
  // The same for a query that was parsed before, as rules are.
  core::Result<QueryResult> instant(const Expr& query, std::int64_t time_ms, std::stop_token stop = {}) const;
  core::Result<QueryResult> range(const Expr& query, RangeParameters range, std::stop_token stop = {}) const;
  // The same for one that is evaluated again and again. REQUIRES: always by engines with the same reader.
  core::Result<QueryResult> instant(PreparedQuery& query, std::int64_t time_ms, std::stop_token stop = {}) const;
  core::Result<QueryResult> range(PreparedQuery& query, RangeParameters range, std::stop_token stop = {}) const;

  const EngineOptions& options() const { return options_; }

 private:
  enum class Mode { kInstant, kRange };
  core::Result<QueryResult> with_query(std::string_view text,
                                       const std::function<core::Result<QueryResult>(PreparedQuery&)>& run) const;
  core::Result<QueryResult> run(PreparedQuery& query, RangeParameters range, Mode mode, std::stop_token stop) const;

  const core::ring::Reader& reader_;
  const core::Clock& clock_;
  EngineOptions options_;
};

}  // namespace rules::promql
