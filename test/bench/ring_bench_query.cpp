// SPDX-License-Identifier: Apache-2.0
// PromQL over the ring: what rules cost when they are evaluated again and again, and single queries as people ask them.
#include <array>

#include <fmt/format.h>

#include "made_load.h"
#include "ring_bench.h"
#include "ring_feed.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"

namespace ring_bench {
namespace {

using rules::promql::Engine;
using rules::promql::PreparedQuery;
using rules::promql::QueryResult;

constexpr std::size_t kTargets = 50;
constexpr std::size_t kSeriesEach = 2000;
constexpr std::uint64_t kBytesPerSeries = 4096;
constexpr std::int64_t kHourMs = 3'600'000;
constexpr int kMeasurements = 11;

constexpr std::array<std::string_view, 8> kServices = {"http",  "grpc",    "db",  "cache",
                                                       "queue", "storage", "net", "worker"};

PreparedQuery prepared(const std::string& text) {
  auto expr = rules::promql::parse(text);
  if (!expr) give_up(text + ": " + expr.error().message);
  return PreparedQuery(*expr);
}

// What a team has per service: rates, ratios, quantiles, thresholds and absences.
std::vector<PreparedQuery> rules_of_services() {
  std::vector<PreparedQuery> rules;
  for (const std::string_view s : kServices) {
    for (const std::string& text : {
             fmt::format("sum by (job) (rate({}_requests_total[5m]))", s),
             fmt::format(R"(sum by (job) (rate({0}_requests_total{{code="500"}}[5m])) /)"
                         R"( sum by (job) (rate({0}_requests_total[5m])))",
                         s),
             fmt::format("histogram_quantile(0.99, sum by (job, le) (rate({}_request_duration_seconds_bucket[5m])))",
                         s),
             fmt::format("sum by (instance) (rate({}_cpu_seconds_total[1m]))", s),
             fmt::format("avg by (job) ({}_memory_bytes)", s),
             fmt::format("sum by (job, direction) (rate({}_bytes_total[1m]))", s),
             fmt::format(R"(absent({}_requests_total{{job="load"}}))", s),
             fmt::format(R"({}_memory_bytes{{job="load",area="heap"}} > 1e12)", s),
             fmt::format("{}_load_ratio > 1.5", s),
             fmt::format("avg by (instance) (avg_over_time({}_load_ratio[1m])) > 1.2", s),
             fmt::format("time() - {}_start_time_seconds < 60", s),
             fmt::format("sum by (job) (rate({0}_requests_total[1m])) < 0.2 * sum by (job) ({0}_limit) * -1", s),
             fmt::format(R"(sum by (instance) (rate({}_requests_total{{code="200"}}[5m])) == 0)", s),
             fmt::format(
                 "histogram_quantile(0.9, sum by (instance, le) (rate({}_request_duration_seconds_bucket[5m]))) > 60",
                 s),
             fmt::format("count by (job) ({}_limit < 1) > 0", s),
             fmt::format(R"(increase({}_requests_total{{code="404",method="GET"}}[5m]) > 1e9)", s),
         }) {
      rules.push_back(prepared(text));
    }
  }
  return rules;
}

QueryResult must(core::Result<QueryResult> result) {
  if (!result) give_up(result.error().message);
  return std::move(*result);
}

class QueryFigures {
 public:
  QueryFigures(Report& report, const core::ring::Reader& reader, std::int64_t end_ms)
      : report_(report), engine_(reader, clock_), end_ms_(end_ms) {}

  // CPU milliseconds for one evaluation of one rule, on the mean of all.
  void rules(Bar bar) {
    if (!report_.wants("query-rule")) return;
    std::vector<PreparedQuery> rules = rules_of_services();
    std::vector<double> milliseconds;
    for (int i = 0; i < kMeasurements; ++i) {
      const Stopwatch watch;
      for (PreparedQuery& rule : rules) must(engine_.instant(rule, end_ms_));
      if (i > 0) milliseconds.push_back(watch.cpu_ns() / 1e6 / static_cast<double>(rules.size()));
    }
    report_.line("query-rule", milliseconds, "ms", bar);
  }

  void instant(const std::string& figure, const std::string& text, Bar bar) {
    if (!report_.wants(figure)) return;
    PreparedQuery query = prepared(text);
    measure(figure, bar, [&] { must(engine_.instant(query, end_ms_)); });
  }

  void hour(const std::string& figure, const std::string& text, Bar bar) {
    if (!report_.wants(figure)) return;
    PreparedQuery query = prepared(text);
    measure(figure, bar, [&] { must(engine_.range(query, {end_ms_ - kHourMs, end_ms_, 15'000})); });
  }

 private:
  template <class Run>
  void measure(const std::string& figure, Bar bar, Run run) {
    std::vector<double> milliseconds;
    for (int i = 0; i < kMeasurements; ++i) {
      const Stopwatch watch;
      run();
      if (i > 0) milliseconds.push_back(watch.cpu_ns() / 1e6);
    }
    report_.line(figure, milliseconds, "ms", bar);
  }

  Report& report_;
  core::SystemClock clock_;
  Engine engine_;
  std::int64_t end_ms_;
};

}  // namespace

void bench_query(Report& report) {
  const std::size_t targets = report.options().quick ? kTargets / 10 : kTargets;
  const auto with_ring = [&](std::int64_t interval_ms, std::int64_t span_ms, auto&& take) {
    MadeLoad source(targets, kSeriesEach, interval_ms);
    const TemporaryRing ring(report.options(), series_of(source), kBytesPerSeries);
    RingFeed feed(*ring, source);
    for (std::int64_t k = 0; k <= span_ms / interval_ms; ++k) feed.round();
    QueryFigures figures(report, ring->reader(), ring->reader().last(feed.series(0).front())->time_ms);
    take(figures);
  };
  if (report.wants_any("query-rule")) {
    // 60 samples in five minutes. The bar: a twentieth of Prometheus, the goal: a sixtieth.
    with_ring(5000, 600'000, [](QueryFigures& figures) { figures.rules(at_most(0.39, 0.13)); });
  }
  if (!report.wants_any("query-instant") && !report.wants_any("query-hour")) return;
  with_ring(15'000, kHourMs + 900'000, [](QueryFigures& figures) {
    figures.instant("query-instant-sum-rate", "sum by (job) (rate(http_requests_total[5m]))", at_most(3.3, 1));
    figures.instant("query-instant-quantile",
                    "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
                    at_most(4.4));
    figures.instant("query-instant-topk", "topk(5, http_memory_bytes)", at_most(1));
    figures.hour("query-hour-sum-rate", "sum by (job) (rate(http_requests_total[5m]))", at_most(16.7, 8));
    figures.hour("query-hour-quantile",
                 "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
                 at_most(18.7));
    figures.hour("query-hour-avg-gauge", "avg by (instance) (http_load_ratio)", at_most(12.7));
  });
}

}  // namespace ring_bench
