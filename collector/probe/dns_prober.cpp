// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collector/probe/address_choice.h"
#include "collector/probe/datagram.h"
#include "collector/probe/dns_exchange.h"
#include "collector/probe/dns_message.h"
#include "collector/probe/random.h"
#include "collector/probe/stream.h"

namespace collector::probe {
namespace {

constexpr std::string_view kPhases = "probe_dns_duration_seconds";
constexpr std::uint16_t kPlainPort = 53;
constexpr std::uint16_t kTlsPort = 853;

// How long which part of the exchange took.
struct Times {
  core::Duration connect{};
  core::Duration request{};
};

struct Server {
  std::string host;
  std::uint16_t port = kPlainPort;
};

std::optional<Server> parse_server(const std::string& target, std::uint16_t default_port) {
  if (target.empty()) return std::nullopt;
  if (Address::parse(target)) return Server{target, default_port};
  const auto parts = split_host_port(target);
  if (!parts) {
    if (target.find_first_of("[]:") != std::string::npos) return std::nullopt;
    return Server{target, default_port};
  }
  const auto port = parse_port(parts->second);
  if (!port) return std::nullopt;
  return Server{parts->first, *port};
}

Outcome<std::string> valid_rcodes(const DnsModule& module, std::uint16_t rcode) {
  if (!module.valid_rcodes) {
    return rcode == dns::kRcodeNoError ? "" : "rcode " + dns::rcode_name(rcode) + " is not valid";
  }
  bool valid = false;
  for (const std::string& name : *module.valid_rcodes) {
    const auto number = dns::rcode_number(name);
    if (!number) return failed(Reason::kBadTarget, fmt::format("valid_rcodes: there is no rcode \"{}\"", name));
    valid = valid || *number == rcode;
  }
  return valid ? "" : "rcode " + dns::rcode_name(rcode) + " is not valid";
}

bool any_matches(const std::vector<std::string>& records, const Pattern& pattern) {
  return std::ranges::any_of(records, [&](const std::string& record) { return pattern.found_in(record); });
}

bool all_match(const std::vector<std::string>& records, const Pattern& pattern) {
  return std::ranges::all_of(records, [&](const std::string& record) { return pattern.found_in(record); });
}

// "" if the records of a section are as they must be.
std::string records_problem(const RecordRules& rules, const std::vector<dns::Record>& records) {
  std::vector<std::string> texts;
  for (const dns::Record& record : records) texts.push_back(record.to_string());
  for (const Pattern& each : rules.fail_if_matches_regexp) {
    if (any_matches(texts, each)) return fmt::format("a record matches \"{}\"", each.text());
  }
  for (const Pattern& each : rules.fail_if_all_match_regexp) {
    if (!all_match(texts, each)) return fmt::format("not all records match \"{}\"", each.text());
  }
  for (const Pattern& each : rules.fail_if_not_matches_regexp) {
    if (texts.empty() || !all_match(texts, each)) return fmt::format("a record does not match \"{}\"", each.text());
  }
  const auto& wanted = rules.fail_if_none_matches_regexp;
  if (wanted.empty() || std::ranges::any_of(wanted, [&](const Pattern& each) { return any_matches(texts, each); })) {
    return "";
  }
  return "no record matches";
}

core::Task<Outcome<dns::Message>> ask_over_udp(Attempt& attempt, Address address, std::uint16_t port,
                                               dns::Question question, Times& times) {
  const core::SteadyTime started = attempt.now();
  Datagram datagram(attempt.services.loop, attempt.deadline);
  if (auto done = datagram.connect(address, port, attempt.module.dns.source_ip_address); !done) {
    co_return failed(done.error());
  }
  times.connect = attempt.since(started);
  const auto id = random_number<std::uint16_t>();
  if (auto done = datagram.send(dns::encode_query(id, question)); !done) co_return failed(done.error());
  std::string broken;
  for (int foreign = 0; foreign < kForeignDatagramsMax; ++foreign) {
    auto bytes = co_await datagram.receive();
    times.request = attempt.since(started) - times.connect;
    if (!bytes) {
      if (!broken.empty()) co_return failed(Reason::kProtocol, "DNS: " + broken);
      co_return failed(bytes.error());
    }
    auto message = dns::decode(*bytes);
    const bool own_id = bytes->size() >= 2 && static_cast<unsigned char>((*bytes)[0]) == id >> 8 &&
                        static_cast<unsigned char>((*bytes)[1]) == (id & 0xff);
    if (!own_id) {
      attempt.trace("a datagram with another id");
      continue;
    }
    if (!message) co_return failed(Reason::kProtocol, "DNS: " + message.error());
    if (message->response) co_return std::move(*message);
    broken = "a question instead of an answer";
  }
  co_return failed(Reason::kProtocol, "only datagrams with other ids");
}

core::Task<Outcome<dns::Message>> ask_over_stream(Attempt& attempt, Address address, Server server,
                                                  dns::Question question, Times& times) {
  const DnsModule& module = attempt.module.dns;
  const core::SteadyTime started = attempt.now();
  Stream stream(attempt.services.loop, attempt.deadline);
  auto done = co_await stream.connect(address, server.port, module.source_ip_address);
  times.connect = attempt.since(started);
  if (!done) co_return failed(done.error());
  if (module.dns_over_tls) {
    auto secured = co_await stream.secure(module.tls_config.options(), server.host);
    times.connect = attempt.since(started);
    attempt.report.evidence.tls = stream.tls();
    if (!secured) co_return failed(secured.error());
  }
  const core::SteadyTime asked = attempt.now();
  auto message = co_await dns::exchange_over(stream, question);
  times.request = attempt.since(asked);
  co_return message;
}

void judge(Attempt& attempt, const dns::Message& message) {
  const DnsModule& module = attempt.module.dns;
  Report& report = attempt.report;
  report.set("probe_dns_query_succeeded", 1);
  report.set("probe_dns_answer_rrs", static_cast<double>(message.answer.size()));
  report.set("probe_dns_authority_rrs", static_cast<double>(message.authority.size()));
  report.set("probe_dns_additional_rrs", static_cast<double>(message.additional.size()));
  std::string text = dns::rcode_name(message.rcode);
  for (const dns::Record& record : message.answer) text += "\n" + record.to_string();
  report.evidence.reply_start = printable(text);
  attempt.trace("answer: {}", printable(text, kTraceBytesMax / 4));
  if (dns::type_number(module.query_type) == dns::kTypeSoa) {
    double serial = 0;
    for (const dns::Record& record : message.answer) {
      if (record.type == dns::kTypeSoa) serial = dns::soa_serial(record);
    }
    report.set("probe_dns_serial", serial);
  }
  const auto rcode = valid_rcodes(module, message.rcode);
  if (!rcode) return report.fail(rcode.error());
  if (!rcode->empty()) return report.fail(Reason::kDnsRcode, *rcode);
  const auto check = [&](const char* section, const RecordRules& rules, const std::vector<dns::Record>& records) {
    if (const std::string problem = records_problem(rules, records); !problem.empty()) {
      report.fail(Reason::kDnsRecords, fmt::format("{} section: {}", section, problem));
    }
  };
  check("answer", module.validate_answer_rrs, message.answer);
  check("authority", module.validate_authority_rrs, message.authority);
  check("additional", module.validate_additional_rrs, message.additional);
}

// What is wrong before anything is sent.
Outcome<Server> prepare(Attempt& attempt) {
  const DnsModule& module = attempt.module.dns;
  if (module.transport_protocol != "udp" && module.transport_protocol != "tcp") {
    return failed(Reason::kBadTarget,
                  fmt::format("transport_protocol \"{}\" is neither udp nor tcp", module.transport_protocol));
  }
  if (module.dns_over_tls && module.transport_protocol != "tcp") {
    return failed(Reason::kBadTarget, "dns_over_tls needs transport_protocol: tcp");
  }
  auto server = parse_server(attempt.target, module.dns_over_tls ? kTlsPort : kPlainPort);
  if (!server) {
    return failed(Reason::kBadTarget, fmt::format("expected a server or server:port, got \"{}\"", attempt.target));
  }
  return *server;
}

}  // namespace

core::Task<bool> probe_dns(Attempt& attempt) {
  const DnsModule& module = attempt.module.dns;
  Report& report = attempt.report;
  for (const char* const name :
       {"probe_dns_answer_rrs", "probe_dns_authority_rrs", "probe_dns_additional_rrs", "probe_dns_query_succeeded"}) {
    report.set(name, 0);
  }
  for (const char* const phase : {"resolve", "connect", "request"}) report.add_phase(kPhases, phase, {});
  auto server = prepare(attempt);
  if (!server) {
    report.fail(server.error());
    co_return true;
  }
  core::Duration took{};
  auto address = co_await choose_address(attempt, server->host, module.ip, took);
  report.add_phase(kPhases, "resolve", took);
  if (!address) {
    report.fail(address.error());
    co_return true;
  }
  const dns::Question question{module.query_name, *dns::type_number(module.query_type),
                               *dns::class_number(module.query_class), module.recursion_desired};
  attempt.trace("ask {} for {} {}", join_host_port(address->to_string(), server->port), module.query_name,
                module.query_type);
  Times times;
  Outcome<dns::Message> message = failed(Reason::kInternal, "");
  if (module.transport_protocol == "udp") {
    message = co_await ask_over_udp(attempt, *address, server->port, question, times);
  } else {
    message = co_await ask_over_stream(attempt, *address, *server, question, times);
  }
  report.add_phase(kPhases, "connect", times.connect);
  report.add_phase(kPhases, "request", times.request);
  if (message) {
    judge(attempt, *message);
  } else {
    attempt.trace("{}", message.error().detail);
    report.fail(message.error());
  }
  co_return true;
}

}  // namespace collector::probe
