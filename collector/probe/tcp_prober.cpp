// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/address_choice.h"
#include "collector/probe/dialogue.h"

namespace collector::probe {

core::Task<bool> probe_tcp(Attempt& attempt) {
  const TcpModule& module = attempt.module.tcp;
  Report& report = attempt.report;
  const auto parts = split_host_port(attempt.target);
  const auto port = parts ? parse_port(parts->second) : std::nullopt;
  if (!port) {
    report.fail(Reason::kBadTarget, fmt::format("expected host:port, got \"{}\"", attempt.target));
    co_return true;
  }
  core::Duration took{};
  auto address = co_await choose_address(attempt, parts->first, module.ip, took);
  if (!address) {
    report.fail(address.error());
    co_return true;
  }
  Stream stream(attempt.services.loop, attempt.deadline);
  attempt.trace("connect to {}", join_host_port(address->to_string(), *port));
  auto connected = co_await stream.connect(*address, *port, module.source_ip_address);
  if (!connected) {
    attempt.trace("{}", connected.error().detail);
    report.fail(connected.error());
    co_return true;
  }
  attempt.trace("connected");
  core::net::TlsOptions tls = module.tls_config.options();
  if (tls.server_name.empty()) tls.server_name = attempt.hostname;
  co_await run_dialogue(attempt, stream, module.query_response, module.tls, tls, parts->first);
  co_return true;
}

}  // namespace collector::probe
