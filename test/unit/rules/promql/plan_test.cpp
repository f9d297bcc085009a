// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <fmt/format.h>

#include "core/ring/mapped_ring.h"
#include "core/ring/ring.h"
#include "core/time/simulated_clock.h"
#include "random_queries.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"
#include "test/support/background_process.h"

namespace rules::promql {

namespace {

// Bit for bit, but a NaN is a NaN.
bool same(double a, double b) { return (std::isnan(a) && std::isnan(b)) || core::ring::same_bits(a, b); }
bool same(const Sample& a, const Sample& b) { return a.time_ms == b.time_ms && same(a.value, b.value); }

bool same(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (const auto* scalar = std::get_if<Scalar>(&a)) return same(*scalar, std::get<Scalar>(b));
  if (const auto* vector = std::get_if<Vector>(&a)) {
    const auto& other = std::get<Vector>(b);
    return std::equal(vector->begin(), vector->end(), other.begin(), other.end(),
                      [](const auto& x, const auto& y) { return x.labels == y.labels && same(x.sample, y.sample); });
  }
  const auto& matrix = std::get<Matrix>(a);
  const auto& other = std::get<Matrix>(b);
  return std::equal(matrix.begin(), matrix.end(), other.begin(), other.end(), [](const auto& x, const auto& y) {
    return x.labels == y.labels && std::equal(x.samples.begin(), x.samples.end(), y.samples.begin(), y.samples.end(),
                                              [](const Sample& s, const Sample& t) { return same(s, t); });
  });
}

std::string text_of(const Value& value) {
  std::string text;
  if (const auto* vector = std::get_if<Vector>(&value)) {
    for (const auto& element : *vector)
      text += fmt::format("\n  {} {}", element.labels.to_string(), element.sample.value);
  }
  if (const auto* matrix = std::get_if<Matrix>(&value)) {
    for (const auto& series : *matrix) {
      text += "\n  " + series.labels.to_string();
      for (const Sample& sample : series.samples) text += fmt::format(" {}@{}", sample.value, sample.time_ms);
    }
  }
  return text;
}

void expect_same(const core::Result<QueryResult>& planned, const core::Result<QueryResult>& evaluated) {
  ASSERT_EQ(planned.has_value(), evaluated.has_value())
      << (planned ? evaluated.error().message : planned.error().message);
  if (!planned) {
    EXPECT_EQ(planned.error().code, evaluated.error().code);
    EXPECT_EQ(planned.error().message, evaluated.error().message);
    return;
  }
  EXPECT_TRUE(same(planned->value, evaluated->value))
      << "planned:" << text_of(planned->value) << "\nevaluated:" << text_of(evaluated->value);
  EXPECT_EQ(planned->found_series, evaluated->found_series);
  EXPECT_EQ(planned->samples_read, evaluated->samples_read);
  EXPECT_EQ(planned->newest_ms, evaluated->newest_ms);
  EXPECT_EQ(planned->annotations.infos, evaluated->annotations.infos);
  EXPECT_EQ(planned->annotations.warnings, evaluated->annotations.warnings);
}

std::uint64_t fresh_seed() {
  if (const char* given = std::getenv("PLAN_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device()();
}

// Queries that are kept while samples and series come, planned and without a plan.
void compare(core::ring::Ring& ring, std::uint64_t seed, int rounds) {
  Dice dice(seed);
  const core::SimulatedClock clock;
  const Engine planned(ring.reader(), clock);
  EngineOptions options;
  options.planned = false;
  const Engine evaluator(ring.reader(), clock, options);
  RandomSeries series(ring, dice);
  std::vector<PreparedQuery> kept;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 12; ++i) series.scrape();
    for (int i = 0; i < 6; ++i) {
      const std::string query = random_query(dice);
      const auto parsed = parse(query);
      ASSERT_TRUE(parsed) << query << ": " << parsed.error().message;
      kept.emplace_back(*parsed).want_exact_newest(true);
    }
    if (kept.size() > 24) kept.erase(kept.begin(), kept.begin() + 6);
    for (PreparedQuery& query : kept) {
      const std::int64_t time_ms = series.now_ms() - static_cast<std::int64_t>(dice.below(60'000));
      SCOPED_TRACE(fmt::format("PLAN_TEST_SEED={} round {} at {}: {}", seed, round, time_ms, print(*query.expr())));
      expect_same(planned.instant(query, time_ms), evaluator.instant(*query.expr(), time_ms));
      if (::testing::Test::HasFailure()) return;
      const auto step_ms = static_cast<std::int64_t>(dice.pick({1'000, 10'000, 17'000, 60'000, 400'000}));
      const RangeParameters range{time_ms - step_ms * static_cast<std::int64_t>(dice.below(40)), time_ms, step_ms};
      SCOPED_TRACE(fmt::format("range from {} step {}", range.start_ms, step_ms));
      expect_same(planned.range(query, range), evaluator.range(*query.expr(), range));
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace

TEST(Plan, AgreesWithTheEvaluatorOverARingInMemory) {
  const auto ring = core::ring::make_memory_ring();
  compare(*ring, fresh_seed(), 20);
}

TEST(Plan, AgreesWithTheEvaluatorOverAMappedRing) {
  core::ring::MappedRingOptions options;
  options.path = (test_support::fresh_folder("plan") / "ring").string();
  options.size_bytes = core::ring::kLeastMappedRingBytes;
  options.max_series = 1000;
  auto ring = core::ring::open_mapped_ring(options);
  ASSERT_TRUE(ring) << ring.error().message;
  compare(**ring, fresh_seed(), 20);
}

}  // namespace rules::promql
