// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/probe/module_config.h"
#include "collector/probe/report.h"
#include "core/time/clock.h"

namespace collector::probe {

// What is to be probed, and how.
struct ProbeQuery {
  std::string module;
  std::string target;
  std::string hostname;
  core::Duration timeout{};         // of the caller; the module's own counts where it is shorter
  core::Duration timeout_offset{};  // of that, for the way back
  bool traced = false;
  std::string job;  // who asks, for the history; empty: a person or another Prometheus
};

enum class Verdict { kUp, kDown, kUnknown };
std::string_view to_string(Verdict verdict);  // up, down, unknown

// One probe that has ended.
//
// Thread safety: immutable once shared.
struct ProbeResult {
  std::uint64_t id = 0;  // rises with every probe
  ProbeQuery query;
  ProberKind prober = ProberKind::kHttp;
  core::WallTime started;
  core::Duration took{};
  core::Duration timeout{};  // that counted
  Report report;

  Verdict verdict() const {
    if (!report.failed()) return Verdict::kUp;
    return report.unknown() ? Verdict::kUnknown : Verdict::kDown;
  }
};
using ProbeResultPtr = std::shared_ptr<const ProbeResult>;

// Whom the metrics are for.
enum class Audience {
  kRing,      // our own rules: what is unknown has no probe_success
  kExporter,  // who would ask blackbox_exporter: there is one always, and names of ours only on failure
};

// The metrics in the Prometheus text format, by name and labels.
std::string metrics_text(const ProbeResult& result, Audience audience);

// What `debug=true` answers: the trace, the metrics, and the module's name.
std::string debug_text(const ProbeResult& result);

}  // namespace collector::probe
