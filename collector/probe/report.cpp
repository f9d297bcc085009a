// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace collector::probe {

double to_seconds(core::Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string printable(std::string_view bytes, std::size_t most) {
  std::string text;
  for (const char c : bytes.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t' || (byte >= 0x20 && byte != 0x7f)) {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", byte);
    }
  }
  if (bytes.size() > most) text += "...";
  return text;
}

Metric& Report::at(std::string_view name, MetricLabels labels) {
  const auto found = std::ranges::find_if(
      metrics_, [&](const Metric& metric) { return metric.name == name && metric.labels == labels; });
  if (found != metrics_.end()) return *found;
  return metrics_.emplace_back(Metric{name, std::move(labels), 0});
}

void Report::set(std::string_view name, double value, MetricLabels labels) {
  at(name, std::move(labels)).value = value;
}

void Report::add(std::string_view name, double by, MetricLabels labels) { at(name, std::move(labels)).value += by; }

void Report::add_phase(std::string_view metric, std::string_view phase, core::Duration duration) {
  add(metric, to_seconds(duration), {{"phase", std::string(phase)}});
}

void Report::fail(Failure failure) {
  if (!failed()) failure_ = std::move(failure);
}

void Report::trace(core::Duration since_start, std::string text) {
  if (trace_.size() >= kTraceLinesMax || trace_bytes_ + text.size() > kTraceBytesMax) return;
  trace_bytes_ += text.size();
  trace_.push_back(fmt::format("{:>9.3f} ms  {}", to_seconds(since_start) * 1000, text));
}

}  // namespace collector::probe
