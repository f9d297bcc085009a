// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/ring/ring.h"
#include "rules/promql/value.h"

namespace rules::promql {

// Dice with a seed that a failed test prints.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : generator_(seed) {}
  // 0 .. n-1
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(generator_); }
  bool chance(double p) { return std::bernoulli_distribution(p)(generator_); }
  template <class T>
  T pick(std::initializer_list<T> options) {
    return *(options.begin() + below(options.size()));
  }

 private:
  std::mt19937_64 generator_;
};

// Series of several targets with everything that values and times can be: resets, stale markers, gaps, constants,
// infinities, NaNs, exposition timestamps; histogram buckets; equal labels under two names.
class RandomSeries {
 public:
  RandomSeries(core::ring::Ring& ring, Dice& dice);

  // One more scrape of most targets. Now and then a new series appears.
  void scrape();
  std::int64_t now_ms() const { return now_ms_; }

 private:
  enum class Kind { kCounter, kGauge, kConstant, kWild, kTimed };
  struct Series {
    core::ring::Labels labels;
    core::ring::SeriesRef ref;
    Kind kind;
    double value;
    std::int64_t last_ms;
  };
  struct Target {
    core::ring::TimelineRef timeline;
    std::int64_t delay_ms;
    std::vector<Series> series;
  };

  void add(Target& target, core::ring::Labels labels, Kind kind);
  double next(Series& series);

  Dice& dice_;
  std::unique_ptr<core::ring::Appender> appender_;
  std::vector<Target> targets_;
  std::int64_t now_ms_ = 1'700'000'000'000;
  int made_ = 0;
};

inline RandomSeries::RandomSeries(core::ring::Ring& ring, Dice& dice) : dice_(dice), appender_(ring.make_appender()) {
  for (std::size_t i = 0; i < 4; ++i) {
    // Two targets are scraped at the same moments.
    Target target{*appender_->open_timeline(i + 1), static_cast<std::int64_t>(i / 2) * 3'100, {}};
    const std::string instance = fmt::format("i{}", i);
    const std::string job = i < 3 ? "a" : "b";
    const auto labelled = [&](const char* name, core::ring::Label label) {
      return core::ring::Labels{{"__name__", name}, {"instance", instance}, {"job", job}, std::move(label)};
    };
    for (const char* code : {"200", "404", "500"})
      add(target, labelled("requests_total", {"code", code}), Kind::kCounter);
    for (const char* le : {"0.1", "1", "+Inf"}) add(target, labelled("seconds_bucket", {"le", le}), Kind::kCounter);
    add(target, labelled("memory", {"area", "heap"}), Kind::kGauge);
    add(target, labelled("memory", {"area", "other"}), Kind::kWild);
    add(target, labelled("limit", {"area", "heap"}), Kind::kConstant);
    add(target, labelled("late", {"area", "heap"}), Kind::kTimed);
    targets_.push_back(std::move(target));
  }
}

inline void RandomSeries::add(Target& target, core::ring::Labels labels, Kind kind) {
  const auto ref = appender_->upsert(target.timeline, labels);
  const double value =
      kind == Kind::kCounter ? static_cast<double>(dice_.below(1000)) : 0.1 * static_cast<double>(dice_.below(100));
  target.series.push_back({std::move(labels), *ref, kind, value, 0});
}

inline double RandomSeries::next(Series& series) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (series.kind) {
    case Kind::kCounter:
      if (dice_.chance(0.02)) series.value = 0.3 * static_cast<double>(dice_.below(5));
      if (dice_.chance(0.7)) series.value += 0.7 * static_cast<double>(dice_.below(50));
      return series.value;
    case Kind::kGauge:
    case Kind::kTimed:
      if (dice_.chance(0.6)) series.value += 0.1 * (static_cast<double>(dice_.below(21)) - 10);
      return series.value;
    case Kind::kWild:
      return dice_.pick({0.0, -0.0, 1e300, -1e300, 1.7e308, kInfinity, -kInfinity, normal_nan(), 3.5, 1e-300});
    case Kind::kConstant:
      return series.value;
  }
  return 0;
}

inline void RandomSeries::scrape() {
  now_ms_ += 10'000;
  for (Target& target : targets_) {
    if (dice_.chance(0.05)) continue;
    if (dice_.chance(0.01)) {
      const auto odd = core::ring::Labels{{"__name__", dice_.pick({"requests_total", "other_total"})},
                                          {"instance", "i1"},
                                          {"job", "a"},
                                          {"code", fmt::format("x{}", made_ / 2)}};
      ++made_;
      add(target, odd, Kind::kCounter);
    }
    const std::int64_t time_ms = now_ms_ + target.delay_ms;
    appender_->begin(target.timeline, time_ms);
    for (Series& series : target.series) {
      if (dice_.chance(0.03)) continue;
      const double value = dice_.chance(0.02) ? core::ring::stale_marker() : next(series);
      const std::int64_t own_ms = time_ms - static_cast<std::int64_t>(dice_.below(5'000));
      core::ring::AppendOutcome outcome = series.kind == Kind::kTimed
                                              ? appender_->append_at(series.ref, {own_ms, value})
                                              : appender_->append(series.ref, value);
      if (outcome == core::ring::AppendOutcome::kGone) {
        series.ref = *appender_->upsert(target.timeline, series.labels);
        appender_->append(series.ref, value);
      }
    }
    appender_->publish();
  }
}

inline std::string random_selector(Dice& dice) {
  const std::string matchers =
      dice.pick({"requests_total", "requests_total", "seconds_bucket", "memory", "limit", "late", "missing",
                 R"(requests_total{code="200"})", R"(memory{area="heap"})", R"({job="a"})", R"({__name__=~".*_total"})",
                 R"(requests_total{instance!="i0"})", R"(memory{area=~"h.*"})"});
  return matchers;
}

inline std::string shift(Dice& dice) {
  return dice.pick({"", "", "", "", "", " offset 1m", " offset -30s", " @ end()", " @ 1700000300"});
}

inline std::string random_vector(Dice& dice, int depth);

inline std::string random_scalar(Dice& dice, int depth) {
  if (depth > 0 && dice.chance(0.2)) return "scalar(" + random_vector(dice, depth - 1) + ")";
  return dice.pick({"0", "2", "0.5", "-1", "1e3", "NaN", "time()", "Inf", "pi()"});
}

inline std::string random_range(Dice& dice, int depth) {
  const std::string range = dice.pick({"[1m]", "[5m]", "[25s]", "[12s]", "[3s]", "[100y]"});
  if (depth > 0 && dice.chance(0.1)) return "(" + random_vector(dice, depth - 1) + ")[2m:20s]";
  return random_selector(dice) + range + shift(dice);
}

inline std::string random_leaf(Dice& dice, int depth) {
  if (dice.chance(0.4)) return random_selector(dice) + shift(dice);
  const std::string function = dice.pick({"rate",
                                          "rate",
                                          "rate",
                                          "increase",
                                          "delta",
                                          "irate",
                                          "idelta",
                                          "resets",
                                          "changes",
                                          "deriv",
                                          "avg_over_time",
                                          "sum_over_time",
                                          "min_over_time",
                                          "max_over_time",
                                          "count_over_time",
                                          "last_over_time",
                                          "first_over_time",
                                          "present_over_time",
                                          "stddev_over_time",
                                          "ts_of_last_over_time",
                                          "ts_of_first_over_time",
                                          "absent_over_time"});
  return function + "(" + random_range(dice, depth) + ")";
}

inline std::string random_aggregation(Dice& dice, int depth) {
  const std::string grouping = dice.pick({"", " by (job)", " by (instance, job)", " without (instance)", " by (code)",
                                          " by (__name__)", " without (area, code)", " by (le, job)"});
  const std::string operand = "(" + random_vector(dice, depth - 1) + ")";
  if (dice.chance(0.15)) return "topk" + grouping + "(2, " + operand + ")";
  if (dice.chance(0.1)) return "quantile" + grouping + "(0.3, " + operand + ")";
  return dice.pick({"sum", "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"}) + grouping + operand;
}

inline std::string random_vector(Dice& dice, int depth) {
  if (depth <= 0) return random_leaf(dice, depth);
  const auto inner = [&] { return random_vector(dice, depth - 1); };
  const std::string op = dice.pick({"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<=", "> bool", "< bool", "atan2"});
  switch (dice.below(10)) {
    case 0:
      return inner() + " " + op + " " + random_scalar(dice, depth);
    case 1:
      return random_scalar(dice, depth) + " " + op + " (" + inner() + ")";
    case 2:
      return std::string(dice.pick({"abs", "ceil", "-", "sgn", "sqrt", "hour", "+"})) + "(" + inner() + ")";
    case 3:
      return "absent(" + inner() + ")";
    case 4:
      return "(" + inner() + ") " + op + dice.pick({"", " on (instance)", " ignoring (code)"}) + " (" + inner() + ")";
    case 5:
      return "(" + inner() + ") " + dice.pick({"and", "or", "unless"}) + dice.pick({"", " on (instance)"}) + " (" +
             inner() + ")";
    case 6:
      return "histogram_quantile(0.9, " + inner() + ")";
    case 7:
      return random_leaf(dice, depth);
    default:
      return random_aggregation(dice, depth);
  }
}

// An expression over these series; most have a value.
inline std::string random_query(Dice& dice) { return random_vector(dice, static_cast<int>(dice.below(4))); }

}  // namespace rules::promql
