// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collector/probe/address_choice.h"
#include "collector/probe/stream.h"
#include "collector/probe/tls_metrics.h"

namespace collector::probe {
namespace {

constexpr std::string_view kPhases = "probe_tls_duration_seconds";
constexpr std::uint16_t kDefaultPort = 443;

struct HostPort {
  std::string host;
  std::uint16_t port = kDefaultPort;
};

// host, host:port, [v6]:port, or a bare IPv6 address.
std::optional<HostPort> parse_target(const std::string& target) {
  if (Address::parse(target)) return HostPort{target};
  const auto parts = split_host_port(target);
  if (!parts) {
    return target.empty() || target.find(':') != std::string::npos ? std::nullopt : std::optional(HostPort{target});
  }
  const auto port = parse_port(parts->second);
  if (!port || parts->first.empty()) return std::nullopt;
  return HostPort{parts->first, *port};
}

void judge_validity(Attempt& attempt, const core::net::TlsSession& session) {
  const auto wanted = attempt.module.tls.min_validity.value;
  if (wanted.count() == 0 || session.presented.empty()) return;
  const auto earliest = std::ranges::min_element(session.presented, {}, &core::net::Certificate::not_after);
  const auto left = earliest->not_after - attempt.services.clock.unix_ms() / 1000;
  if (left >= std::chrono::duration_cast<std::chrono::seconds>(wanted).count()) return;
  attempt.report.fail(Reason::kTlsExpired, fmt::format("{} ends in {} s", earliest->subject, left));
}

}  // namespace

core::Task<bool> probe_tls(Attempt& attempt) {
  const TlsModule& module = attempt.module.tls;
  Report& report = attempt.report;
  const auto target = parse_target(attempt.target);
  if (!target) {
    report.fail(Reason::kBadTarget, fmt::format("expected host or host:port, got \"{}\"", attempt.target));
    co_return true;
  }
  for (const char* const phase : {"resolve", "connect", "tls"}) report.add_phase(kPhases, phase, {});
  core::Duration took{};
  auto address = co_await choose_address(attempt, target->host, module.ip, took);
  report.add_phase(kPhases, "resolve", took);
  if (!address) {
    report.fail(address.error());
    co_return true;
  }
  Stream stream(attempt.services.loop, attempt.deadline);
  const core::SteadyTime dialled = attempt.now();
  auto connected = co_await stream.connect(*address, target->port, module.source_ip_address);
  report.add_phase(kPhases, "connect", attempt.since(dialled));
  if (!connected) {
    attempt.trace("{}", connected.error().detail);
    report.fail(connected.error());
    co_return true;
  }
  core::net::TlsOptions options = module.tls_config.options();
  if (options.server_name.empty()) options.server_name = attempt.hostname;
  const core::SteadyTime begun = attempt.now();
  auto secured = co_await stream.secure(options, target->host);
  report.add_phase(kPhases, "tls", attempt.since(begun));
  set_tls_metrics(report, stream.tls(), {.last_chain_expiry = true, .cipher = true});
  for (const core::net::Certificate& each : stream.tls().presented) {
    attempt.trace("certificate of {}, issued by {}", each.subject, each.issuer);
  }
  if (!secured) {
    attempt.trace("{}", secured.error().detail);
    report.fail(secured.error());
    co_return true;
  }
  judge_validity(attempt, stream.tls());
  co_return true;
}

}  // namespace collector::probe
