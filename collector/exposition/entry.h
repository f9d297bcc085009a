// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace collector::exposition {

enum class MetricType { kUnknown, kCounter, kGauge, kHistogram, kSummary, kGaugeHistogram, kInfo, kStateset };

// As /api/v1/metadata prints it: unknown, counter, gauge, histogram, summary, gaugehistogram, info, stateset.
std::string_view to_string(MetricType type);

// What one call of Parser::next() found.
enum class Entry { kEnd, kSample, kHelp, kType, kUnit, kComment, kInvalid };

// What is taken of the text format beyond what Prometheus takes: with kSloppy, lines that end in CR LF, types that only
// OpenMetrics has or nobody, and what OpenMetrics writes after a value (exemplars), as bodies have it whose end another
// library printed.
enum class Tolerance { kAsPrometheus, kSloppy };

// Bounds of one line. A body as a whole is bounded by whoever fetched it.
inline constexpr std::size_t kLabelsPerSeriesMax = 1024;
inline constexpr std::size_t kSeriesBytesMax = 256 << 10;

}  // namespace collector::exposition
