// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "collector/probe/metric_table.h"
#include "collector/probe/probe_result.h"
#include "core/check.h"
#include "core/time/duration.h"

namespace collector::probe {
namespace {

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '"') {
      out += "\\\"";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

void append_value(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else if (constexpr double kWholeMax = 1e15; value == std::trunc(value) && std::abs(value) < kWholeMax) {
    // The same text as that of a float, for less; that has a minus zero too, which no probe finds.
    const fmt::format_int text(static_cast<std::int64_t>(value));
    out.append(text.data(), text.size());
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void append_sample(std::string& out, const Metric& metric) {
  out += metric.name;
  char separator = '{';
  for (const auto& [name, value] : metric.labels) {
    out += separator;
    out += name;
    out += "=\"";
    append_escaped(out, value);
    out += '"';
    separator = ',';
  }
  if (!metric.labels.empty()) out += '}';
  out += ' ';
  append_value(out, metric.value);
  out += '\n';
}

// As the rows of the table.
std::vector<std::string> heads() {
  std::vector<std::string> texts;
  for (const MetricRow& row : kMetrics) {
    texts.push_back(fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", row.name, row.help));
  }
  return texts;
}

const std::string& head_of(std::string_view name) {
  static const std::vector<std::string> kHeads = heads();
  const auto* const row = std::ranges::lower_bound(kMetrics, name, {}, &MetricRow::name);
  CHECK(row != std::end(kMetrics) && row->name == name, "every metric of a probe is in the table");
  return kHeads[static_cast<std::size_t>(row - std::begin(kMetrics))];
}

// The metrics that every probe has, whatever its prober.
void add_verdict(std::vector<Metric>& metrics, const ProbeResult& result, Audience audience) {
  const Verdict verdict = result.verdict();
  const bool ring = audience == Audience::kRing;
  metrics.push_back({"probe_duration_seconds", {}, to_seconds(result.took)});
  metrics.push_back({"probe_timeout_seconds", {}, to_seconds(std::max(result.timeout, core::Duration::zero()))});
  if (!ring || verdict != Verdict::kUnknown)
    metrics.push_back({"probe_success", {}, verdict == Verdict::kUp ? 1.0 : 0.0});
  if (ring || verdict == Verdict::kUnknown) {
    metrics.push_back({"probe_unknown", {}, verdict == Verdict::kUnknown ? 1.0 : 0.0});
  }
  if (verdict == Verdict::kUp) return;
  metrics.push_back({"probe_failure_reason", {{"reason", std::string(to_string(result.report.failure().reason))}}, 1});
}

std::string certificate_text(const core::net::Certificate& certificate) {
  return fmt::format("certificate: {}, issued by {}, valid from {} to {}\n", certificate.subject, certificate.issuer,
                     core::format_rfc3339(core::from_unix_ms(certificate.not_before * 1000)),
                     core::format_rfc3339(core::from_unix_ms(certificate.not_after * 1000)));
}

std::string evidence_text(const ProbeResult& result) {
  const Evidence& evidence = result.report.evidence;
  const Failure& failure = result.report.failure();
  std::string text = fmt::format("verdict: {}\n", to_string(result.verdict()));
  if (result.report.failed())
    text += fmt::format("reason: {}: {}\n", to_string(failure.reason), printable(failure.detail, 1000));
  if (!evidence.address.empty()) text += fmt::format("address: {}\n", evidence.address);
  if (evidence.status != 0) text += fmt::format("status: {} {}\n", evidence.protocol, evidence.status);
  for (const core::net::Certificate& each : evidence.tls.presented) text += certificate_text(each);
  if (!evidence.reply_start.empty()) text += fmt::format("answer begins: {}\n", evidence.reply_start);
  return text;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUp:
      return "up";
    case Verdict::kDown:
      return "down";
    case Verdict::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::string metrics_text(const ProbeResult& result, Audience audience) {
  std::vector<Metric> verdict;
  add_verdict(verdict, result, audience);
  // Sorted without a copy of their labels: this is done for every probe.
  std::vector<const Metric*> metrics;
  metrics.reserve(result.report.metrics().size() + verdict.size());
  for (const Metric& metric : result.report.metrics()) metrics.push_back(&metric);
  for (const Metric& metric : verdict) metrics.push_back(&metric);
  std::ranges::sort(metrics, [](const Metric* a, const Metric* b) {
    return a->name != b->name ? a->name < b->name : a->labels < b->labels;
  });
  std::string out;
  out.reserve(8192);
  std::string_view last;
  for (const Metric* metric : metrics) {
    if (metric->name != last) out += head_of(metric->name);
    last = metric->name;
    append_sample(out, *metric);
  }
  return out;
}

std::string debug_text(const ProbeResult& result) {
  std::string text = fmt::format(
      "Probe of {} with module {} ({}), started {}, took {:.6f} s of {:.3f} s:\n", printable(result.query.target, 1000),
      result.query.module, core::config::Codec<ProberKind>::print(result.prober), core::format_rfc3339(result.started),
      to_seconds(result.took), to_seconds(result.timeout));
  for (const std::string& line : result.report.trace_lines()) text += line + "\n";
  text += "\n" + evidence_text(result);
  text += "\nMetrics that would have been returned:\n" + metrics_text(result, Audience::kExporter);
  return text;
}

}  // namespace collector::probe
