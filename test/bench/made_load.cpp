// SPDX-License-Identifier: Apache-2.0
#include "made_load.h"

#include <array>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

namespace ring_bench {
namespace {

using core::ring::Label;
using core::ring::Labels;

constexpr std::int64_t kFirstScrapeMs = 1'795'338'000'000;
constexpr std::size_t kSeriesPerBlock = 100;
constexpr std::array<std::string_view, 8> kServices = {"http",  "grpc",    "db",  "cache",
                                                       "queue", "storage", "net", "worker"};
constexpr std::array<std::string_view, 5> kMethods = {"GET", "POST", "PUT", "DELETE", "PATCH"};
constexpr std::array<std::string_view, 4> kCodes = {"200", "304", "404", "500"};
// A bucket's bound, and how many of 255 observations lie below it.
constexpr std::array<std::pair<std::string_view, int>, 12> kBuckets = {{{"0.005", 20},
                                                                        {"0.01", 50},
                                                                        {"0.025", 95},
                                                                        {"0.05", 140},
                                                                        {"0.1", 180},
                                                                        {"0.25", 210},
                                                                        {"0.5", 230},
                                                                        {"1", 242},
                                                                        {"2.5", 249},
                                                                        {"5", 252},
                                                                        {"10", 254},
                                                                        {"+Inf", 255}}};
// How long an observation takes: one length for all of them.
constexpr std::int64_t kObservedMicroseconds = 87'113;

constexpr std::array<double, 7> kPowersOfTen = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

std::string handler(std::size_t block) { return fmt::format("/api/v1/resource{}", block); }

}  // namespace

MadeLoad::MadeLoad(std::size_t targets, std::size_t series_each, std::int64_t interval_ms) : interval_ms_(interval_ms) {
  plan(series_each);
  for (std::size_t i = 0; i < targets; ++i) {
    Target& target = targets_.emplace_back(Target{Dice(i + 1), {}});
    std::int64_t observed = 0;  // so far, by the histogram at hand
    for (const Planned& series : plan_) {
      std::int64_t value = series.start;
      if (series.kind == Kind::kBucket) {
        if (series.of_256 == kBuckets.front().second) observed = target.dice.below(2'000'000);
        value = observed * series.of_256 / 255;
      } else if (series.kind == Kind::kSum) {
        value = observed * kObservedMicroseconds;
      } else if (series.kind == Kind::kCount) {
        value = observed;
      } else if (series.kind != Kind::kConstant) {
        value = target.dice.below(series.start);
      }
      target.values.push_back(value);
    }
  }
}

void MadeLoad::add(const std::string& metric, std::initializer_list<Label> labels, Planned planned) {
  std::vector<Label> pairs(labels);
  pairs.push_back({std::string(core::ring::kMetricName), metric});
  planned.labels = Labels(std::move(pairs));
  plan_.push_back(std::move(planned));
}

// Metric by metric within a service, as an exposition lists them.
void MadeLoad::plan(std::size_t series) {
  const std::size_t blocks = (series + kSeriesPerBlock - 1) / kSeriesPerBlock;
  for (std::size_t s = 0; s < kServices.size(); ++s) {
    const std::string service(kServices[s]);
    for (std::size_t block = s; block < blocks; block += kServices.size()) plan_requests(service, block / 8);
    for (std::size_t block = s; block < blocks; block += kServices.size()) plan_latency(service, block / 8);
    for (std::size_t block = s; block < blocks; block += kServices.size()) plan_resources(service, block / 8);
  }
  if (plan_.size() > series) plan_.resize(series);
}

void MadeLoad::plan_requests(const std::string& service, std::size_t block) {
  for (const std::string_view method : kMethods) {
    for (const std::string_view code : kCodes) {
      const bool fine = code == kCodes.front();
      add(service + "_requests_total",
          {{"code", std::string(code)}, {"handler", handler(block)}, {"method", std::string(method)}},
          {.kind = Kind::kCounter,
           .of_256 = fine ? 230 : 100,
           .step = fine ? 200 : 4,
           .start = fine ? 4'000'000 : 40'000});
    }
  }
}

void MadeLoad::plan_latency(const std::string& service, std::size_t block) {
  const std::string metric = service + "_request_duration_seconds";
  for (std::size_t i = 0; i < 2; ++i) {
    const Label by_handler{"handler", handler(block)};
    const Label by_method{"method", std::string(kMethods[i])};
    for (const auto& [bound, share] : kBuckets) {
      add(metric + "_bucket", {by_handler, by_method, {"le", std::string(bound)}},
          {.kind = Kind::kBucket, .of_256 = share});
    }
    add(metric + "_sum", {by_handler, by_method}, {.kind = Kind::kSum, .decimals = 6});
    add(metric + "_count", {by_handler, by_method}, {.kind = Kind::kCount});
  }
}

void MadeLoad::plan_resources(const std::string& service, std::size_t block) {
  for (const char* mode : {"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"}) {
    add(service + "_cpu_seconds_total", {{"cpu", std::to_string(block)}, {"mode", mode}},
        {.kind = Kind::kCounter, .of_256 = 200, .step = 100, .start = 90'000'000, .decimals = 2});
  }
  for (std::size_t i = 0; i < 8; ++i) {
    add(service + "_memory_bytes",
        {{"area", i % 2 == 0 ? "nonheap" : "heap"}, {"pool", fmt::format("pool-{}-{}", block, i)}},
        {.kind = Kind::kGauge, .of_256 = 180, .step = 1 << 20, .start = 8'000'000'000});
  }
  for (std::size_t i = 0; i < 12; ++i) {
    add(service + "_load_ratio",
        {{"shard", std::to_string(block * 12 + i)}, {"zone", std::string("eu-west-1") + "abc"[i % 3]}},
        {.kind = Kind::kGauge, .of_256 = 220, .step = 20'000, .start = 800'000, .decimals = 6});
  }
  for (std::size_t i = 0; i < 12; ++i) {
    add(service + "_bytes_total",
        {{"device", fmt::format("eth{}", block * 6 + i / 2)}, {"direction", i % 2 == 0 ? "rx" : "tx"}},
        {.kind = Kind::kCounter, .of_256 = 180, .step = 5'000'000, .start = 4'000'000'000'000});
  }
  for (std::size_t i = 0; i < 11; ++i) {
    add(service + "_limit", {{"handler", handler(block)}, {"resource", fmt::format("r{}", i)}},
        {.start = std::int64_t{1} << (i + 4)});
  }
  add(service + "_start_time_seconds", {{"component", fmt::format("c{}", block)}},
      {.start = 170'000'012'345 + static_cast<std::int64_t>(block), .decimals = 2});
}

Labels MadeLoad::labels(std::size_t target, std::size_t series) const {
  return plan_[series].labels.with("instance", fmt::format("127.0.0.1:{}", 19'101 + target)).with("job", "load");
}

std::int64_t MadeLoad::scrape(std::size_t target, std::int64_t step, std::span<double> row) {
  auto& [dice, values] = targets_[target];
  std::int64_t observed = 0;  // by the histogram at hand, since the last scrape
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    const Planned& series = plan_[i];
    std::int64_t& value = values[i];
    switch (series.kind) {
      case Kind::kConstant:
        break;
      case Kind::kCounter:
        if (dice.below(256) < series.of_256) value += dice.below(series.step);
        break;
      case Kind::kGauge:
        if (dice.below(256) >= series.of_256) break;
        value = std::abs(value + dice.below(2 * series.step) - series.step);
        if (series.decimals == 6 && value > 1'000'000) value -= 200'000;  // a share of one
        break;
      case Kind::kBucket:
        // Nothing half of the time, else one to twelve.
        if (series.of_256 == kBuckets.front().second) observed = std::max<std::int64_t>(0, dice.below(24) - 11);
        value += observed * series.of_256 / 255;
        break;
      case Kind::kSum:
        value += observed * kObservedMicroseconds;
        break;
      case Kind::kCount:
        value += observed;
        break;
    }
    // One correctly rounded division: the double that reading the decimal text gives.
    row[i] = static_cast<double>(value) / kPowersOfTen[static_cast<std::size_t>(series.decimals)];
  }
  return kFirstScrapeMs + step * interval_ms_;
}

}  // namespace ring_bench
