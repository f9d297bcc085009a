// SPDX-License-Identifier: Apache-2.0
#include "body_maker.h"

#include <array>

#include <fmt/format.h>

namespace collection_bench {
namespace {

constexpr std::array<std::string_view, 4> kMethods = {"GET", "POST", "PUT", "DELETE"};
constexpr std::array<std::string_view, 4> kCodes = {"200", "304", "404", "500"};
constexpr std::array<std::string_view, 11> kBounds = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                      "0.5",   "1",    "2.5",   "5",    "+Inf"};

std::string metadata(std::string_view name, std::string_view type) {
  return fmt::format("# HELP {0} What {0} says, in words of the usual length.\n# TYPE {0} {1}\n", name, type);
}

}  // namespace

BodyMaker::BodyMaker(std::size_t series, std::uint64_t seed) : dice_(seed) {
  const std::size_t handlers = series / 100 + 1;
  add_family("http_requests_total", "counter", Kind::kCount, series * 2 / 5);
  add_histogram("http_request_duration_seconds", handlers * 3);
  add_family("queue_length", "gauge", Kind::kGauge, series / 20);
  add_family("backend_build_info", "gauge", Kind::kConstant, series / 20);
  add_family("process_cpu_seconds_total", "counter", Kind::kSeconds, series / 20);
  while (lines_.size() < series) {
    const std::string name = fmt::format("runtime_statistic_{}_bytes", lines_.size());
    add_family(name, "gauge", Kind::kGauge, std::min<std::size_t>(4, series - lines_.size()));
  }
  lines_.resize(series);
}

void BodyMaker::add_family(std::string_view name, std::string_view type, Kind kind, std::size_t series) {
  for (std::size_t i = 0; i < series; ++i) {
    lines_.push_back({fmt::format("{}{}{{code=\"{}\",handler=\"/api/v1/resource{}\",method=\"{}\"}} ",
                                  i == 0 ? metadata(name, type) : "", name, kCodes[i % 4], i / 16, kMethods[i / 4 % 4]),
                      kind, dice_.below(2'000'000)});
  }
}

void BodyMaker::add_histogram(std::string_view name, std::size_t handlers) {
  for (std::size_t i = 0; i < handlers; ++i) {
    for (const std::string_view bound : kBounds) {
      const bool first = i == 0 && bound == kBounds.front();
      lines_.push_back({fmt::format("{}{}_bucket{{handler=\"/api/v1/resource{}\",le=\"{}\"}} ",
                                    first ? metadata(name, "histogram") : "", name, i, bound),
                        Kind::kCount, dice_.below(100'000)});
    }
    lines_.push_back({fmt::format("{}_sum{{handler=\"/api/v1/resource{}\"}} ", name, i), Kind::kSeconds,
                      dice_.below(1'000'000'000)});
    lines_.push_back(
        {fmt::format("{}_count{{handler=\"/api/v1/resource{}\"}} ", name, i), Kind::kCount, dice_.below(100'000)});
  }
}

std::string BodyMaker::next() {
  std::string body;
  for (Line& line : lines_) {
    if (line.kind != Kind::kConstant && dice_.chance(0.55)) {
      line.value = line.kind == Kind::kGauge ? dice_.below(100'000'000) : line.value + dice_.below(2000);
    }
    body += line.before;
    if (line.kind == Kind::kSeconds) {
      body += fmt::format("{}\n", static_cast<double>(line.value) / 1e6);
    } else if (line.kind == Kind::kGauge) {
      // As Go prints a double: six digits before the point at most.
      body += line.value >= 1'000'000 ? fmt::format("{:e}\n", static_cast<double>(line.value))
                                      : fmt::format("{}\n", line.value);
    } else {
      body += fmt::format("{}\n", line.value);
    }
  }
  return body;
}

}  // namespace collection_bench
