// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "collector/probe/address_choice.h"
#include "collector/probe/datagram.h"
#include "collector/probe/ntp_message.h"
#include "collector/probe/random.h"

namespace collector::probe {
namespace {

constexpr std::string_view kPhases = "probe_ntp_duration_seconds";
constexpr std::uint16_t kNtpPort = 123;
constexpr int kLeapUnknown = 3;
constexpr int kStratumUnspecified = 0;
constexpr int kStratumUnsynchronised = 16;

struct Exchange {
  ntp::Reply reply;
  double offset_seconds = 0;  // the server's clock less ours
  double delay_seconds = 0;
};

core::Task<Outcome<Exchange>> ask(Attempt& attempt, Address address, std::uint16_t port) {
  Datagram datagram(attempt.services.loop, attempt.deadline);
  if (auto done = datagram.connect(address, port, attempt.module.ntp.source_ip_address); !done) {
    co_return failed(done.error());
  }
  const auto token = random_number<std::uint64_t>();
  const core::WallTime wall = attempt.services.clock.wall_now();
  const core::SteadyTime sent = attempt.now();
  if (auto done = datagram.send(ntp::encode_request(token)); !done) co_return failed(done.error());
  std::string broken;
  for (int foreign = 0; foreign < kForeignDatagramsMax; ++foreign) {
    auto bytes = co_await datagram.receive();
    // From the same wall time, so that a step of our own clock in between does not count.
    const core::Duration elapsed = attempt.since(sent);
    if (!bytes) {
      if (!broken.empty()) co_return failed(Reason::kProtocol, "NTP: " + broken);
      co_return failed(bytes.error());
    }
    auto reply = ntp::decode_reply(*bytes, token);
    if (!reply) {
      broken = reply.error();
      attempt.trace("a datagram that is no answer: {}", broken);
      continue;
    }
    const double there = ntp::seconds_from(wall, reply->received);
    const double back = ntp::seconds_from(wall, reply->transmitted) - to_seconds(elapsed);
    Exchange exchange;
    exchange.offset_seconds = (there + back) / 2;
    exchange.delay_seconds = std::max(there - back, 0.0);
    exchange.reply = std::move(*reply);
    co_return exchange;
  }
  co_return failed(Reason::kProtocol, "NTP: " + broken);
}

void judge(Attempt& attempt, const Exchange& exchange) {
  const NtpModule& module = attempt.module.ntp;
  const ntp::Reply& reply = exchange.reply;
  Report& report = attempt.report;
  const std::string reference = ntp::reference_text(reply);
  report.set("probe_ntp_stratum", reply.stratum);
  report.set("probe_ntp_leap", reply.leap);
  report.evidence.reply_start = fmt::format("stratum {}, leap {}, reference {}", reply.stratum, reply.leap, reference);
  attempt.trace("{}", report.evidence.reply_start);
  if (reply.stratum == kStratumUnspecified) {
    report.set("probe_ntp_kiss_info", 1, {{"code", reference}});
    return report.fail(Reason::kNtpRefused, fmt::format("a kiss of death: {}", reference));
  }
  const double distance = reply.root_delay_seconds / 2 + reply.root_dispersion_seconds;
  report.set("probe_ntp_offset_seconds", exchange.offset_seconds);
  report.set("probe_ntp_round_trip_seconds", exchange.delay_seconds);
  report.set("probe_ntp_root_delay_seconds", reply.root_delay_seconds);
  report.set("probe_ntp_root_dispersion_seconds", reply.root_dispersion_seconds);
  if (reply.leap == kLeapUnknown || reply.stratum >= kStratumUnsynchronised || reply.transmitted == 0) {
    return report.fail(Reason::kNtpUnsynchronised, "the server's clock is not synchronised");
  }
  const core::WallTime now = attempt.services.clock.wall_now();
  report.set("probe_ntp_reference_age_seconds", -ntp::seconds_from(now, reply.reference));
  attempt.trace("offset {} s, round trip {} s", exchange.offset_seconds, exchange.delay_seconds);
  if (reply.stratum > module.max_stratum) {
    return report.fail(Reason::kNtpOffset, fmt::format("stratum {} is above {}", reply.stratum, module.max_stratum));
  }
  const double most = to_seconds(module.max_root_distance.value);
  if (most > 0 && distance > most) {
    return report.fail(Reason::kNtpOffset, fmt::format("the server is {} s from a reference clock", distance));
  }
  const double allowed = to_seconds(module.max_offset.value);
  if (allowed > 0 && std::fabs(exchange.offset_seconds) > allowed) {
    report.fail(Reason::kNtpOffset, fmt::format("the clocks differ by {} s", exchange.offset_seconds));
  }
}

}  // namespace

core::Task<bool> probe_ntp(Attempt& attempt) {
  Report& report = attempt.report;
  for (const char* const phase : {"resolve", "request"}) report.add_phase(kPhases, phase, {});
  std::string host = attempt.target;
  std::uint16_t port = kNtpPort;
  if (!Address::parse(host)) {
    if (const auto parts = split_host_port(host)) {
      const auto given = parse_port(parts->second);
      host = given ? parts->first : "";
      port = given.value_or(port);
    }
  }
  if (host.empty()) {
    report.fail(Reason::kBadTarget, fmt::format("expected host or host:port, got \"{}\"", attempt.target));
    co_return true;
  }
  core::Duration took{};
  auto address = co_await choose_address(attempt, host, attempt.module.ntp.ip, took);
  report.add_phase(kPhases, "resolve", took);
  if (!address) {
    report.fail(address.error());
    co_return true;
  }
  const core::SteadyTime begun = attempt.now();
  auto exchange = co_await ask(attempt, *address, port);
  report.add_phase(kPhases, "request", attempt.since(begun));
  if (exchange) {
    judge(attempt, *exchange);
  } else {
    attempt.trace("{}", exchange.error().detail);
    report.fail(exchange.error());
  }
  co_return true;
}

}  // namespace collector::probe
