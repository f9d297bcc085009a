// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/tls_metrics.h"

#include <algorithm>

namespace collector::probe {
namespace {

// Go's zero time in Unix seconds: what blackbox_exporter shows where no chain was verified.
constexpr std::int64_t kNoChain = -62135596800;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

void set_tls_metrics(Report& report, const core::net::TlsSession& session, TlsMetricChoice choice) {
  report.evidence.tls = session;
  if (!session.established || session.presented.empty()) return;
  const auto earliest = std::ranges::min_element(session.presented, {}, &core::net::Certificate::not_after);
  report.set("probe_ssl_earliest_cert_expiry", static_cast<double>(earliest->not_after));
  if (choice.last_chain_expiry) {
    report.set("probe_ssl_last_chain_expiry_timestamp_seconds",
               static_cast<double>(session.verified_expiry.value_or(kNoChain)));
  }
  const core::net::Certificate& leaf = session.presented.front();
  report.set("probe_ssl_last_chain_info", 1,
             {{"fingerprint_sha256", leaf.fingerprint_sha256},
              {"issuer", leaf.issuer},
              {"serialnumber", leaf.serial},
              {"subject", leaf.subject},
              {"subjectalternative", joined(leaf.dns_names)}});
  report.set("probe_tls_version_info", 1, {{"version", session.version}});
  if (choice.cipher) report.set("probe_tls_cipher_info", 1, {{"cipher", session.cipher}});
}

}  // namespace collector::probe
