// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/probe/reason.h"
#include "core/net/tls_context.h"
#include "core/time/clock.h"

namespace collector::probe {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

struct Metric {
  std::string_view name;  // one of the metric table's
  MetricLabels labels;
  double value = 0;
};

// Lines of a trace, and bytes of them together.
inline constexpr std::size_t kTraceLinesMax = 1000;
inline constexpr std::size_t kTraceBytesMax = 64 << 10;
// Metrics of most probes: room for them is taken at once.
inline constexpr std::size_t kMetricsUsual = 40;
// Bytes of an answer that are kept with a failure.
inline constexpr std::size_t kEvidenceBodyMax = 256;

// What was found, so that a person can see why a probe failed after it did.
struct Evidence {
  std::string address;  // that was tried
  int status = 0;       // HTTP
  std::string protocol;
  std::string reply_start;  // the first bytes of what was answered
  core::net::TlsSession tls;
};

// What one probe came to. Probers fill it in.
//
// Thread safety: a value.
class Report {
 public:
  // A value for a metric; a second one for the same labels takes its place.
  void set(std::string_view name, double value, MetricLabels labels = {});
  void add(std::string_view name, double by, MetricLabels labels = {});
  // Seconds of a phase, on top of those it has.
  void add_phase(std::string_view metric, std::string_view phase, core::Duration duration);

  // The first failure is the cause; later ones follow from it.
  void fail(Failure failure);
  void fail(Reason reason, std::string detail) { fail(Failure{reason, std::move(detail)}); }
  bool failed() const { return failure_.reason != Reason::kNone; }
  bool unknown() const { return row_of(failure_.reason).blame == Blame::kObserver; }
  const Failure& failure() const { return failure_; }

  void trace(core::Duration since_start, std::string text);

  const std::vector<Metric>& metrics() const { return metrics_; }
  const std::vector<std::string>& trace_lines() const { return trace_; }

  Evidence evidence;

  Report() { metrics_.reserve(kMetricsUsual); }

 private:
  Metric& at(std::string_view name, MetricLabels labels);

  std::vector<Metric> metrics_;
  Failure failure_{Reason::kNone, {}};
  std::vector<std::string> trace_;
  std::size_t trace_bytes_ = 0;
};

double to_seconds(core::Duration duration);

// Bytes of outside origin for a person's eyes: at most `most`, control characters written as \xNN.
std::string printable(std::string_view bytes, std::size_t most = kEvidenceBodyMax);

}  // namespace collector::probe
