// SPDX-License-Identifier: Apache-2.0
// Finding the series of a query among 100,000, and taking from them what rate() needs.
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "made_load.h"
#include "ring_bench.h"
#include "ring_feed.h"

namespace ring_bench {
namespace {

using core::ring::Matcher;
using core::ring::MatchType;
using core::ring::Reader;
using core::ring::Sample;
using core::ring::SelectedSeries;

constexpr std::size_t kTargets = 50;
constexpr std::size_t kSeriesEach = 2000;
// Room for every sample, so that none of a window is overwritten.
constexpr std::uint64_t kBytesPerSeries = 3072;
constexpr int kMeasurements = 15;
constexpr std::int64_t kWindowMs = 300'000;

// http_requests_total of all targets: 60 series each.
std::vector<Matcher> requests() {
  return {Matcher::equal(std::string(core::ring::kMetricName), "http_requests_total"), Matcher::equal("job", "load")};
}

Matcher regex(std::string_view label, const char* expression) {
  return *Matcher::make(MatchType::kRegexMatch, std::string(label), expression);
}

// What rate() takes of a window, from the samples one by one: the same that counter_window() is to find.
core::ring::CounterWindow fold(const std::vector<Sample>& samples) {
  core::ring::CounterWindow window;
  for (const Sample& sample : samples) {
    if (core::ring::is_stale(sample.value)) continue;
    if (window.count == 0) window.first = sample;
    if (window.count != 0 && sample.value < window.last.value) window.lost_to_resets += window.last.value;
    window.last = sample;
    ++window.count;
  }
  return window;
}

void check_equal(const Reader& reader, const std::vector<SelectedSeries>& series, std::int64_t from_ms,
                 std::int64_t to_ms, std::size_t expected) {
  std::vector<Sample> samples;
  for (const SelectedSeries& each : series) {
    reader.read(each.ref, from_ms, to_ms, samples);
    if (samples.size() != expected) give_up(fmt::format("{} samples in a window, not {}", samples.size(), expected));
    const core::ring::CounterWindow slow = fold(samples);
    const core::ring::CounterWindow fast = reader.counter_window(each.ref, from_ms, to_ms);
    const bool equal = slow.count == fast.count && slow.first.time_ms == fast.first.time_ms &&
                       slow.last.time_ms == fast.last.time_ms &&
                       core::ring::same_bits(slow.first.value, fast.first.value) &&
                       core::ring::same_bits(slow.last.value, fast.last.value) &&
                       core::ring::same_bits(slow.lost_to_resets, fast.lost_to_resets);
    if (!equal) give_up("counter_window() says something else than the samples: " + each.labels->to_string());
  }
}

// The samples of rate(x[5m]) over the series that `requests` finds.
void gather(Report& report, const Reader& reader, std::size_t samples_each) {
  const std::string group = fmt::format("gather-{}", samples_each);
  if (!report.wants_any(group)) return;
  const std::vector<SelectedSeries> series = reader.select(requests());
  const std::int64_t to_ms = reader.last(series.front().ref)->time_ms;
  const std::int64_t from_ms = to_ms - kWindowMs + 1;
  check_equal(reader, series, from_ms, to_ms, samples_each);

  std::vector<double> read_ms;
  std::vector<double> window_ms;
  std::vector<Sample> samples;
  std::vector<core::ring::SeriesRef> refs;
  for (const SelectedSeries& each : series) refs.push_back(each.ref);
  std::vector<core::ring::CounterWindow> windows;
  double sum = 0;  // so that nothing is left out as unused
  for (int i = 0; i < kMeasurements; ++i) {
    const Stopwatch reading;
    for (const SelectedSeries& each : series) {
      reader.read(each.ref, from_ms, to_ms, samples);
      sum += samples.back().value;
    }
    read_ms.push_back(reading.cpu_ns() / 1e6);
    const Stopwatch folding;
    reader.counter_windows(refs, from_ms, to_ms, windows);
    for (const core::ring::CounterWindow& each : windows) sum += each.last.value;
    window_ms.push_back(folding.cpu_ns() / 1e6);
  }
  if (std::isnan(sum)) give_up("a counter without a value");
  report.line(group + "-read", read_ms, fmt::format("ms/{}", series.size()), at_most(0.5, 0.25));
  report.line(group + "-window", window_ms, fmt::format("ms/{}", series.size()), at_most(0.5, 0.25));
}

void select(Report& report, const Reader& reader, const std::string& figure, std::vector<Matcher> matchers,
            std::size_t expected) {
  if (!report.wants(figure)) return;
  std::vector<double> microseconds;
  for (int i = 0; i < kMeasurements; ++i) {
    const Stopwatch watch;
    const std::vector<SelectedSeries> series = reader.select(matchers);
    std::size_t labels = 0;
    for (const SelectedSeries& each : series) labels += each.labels->size();
    microseconds.push_back(watch.cpu_ns() / 1000);
    const bool right = series.size() == expected && labels == 6 * expected;
    if (!right) give_up(fmt::format("{}: {} series found, {} expected", figure, series.size(), expected));
  }
  report.line(figure, microseconds, fmt::format("us/{}", expected), kNoBar);
}

void select_all(Report& report, const Reader& reader, std::size_t targets) {
  select(report, reader, "select-name-job", requests(), targets * 60);
  // Two of four codes.
  std::vector<Matcher> failed = requests();
  failed.push_back(regex("code", "4..|5.."));
  select(report, reader, "select-name-regex-code", std::move(failed), targets * 30);
  // Two of a target's three handlers.
  std::vector<Matcher> by_handler = requests();
  by_handler.push_back(regex("handler", "/api/v[0-9]+/resource[1-6]"));
  select(report, reader, "select-name-regex-handler", std::move(by_handler), targets * 40);
  // No name to begin with: eight services, 400 request counters a target, a quarter of them 500s.
  select(report, reader, "select-regex-name",
         {regex(core::ring::kMetricName, ".+_requests_total"), Matcher::equal("code", "500")}, targets * 100);
}

}  // namespace

void bench_gather_and_select(Report& report) {
  const std::size_t targets = report.options().quick ? kTargets / 10 : kTargets;
  // Window samples, and the interval that makes so many.
  constexpr std::array<std::pair<std::size_t, std::int64_t>, 2> kWindows = {{{60, 5000}, {20, 15'000}}};
  for (const auto& [samples, interval_ms] : kWindows) {
    const bool selects = samples == 60 && report.wants_any("select");
    if (!selects && !report.wants_any(fmt::format("gather-{}", samples))) continue;
    MadeLoad source(targets, kSeriesEach, interval_ms);
    const TemporaryRing ring(report.options(), series_of(source), kBytesPerSeries);
    RingFeed feed(*ring, source);
    // Twice the window, so that it begins in the middle of chunks.
    for (std::size_t k = 0; k < 2 * samples; ++k) feed.round();
    gather(report, ring->reader(), samples);
    if (selects) select_all(report, ring->reader(), targets);
  }
}

}  // namespace ring_bench
