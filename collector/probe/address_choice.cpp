// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/address_choice.h"

#include <algorithm>
#include <optional>

#include "collector/probe/resolver.h"

namespace collector::probe {
namespace {

// The first of the preferred family; else, as blackbox_exporter has it, the last of the other.
std::optional<Address> pick(const std::vector<Address>& found, const IpChoice& choice) {
  const bool v6 = choice.prefers_v6();
  const auto preferred = std::ranges::find(found, v6, &Address::is_v6);
  if (preferred != found.end()) return *preferred;
  if (!choice.ip_protocol_fallback || found.empty()) return std::nullopt;
  return found.back();
}

Families families_for(const IpChoice& choice) {
  if (choice.ip_protocol_fallback) return Families::kBoth;
  return choice.prefers_v6() ? Families::kV6 : Families::kV4;
}

}  // namespace

core::Task<Outcome<Address>> choose_address(Attempt& attempt, std::string host, const IpChoice& choice,
                                            core::Duration& took) {
  Report& report = attempt.report;
  report.set("probe_ip_protocol", 0);
  report.set("probe_ip_addr_hash", 0);
  const core::SteadyTime started = attempt.now();
  auto found = co_await attempt.services.resolver.lookup(host, families_for(choice), attempt.deadline);
  took = attempt.since(started);
  report.set("probe_dns_lookup_time_seconds", to_seconds(took));
  if (!found) {
    attempt.trace("{}", found.error().detail);
    co_return failed(found.error());
  }
  for (const Address& each : *found) attempt.trace("{} has the address {}", host, each.to_string());
  const auto chosen = pick(*found, choice);
  if (!chosen) {
    co_return failed(Reason::kDnsNoAddress, fmt::format("{} has no {} address", host,
                                                        choice.ip_protocol_fallback ? ""
                                                        : choice.prefers_v6()       ? "IPv6"
                                                                                    : "IPv4"));
  }
  report.set("probe_ip_protocol", chosen->is_v6() ? 6 : 4);
  report.set("probe_ip_addr_hash", chosen->hash());
  report.evidence.address = chosen->to_string();
  co_return *chosen;
}

}  // namespace collector::probe
