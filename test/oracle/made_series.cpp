// SPDX-License-Identifier: Apache-2.0
#include "made_series.h"

#include <array>
#include <limits>
#include <string>

#include "dice.h"

namespace oracle {
namespace {

using core::ring::Labels;
using core::ring::Sample;

constexpr std::int64_t kIntervalSeconds = 15;

enum class Gaps { kNone, kSome };

// Calls value() for each scrape that takes place; a series that vanishes may leave a stale marker.
template <class Value>
std::vector<Sample> scrapes(Dice& dice, Gaps gaps, std::int64_t interval_seconds, Value value) {
  std::vector<Sample> samples;
  const std::int64_t phase = dice.between(1, 499);
  for (std::int64_t second = 0; second < kSpanSeconds; second += interval_seconds) {
    std::int64_t time = kStartMs + second * 1000 + phase;
    if (gaps == Gaps::kSome) {
      time = kStartMs + (second + dice.between(0, 3)) * 1000 + dice.between(1, 499);
      if (dice.one_in(40)) {
        if (dice.one_in(2)) samples.push_back({time, core::ring::stale_marker()});
        second += dice.between(1, 30) * interval_seconds;
        continue;
      }
    }
    samples.push_back({time, value()});
  }
  return samples;
}

std::vector<Sample> high_counter(Dice& dice) {
  double at = 1e6;
  return scrapes(dice, Gaps::kSome, kIntervalSeconds,
                 [&dice, &at] { return at += static_cast<double>(dice.between(0, 50)); });
}

std::vector<Sample> low_counter(Dice& dice) {
  double at = 0;
  return scrapes(dice, Gaps::kNone, kIntervalSeconds,
                 [&dice, &at] { return at = dice.one_in(25) ? 0 : at + static_cast<double>(dice.between(0, 5)); });
}

std::vector<Sample> gauge(Dice& dice) {
  // Quarters: their sums are exact in any order.
  return scrapes(dice, Gaps::kSome, kIntervalSeconds,
                 [&dice] { return static_cast<double>(dice.between(-2000, 2000)) / 4; });
}

std::vector<Sample> special(Dice& dice) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::array<double, 7> values = {core::ring::normal_nan(), kInfinity, -kInfinity, 0, 1.5, -3, 1e18};
  return scrapes(dice, Gaps::kSome, kIntervalSeconds,
                 [&] { return values[static_cast<std::size_t>(dice.between(0, values.size() - 1))]; });
}

void add_histograms(Dice& dice, std::vector<MadeSeries>& list) {
  constexpr std::array<const char*, 5> kBounds = {"0.1", "0.5", "1", "5", "+Inf"};
  for (const char* const job : {"a", "b"}) {
    std::array<MadeSeries, kBounds.size()> buckets;
    for (std::size_t i = 0; i < kBounds.size(); ++i) {
      buckets[i].labels = Labels{{"__name__", "wait_bucket"}, {"job", job}, {"le", kBounds[i]}};
    }
    std::array<double, kBounds.size()> counts{};
    for (std::size_t i = 0; i < kBounds.size(); ++i) counts[i] = 1e5 * static_cast<double>(i + 1);
    const std::int64_t phase = dice.between(1, 499);
    for (std::int64_t second = 0; second < kSpanSeconds; second += kIntervalSeconds) {
      double more = 0;
      for (std::size_t i = 0; i < kBounds.size(); ++i) {
        more += static_cast<double>(dice.between(0, 9));
        counts[i] += more;
        buckets[i].samples.push_back({kStartMs + second * 1000 + phase, counts[i]});
      }
    }
    for (MadeSeries& bucket : buckets) list.push_back(std::move(bucket));
  }
}

}  // namespace

std::vector<MadeSeries> make_series(std::uint64_t seed) {
  Dice dice(seed);
  std::vector<MadeSeries> list;
  for (const char* const job : {"a", "b"}) {
    for (const char* const instance : {"x", "y", "z"}) {
      const auto labels = [&](const char* name) {
        return Labels{{"__name__", name}, {"instance", instance}, {"job", job}};
      };
      list.push_back({labels("high_total"), high_counter(dice)});
      list.push_back({labels("gauge"), gauge(dice)});
      list.push_back({labels("special"), special(dice)});
    }
    list.push_back({Labels{{"__name__", "build_info"}, {"job", job}, {"version", job[0] == 'a' ? "1.0" : "2.0"}},
                    scrapes(dice, Gaps::kNone, kIntervalSeconds, [] { return 1.0; })});
    list.push_back({Labels{{"__name__", "rare"}, {"job", job}},
                    scrapes(dice, Gaps::kNone, 240, [&dice] { return static_cast<double>(dice.between(1, 100)); })});
  }
  for (const char* const instance : {"x", "y"}) {
    list.push_back({Labels{{"__name__", "low_total"}, {"instance", instance}}, low_counter(dice)});
  }
  add_histograms(dice, list);
  return list;
}

}  // namespace oracle
