// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "collector/probe/report.h"
#include "core/net/tls_context.h"

namespace collector::probe {

// Which of the metrics of a handshake a prober has; they differ, as in blackbox_exporter.
struct TlsMetricChoice {
  bool last_chain_expiry = true;
  bool cipher = false;
};

// probe_ssl_* and probe_tls_* of a handshake that was finished, and its evidence.
void set_tls_metrics(Report& report, const core::net::TlsSession& session, TlsMetricChoice choice);

}  // namespace collector::probe
